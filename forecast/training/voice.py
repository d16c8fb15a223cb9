"""The voice of a command: where the lines, the progress and the logs of its work go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from forecast.training.events import Reporter, ignore
from forecast.training.progress import both, tensorboard_reporter

Say = Callable[[str], None]
"""Takes one line of text."""


@dataclass(frozen=True)
class Voice:
    """Where a command tells of its work.

    Attributes:
        say: takes each line about the work.
        reporter: takes the events of training; default: nobody.
        tensorboard: folder for TensorBoard logs; default: none are written.
        start: called once before TensorFlow is needed, for those who start it in their own way.
        failed: takes each line about a part that failed without ending the work; default: `say`.
    """

    say: Say
    reporter: Reporter = ignore
    tensorboard: str | None = None
    start: Callable[[], None] | None = None
    failed: Say | None = None

    def wake(self) -> None:
        """Start TensorFlow, if it is to be started in a certain way."""
        if self.start is not None:
            self.start()

    def warn(self, line: str) -> None:
        """Tell that a part failed without ending the work."""
        (self.failed or self.say)(line)

    def for_training(self) -> Reporter:
        """Return the reporter of a training, which writes the TensorBoard logs too."""
        if self.tensorboard is None:
            return self.reporter
        return both(self.reporter, tensorboard_reporter(self.tensorboard))
