"""Segments in other processes and on Ray: the bits of single fits, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster.cluster_kills import victim
from cluster.ray_cluster import local_cluster
from cluster.stations import daily

from forecast.cli import main
from forecast.cluster.segments.fit_segments import fit_segments
from forecast.cluster.segments.predict_segments import predict_segments
from forecast.experiment.keywords import with_keywords
from forecast.experiment.settings import Experiment
from forecast.search.processes import LocalProcesses

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ROOT = Path(__file__).parents[2]
NETWORK = {
    "id": "store",
    "time": "day",
    "target": "sales",
    "horizon": 4,
    "model": "bigru",
    "units": 4,
    "epochs": 3,
}
OPTIONS = [
    "--id=store",
    "--time=day",
    "--target=sales",
    "--horizon=4",
    "--set=model.name=bigru",
    "--set=model.units=4",
    "--set=training.epochs=3",
]
CONFIG = with_keywords(Experiment(), NETWORK)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sales of eight stores in four regions."""
    path = tmp_path_factory.mktemp("table") / "t.csv"
    rows = daily(8, 70).drop(columns="promo")
    rows["region"] = rows["store"].map(lambda store: f"r{int(store[1:]) % 4}")
    rows.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def alone(table: Path) -> dict[str, bytes]:
    """The forecasts and weights of each region, fitted by a command of its own."""
    head, *lines = table.read_text().splitlines(keepends=True)
    found = {}
    for number in range(4):
        rows = table.with_name(f"r{number}.csv")
        rows.write_text(head + "".join(line for line in lines if line.endswith(f",r{number}\n")))
        run = table.with_name(f"run{number}")
        assert main(["fit", str(rows), *OPTIONS, "--out", str(run)]) == 0
        found[f"r{number}"] = results_of(run)
    return found


def results_of(run: Path) -> bytes:
    """The files of a run that say what was learned."""
    names = ("forecast.csv", "scores.json", "model/weights.safetensors", "model/state.safetensors")
    return b"".join((run / name).read_bytes() for name in names)


def results_in(folder: Path) -> dict[str, bytes]:
    """The same of each segment."""
    segments = json.loads((folder / "segments.json").read_text())["segments"]
    return {each["value"]: results_of(folder / "runs" / each["name"]) for each in segments}


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_the_bits_of_single_fits(
    table: Path, alone: dict[str, bytes], tmp_path: Path, workers: int
) -> None:
    end = fit_segments(
        CONFIG, "region", str(table), out=tmp_path / "out", executor=LocalProcesses(workers)
    )
    assert end.errors == {}
    assert results_in(tmp_path / "out") == alone
    assert len(predict_segments(tmp_path / "out")[0]) == 8 * 4


def test_actors_give_the_bits_of_single_fits(
    table: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    with local_cluster(2) as executor:
        end = fit_segments(CONFIG, "region", str(table), out=tmp_path / "out", executor=executor)
    assert end.errors == {}
    assert results_in(tmp_path / "out") == alone


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("kind", ["worker", "driver"])
def test_a_kill_costs_no_run(
    table: Path, alone: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out"
    words = ["fit", str(table), *OPTIONS, "--by=region", "--workers=2", "--out", str(out)]
    command = [sys.executable, "-m", "forecast", *words]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 120
    while time.monotonic() < until and not list(out.glob("runs/.*.checkpoint*")):
        time.sleep(0.05)
    process = victim(driver.pid, kind)
    assert process is not None
    os.kill(process, signal.SIGKILL)
    code = driver.wait(300)
    assert (code == 0) == (kind == "worker")
    if kind == "driver":
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    assert results_in(out) == alone
    assert list(out.glob("runs/.*")) == []
