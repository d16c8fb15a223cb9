"""How much a command prints with --quiet and --verbose, and the log it writes with --log."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
import warnings
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from forecast.cli import main
from forecast.cli.log import Log
from forecast.cli.terminal import (
    make_voice,
    output_of,
    print_error,
    print_line,
    print_note,
    print_path,
    print_reading,
    print_result,
)
from forecast.errors import ForecastWarning
from forecast.report.plots import save_figure
from forecast.runs import pictures
from forecast.training import EpochDone

ROOT = Path(__file__).parents[2]
SMALL = [
    "--set=windows={context_length: 8, horizon: 3}",
    "--set=model={name: bigru, units: 2, cell: rnn, bidirectional: false, decoder: direct}",
    "--set=training={epochs: 1, refit: false}",
]
EPOCH = EpochDone(
    epoch=3, num_epochs=9, loss=0.5, val_loss=0.25, learning_rate=0.01, seconds=1.0, is_best=True
)
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  "


def options(**given: object) -> Namespace:
    return Namespace(**{"quiet": False, "verbose": False, "log": None, "typed": ["fit"], **given})


def say_everything() -> None:
    print_reading("sales.csv")
    print_line("a line")
    print_note("guessed")
    sys.stderr.write(warnings.formatwarning("odd", ForecastWarning, "a.py", 1))  # as it is shown
    print_result("a,b\n1,2")
    print_path("runs/sales")
    print_error("forecast: error: wrong")
    voice = make_voice()
    voice.reporter(EPOCH)
    voice.warn("no figures")


LINES = ["reading sales.csv", "a line"]
NOTES = ["note: guessed", "warning: odd"]
RESULT = ["a,b", "1,2"]
ERRORS = ["forecast: error: wrong", "no figures"]
EPOCHS = ["epoch 3/9  loss 0.5  val_loss 0.25  lr 0.01  1.0 s  best"]


@pytest.mark.parametrize(
    ("given", "out", "err"),
    [
        ({}, LINES + RESULT, NOTES + ERRORS),
        ({"quiet": True}, [*RESULT, "runs/sales"], ERRORS),
        ({"verbose": True}, LINES + RESULT, NOTES + ERRORS[:1] + EPOCHS + ERRORS[1:]),
    ],
)
def test_options_decide_what_is_printed(
    given: dict[str, bool],
    out: list[str],
    err: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The log gets everything each time, with the time before each line."""
    log = tmp_path / "logs" / "a.log"
    with output_of(options(**given, log=str(log))):
        say_everything()
    said = capsys.readouterr()
    assert said.out.splitlines() == out
    assert said.err.splitlines() == err
    mark, *lines = log.read_text().splitlines()
    assert mark.startswith("# log of forecast")
    assert all(re.match(STAMP, line) for line in lines)
    logged = {re.sub(STAMP, "", line) for line in lines}
    assert logged >= {"forecast fit", *LINES, *NOTES, *RESULT, *ERRORS, *EPOCHS}
    print_line("after the block as before")
    assert capsys.readouterr().out == "after the block as before\n"


def sales(rows: int = 60) -> pd.DataFrame:
    stamps = pd.date_range("2024-01-01", periods=rows)
    return pd.DataFrame({"unique_id": "a", "ds": stamps, "y": 10.0 + np.arange(rows) % 7})


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a table and files of others."""
    sales().to_csv(tmp_path / "sales.csv", index=False)
    (tmp_path / "notes.txt").write_text("to do\n")
    (tmp_path / "picture.png").write_bytes(bytes(range(256)))
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.log").symlink_to("notes.txt")
    os.link(tmp_path / "sales.csv", tmp_path / "twin.log")
    (tmp_path / "own.yaml").write_text("name: mine\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "environment.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(folder.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in paths}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("notes.txt", "exists and is not a log of forecast"),
        ("./notes.txt", "exists and is not a log of forecast"),
        ("picture.png", "exists and is not a log of forecast"),
        ("link.log", "exists and is not a log of forecast"),
        ("twin.log", "is read by this command"),
        ("sales.csv", "is read by this command"),
        ("own.yaml", "is read by this command"),
        ("folder", "is a folder"),
        ("notes.txt/a.log", "is one: name a file in a folder"),
        ("run/a.log", "the folder of a run"),
        ("out/a.log", "the folder of a run"),
        ("out/deeper/a.log", "the folder of a run"),
        ("folder/../out/a.log", "the folder of a run"),
    ],
)
def test_a_log_is_written_into_no_other_file(
    name: str, words: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(work)
    command = ["fit", "sales.csv", "--config=own.yaml", "--out=out", f"--log={name}"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert contents(work) == before
    proposed = re.search(r"such as ([^\s,]+)", said)
    if proposed:
        assert main(["check", "sales.csv", f"--log={proposed[1]}"]) == 0


def test_a_log_grows_and_gets_errors(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "a.log").touch()
    for number in (1, 2):
        assert main(["check", "sales.csv", "--log", "a.log"]) == 0
        text = (work / "a.log").read_text()
        assert text.count("# log of forecast") == 1
        assert text.count("forecast check sales.csv --log a.log") == number
        assert text.count("no problem found") == number
    assert main(["fit", "none at all.csv", "--log", "a.log"]) == 2
    last = (work / "a.log").read_text().splitlines()[-1]
    said = capsys.readouterr().err.rstrip("\n")
    assert re.sub(STAMP, "", last) == said
    assert "forecast fit 'none at all.csv'" in (work / "a.log").read_text()


class FullDisk(io.StringIO):
    """A file that cannot be written."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_under_the_log_does_not_end_the_work() -> None:
    Log(FullDisk()).write("a line")


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of the time."""
    monkeypatch.setattr(pictures, "draw_pictures", lambda *_: [])


@pytest.mark.usefixtures("no_pictures")
def test_a_fit_is_calm_or_quiet_and_its_log_has_the_epochs(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "sales.csv", *SMALL, "--out=out"]) == 0
    calm = capsys.readouterr()
    first, second = calm.out.splitlines()[:2]
    assert first == "reading sales.csv"
    assert second == "sales.csv: 1 series, 60 rows, daily, 2024-01-01 to 2024-02-29"
    assert calm.out.splitlines()[-1].startswith("wrote out: model")
    # a busy machine takes more than ten seconds, from which on a line says how far training is
    assert [line for line in calm.err.splitlines() if not line.startswith("training for ")] == []
    assert main(["fit", "sales.csv", *SMALL, "--out=out", "--quiet", "--log=a.log"]) == 0
    assert capsys.readouterr() == ("out\n", "")
    log = [re.sub(STAMP, "", line) for line in (work / "a.log").read_text().splitlines()]
    assert set(calm.out.splitlines()) <= set(log)
    assert [line for line in log if line.startswith("epoch 1/1  loss ")]
    assert main(["predict", "out", "--quiet"]) == 0
    assert capsys.readouterr().out == (work / "out" / "forecast.csv").read_text()
    assert main(["predict", "out", "--quiet", "--output=next.csv"]) == 0
    assert capsys.readouterr() == ("", "")


ENCODINGS = ("cp1252", "ascii", "latin-1", "utf-8")


def in_encoding(encoding: str, folder: Path, code: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=folder, env=environment, check=False
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_console_in_any_encoding_gets_findings_and_tables(encoding: str, tmp_path: Path) -> None:
    """As escapes where the encoding lacks a character, and tables for programs in UTF-8."""
    table = sales().assign(unique_id="東京")
    table.drop(index=30).to_csv(tmp_path / "gap.csv", index=False)
    code = (
        "from forecast.cli import main\n"
        "code = main(['check', 'gap.csv', '--log=a.log'])\n"
        "print('code', code)\n"
        "from argparse import Namespace\n"
        "from forecast.cli.terminal import output_of, print_line, print_table\n"
        "with output_of(Namespace(quiet=False, verbose=False, log=None, typed=[])):\n"
        "    print_line('before é')\n"
        "    print_table('id,y\\né,1\\n東京,2')\n"
        "    print_line('after')\n"
    )
    done = in_encoding(encoding, tmp_path, code)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    said, _, rest = done.stdout.partition(b"code 2")
    if encoding == "utf-8":
        assert "series '東京'" in said.decode()
        assert done.stderr == b""
    else:
        assert rb"series '\u6771\u4eac'" in said
        assert b"the table is in UTF-8" in done.stderr
    lines = rest.splitlines()
    assert [line.decode() for line in lines[-4:-1]] == ["id,y", "é,1", "東京,2"]
    assert lines[-1] == b"after"
    assert "series '東京'" in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_a_character_that_the_font_lacks_is_named_once(tmp_path: Path) -> None:
    figure = Figure((2, 1))
    figure.text(0, 0, "東京")
    words = r"lacks some characters \(京, 東\) and shows boxes for them"
    with pytest.warns(ForecastWarning, match=words) as issued:
        save_figure(figure, tmp_path / "a.png")
    assert len(issued) == 1


FREQUENCIES: dict[str, tuple[str, str]] = {
    "D": ("daily", "2024-01-01 to 2024-02-29"),
    "h": ("hourly", "2024-01-01 00:00 to 2024-01-03 11:00"),
    "W-MON": ("weekly", "2024-01-01 to 2025-02-17"),
    "MS": ("monthly", "2024-01 to 2028-12"),
    "QE": ("quarterly", "2024-03 to 2038-12"),
    "15min": ("every 15min", "2024-01-01 00:00 to 2024-01-01 14:45"),
    "2D": ("every 2D", "2024-01-01 to 2024-04-28"),
}


@pytest.mark.parametrize("freq", FREQUENCIES)
def test_the_first_line_names_table_size_rhythm_and_span(
    freq: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = pd.date_range("2024-01-01", periods=60, freq=freq)
    sales().assign(ds=stamps).to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.setattr("forecast.cli.terminal._start", stop_here)
    assert main(["fit", str(tmp_path / "t.csv"), *SMALL, f"--out={tmp_path / 'out'}"]) == 130
    rhythm, span = FREQUENCIES[freq]
    assert f"\nt.csv: 1 series, 60 rows, {rhythm}, {span}\n" in capsys.readouterr().out


def stop_here() -> None:
    raise KeyboardInterrupt


SPACE = "--set=search={max_trials: 2, folds: 2, space: {model.units: {choice: [2, 3]}}}"
FIRST = {
    "fit": ([], "windows: context "),
    "backtest": (["--num-windows=3"], "backtest: 3 cutoffs, horizon 3, 1 fit of "),
    "tune": ([SPACE], "search: model.units; 2 trials at most, each trained on 2 folds"),
}


@pytest.mark.parametrize("command", FIRST)
def test_the_first_lines_come_before_tensorflow(command: str, work: Path) -> None:
    options, third = FIRST[command]
    words = [command, "sales.csv", "--horizon=3", "--out=out", *options]
    code = (
        "import sys\n"
        "from forecast.cli import main, terminal\n"
        "def stop():\n"
        "    print(sorted({'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules)))\n"
        "    raise KeyboardInterrupt\n"
        "terminal._start = stop\n"
        f"sys.exit(main({words!r}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 130, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "reading sales.csv"
    assert lines[1].startswith("sales.csv: 1 series, 60 rows, daily")
    assert lines[2].startswith(third)
    assert lines[-1] == "[]"
    assert not (work / "out").exists()
