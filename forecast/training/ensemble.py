"""Several networks and linear maps that forecast together: how they are built, and how they are weighed.

A blend is one `keras.Model` with the inputs and outputs of its members, so that everything that
works with a network works with a blend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from forecast.axes import FloatArray
from forecast.experiment.settings import Experiment
from forecast.layers.runtime import build_apart
from forecast.models import build_model
from forecast.section import decided
from forecast.windows.index import WindowShape

if TYPE_CHECKING:
    import keras


KNOWN_NUMBERS = 2_000
"""Numbers known ahead that a linear member reads, at most: its equations have as many unknowns."""


@dataclass(frozen=True, eq=False)
class Member:
    """A network, or a linear map, of a blend; all members read the same inputs.

    Attributes:
        name: for people, such as `context 336, seed 1` or `linear, context 336`.
        context_length: steps of the window that it looks at, the last ones.
        seed: of a network; None for a linear map.
        model: from the inputs of the blend to its outputs.
        reads_known: of a linear map, whether it reads what is known ahead.
    """

    name: str
    context_length: int
    seed: int | None
    model: keras.Model
    reads_known: bool = False


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The members and their sum.

    Attributes:
        members: in the order of their weights.
        model: the weighted sum of the members; the only member itself where there is one.
    """

    members: tuple[Member, ...]
    model: keras.Model

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each member by name."""
        if len(self.members) == 1:
            return {self.members[0].name: 1.0}
        weights = np.asarray(self.model.get_layer("blend").shares)
        return {
            member.name: float(weight) for member, weight in zip(self.members, weights, strict=True)
        }

    def set_weights(self, weights: Sequence[float] | FloatArray) -> None:
        """Set the weights of the members."""
        if len(self.members) > 1:
            self.model.get_layer("blend").set_weights([np.asarray(weights, np.float32)])


def build_ensemble(config: Experiment, shape: WindowShape) -> Ensemble:
    """Build what a resolved experiment describes.

    Args:
        config: the experiment.
        shape: what the blend reads and writes; its context is the longest of the members'.

    Raises:
        ConfigError: see `build_model`.
    """
    return build_apart(partial(_build, config, shape), seed=config.training.seed)


def _build(config: Experiment, shape: WindowShape) -> Ensemble:
    lengths = decided(config.ensemble.context_lengths, "ensemble.context_lengths")
    if not lengths:
        lengths = (shape.context_length,)
    linear = decided(config.ensemble.linear, "ensemble.linear")
    maps = [] if linear == "none" else [_linear(shape, length) for length in lengths]
    members = [
        _network(config, shape, length, seed=config.training.seed + number)
        for length in lengths
        for number in range(decided(config.ensemble.seeds, "ensemble.seeds"))
    ]
    if linear == "residual":
        by_length = dict(zip(lengths, maps, strict=True))
        members = [_on_linear(one, by_length[one.context_length], config, shape) for one in members]
    members += maps
    if len(members) == 1:
        return Ensemble(tuple(members), members[0].model)
    import keras

    from forecast.layers.combination import WeightedSum

    inputs = {
        one.name: keras.Input(one.shape[1:], name=one.name, dtype=one.dtype)
        for one in members[0].model.inputs
    }
    outputs = WeightedSum(name="blend")([one.model(inputs) for one in members])
    return Ensemble(tuple(members), keras.Model(inputs, outputs, name="ensemble"))


def _network(config: Experiment, shape: WindowShape, length: int, *, seed: int) -> Member:
    """A network that looks at the last `length` steps."""
    name = f"context {length}, seed {seed}"
    model = build_model(config.model, replace(shape, context_length=length), seed=seed)
    if config.ensemble.num_members > 1:
        model = _of_longer_windows(model, shape, length, name=f"context_{length}_seed_{seed}")
    return Member(name, length, seed, model)


def _of_longer_windows(
    model: keras.Model, shape: WindowShape, length: int, *, name: str
) -> keras.Model:
    """The network with the inputs of windows as long or longer, of which it is shown the end."""
    import keras

    from forecast.layers.sequences import model_inputs

    inputs = model_inputs(shape)
    shown = {
        key: one[:, shape.context_length - length :] if key in ("past", "past_categories") else one
        for key, one in inputs.items()
    }
    return keras.Model(inputs, model(shown), name=name)


def _on_linear(member: Member, linear: Member, config: Experiment, shape: WindowShape) -> Member:
    """The network as what is added to a linear map: both start from the last value, which then counts once."""
    import keras

    from forecast.layers.sequences import model_inputs

    inputs = model_inputs(shape)
    last = inputs["past"][:, -1:, : shape.num_targets]
    together = member.model(inputs) + linear.model(inputs)
    outputs = together if config.model.instance_norm == "none" else together - last
    return replace(
        member, model=keras.Model(inputs, outputs, name=f"{member.model.name}_on_linear")
    )


def _linear(shape: WindowShape, length: int) -> Member:
    """A linear map of the last `length` steps and of what is known ahead, still without its numbers."""
    import keras

    from forecast.layers.combination import LinearWindow
    from forecast.layers.sequences import model_inputs

    inputs = model_inputs(shape)
    targets = inputs["past"][:, shape.context_length - length :, : shape.num_targets]
    reads_known = 0 < shape.horizon * shape.num_known <= KNOWN_NUMBERS
    known = [inputs["known"]] if reads_known else []
    outputs = LinearWindow(shape.horizon, name="linear")([targets, *known])
    model = keras.Model(inputs, outputs, name=f"linear_{length}")
    return Member(f"linear, context {length}", length, None, model, reads_known)


def weights_text(weights: Mapping[str, float]) -> str:
    """One line, for example `0.52 context 336, seed 0 + 0.48 linear, context 336`."""
    return " + ".join(f"{weight:.2f} {name}" for name, weight in weights.items())
