"""The command `forecast tune`: one-line errors with exit codes, Ctrl-C and resuming."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from search.searches import SETTINGS, hourly

from forecast.cli import main
from forecast.experiment.file import apply_overrides, dump_experiment, experiment_from
from forecast.search.journal import JOURNAL, open_journal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file whose trials take some seconds."""
    hourly().to_csv(tmp_path / "table.csv", index=False)
    tiny = [
        "model={name: bigru, units: 3, cell: rnn, bidirectional: false, decoder: direct}",
        "training={loss: mae, epochs: 2000, batch_size: 64, patience: null}",
        "search.space={training.learning_rate: {choice: [0.03, 0.01]}}",
        f"data.source={tmp_path / 'table.csv'}",
    ]
    path = tmp_path / "config.yaml"
    path.write_text(dump_experiment(experiment_from(apply_overrides(SETTINGS, tiny))))
    return path


REFUSED = {
    "a range that is no setting": (
        ["--set=search.space={model.unit: {choice: [3]}}"],
        2,
        "did you mean 'model.units'",
    ),
    "a value that does not fit": (
        ["--set=search.space={model.units: {choice: [0]}}"],
        2,
        "model.units is 0; expected",
    ),
    "no search": (["--set=search=null"], 2, "there is no search section: name what to search"),
    "an unknown algorithm": (
        ["--set=search.algorithm=best"],
        2,
        "search.algorithm is \"best\"; expected 'random'",
    ),
    "a table too short": (["--set=search.folds=9"], 2, "leave no row to learn from"),
    "no validation": (
        ["--set=evaluation.validation_size=0"],
        2,
        "every fold of a search is as long as the validation set",
    ),
    "no worker": (["--workers=0"], 2, "expected a whole number of at least 1"),
    "two roles": (["--chief", "--worker"], 2, "not allowed with argument"),
    "an address without a role": (["--address=there:80"], 2, "add --chief or --worker"),
    "workers of a chief": (["--chief", "--workers=2"], 2, "start a command for each of"),
    "no address": (["--chief", "--address=there"], 2, "expected HOST:PORT"),
    "a folder that is a file": (["--out=config.yaml"], 2, "is a file; expected a folder"),
}


@pytest.mark.parametrize(("options", "code", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_searched_is_said_in_one_line(
    options: list[str],
    code: int,
    words: str,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(config.parent)
    try:
        found = main(["tune", "--config", str(config), *options])
    except SystemExit as error:
        found = int(str(error.code))
    said = capfd.readouterr().err
    assert found == code, said
    assert words in said
    assert said.count("\n") == 1
    assert not (config.parent / "runs").exists()


@pytest.mark.timeout(400)
@pytest.mark.proof
def test_a_key_press_leaves_a_search_that_goes_on(config: Path, tmp_path: Path) -> None:
    # A shell has what it starts in the background ignore key presses, and tests may be started so.
    heed = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    start = f"{heed}; from forecast.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [
        sys.executable,
        "-c",
        start,
        "tune",
        "--config",
        str(config),
        "--out",
        str(tmp_path / "out"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        checkpoint = tmp_path / "out" / "training" / "0000-0-0.checkpoint"
        while not checkpoint.exists() and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "forecast: interrupted; go on by the same command with --resume"
    with open_journal(tmp_path / "out" / JOURNAL) as journal:
        assert [record["event"] for record in journal.records] == ["search", "start"], (
            "the trial has not failed"
        )
