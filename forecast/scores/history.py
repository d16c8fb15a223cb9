"""Losses of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_PER_EPOCH = ("loss", "val_loss", "learning_rate", "seconds")


@dataclass(frozen=True)
class History:
    """Record of a training, one entry per epoch.

    Attributes:
        loss: mean training loss, on the transformed scale.
        val_loss: validation loss, on the transformed scale; empty without validation windows.
        learning_rate: at the end of the epoch.
        seconds: wall time of the epoch.
        best_epoch: the epoch, counted from 1, whose weights are used; 0 before the first one ends.
        compiled: whether XLA compiled the steps.
        native: whether the recurrent loops ran in C++.
    """

    loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    learning_rate: tuple[float, ...]
    seconds: tuple[float, ...]
    best_epoch: int
    compiled: bool = False
    native: bool = False

    @classmethod
    def of_nothing(cls) -> History:
        """Return the record where no network was trained."""
        return cls((), (), (), (), best_epoch=0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        return values | {name: list(values[name]) for name in _PER_EPOCH}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> History:
        """Read back what `to_dict` wrote."""
        return cls(
            **{name: tuple(values[name]) for name in _PER_EPOCH},
            best_epoch=int(values["best_epoch"]),
            compiled=bool(values.get("compiled", False)),
            native=bool(values.get("native", False)),
        )
