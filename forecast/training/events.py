"""Events that training reports while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from forecast.training.batches import Estimate


@dataclass(frozen=True)
class Started:
    """The training of a network begins.

    Attributes:
        estimate: windows, batches and memory of an epoch.
        compiled: whether XLA compiles the steps, which takes some seconds.
        native: whether the recurrent loops run in C++.
        name: of the network, where there are several.
    """

    estimate: Estimate
    compiled: bool
    native: bool
    name: str = ""


@dataclass(frozen=True)
class StepDone:
    """Steps were taken, up to this one; there may be several between two such events.

    Attributes:
        epoch: counted from 1.
        num_epochs: at most; training may stop earlier.
        step: counted from 1.
        num_steps: of one epoch.
        loss: mean of the epoch so far.
        val_loss: validation loss of the epoch before; None in the first epoch.
        seconds: since the epoch began.
        name: as in `Started`.
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
        val_loss: validation loss; None without validation windows.
        learning_rate: after the last step.
        seconds: wall time of the epoch, validation included.
        is_best: whether the weights of this epoch are the best so far.
        name: as in `Started`.
    """

    epoch: int
    num_epochs: int
    loss: float
    val_loss: float | None
    learning_rate: float
    seconds: float
    is_best: bool
    name: str = ""


@dataclass(frozen=True)
class Ended:
    """The training of a network is over: after its last epoch, an error, or an interrupt.

    Attributes:
        name: as in `Started`.
    """

    name: str = ""


Event = Started | StepDone | EpochDone | Ended
Reporter = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Report to nobody."""
