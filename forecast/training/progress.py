"""Progress reporters: terminal, notebook, log file, TensorBoard."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from forecast.training.events import Both, Ended, EpochDone, Event, Reporter, Started, StepDone

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

BAR_WIDTH = 20
"""Characters of a bar; fewer in a narrow terminal."""

WIDE = 100
"""Characters of a terminal with room for the validation loss beside a bar."""

REDRAW_SECONDS = 0.1
"""Least time between two drawings of the bars."""

FIRST_LINE_SECONDS = 10.0
"""Training time before the first line in a file, where epochs are not written."""


def terminal_reporter(stream: TextIO | None = None, *, calm: bool = False) -> Reporter:
    """Return a reporter that writes a line at the start of training and one for each epoch.

    In a terminal, and in a notebook where `ipywidgets` is installed, a bar below these lines shows
    the steps of each network that is being trained. A file gets the lines alone.

    Args:
        stream: where to write; default: standard error.
        calm: whether these lines are left out: a terminal shows the bars alone, and a file gets a
            line now and then, ever more rarely.
    """
    console = _live_console(stream)
    if console is not None:
        return _Bars(console, calm=calm)
    out = stream or sys.stderr

    def write(line: str) -> None:
        out.write(line + "\n")
        out.flush()

    if calm:
        return _Heartbeat(write)
    return line_reporter(write)


def line_reporter(write: Callable[[str], None]) -> Reporter:
    """Return a reporter that passes on a line at the start of training and one for each epoch.

    Args:
        write: takes a line.
    """

    def report(event: Event) -> None:
        line = _event_line(event)
        if line is not None:
            write(line)

    return report


class _Heartbeat:
    """Reporter that writes a line after 10 seconds of training, and after twice as long each time.

    So a short training is silent, and one of a whole day takes 14 lines.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self.started = time.monotonic()
        self.next_line = FIRST_LINE_SECONDS

    def __call__(self, event: Event) -> None:
        if not isinstance(event, StepDone):
            return
        seconds = time.monotonic() - self.started
        if seconds < self.next_line:
            return
        self.next_line = 2 * seconds
        minutes, seconds_left = divmod(round(seconds), 60)
        texts = [_epoch_text(event), *_loss_texts(event)]
        self.write(f"training for {minutes}:{seconds_left:02d}: {'  '.join(texts)}")


def _live_console(stream: TextIO | None) -> Console | None:
    """Return a console that can draw bars; None for a log."""
    if stream is None and "ipykernel" in sys.modules and find_spec("ipywidgets"):
        from rich.console import Console

        return Console()

    out = stream or sys.stderr
    if out.isatty():
        from rich.console import Console

        return Console(file=out, force_jupyter=False)
    return None


class _Bars:
    """Reporter that draws one bar for each network that is being trained."""

    def __init__(self, console: Console, *, calm: bool = False) -> None:
        self.console = console
        self.calm = calm
        self.progress: Progress | None = None
        self.tasks: dict[str, TaskID] = {}
        self.drawn_at = float("-inf")
        # In a narrow terminal the bar has the room: the line above shows the validation loss.
        self.num_losses = 2 if console.width >= WIDE else 1

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self._draw(event)
        if isinstance(event, Ended):
            self._remove(event.name)
        line = _event_line(event)
        if line is not None and not self.calm:
            # As plain text, on as many rows as it takes: the terminal breaks long lines itself.
            self.console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def _draw(self, event: StepDone) -> None:
        if self.progress is None:
            self.progress = _make_progress(self.console)
            self.progress.start()

        fields: dict[str, Any] = {
            "description": _epoch_text(event),
            "total": event.num_steps,
            "completed": event.step,
            "losses": "  ".join(_loss_texts(event)[: self.num_losses]),
            "left": _left_text(event),
        }
        if event.name in self.tasks:
            self.progress.update(self.tasks[event.name], **fields)
        else:
            self.tasks[event.name] = self.progress.add_task(**fields)
        if time.monotonic() - self.drawn_at >= REDRAW_SECONDS:
            self.drawn_at = time.monotonic()
            self.progress.refresh()

    def _remove(self, name: str) -> None:
        """Remove the bar of a network; without bars the terminal is as if there had been none."""
        if self.progress is None or name not in self.tasks:
            return
        self.progress.remove_task(self.tasks.pop(name))
        if self.tasks:
            self.progress.refresh()
        else:
            self.progress.stop()
            self.progress = None


def _make_progress(console: Console) -> Progress:
    """Return the bars of the networks that are being trained, one row for each.

    They are drawn at each event, and not by a thread, which would draw on after an interrupt.
    """
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    def text(template: str) -> TextColumn:
        column = Column(no_wrap=True, overflow="ellipsis")
        return TextColumn(template, markup=False, table_column=column)

    return Progress(
        text("{task.description}"),
        BarColumn(BAR_WIDTH),
        text("{task.fields[losses]}"),
        text("{task.fields[left]}"),
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,  # standard output may be a file
        redirect_stderr=console.file is sys.stderr,  # warnings appear above the bars
    )


def tensorboard_reporter(folder: str | Path) -> Reporter:
    """Return a reporter that writes loss, validation loss and learning rate of every epoch.

    Args:
        folder: where the event files of TensorBoard go: a new file for every run, in a subfolder
            for each network where there are several.
    """
    import tensorflow as tf  # needed only for these logs

    writers: dict[str, Any] = {}

    def report(event: Event) -> None:
        if not isinstance(event, EpochDone):
            return
        if event.name not in writers:
            writers[event.name] = tf.summary.create_file_writer(str(Path(folder) / event.name))
        scalars = {
            "loss": event.loss,
            "val_loss": event.val_loss,
            "learning_rate": event.learning_rate,
        }
        writer = writers[event.name]
        with writer.as_default(step=event.epoch):
            for name, value in scalars.items():
                if value is not None:
                    tf.summary.scalar(name, value)
        writer.flush()

    return report


def both(*reporters: Reporter) -> Reporter:
    """Return a reporter that passes every event to all of these."""
    return Both(reporters)


def _event_line(event: Event) -> str | None:
    """Return the line about an event in a log, None for one without a line."""
    if isinstance(event, Started):
        return _start_line(event)
    if isinstance(event, EpochDone):
        return _epoch_line(event)
    return None


def _start_line(event: Started) -> str:
    """Return a line such as `48,210 windows of 72 + 24 rows, 754 batches an epoch; rows 3.1 MB`."""
    line = f"{_label(event)}{event.estimate}"
    if event.native:
        line += "; recurrent loops in C++"
    if event.compiled:
        line += "; the steps are being compiled"
    return line


def _epoch_line(event: EpochDone) -> str:
    """Return a line such as `epoch  3/30  loss 0.1234  val_loss 0.2345  lr 0.001  4.1 s  best`."""
    texts = [
        _epoch_text(event),
        *_loss_texts(event),
        f"lr {event.learning_rate:.3g}",
        f"{event.seconds:.1f} s",
    ]
    if event.is_best:
        texts.append("best")
    return "  ".join(texts)


def _epoch_text(event: StepDone | EpochDone) -> str:
    """Return the number of an epoch, for example `epoch  3/30`, after the name of the network."""
    width = len(str(event.num_epochs))
    return f"{_label(event)}epoch {event.epoch:>{width}}/{event.num_epochs}"


def _loss_texts(event: StepDone | EpochDone) -> list[str]:
    """Return the losses, for example `loss 0.1234` and `val_loss 0.2345`."""
    texts = [f"loss {event.loss:.4g}"]
    if event.val_loss is not None:
        texts.append(f"val_loss {event.val_loss:.4g}")
    return texts


def _left_text(event: StepDone) -> str:
    """Return the time until the last epoch is over at this speed; training may stop earlier."""
    steps_left = (event.num_epochs - event.epoch + 1) * event.num_steps - event.step
    seconds = round(steps_left * event.seconds / event.step)
    return f"at most {seconds // 60}:{seconds % 60:02d} left"


def _label(event: Event) -> str:
    """Return the name of a network and a colon, where there are several."""
    if event.name:
        return f"{event.name}: "
    return ""
