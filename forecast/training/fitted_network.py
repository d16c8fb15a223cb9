"""The result of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from forecast.models.keras_network import Network
from forecast.scores.history import History
from forecast.training.budget import Plan

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """Losses and weights of the members.

    Attributes:
        histories: losses per epoch of each network by name, that with the largest weight first.
        weights: weight of each member of an ensemble by name; 1 for a single network.
        cuts: what `training.budget` cut, in words; empty for nothing.
    """

    histories: dict[str, History]
    weights: dict[str, float]
    cuts: str = ""

    def sorted(self) -> TrainingRecord:
        """Return the record with the network with the largest weight first."""
        names = sorted(self.histories, key=lambda name: -self.weights[name])
        return replace(self, histories={name: self.histories[name] for name in names})

    @property
    def history(self) -> History:
        """Losses per epoch of the network with the largest weight; of nothing without a network."""
        return next(iter(self.histories.values()), History.of_nothing())


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """Result of training: the network, with the penalties and the record of its members.

    Attributes:
        network: the network, or the ensemble, as a function of arrays.
        make_model: returns it as a Keras model.
        penalties: ridge penalty of each linear member by name.
        record: losses and weights of the members.
        plan: that of `training.budget`, if there is one.
    """

    network: Network
    make_model: Callable[[], keras.Model]
    penalties: dict[str, float]
    record: TrainingRecord
    plan: Plan | None = None
