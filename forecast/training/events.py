"""Events that training reports while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from forecast.training.batches import Estimate


@dataclass(eq=False)
class Live:
    """A training under way, which a reporter may look into and stop.

    Attributes:
        model: the network that is trained.
        optimizer: its optimizer.
        num_epochs: at most.
        every_step: whether `StepDone` is to follow each step, which takes longer; set by a reporter
            when training begins.
        stop: whether training is to end after this step; set by a reporter.
    """

    model: Any
    optimizer: Any
    num_epochs: int
    every_step: bool = False
    stop: bool = False


@dataclass(frozen=True)
class Started:
    """The training of a network begins.

    Attributes:
        estimate: windows, batches and memory of an epoch.
        compiled: whether XLA compiles the steps, which takes some seconds.
        native: whether the recurrent loops run in C++.
        name: of the network, where there are several.
        live: the training itself; None where an event is passed on to another process.
    """

    estimate: Estimate
    compiled: bool
    native: bool
    name: str = ""
    live: Live | None = field(default=None, compare=False)


@dataclass(frozen=True)
class EpochBegun:
    """An epoch begins.

    Attributes:
        epoch: counted from 1.
        name: as in `Started`.
    """

    epoch: int
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


Event = Started | EpochBegun | StepDone | EpochDone | Ended
Reporter = Callable[[Event], None]


@dataclass(frozen=True)
class Both:
    """Reporter that passes every event to all of some reporters.

    Attributes:
        reporters: in order.
    """

    reporters: tuple[Reporter, ...]

    @property
    def one_at_a_time(self) -> bool:
        """Whether one of them follows one network after another."""
        return any(map(follows_one_network, self.reporters))

    def __call__(self, event: Event) -> None:
        """Pass an event on."""
        for reporter in self.reporters:
            reporter(event)


def follows_one_network(reporter: Reporter | None) -> bool:
    """Return whether networks are to be trained one after another, not side by side.

    A reporter says so by an attribute `one_at_a_time`.
    """
    return bool(getattr(reporter, "one_at_a_time", False))


def of_refit(reporter: Reporter | None) -> Reporter | None:
    """Return the reporter of a refit: without those that follow the choice of the best epoch."""
    if isinstance(reporter, Both):
        return Both(tuple(filter(None, map(of_refit, reporter.reporters))))
    if follows_one_network(reporter):
        return None
    return reporter


def ignore(event: Event) -> None:
    """Report to nobody."""
