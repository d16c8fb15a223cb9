"""Ensembles: networks and linear maps that forecast together as a weighted sum.

An ensemble is one `keras.Model` with the inputs and outputs of its members, so that all code for a
network works with an ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.errors import ArtifactError
from forecast.experiment.settings import Experiment
from forecast.layers.runtime import build_apart
from forecast.layers.traced import kind_of, mark_kind
from forecast.models import build_model
from forecast.models.counted_weights import names_in_order
from forecast.section import decided
from forecast.windows.index import WindowShape

if TYPE_CHECKING:
    import keras


KNOWN_NUMBERS = 2_000
"""Known values of a horizon that a linear member reads, at most: each has weights of its own."""


@dataclass(frozen=True, eq=False)
class Member:
    """A network or a linear map of an ensemble; all members read the same inputs.

    Attributes:
        name: for people, such as `context 336, seed 1` or `linear, context 336`.
        context_length: last steps of the window that it reads.
        seed: of a network; None for a linear map.
        model: from the inputs of the ensemble to its outputs.
        reads_known: of a linear map, whether it reads known covariates.
    """

    name: str
    context_length: int
    seed: int | None
    model: keras.Model
    reads_known: bool = False


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The members and their weighted sum.

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
    """Build the ensemble, or the single network, of a resolved experiment.

    Args:
        config: the experiment.
        shape: arrays that the ensemble reads and writes; its context is the longest of all members.

    Raises:
        ConfigError: see `build_model`.
    """
    return build_apart(partial(_build, config, shape), seed=config.training.seed)


def member_model(config: Experiment, shape: WindowShape, number: int) -> keras.Model:
    """Build one member of an ensemble, as it is before training.

    Args:
        config: the experiment.
        shape: arrays that the ensemble reads and writes.
        number: of the member.
    """
    return build_ensemble(config, shape).members[number].model


def _build(config: Experiment, shape: WindowShape) -> Ensemble:
    settings = config.ensemble
    lengths = context_lengths(config, shape)
    linear = decided(settings.linear, "ensemble.linear")
    linear_members = {}
    if linear != "none":
        linear_members = {length: _linear(shape, length) for length in lengths}

    members = []
    for length in lengths:
        for number in range(decided(settings.seeds, "ensemble.seeds")):
            seed = config.training.seed + number
            members.append(_network(config, shape, length, seed=seed))
    if linear == "residual":
        members = [
            _on_linear(member, linear_members[member.context_length], config, shape)
            for member in members
        ]
    members += linear_members.values()
    if len(members) == 1:
        return Ensemble(tuple(members), members[0].model)
    return Ensemble(tuple(members), _weighted_sum(members))


def context_lengths(config: Experiment, shape: WindowShape) -> tuple[int, ...]:
    """Return the contexts that members read: as set, or that of the windows alone."""
    lengths = decided(config.ensemble.context_lengths, "ensemble.context_lengths")
    return lengths or (shape.context_length,)


def linear_name(length: int) -> str:
    """Return the name of a linear map."""
    return f"linear, context {length}"


def reads_known_values(shape: WindowShape) -> bool:
    """Return whether linear maps read the known covariates."""
    return 0 < shape.horizon * shape.num_known <= KNOWN_NUMBERS


def keras_model(
    config: Experiment, shape: WindowShape, weights: Mapping[str, NDArray[Any]]
) -> keras.Model:
    """Build the ensemble of a resolved experiment in Keras, with trained weights.

    Args:
        config: the experiment.
        shape: arrays that the ensemble reads and writes.
        weights: by name, see `inference.recording.model_weights`.

    Raises:
        ArtifactError: a weight is missing, unknown or of another shape.
        ConfigError: see `build_model`.
    """
    num_networks = config.ensemble.num_members
    if num_networks > max(len(weights), 1):
        raise ArtifactError(
            f"config.json has an ensemble of {num_networks:,} members, and weights.safetensors "
            f"{len(weights):,} weights: save the model again"
        )
    names = names_in_order(lambda: _build(config, shape).model, weights)
    model = build_ensemble(config, shape).model
    model.set_weights([weights[name] for name in names])
    return model


def _weighted_sum(members: Sequence[Member]) -> keras.Model:
    """Return the weighted sum of members as one model, with all weights equal."""
    import keras

    from forecast.layers.combination import WeightedSum

    inputs = {
        tensor.name: keras.Input(tensor.shape[1:], name=tensor.name, dtype=tensor.dtype)
        for tensor in members[0].model.inputs
    }
    models = [member.model for member in members]
    outputs = WeightedSum(name="blend")([model(inputs) for model in models])
    return keras.Model(inputs, outputs, name="ensemble")


def _network(config: Experiment, shape: WindowShape, length: int, *, seed: int) -> Member:
    """Return a network that reads the last `length` steps."""
    name = f"context {length}, seed {seed}"
    model = build_model(config.model, replace(shape, context_length=length), seed=seed)
    if config.ensemble.num_members > 1:
        model = _of_longer_windows(model, shape, length, name=f"context_{length}_seed_{seed}")
    return Member(name, length, seed, model)


def _of_longer_windows(
    model: keras.Model, shape: WindowShape, length: int, *, name: str
) -> keras.Model:
    """Return the network with the inputs of longer windows, of which it reads the last steps."""
    import keras

    from forecast.layers.sequences import model_inputs

    inputs = model_inputs(shape)
    read = dict(inputs)
    for key in ("past", "past_categories"):
        if key in inputs:
            read[key] = inputs[key][:, shape.context_length - length :]
    longer = keras.Model(inputs, model(read), name=name)
    return mark_kind(longer, ("longer", kind_of(model), shape, length))


def _on_linear(member: Member, linear: Member, config: Experiment, shape: WindowShape) -> Member:
    """Return the sum of a network and a linear map.

    With instance normalisation each of them adds the last value, which is then subtracted once.
    """
    import keras

    from forecast.layers.sequences import model_inputs

    inputs = model_inputs(shape)
    last = inputs["past"][:, -1:, : shape.num_targets]
    outputs = member.model(inputs) + linear.model(inputs)
    if config.model.instance_norm != "none":
        outputs = outputs - last
    model = keras.Model(inputs, outputs, name=f"{member.model.name}_on_linear")
    kinds = (kind_of(member.model), kind_of(linear.model))
    mark_kind(model, ("on linear", *kinds, config.model.instance_norm))
    return replace(member, model=model)


def _linear(shape: WindowShape, length: int) -> Member:
    """Return a linear map of the last `length` steps and of known covariates, not yet fitted."""
    import keras

    from forecast.layers.combination import LinearWindow
    from forecast.layers.sequences import model_inputs

    inputs = model_inputs(shape)
    targets = inputs["past"][:, shape.context_length - length :, : shape.num_targets]
    reads_known = reads_known_values(shape)
    tensors = [targets]
    if reads_known:
        tensors.append(inputs["known"])
    outputs = LinearWindow(shape.horizon, name="linear")(tensors)
    model = keras.Model(inputs, outputs, name=f"linear_{length}")
    mark_kind(model, ("linear", shape, length))
    return Member(linear_name(length), length, None, model, reads_known)
