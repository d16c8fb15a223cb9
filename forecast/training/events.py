"""What training tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from forecast.training.batches import Estimate


@dataclass(frozen=True)
class Started:
    """Training is about to take its first step.

    Attributes:
        estimate: what an epoch takes.
        compiled: whether XLA compiles the steps, which takes some seconds.
        native: whether the recurrent loops run in C++.
        name: of the network, where several are trained.
    """

    estimate: Estimate
    compiled: bool
    native: bool
    name: str = ""


@dataclass(frozen=True)
class StepDone:
    """Batches were learned, up to this one; some more than one are learned between two of these events.

    Attributes:
        epoch: counted from 1.
        num_epochs: at most; training may stop earlier.
        step: counted from 1.
        num_steps: of one epoch.
        loss: mean of the epoch so far.
        val_loss: validation loss of the epoch before, None before there is one.
        seconds: since the epoch began.
        name: as of `Started`.
    """

    epoch: int
    num_epochs: int
    step: int
    num_steps: int
    loss: float
    val_loss: float | None
    seconds: float
    name: str = ""


@dataclass(frozen=True)
class EpochDone:
    """An epoch ended.

    Attributes:
        epoch: counted from 1.
        num_epochs: at most.
        loss: mean training loss.
        val_loss: validation loss, None without validation windows.
        learning_rate: after the last step.
        seconds: wall time of the epoch, validation included.
        is_best: whether this epoch's weights are the best so far.
        name: as of `Started`.
    """

    epoch: int
    num_epochs: int
    loss: float
    val_loss: float | None
    learning_rate: float
    seconds: float
    is_best: bool
    name: str = ""


Event = Started | StepDone | EpochDone
Reporter = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Report to nobody."""
