"""What a terminal, a log file and TensorBoard show of training."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf
from training_process import random_model, train_once

from forecast.training import Ended, EpochDone, Event, Started, StepDone
from forecast.training.batches import Estimate
from forecast.training.progress import both, tensorboard_reporter, terminal_reporter

STEP = StepDone(
    epoch=3, num_epochs=10, step=5, num_steps=20, loss=0.51234567, val_loss=0.25, seconds=2.0
)
EPOCH = EpochDone(
    epoch=3, num_epochs=10, loss=0.5, val_loss=0.25, learning_rate=1e-3, seconds=4.06, is_best=True
)


START = Started(
    Estimate(48_210, 754, 72, 24, 3_100_000, 385_680, 600_000), compiled=True, native=False
)


class Terminal(io.StringIO):
    """A terminal of some width: what is written to it moves a cursor over a screen.

    It knows the control sequences for: up, erase a line, erase to its end, hide and show the
    cursor, colours.
    """

    def __init__(self, width: int = 80) -> None:
        super().__init__()
        self.width = width

    def isatty(self) -> bool:
        return True

    def read_screen(self) -> tuple[list[str], bool]:
        """Rows that hold text, and whether the cursor is visible."""
        rows = [""]
        row = column = 0
        visible = True
        pieces = re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", self.getvalue())
        for piece in filter(None, pieces):
            if piece == "\r":
                column = 0
            elif piece == "\n":
                row, column = row + 1, 0
            elif piece.endswith("A") and piece.startswith("\x1b"):
                row -= int(piece[2:-1])
            elif piece == "\x1b[2K":
                rows[row] = ""
            elif piece in ("\x1b[K", "\x1b[0K"):
                rows[row] = rows[row][:column]
            elif piece in ("\x1b[?25l", "\x1b[?25h"):
                visible = piece.endswith("h")
            elif piece.startswith("\x1b"):
                assert piece.endswith("m"), f"unknown sequence {piece!r}"
            else:
                for character in piece:
                    if column == self.width:
                        row, column = row + 1, 0
                    rows += [""] * (row + 1 - len(rows))
                    rows[row] = (
                        rows[row].ljust(column)[:column] + character + rows[row][column + 1 :]
                    )
                    column += 1
            rows += [""] * (row + 1 - len(rows))
        return [text.rstrip() for text in rows if text.strip()], visible

    @property
    def rows(self) -> list[str]:
        return self.read_screen()[0]

    @property
    def cursor_is_visible(self) -> bool:
        return self.read_screen()[1]


@pytest.fixture(name="terminal")
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal that is redrawn at every step."""
    monkeypatch.setattr("forecast.training.progress.REDRAW_SECONDS", 0.0)
    return a_terminal(monkeypatch)


def a_terminal(monkeypatch: pytest.MonkeyPatch, width: int = 80) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "24")
    return Terminal(width)


def shown(stream: io.StringIO, *events: Event) -> str:
    report = terminal_reporter(stream)
    for event in events:
        report(event)
    return stream.getvalue()


def test_a_log_gets_one_plain_line_per_epoch() -> None:
    line = "epoch  3/10  loss 0.5  val_loss 0.25  lr 0.001  4.1 s  best\n"
    assert shown(io.StringIO(), STEP, STEP, EPOCH) == line


def test_what_training_takes_is_said_before_it_starts() -> None:
    line = (
        "48,210 windows of 72 + 24 rows, 754 batches an epoch; rows 3.1 MB, order 0.4 MB, one "
        "batch 0.6 MB"
    )
    assert shown(io.StringIO(), START) == f"{line}; the steps are being compiled\n"
    assert shown(io.StringIO(), replace(START, compiled=False)) == f"{line}\n"
    assert (
        shown(io.StringIO(), replace(START, compiled=False, native=True))
        == f"{line}; recurrent loops in C++\n"
    )


def test_a_log_gets_no_control_sequence_whatever_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = shown(io.StringIO(), START, STEP, EPOCH, Ended())
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.setenv(name, "1")
    assert shown(io.StringIO(), START, STEP, EPOCH, Ended()) == plain
    assert plain.count("\n") == 2
    assert "\x1b" not in plain


def test_a_terminal_gets_a_bar_below_the_lines_until_the_end(terminal: Terminal) -> None:
    report = terminal_reporter(terminal)
    report(STEP)
    # 155 steps are left (15 of this epoch, 20 of each of 7 more), 0.4 s each.
    (row,) = terminal.rows
    assert re.fullmatch(r"epoch  3/10 ━\S+ +loss 0\.5123 at most 1:02 left", row)
    line = "epoch  3/10  loss 0.5  val_loss 0.25  lr 0.001  4.1 s  best"
    report(EPOCH)
    assert terminal.rows == [line, row]
    report(Ended())
    assert terminal.rows == [line]
    assert terminal.cursor_is_visible


def test_a_wide_terminal_shows_the_validation_loss_beside_the_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = a_terminal(monkeypatch, width=120)
    terminal_reporter(terminal)(STEP)
    assert "loss 0.5123  val_loss 0.25 at most" in terminal.rows[0]


def test_the_bar_grows_with_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.training.progress.REDRAW_SECONDS", 0.0)
    monkeypatch.setenv("NO_COLOR", "1")  # without colours only what is done is drawn
    terminal = a_terminal(monkeypatch)
    report = terminal_reporter(terminal)
    for step in (1, 7, 10, 20):
        report(replace(STEP, step=step))
        assert terminal.rows[0].count("━") == step


def test_networks_side_by_side_have_a_bar_each(terminal: Terminal) -> None:
    report = terminal_reporter(terminal)
    for name in ("a", "b"):
        report(replace(START, name=name, compiled=False))
    report(replace(STEP, name="a", seconds=4.0))
    report(replace(STEP, name="b"))
    assert [row[:14] for row in terminal.rows[-2:]] == ["a: epoch  3/10", "b: epoch  3/10"]
    assert "at most 2:04 left" in terminal.rows[-2]

    report(replace(EPOCH, name="a"))
    report(Ended("a"))
    assert [row.split("  loss")[0] for row in terminal.rows[-2:-1]] == ["a: epoch  3/10"]
    assert terminal.rows[-1].startswith("b: epoch  3/10 ━")
    report(Ended("b"))
    assert [row[:3] for row in terminal.rows if "MB" not in row] == ["a: "]
    assert terminal.cursor_is_visible


def test_a_calm_terminal_gets_the_bars_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.training.progress.REDRAW_SECONDS", 0.0)
    terminal = a_terminal(monkeypatch)
    report = terminal_reporter(terminal, calm=True)
    for event in (START, STEP, EPOCH):
        report(event)
    (row,) = terminal.rows
    assert row.startswith("epoch  3/10 ━")
    report(Ended())
    assert terminal.rows == []
    assert terminal.cursor_is_visible


@pytest.mark.parametrize(
    ("hours", "lines"), [(9 / 3600, 0), (10 / 3600, 1), (25 / 3600, 2), (1, 9), (24, 14)]
)
def test_a_file_gets_a_line_now_and_then(
    hours: float, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step each second: the lines come after 10, 20, 40 ... seconds of training."""
    now = 0.0
    monkeypatch.setattr("forecast.training.progress.time.monotonic", lambda: now)
    stream = io.StringIO()
    report = terminal_reporter(stream, calm=True)
    for second in range(round(hours * 3600) + 1):
        now = float(second)
        report(STEP)
        report(EPOCH)
    assert stream.getvalue().count("\n") == lines
    if lines:
        first = "training for 0:10: epoch  3/10  loss 0.5123  val_loss 0.25"
        assert stream.getvalue().splitlines()[0] == first


def test_lines_of_a_log_name_their_network() -> None:
    assert shown(io.StringIO(), replace(EPOCH, name="a")).startswith("a: epoch  3/10  loss")
    assert shown(io.StringIO(), replace(START, name="a")).startswith("a: 48,210 windows")


@pytest.mark.parametrize("width", [12, 30, 50, 70, 300])
def test_a_bar_takes_one_row_of_any_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.training.progress.REDRAW_SECONDS", 0.0)
    terminal = a_terminal(monkeypatch, width)
    report = terminal_reporter(terminal)
    for step in (5, 6, 7):
        report(replace(STEP, step=step, name="context 336, seed 0"))
    assert len(terminal.rows) == 1
    report(EPOCH)
    report(Ended("context 336, seed 0"))
    line = "epoch  3/10  loss 0.5  val_loss 0.25  lr 0.001  4.1 s  best"
    assert terminal.rows == [
        line[start : start + width].rstrip() for start in range(0, len(line), width)
    ]


def test_a_terminal_is_not_redrawn_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 0.05, 0.09, 0.2, 0.2])
    monkeypatch.setattr("forecast.training.progress.time.monotonic", lambda: next(clock))
    terminal = a_terminal(monkeypatch)
    report = terminal_reporter(terminal)
    losses = []
    for loss in (0.1, 0.2, 0.3, 0.4):
        report(replace(STEP, loss=loss))
        losses.append(terminal.rows[0].split("loss ")[1][:3])
    assert losses == ["0.1", "0.1", "0.1", "0.4"]


def test_an_interrupt_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, StepDone) and event.epoch == 2:
            assert not terminal.cursor_is_visible
            assert terminal.rows[-1].startswith("epoch 2/4 ━")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_once(random_model(), reporter=both(terminal_reporter(terminal), interrupt))
    assert terminal.cursor_is_visible
    assert " windows of " in terminal.rows[0]
    assert terminal.rows[-1].startswith("epoch 1/4  loss")


def test_nothing_is_said_of_validation_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    first = StepDone(
        epoch=1, num_epochs=1, step=1, num_steps=1, loss=1.0, val_loss=None, seconds=0.1
    )
    last = EpochDone(
        epoch=1,
        num_epochs=1,
        loss=1.0,
        val_loss=None,
        learning_rate=0.1,
        seconds=0.1,
        is_best=False,
    )
    terminal = a_terminal(monkeypatch, width=120)
    report = terminal_reporter(terminal)
    report(first)
    assert "val_loss" not in terminal.rows[0]
    report(last)
    assert "val_loss" not in terminal.rows[0]


def test_the_default_stream_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    terminal_reporter()(EPOCH)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("epoch  3/10")


def test_tensorboard_keeps_networks_apart(tmp_path: Path) -> None:
    report = tensorboard_reporter(tmp_path)
    for name in ("context 24, seed 0", "context 24, seed 1"):
        report(replace(EPOCH, name=name))
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "context 24, seed 0",
        "context 24, seed 1",
    ]


def test_tensorboard_gets_the_scalars_of_every_epoch(tmp_path: Path) -> None:
    stream = io.StringIO()
    report = both(tensorboard_reporter(tmp_path / "logs"), terminal_reporter(stream))
    for event in (STEP, EPOCH):
        report(event)
    (file,) = (tmp_path / "logs").iterdir()
    found = {
        value.tag: (event.step, float(tf.make_ndarray(value.tensor)))
        for record in tf.data.TFRecordDataset(str(file))
        for event in [tf.compat.v1.Event.FromString(record.numpy())]
        for value in event.summary.value
    }
    assert found == {
        "loss": (3, 0.5),
        "val_loss": (3, 0.25),
        "learning_rate": (3, pytest.approx(1e-3)),
    }
    assert stream.getvalue().count("\n") == 1
