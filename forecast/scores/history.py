"""Losses of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class History:
    """What training went through, one entry per epoch.

    Attributes:
        loss: mean training loss, on the transformed scale.
        val_loss: validation loss; empty where there were no validation windows.
        learning_rate: at the end of the epoch.
        seconds: wall time of the epoch.
        best_epoch: the epoch, counted from 1, whose weights were kept; 0 before the first one ends.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> History:
        """Read back what `to_dict` wrote."""
        series = {
            name: tuple(values[name]) for name in ("loss", "val_loss", "learning_rate", "seconds")
        }
        compiled, native = (bool(values.get(name, False)) for name in ("compiled", "native"))
        return cls(best_epoch=int(values["best_epoch"]), compiled=compiled, native=native, **series)
