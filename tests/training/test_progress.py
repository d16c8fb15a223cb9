"""What a terminal, a log file and TensorBoard show of training."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from forecast.training import EpochDone, Event, Started, StepDone
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
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, *events: Event) -> str:
    report = terminal_reporter(stream)
    for event in events:
        report(event)
    return stream.getvalue()


def test_a_log_gets_one_plain_line_per_epoch() -> None:
    line = "epoch  3/10  loss 0.5  val_loss 0.25  lr 0.001  4.1 s  best\n"
    assert shown(io.StringIO(), STEP, STEP, EPOCH) == line


def test_what_training_takes_is_said_before_it_starts() -> None:
    line = "48,210 windows of 72 + 24 rows, 754 batches an epoch; rows 3.1 MB, order 0.4 MB, one batch 0.6 MB"
    assert shown(io.StringIO(), START) == f"{line}; the steps are being compiled\n"
    assert shown(io.StringIO(), replace(START, compiled=False)) == f"{line}\n"
    assert (
        shown(io.StringIO(), replace(START, compiled=False, native=True))
        == f"{line}; recurrent loops in C++\n"
    )


def test_a_terminal_gets_a_bar_that_the_epoch_replaces() -> None:
    text = shown(Terminal(), STEP, EPOCH)
    bar, line = text.split("\r\x1b[K")[1:]
    # 155 steps are left (15 of this epoch, 20 of each of 7 more), 0.4 s each.
    assert bar == "epoch  3/10  █████···············  loss 0.5123  val_loss 0.25  at most 1:02 left"
    assert line == "epoch  3/10  loss 0.5  val_loss 0.25  lr 0.001  4.1 s  best\n"


def test_networks_side_by_side_are_named_and_the_bar_is_that_of_the_slowest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("forecast.training.progress.REDRAW_SECONDS", 0.0)
    slow, fast = replace(STEP, name="a", seconds=4.0), replace(STEP, name="b")
    bars = shown(Terminal(), slow, fast, replace(EPOCH, name="a"), fast).split("\r\x1b[K")[1:]
    assert [one[:2] for one in bars] == ["a:", "a:", "a:", "b:"]
    assert shown(io.StringIO(), replace(EPOCH, name="a")).startswith("a: epoch  3/10  loss")
    assert shown(io.StringIO(), replace(START, name="a")).startswith("a: 48,210 windows")


def test_a_terminal_is_not_redrawn_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 0.05, 0.09, 0.2, 0.2])
    monkeypatch.setattr("forecast.training.progress.time.monotonic", lambda: next(clock))
    assert shown(Terminal(), STEP, STEP, STEP, STEP).count("\r") == 2


def test_nothing_is_said_of_validation_where_there_is_none() -> None:
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
    assert "val_loss" not in shown(Terminal(), first, last)


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
