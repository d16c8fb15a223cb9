"""Who listens to training: a terminal, a log file, TensorBoard."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TextIO

from forecast.training.events import EpochDone, Event, Reporter, Started, StepDone

BAR_WIDTH = 20
REDRAW_SECONDS = 0.1


def terminal_reporter(stream: TextIO | None = None) -> Reporter:
    """Draw a bar where `stream` is a terminal; write a plain line at the start and one per epoch anywhere.

    Args:
        stream: where to write; standard error if left out.
    """
    out = stream or sys.stderr
    live = out.isatty()
    drawn_at = float("-inf")

    def report(event: Event) -> None:
        nonlocal drawn_at
        if isinstance(event, Started):
            out.write(start_line(event) + "\n")
        elif isinstance(event, EpochDone):
            out.write(("\r\x1b[K" if live else "") + epoch_line(event) + "\n")
            out.flush()
        elif live and time.monotonic() - drawn_at >= REDRAW_SECONDS:
            drawn_at = time.monotonic()
            out.write("\r\x1b[K" + bar_line(event))
            out.flush()

    return report


def tensorboard_reporter(folder: str | Path) -> Reporter:
    """Write loss, validation loss and learning rate of every epoch as TensorBoard scalars.

    Args:
        folder: where the event file goes; a new file is made for every run.
    """
    import tensorflow as tf  # only who asks for logs needs it

    writer = tf.summary.create_file_writer(str(folder))

    def report(event: Event) -> None:
        if isinstance(event, EpochDone):
            scalars = {"loss": event.loss, "val_loss": event.val_loss, "learning_rate": event.learning_rate}
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
    return f"{event.estimate}{loops}" + ("; the steps are being compiled" if event.compiled else "")


def epoch_line(event: EpochDone) -> str:
    """One line about an epoch, for example `epoch  3/30  loss 0.1234  val_loss 0.2345  lr 0.001  4.1 s  best`."""
    width = len(str(event.num_epochs))
    parts = [f"epoch {event.epoch:>{width}}/{event.num_epochs}", f"loss {event.loss:.4g}"]
    parts += [] if event.val_loss is None else [f"val_loss {event.val_loss:.4g}"]
    parts += [f"lr {event.learning_rate:.3g}", f"{event.seconds:.1f} s"] + (["best"] if event.is_best else [])
    return "  ".join(parts)


def bar_line(event: StepDone) -> str:
    """One line about a step: a bar for the epoch, the losses, and the time left if training goes on to the end."""
    width = len(str(event.num_epochs))
    filled = BAR_WIDTH * event.step // event.num_steps
    steps_left = (event.num_epochs - event.epoch + 1) * event.num_steps - event.step
    left = round(steps_left * event.seconds / event.step)
    parts = [f"epoch {event.epoch:>{width}}/{event.num_epochs}", "█" * filled + "·" * (BAR_WIDTH - filled)]
    parts += [f"loss {event.loss:.4g}"] + ([] if event.val_loss is None else [f"val_loss {event.val_loss:.4g}"])
    return "  ".join([*parts, f"at most {left // 60}:{left % 60:02d} left"])
