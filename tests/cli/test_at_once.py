"""Two commands on one folder at the same time: one wins, the other says so or follows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from operating import FIT, QUICK, TUNE, contents, forked, make_state, start

from forecast import Forecaster
from forecast.runs.versions import read_pointer

BACKTEST = ("backtest", "sales.csv", "--horizon=3", *QUICK, "--num-windows=3", "--out=out")
PREDICT = ("predict", "run", "--output=out.csv")
UPDATE = ("update", "run", "newer.csv")


def is_a_run(folder: Path) -> None:
    Forecaster.load(folder / "out" / "model")
    assert forked(("evaluate", "out"), folder).code == 0


def is_updated(folder: Path) -> None:
    pointer = read_pointer(folder / "run")
    assert pointer is not None
    found = forked(("predict", "run", "--no-keep"), folder)
    assert found.code == 0, found.said
    again = forked(UPDATE, folder)
    assert "no row that the run does not have" in again.said, "its rows are taken in, and once"
    assert read_pointer(folder / "run") == pointer


def is_searched(folder: Path) -> None:
    found = forked((*TUNE, "--out=out", "--resume"), folder)
    assert found.code == 0, found.said


def is_a_backtest(folder: Path) -> None:
    found = forked((*BACKTEST, "--resume"), folder)
    assert found.code == 0, found.said


def is_a_table(folder: Path) -> None:
    assert len(pd.read_csv(folder / "out.csv")) == 6  # two series, three steps


PAIRS: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[Path], None]]] = {
    "fit fit": ((*FIT, "--out=out"), (*FIT, "--out=out"), is_a_run),
    "update update": (UPDATE, UPDATE, is_updated),
    "update predict": (UPDATE, ("predict", "run", "--output=out.csv"), is_updated),
    "tune tune": ((*TUNE, "--out=out"), (*TUNE, "--out=out"), is_searched),
    "backtest backtest": (BACKTEST, BACKTEST, is_a_backtest),
    "predict predict": (PREDICT, PREDICT, is_a_table),
}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_state(tmp_path_factory.mktemp("once") / "state")


@pytest.mark.proof
@pytest.mark.parametrize("delay", [0.0, 0.3])
@pytest.mark.parametrize("name", list(PAIRS))
def test_two_at_once(name: str, delay: float, state: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    shutil.copytree(state, folder)
    tables = {path: digest for path, digest in contents(folder).items() if path.endswith(".csv")}
    first, second, check = PAIRS[name]
    one = start(first, folder, "one.txt")
    time.sleep(delay)
    two = start(second, folder, "two.txt")
    codes = [one.wait(180), two.wait(180)]
    said = [(folder / file).read_text() for file in ("one.txt", "two.txt")]
    assert 0 in codes, said
    for code, text in zip(codes, said, strict=True):
        errors = [line for line in text.splitlines() if line.startswith("forecast: ")]
        assert "Traceback" not in text
        assert len(errors) == (code != 0), text
        assert code in (0, 1, 2), text
    after = contents(folder)
    assert {path: after.get(path) for path in tables} == tables
    check(folder)
    assert not [path for path in contents(folder) if ".tmp/" in path or path.endswith(".tmp")]
