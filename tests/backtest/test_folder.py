"""The folder of a backtest: stopped anywhere and resumed, refused after changes; the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from backtests import experiment, hourly

from forecast.backtest import folder as backtesting
from forecast.backtest.block_work import BLOCKS, RunBlocks
from forecast.backtest.blocks import decode_block, encode_block
from forecast.backtest.entrants import BaselineModel
from forecast.backtest.folder import backtest_run, backtest_table
from forecast.backtest.rolling import Block
from forecast.cli import main
from forecast.cluster.backtest_blocks import blocks_with
from forecast.errors import BacktestError, DataError, OutputError
from forecast.experiment.settings import Experiment
from forecast.files import atomic as files
from forecast.runs import pictures
from forecast.search.processes import LocalProcesses
from forecast.training.voice import Voice

RESULTS = (
    "forecasts.parquet",
    "scores.json",
    "scores.txt",
    "config.yaml",
    "backtest.json",
    "report.html",
)


@pytest.fixture(name="table")
def _table(tmp_path: Path) -> str:
    path = tmp_path / "table.parquet"
    hourly().to_parquet(path)
    return str(path)


@pytest.fixture(autouse=True)
def _no_pictures() -> Iterator[None]:
    """Drawing takes longer than all else here; `test_backtest_report` has it."""
    with mock.patch.object(pictures, "draw_pictures", return_value=[]):
        yield


def of_baselines(**backtest: Any) -> Experiment:
    """Six cutoffs, three fits of two baselines."""
    return experiment(
        backtest={
            "num_windows": 6,
            "step": 2,
            "refit": 2,
            "models": ["drift", "last_value"],
            **backtest,
        }
    )


def run(config: Experiment, table: str, folder: Path, **options: bool) -> list[str]:
    said: list[str] = []
    backtest_run(config, table, out=folder, voice=Voice(said.append), **options)
    return said


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


class StopError(BaseException):
    """Stands for the end of the process."""


def stop_at(number: int, after: bool, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Stop in the given write, before or after its file is in place; nothing is tidied up."""
    real = os.replace
    done = 0

    def replace(source: Any, target: Any) -> None:
        nonlocal done
        done += 1
        if done == number and not after:
            raise StopError
        real(source, target)
        if done == number:
            raise StopError

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(files, "_remove", lambda _: None)
    return monkeypatch.undo


def test_a_backtest_stopped_in_any_write_ends_with_the_same_files_and_fits_nothing_twice(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = of_baselines()
    run(config, table, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    real = BaselineModel.fit
    fits = 0

    def fit(model: BaselineModel, panel: Any) -> Any:
        nonlocal fits
        fits += 1
        return real(model, panel)

    num_writes, num_blocks = (
        13,
        3,
    )  # what is evaluated, three blocks, three records, five results, the report
    for number in range(1, num_writes + 2):
        for after in (False, True):
            folder = tmp_path / f"{number}-{after}"
            undo = stop_at(number, after, monkeypatch)
            monkeypatch.setattr(BaselineModel, "fit", fit)
            fits = 0
            if number <= num_writes:
                with pytest.raises(StopError):
                    run(config, table, folder)
            else:
                run(config, table, folder)
            undo()
            monkeypatch.setattr(BaselineModel, "fit", fit)
            run(config, table, folder, resume=True)
            lost = not after and 2 <= number <= 4  # the block that was being written
            assert fits == 2 * (num_blocks + lost)
            assert contents(folder) == whole
            assert not (folder / "training").exists()
            undo()


@pytest.mark.slow
def test_a_killed_process_is_gone_on_with(table: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    folder = tmp_path / "killed"
    whole = tmp_path / "whole"
    words = ["--num-windows=12", "--step=2", "--refit=each", "--models=linear,drift", "--horizon=3"]
    config.write_text("windows: {context_length: 8}\ndata: {missing: refuse}\n", encoding="utf-8")
    command = [sys.executable, "-m", "forecast", "backtest", table, f"--config={config}", *words]
    subprocess.run([*command, f"--out={whole}"], check=True, capture_output=True)
    for number in (1, 5, 9):
        process = subprocess.Popen(
            [*command, f"--out={folder}", "--resume"], stdout=subprocess.DEVNULL
        )
        while len(list((folder / BLOCKS).glob("*.npz"))) < number and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, f"--out={folder}", "--resume"], check=True, capture_output=True)
    assert contents(folder) == contents(whole)


def test_what_is_written_is_what_the_library_returns(table: str, tmp_path: Path) -> None:
    config = of_baselines()
    said = run(config, table, tmp_path / "out")
    result = backtest_table(config, table)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "out" / "forecasts.parquet"), result.frame()
    )
    assert json.loads((tmp_path / "out" / "scores.json").read_text()) == result.scores().to_dict()
    progress = [line for line in said if line.startswith("cutoff ")]
    assert [line.split(":")[0] for line in progress] == [
        f"cutoff {number} of 6" for number in (2, 4, 6)
    ]
    assert progress[-1].endswith("about 0:00 left")


EDITS: dict[str, tuple[dict[str, Any], Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "cutoffs": ({"num_windows": 8}, lambda table: table, "backtest.num_windows was 6 and is 8"),
    "history": ({"history": 40}, lambda table: table, "backtest.history was null and is 40"),
    "a value": (
        {},
        lambda table: table.assign(y=table["y"].where(table.index != 7, 1.0)),
        "the data was 3 series",
    ),
    "a row less": ({}, lambda table: table.iloc[1:], "240 rows, sha256"),
}


@pytest.mark.parametrize(("backtest", "edit", "words"), EDITS.values(), ids=EDITS.keys())
def test_an_edit_is_refused_with_the_difference(
    backtest: dict[str, Any],
    edit: Callable[[pd.DataFrame], pd.DataFrame],
    words: str,
    table: str,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "out"
    run(of_baselines(), table, folder)
    before = contents(folder)
    edit(hourly()).to_parquet(table)
    with pytest.raises(BacktestError, match="cannot resume the backtest") as found:
        run(of_baselines(**backtest), table, folder, resume=True)
    assert words in str(found.value)
    assert "\n" not in str(found.value)
    assert contents(folder) == before


def test_another_version_is_refused(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(of_baselines(), table, tmp_path / "out")
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.1" if name == "pandas" else real(name))
    with pytest.raises(BacktestError, match=r"pandas was \S+ and is 0\.1"):
        run(of_baselines(), table, tmp_path / "out", resume=True)


def test_a_table_that_was_moved_is_the_same(table: str, tmp_path: Path) -> None:
    run(of_baselines(), table, tmp_path / "out")
    moved = Path(table).rename(tmp_path / "moved.parquet")
    assert "3 of 3 fits are done" in run(of_baselines(), str(moved), tmp_path / "out", resume=True)


def test_other_folders_are_left_alone(table: str, tmp_path: Path) -> None:
    run(of_baselines(), table, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match="replace it with replace=True, or name another") as found:
        run(of_baselines(history=50), table, tmp_path / "out")
    assert "backtest.history was null and is 50" in str(found.value)
    assert contents(tmp_path / "out") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scores.json").write_text("{}")
    for resume in (False, True):
        with pytest.raises(OutputError, match="contains files but no backtest"):
            run(of_baselines(), table, tmp_path / "mine", resume=resume)


def everything(folder: Path) -> dict[str, bytes]:
    """Every path below a folder with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def test_a_finished_backtest_of_the_same_work_is_written_again_unasked(
    table: str, tmp_path: Path
) -> None:
    run(of_baselines(), table, tmp_path / "out")
    before = contents(tmp_path / "out")
    assert "3 of 3 fits are done" in run(of_baselines(), table, tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_an_unfinished_backtest_is_begun_again_only_if_told(table: str, tmp_path: Path) -> None:
    run(of_baselines(), table, tmp_path / "out")
    (tmp_path / "out" / "forecasts.json").unlink()
    before = everything(tmp_path / "out")
    with pytest.raises(BacktestError, match="an unfinished backtest: resume it with resume=True"):
        run(of_baselines(), table, tmp_path / "out")
    assert everything(tmp_path / "out") == before
    said = run(of_baselines(), table, tmp_path / "out", replace=True)
    assert not any("fits are done" in line for line in said)


def test_another_backtest_is_replaced_and_files_of_others_stay(table: str, tmp_path: Path) -> None:
    run(of_baselines(), table, tmp_path / "new")
    run(of_baselines(history=50, refit=1), table, tmp_path / "out")
    mine = {"notes.txt", "blocks/notes.txt", "coverage.png"}
    for name in mine:
        (tmp_path / "out" / name).write_text("mine")
    run(of_baselines(), table, tmp_path / "out", replace=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "new")
    assert set(everything(tmp_path / "out")) - set(everything(tmp_path / "new")) == mine
    assert {(tmp_path / "out" / name).read_text() for name in mine} == {"mine"}


class FailsAtOnceError(Exception):
    """A model that cannot be fitted."""


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("error", [FailsAtOnceError, KeyboardInterrupt])
def test_a_backtest_that_fails_in_its_first_fit_leaves_nothing(
    is_there: bool,
    error: type[BaseException],
    table: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    if is_there:
        (tmp_path / "new" / "out").mkdir(parents=True)
    monkeypatch.setattr(backtesting, "run_block", fail)
    before = everything(tmp_path)
    with pytest.raises(error):
        run(of_baselines(), table, tmp_path / "new" / "out")
    assert everything(tmp_path) == before


def test_a_backtest_that_fails_later_can_be_resumed(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = backtesting.run_block

    def fail(panel: Any, plan: Any, number: int, models: Any) -> Any:
        if number:
            raise FailsAtOnceError
        return real(panel, plan, number, models)

    monkeypatch.setattr(backtesting, "run_block", fail)
    with pytest.raises(FailsAtOnceError):
        run(of_baselines(), table, tmp_path / "out")
    monkeypatch.undo()
    assert "1 of 3 fits are done" in run(of_baselines(), table, tmp_path / "out", resume=True)


def test_two_processes_are_never_at_one_folder(table: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    met = []

    def say(line: str) -> None:
        if line.startswith("cutoff "):
            before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            with pytest.raises(BacktestError, match="another process is evaluating there") as found:
                run(of_baselines(), table, folder, resume=True)
            assert "\n" not in str(found.value)
            assert {
                path: path.read_bytes() for path in folder.rglob("*") if path.is_file()
            } == before
            met.append(line)

    backtest_run(of_baselines(), table, out=folder, voice=Voice(say))
    assert len(met) == 3
    assert "3 of 3 fits are done" in run(of_baselines(), table, folder, resume=True)


def test_of_two_that_begin_at_once_the_later_sees_what_the_earlier_left(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other begins and ends after the folder was looked at and before its lock is taken."""
    folder = tmp_path / "out"
    real = backtesting.make_models

    def meanwhile(*words: Any, **options: Any) -> Any:
        monkeypatch.undo()
        run(of_baselines(history=50), table, folder)
        return real(*words, **options)

    monkeypatch.setattr(backtesting, "make_models", meanwhile)
    with pytest.raises(OutputError, match="contains a backtest of other work"):
        run(of_baselines(), table, folder)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-30], lambda data: data.replace(data[200:260], b"x" * 60), len]
)
def test_a_damaged_block_is_named(damage: Any, table: str, tmp_path: Path) -> None:
    run(of_baselines(), table, tmp_path / "out")
    path = tmp_path / "out" / BLOCKS / "00001.npz"
    broken = damage(path.read_bytes())
    path.write_bytes(broken if isinstance(broken, bytes) else b"")
    with pytest.raises(
        BacktestError,
        match=r"00001\.npz: cannot be read .*remove it, and resume=True computes it again",
    ):
        run(of_baselines(), table, tmp_path / "out", resume=True)
    path.unlink()
    run(of_baselines(), table, tmp_path / "out", resume=True)


def test_a_block_comes_back_as_it_was(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(4, 3, 2))
    spread = {"c": values[..., None]}
    lowest = {"c": np.array([-1.0, -np.inf])}
    block = Block(
        np.arange(4), {"a-b": values, "c": -values}, spread, {"c": (0.5,)}, lowest, {"a-b": 2}
    )
    (tmp_path / "block.npz").write_bytes(encode_block(block))
    found = decode_block(tmp_path / "block.npz")
    np.testing.assert_array_equal(found.last, block.last)
    assert list(found.forecasts) == ["a-b", "c"]
    for name, array in block.forecasts.items():
        np.testing.assert_array_equal(found.forecasts[name], array)
    np.testing.assert_array_equal(found.quantiles["c"], block.quantiles["c"])
    np.testing.assert_array_equal(found.lowest["c"], lowest["c"])
    assert (found.levels, found.left_out) == (block.levels, block.left_out)


SMALL = [
    "--set=windows.context_length=8",
    "--set=model={name: bigru, units: 4}",
    "--set=training.epochs=1",
]


def test_the_command_writes_what_the_options_ask_for(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        table,
        *SMALL,
        "--horizon=3",
        "--num-windows=3",
        "--step=4",
        "--refit=2",
        "--history=60",
    ]
    out = tmp_path / "out"
    assert main(["backtest", *words, "--models=bigru,drift", f"--out={out}"]) == 0
    said = capsys.readouterr().out
    assert "cutoff 3 of 3" in said
    assert (out / "scores.txt").read_text() in said
    frame = pd.read_parquet(out / "forecasts.parquet")
    assert list(frame) == ["unique_id", "ds", "cutoff", "y", "bigru", "drift"]
    hours = (frame["cutoff"] - hourly()["ds"].max()) / pd.Timedelta("1h")
    assert sorted(set(hours)) == [-11, -7, -3]
    assert len(list((out / BLOCKS).iterdir())) == 2
    assert main(["backtest", *words, "--models=bigru,drift", f"--out={out}", "--resume"]) == 0
    assert "2 of 2 fits are done" in capsys.readouterr().out


REFUSED = {
    "a word for a number": (["--num-windows=many"], "backtest.num_windows"),
    "no cutoff": (["--num-windows=0"], "backtest.num_windows"),
    "refit sometimes": (
        ["--refit=sometimes"],
        "backtest.refit is \"sometimes\"; expected 'never' or 'each' or a whole number",
    ),
    "a model nobody knows": (
        ["--models=prophet"],
        "expected some of bigru, segment_bigru, last_value",
    ),
    "more cutoffs than rows": (["--num-windows=50"], "leaves no row before them"),
    "no statsforecast": (["--models=AutoETS"], "FORECAST_STATSFORECAST is not set"),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_one_line_and_leaves_nothing(
    words: list[str],
    said: str,
    table: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FORECAST_STATSFORECAST", raising=False)
    assert (
        main(["backtest", table, *SMALL, "--horizon=3", *words, f"--out={tmp_path / 'out'}"]) == 2
    )
    out, err = capsys.readouterr()
    assert err.startswith("forecast: error: ")
    assert err.count("\n") == 1
    assert said in err
    assert [line for line in out.splitlines() if not line.startswith("reading ")] == []
    assert not (tmp_path / "out").exists()


def test_fits_in_other_processes_give_the_same_files(table: str, tmp_path: Path) -> None:
    config = of_baselines()
    run(config, table, tmp_path / "here")
    elsewhere = blocks_with(LocalProcesses(2))
    with pytest.raises(KeyboardInterrupt):
        stop_after_one(config, table, tmp_path / "there", elsewhere)
    stored = sorted(path.name for path in (tmp_path / "there" / BLOCKS).iterdir())
    assert len(stored) == 1
    said: list[str] = []
    backtest_run(
        config,
        table,
        out=tmp_path / "there",
        resume=True,
        elsewhere=elsewhere,
        voice=Voice(said.append),
    )
    assert "1 of 3 fits are done" in said
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def stop_after_one(config: Experiment, table: str, folder: Path, elsewhere: RunBlocks) -> None:
    """End the driver after the first block, as Ctrl-C does."""

    def say(line: str) -> None:
        if line.startswith("cutoff"):
            raise KeyboardInterrupt

    backtest_run(config, table, out=folder, elsewhere=elsewhere, voice=Voice(say))


def test_an_error_of_another_process_is_that_of_this_one(table: str, tmp_path: Path) -> None:
    config = of_baselines(history=3, models=[experiment().name])
    errors = []
    for number, elsewhere in enumerate((None, blocks_with(LocalProcesses(1)))):
        with pytest.raises(DataError) as caught:
            backtest_run(
                config,
                table,
                out=tmp_path / str(number),
                elsewhere=elsewhere,
                voice=Voice(lambda _: None),
            )
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
    assert not list(tmp_path.glob("[01]"))
