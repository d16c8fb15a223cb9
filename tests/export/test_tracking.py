"""Runs in MLflow: in a database beside the test, and on a real server where there is one."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.errors import ArtifactError, ConfigError, OutputError
from forecast.experiment.settings import Experiment
from forecast.export.tracking import destination, pyfunc_model, tracked
from forecast.export.tracking.entries import (
    MOST_KEY,
    MOST_VALUE,
    finite_metrics,
    flat_params,
    name_for,
)
from forecast.export.tracking.logged_trials import TrialLog
from forecast.export.tracking.pyfunc_model import answer
from forecast.export.tracking.tracked import Work, run_tracked
from forecast.export.writing import export_run
from forecast.forecasting.forecaster import Forecaster
from forecast.training.voice import Voice

pytest.importorskip(
    "mlflow", reason="MLflow is not installed: pip install 'bigru-forecast[mlflow]'"
)

SETTINGS = [
    "--horizon=7",
    "--weights=w",
    "--set=data.calendar=[]",
    "--set=model.name=bigru",
    "--set=model.cell=rnn",
    "--set=model.bidirectional=false",
    "--set=model.decoder=direct",
    "--set=model.units=4",
    "--set=training.epochs=2",
    "--set=windows.context_length=14",
]


def table_in(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    days = np.arange(120)
    frames = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2026-01-01", periods=len(days)),
                "y": level + np.sin(2 * np.pi * days / 7) + draw.normal(0, 0.3, len(days)),
                "w": 1.0 + level,
            }
        )
        for name, level in (("a", 3.0), ("b", 8.0))
    ]
    path = folder / "sales.csv"
    pd.concat(frames).to_csv(path, index=False)
    return path


def client_of(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def runs_of(uri: str, name: str = "sales") -> list[Any]:
    client = client_of(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], order_by=["start_time ASC"]))


LOADED = """
import sys
import mlflow
import pandas as pd

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(f"runs:/{sys.argv[2]}/model")
table = pd.read_csv(sys.argv[3]).drop(columns="w")
print(model.predict(table).to_csv(index=False), end="")
assert "tensorflow" not in sys.modules
"""


def check_round_trip(uri: str, run_id: str, table: Path, folder: Path) -> None:
    """The model loads in another process, and forecasts the same to the last bit."""
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED, uri, run_id, str(table)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert loaded.returncode == 0, loaded.stderr
    command = [sys.executable, "-m", "forecast", "predict", str(folder), str(table), "--no-keep"]
    usual = subprocess.run(command, check=True, capture_output=True, text=True)
    own = pd.read_csv(io.StringIO(loaded.stdout))
    expected = pd.read_csv(io.StringIO(usual.stdout))
    pd.testing.assert_frame_equal(own, expected, check_exact=True)
    numbers = own.select_dtypes("number")
    assert len(numbers) == 14
    assert float(np.abs(numbers - expected[numbers.columns]).to_numpy().max()) == 0.0


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path, str]:
    """URI of a database with the run of a fit, the table, the run folder, and what was printed."""
    folder = tmp_path_factory.mktemp("tracked")
    table = table_in(folder)
    uri = f"sqlite:///{folder / 'store' / 'mlflow.db'}"
    (folder / "store").mkdir()
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    printed = io.StringIO()
    patch.setattr(sys, "stdout", printed)
    try:
        code = main(["fit", str(table), *SETTINGS, "--out", "runs/sales", "--mlflow", uri])
    finally:
        patch.undo()
    assert code == 0
    return uri, table, folder / "runs" / "sales", printed.getvalue()


def test_a_fit_is_logged(logged: tuple[str, Path, Path, str]) -> None:
    uri, _, folder, printed = logged
    (run,) = runs_of(uri)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "sales"
    assert f"logged run {run.info.run_id} at {uri}" in printed
    assert run.data.params["model.units"] == "4"
    assert run.data.params["data.weight_col"] == "w"
    assert run.data.params["training.loss"] == "mse"  # as decided
    scores = json.loads((folder / "scores.json").read_text())
    assert run.data.metrics["MAE"] == scores["values"]["bigru"]["MAE"]
    assert run.data.metrics["theta/MAE"] == scores["values"]["theta"]["MAE"]
    data = json.loads((folder / "data.json").read_text())
    assert run.data.tags["forecast.data"] == data["fingerprint"]
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "sales.csv"
    assert data["fingerprint"].startswith(dataset.dataset.digest)


def test_losses_have_their_epoch(logged: tuple[str, Path, Path, str]) -> None:
    uri, _, folder, _ = logged
    (run,) = runs_of(uri)
    history = json.loads((folder / "history.json").read_text())
    for name in ("loss", "val_loss"):
        metrics = client_of(uri).get_metric_history(run.info.run_id, name)
        assert [metric.step for metric in metrics] == [1, 2]
        assert [metric.value for metric in metrics] == history[name]


def test_pictures_and_the_report_are_files_of_the_run(
    logged: tuple[str, Path, Path, str],
) -> None:
    uri, _, folder, _ = logged
    (run,) = runs_of(uri)
    paths = {each.path for each in client_of(uri).list_artifacts(run.info.run_id)}
    assert paths == {path.name for path in folder.iterdir() if path.is_file()}
    assert {"report.html", "loss.png", "config.yaml", "forecast.csv"} <= paths


def test_nothing_is_written_into_the_working_folder(
    logged: tuple[str, Path, Path, str],
) -> None:
    _, table, _, _ = logged
    assert {path.name for path in table.parent.iterdir()} == {"sales.csv", "store", "runs"}


def test_the_model_is_code_and_no_pickle(logged: tuple[str, Path, Path, str]) -> None:
    uri, table, folder, _ = logged
    (run,) = runs_of(uri)
    files = [path for path in (table.parent / "store").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".cloudpickle")]
    (code,) = [path for path in files if path.name == "forecast_model.py"]
    assert len(code.read_text().splitlines()) < 10
    check_round_trip(uri, run.info.run_id, table, folder)


def test_a_run_is_exported_as_a_folder(logged: tuple[str, Path, Path, str], tmp_path: Path) -> None:
    _, table, run, _ = logged
    folder = tmp_path / "model"
    for _ in range(2):  # over its own folder too
        written = export_run(run, str(table), format="mlflow", output=folder)
    assert (written.path, written.difference, written.num_windows) == (folder, 0.0, 2)
    assert written.members == {"model": 1.0}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "forecast_model.py", "artifacts/run/model/manifest.json"} <= found
    with pytest.raises(OutputError, match="no MLflow model of this command"):
        export_run(run, str(table), format="mlflow", output=table.parent / "store")
    with pytest.raises(ConfigError, match="has the whole forecast"):
        export_run(run, str(table), format="mlflow", output=folder, members=["model"])


def test_a_model_that_forecasts_otherwise_is_not_written(
    logged: tuple[str, Path, Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, table, run, _ = logged

    def other(*arguments: Any) -> pd.DataFrame:
        frame = answer(*arguments)
        frame.iloc[0, 3] = np.nextafter(frame.iloc[0, 3], np.inf)
        return frame

    monkeypatch.setattr(pyfunc_model, "answer", other)
    with pytest.raises(ArtifactError, match="forecasts other values"):
        export_run(run, str(table), format="mlflow", output=tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("level", "horizon", "columns"),
    [("none", 0, 0), ("50", 3, 2), ("50,80", 7, 4), ("auto", 0, 4)],
)
def test_parameters_choose_levels_and_steps(
    logged: tuple[str, Path, Path, str], level: str, horizon: int, columns: int
) -> None:
    _, table, run, _ = logged
    forecaster = Forecaster.load(run / "model")
    rows = pd.read_csv(table)
    frame = answer(forecaster, None, rows, {"level": level, "horizon": horizon})
    assert len(frame) == 2 * (horizon or 7)
    assert len([name for name in frame if "-lo-" in name or "-hi-" in name]) == columns
    with pytest.raises(ConfigError, match="expected auto, none, or levels"):
        answer(forecaster, None, rows, {"level": "wide"})


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://127.0.0.1:9", "refused"),
        ("http://no-such-host.invalid:5000", "no run can be opened"),
        ("sqlite:////dev/null/mlflow.db", "no run can be opened"),
        ("nonsense://here", "no run can be opened"),
        ("mlruns", "names a folder"),
        ("file:///tmp/mlruns", "names a folder"),
    ],
)
def test_an_unreachable_place_is_refused_before_any_work(
    uri: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_in(tmp_path)
    start = time.process_time()
    code = main(["fit", str(table), *SETTINGS, "--out", str(tmp_path / "run"), "--mlflow", uri])
    captured = capsys.readouterr()
    assert code == 2
    (line,) = captured.err.splitlines()
    assert line.startswith("forecast: error: ")
    assert message in line
    assert "windows" not in captured.out  # the table was not even read
    assert not (tmp_path / "run").exists()
    assert time.process_time() - start < 30


class Lost:
    """A client whose server goes away after some calls."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.heard: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            del arguments, options
            self.heard.append(name)
            if len(self.heard) > self.calls:
                raise ConnectionError("the server\nis gone")
            if name == "create_run":
                return type("Run", (), {"info": type("Info", (), {"run_id": "r1"})})
            return None

        return call


def test_a_server_that_is_lost_costs_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_in(tmp_path)
    client = Lost(calls=2)  # the run, and the losses of the first epoch
    monkeypatch.setattr("mlflow.MlflowClient", lambda **_: client)
    monkeypatch.setattr(tracked, "experiment_id", lambda *_: "0")
    folder = tmp_path / "run"
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert main(["fit", str(table), *SETTINGS, "--out", str(folder), "--mlflow", uri]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "incomplete" in line]
    assert len(lines) == 1
    assert "ConnectionError: the server is gone" in lines[0]
    assert (folder / "report.html").is_file()
    assert (folder / "model" / "manifest.json").is_file()
    assert len(client.heard) == 3  # nothing is tried again


def test_a_run_that_fails_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Lost(calls=100)
    statuses: list[str] = []
    client.__dict__["set_terminated"] = lambda _, status: statuses.append(status)
    monkeypatch.setattr("mlflow.MlflowClient", lambda **_: client)
    monkeypatch.setattr(tracked, "experiment_id", lambda *_: "0")
    work = Work.of("fit", Experiment(), "sales.csv", None)
    assert work.folder == Path("runs/sales")
    for error, status in ((ConfigError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED")):

        def fail(voice: Voice, error: BaseException = error) -> Path:
            voice.wake()
            raise error

        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
        with pytest.raises(type(error)):
            run_tracked(uri, work, Voice(print), fail)
        assert statuses.pop() == status


def test_the_state_of_mlflow_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    before = dict(os.environ)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    mlflow.set_tracking_uri(other)
    with destination.quietly(f"sqlite:///{tmp_path / 'mlflow.db'}"):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
        assert mlflow.get_tracking_uri() != other
    assert mlflow.get_tracking_uri() == other
    mlflow.set_tracking_uri("")
    after = {name: value for name, value in os.environ.items() if "TRACKING" not in name}
    assert after == {name: value for name, value in before.items() if "TRACKING" not in name}


def test_a_trial_is_a_child_of_its_search(
    logged: tuple[str, Path, Path, str], tmp_path: Path
) -> None:
    uri, *_ = logged
    client = client_of(uri)
    experiment = client.create_experiment("trials", artifact_location=str(tmp_path / "files"))
    parent = client.create_run(experiment)

    class Search:
        def __init__(self) -> None:
            self.client = client
            self.experiment = experiment
            self.run_id = parent.info.run_id

        def attempt(self, send: Any, *arguments: Any, **options: Any) -> Any:
            return send(*arguments, **options)

    said: list[str] = []
    trials = TrialLog(Search(), tmp_path, "MAE")
    say = trials.after(said.append)
    say("a line before there is a table")
    head = (
        "trial,status,MAE,worst_fold,fold_1,fold_2,epochs,seconds,parameters,model.units,reason\n"
    )
    first = "0,done,1.5,2.0,1.0,2.0,3,1.5,100,32,\n"
    (tmp_path / "trials.csv").write_text(head + first)
    say("a line after a trial")
    say("and another")
    (tmp_path / "trials.csv").write_text(head + first + "1,failed,,,,,0,0.1,,64,no memory\n")
    trials.update()
    children = {
        run.info.run_name: run
        for run in client.search_runs([experiment])
        if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    }
    assert set(children) == {"trial 0", "trial 1"}
    done, failed = children["trial 0"], children["trial 1"]
    assert done.data.params == {"model.units": "32"}
    assert (done.data.metrics["MAE"], done.data.metrics["fold_2"]) == (1.5, 2.0)
    assert done.info.status == "FINISHED"
    assert failed.info.status == "FAILED"
    assert failed.data.tags["forecast.reason"] == "no memory"
    assert len(said) == 3


def test_names_and_lengths_are_those_that_mlflow_takes() -> None:
    from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, _validate_metric_name

    assert MOST_VALUE <= MAX_PARAM_VAL_LENGTH
    for name in ("context 14, seed 0/loss", "x" * 400, "../up", "größe", "a//b", ""):
        _validate_metric_name(name_for(name))
        assert len(name_for(name)) <= MOST_KEY
    params = flat_params(
        {"data": {"known_covariates": ["a"] * 3_000, "source": None}, "name": "x", "empty": {}}
    )
    assert len(params["data.known_covariates"]) == MOST_VALUE
    assert params["data.source"] == "null"
    assert params["empty"] == "{}"
    assert finite_metrics({"a": np.nan, "b": 1, "c": True, "d": None}, "x, y") == {"x_ y/b": 1.0}


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "find_spec", lambda name: None if name == "mlflow" else 1)
    with pytest.raises(ConfigError, match=r"pip install 'bigru-forecast\[mlflow\]'"):
        destination.check_installed("sqlite:///mlflow.db")
    monkeypatch.setattr(destination, "find_spec", lambda name: None if name == "alembic" else 1)
    with pytest.raises(ConfigError, match="needs the package alembic"):
        destination.check_installed("sqlite:///mlflow.db")
    destination.check_installed("http://127.0.0.1:5000")


def test_a_worker_does_not_track(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--set=search.space={model.units: {choice: [8, 16]}}", "--worker"]
    code = main(["tune", "dataset:airline", *arguments, "--mlflow", "sqlite:///mlflow.db"])
    assert code == 2
    assert "leave it out with --worker" in capsys.readouterr().err


# ---- a real server

SERVER = "FORECAST_MLFLOW_SERVER"
"""Variable with the program `mlflow` of an environment that has all of it, the server too."""


def _program() -> str:
    named = os.environ.get(SERVER) or shutil.which("mlflow")
    if not named:
        pytest.skip("there is no program mlflow")
    beside = Path(named).with_name("python")
    check = [str(beside), "-c", "import flask, mlflow.server"]
    if not beside.exists() or subprocess.run(check, check=False, capture_output=True).returncode:
        pytest.skip(f"{named} has no server: name the mlflow of another environment in {SERVER}")
    return named


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A tracking server on this machine, with its process."""
    program = _program()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = tmp_path / "server"
    store.mkdir()
    command = [
        program,
        "server",
        "--backend-store-uri",
        f"sqlite:///{store / 'mlflow.db'}",
        "--artifacts-destination",
        str(store / "files"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=store, env=environment, start_new_session=True
        )
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1).close()
                break
            except (OSError, urllib.error.URLError):
                time.sleep(0.5)
        else:
            pytest.fail((tmp_path / "server.log").read_text()[-2000:])
        yield uri, process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_real_server_gets_fit_backtest_and_search(
    server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    uri, _ = server
    table = table_in(tmp_path)
    folder = tmp_path / "sales"
    common = [str(table), *SETTINGS, "--mlflow", uri, "--quiet"]
    assert main(["fit", *common, "--out", str(folder)]) == 0
    (run,) = runs_of(uri)
    assert run.info.status == "FINISHED"
    check_round_trip(uri, run.info.run_id, table, folder)

    models = ["--models=drift,bigru", "--num-windows=2"]
    assert main(["backtest", *common, *models, "--out", str(tmp_path / "cutoffs")]) == 0
    run = runs_of(uri)[-1]
    assert run.data.tags["forecast.command"] == "backtest"
    scores = json.loads((tmp_path / "cutoffs" / "scores.json").read_text())
    assert run.data.metrics["drift/MAE"] == scores["values"]["drift"]["MAE"]
    assert "training 1/val_loss" in run.data.metrics

    space = "--set=search={space: {model.units: {choice: [4, 8]}}, max_trials: 2, folds: 1}"
    assert main(["tune", *common, space, "--out", str(tmp_path / "search")]) == 0
    runs = runs_of(uri)
    (parent,) = [run for run in runs if run.data.tags["forecast.command"] == "tune"]
    children = [
        run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    ]
    trials = pd.read_csv(tmp_path / "search" / "trials.csv")
    assert sorted(run.data.metrics["MAE"] for run in children) == sorted(trials["MAE"])
    assert {run.data.params["model.units"] for run in children} == {"4", "8"}
    paths = {each.path for each in client_of(uri).list_artifacts(parent.info.run_id)}
    assert {"best.yaml", "trials.csv", "progress.png"} <= paths


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_server_that_is_killed_while_a_model_is_trained(
    server: tuple[str, subprocess.Popen[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri, process = server
    table = table_in(tmp_path)
    report = tracked.Tracker.report

    def report_and_kill(self: Any, event: Any) -> None:
        report(self, event)
        if type(event).__name__ == "EpochDone":
            _stop(process)

    monkeypatch.setattr(tracked.Tracker, "report", report_and_kill)
    folder = tmp_path / "sales"
    assert main(["fit", str(table), *SETTINGS, "--mlflow", uri, "--out", str(folder)]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "incomplete" in line]
    assert len(lines) == 1
    assert (folder / "report.html").is_file()
