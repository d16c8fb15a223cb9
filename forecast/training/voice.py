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
    """

    say: Say
    reporter: Reporter = ignore
    tensorboard: str | None = None

    def for_training(self) -> Reporter:
        """Return the reporter of a training, which writes the TensorBoard logs too."""
        if self.tensorboard is None:
            return self.reporter
        return both(self.reporter, tensorboard_reporter(self.tensorboard))
