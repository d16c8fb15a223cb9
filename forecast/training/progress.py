"""Who listens to training: a terminal, a log file, TensorBoard."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, TextIO

from forecast.training.events import EpochDone, Event, Reporter, Started, StepDone

BAR_WIDTH = 20


REDRAW_SECONDS = 0.1


def terminal_reporter(stream: TextIO | None = None) -> Reporter:
    """Draw a bar where `stream` is a terminal; write a plain line at the start and one per epoch anywhere.

    Where several networks are trained side by side, the bar is that of the one that has most time
    left.

    Args:
        stream: where to write; standard error if left out.
    """
    out = stream or sys.stderr
    live = out.isatty()
    drawn_at = float("-inf")
    under_way: dict[str, StepDone] = {}

    def report(event: Event) -> None:
        nonlocal drawn_at
        if not isinstance(event, StepDone):
            under_way.pop(event.name, None)
            line = start_line(event) if isinstance(event, Started) else epoch_line(event)
            out.write(("\r\x1b[K" if live else "") + line + "\n")
            out.flush()
            return
        under_way[event.name] = event
        if live and time.monotonic() - drawn_at >= REDRAW_SECONDS:
            drawn_at = time.monotonic()
            out.write("\r\x1b[K" + bar_line(max(under_way.values(), key=seconds_left)))
            out.flush()

    return report


def tensorboard_reporter(folder: str | Path) -> Reporter:
    """Write loss, validation loss and learning rate of every epoch as TensorBoard scalars.

    Args:
        folder: where the event file goes, in a folder of its own for each of several networks; a
            new file is made for every run.
    """
    import tensorflow as tf  # only who asks for logs needs it

    writers: dict[str, Any] = {}

    def report(event: Event) -> None:
        if isinstance(event, EpochDone):
            if event.name not in writers:
                writers[event.name] = tf.summary.create_file_writer(str(Path(folder) / event.name))
            writer = writers[event.name]
            scalars = {
                "loss": event.loss,
                "val_loss": event.val_loss,
                "learning_rate": event.learning_rate,
            }
            with writer.as_default(step=event.epoch):
                for name, value in scalars.items():
                    if value is not None:
                        tf.summary.scalar(name, value)
            writer.flush()

    return report


def both(*reporters: Reporter) -> Reporter:
    """Tell several listeners."""

    def report(event: Event) -> None:
        for one in reporters:
            one(event)

    return report


def start_line(event: Started) -> str:
    """One line about what comes, for example `48,210 windows of 72 + 24 rows, 754 batches an epoch; rows 3.1 MB`."""
    loops = "; recurrent loops in C++" if event.native else ""
    return f"{label(event)}{event.estimate}{loops}" + (
        "; the steps are being compiled" if event.compiled else ""
    )


def epoch_line(event: EpochDone) -> str:
    """One line about an epoch, for example `epoch  3/30  loss 0.1234  val_loss 0.2345  lr 0.001  4.1 s  best`."""
    width = len(str(event.num_epochs))
    parts = [
        f"{label(event)}epoch {event.epoch:>{width}}/{event.num_epochs}",
        f"loss {event.loss:.4g}",
    ]
    parts += [] if event.val_loss is None else [f"val_loss {event.val_loss:.4g}"]
    parts += [f"lr {event.learning_rate:.3g}", f"{event.seconds:.1f} s"] + (
        ["best"] if event.is_best else []
    )
    return "  ".join(parts)


def bar_line(event: StepDone) -> str:
    """One line about a step: a bar for the epoch, the losses, and the time left if training goes on to the end."""
    width = len(str(event.num_epochs))
    filled = BAR_WIDTH * event.step // event.num_steps
    left = round(seconds_left(event))
    parts = [
        f"{label(event)}epoch {event.epoch:>{width}}/{event.num_epochs}",
        "█" * filled + "·" * (BAR_WIDTH - filled),
    ]
    parts += [f"loss {event.loss:.4g}"] + (
        [] if event.val_loss is None else [f"val_loss {event.val_loss:.4g}"]
    )
    return "  ".join([*parts, f"at most {left // 60}:{left % 60:02d} left"])


def seconds_left(event: StepDone) -> float:
    """Until the last epoch is over, if training goes on as it does."""
    steps_left = (event.num_epochs - event.epoch + 1) * event.num_steps - event.step
    return steps_left * event.seconds / event.step


def label(event: Event) -> str:
    """The name of a network before what is said of it, where there are several."""
    return f"{event.name}: " if event.name else ""
