"""Several networks and linear maps that forecast together: how they are built, and how they are weighed.

A blend is one `keras.Model` with the inputs and outputs of its members, so that everything that works with a network
works with a blend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.baselines import LEAST_ERROR
from forecast.config import Experiment
from forecast.models import build_model
from forecast.runtime import build_apart
from forecast.windows import WindowShape

if TYPE_CHECKING:
    import keras


KNOWN_NUMBERS = 2_000
"""Numbers known ahead that a linear member reads, at most: its equations have as many unknowns."""

CAUTION = 8.0
"""Windows that do not overlap, beyond the first, which it takes for the best weights to count half."""

ROUNDS = 10
"""In which windows are weighed by their errors."""

STEPS, TOLERANCE = 10_000, 1e-12
"""Of the search for the best weights: at most, and by which they still move at its end."""


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
    def shares(self) -> dict[str, float]:
        """Weight of each member by name."""
        if len(self.members) == 1:
            return {self.members[0].name: 1.0}
        shares = np.asarray(self.model.get_layer("blend").shares)
        return {one.name: float(share) for one, share in zip(self.members, shares, strict=True)}

    def weigh(self, shares: Sequence[float] | FloatArray) -> None:
        """Set the weights of the members."""
        if len(self.members) > 1:
            self.model.get_layer("blend").set_weights([np.asarray(shares, np.float32)])


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
    lengths, linear = config.ensemble.context_lengths or (shape.context_length,), config.ensemble.linear
    maps = [] if linear == "none" else [_linear(shape, length) for length in lengths]
    members = [
        _network(config, shape, length, seed=config.training.seed + number)
        for length in lengths
        for number in range(config.ensemble.seeds)
    ]
    if linear == "residual":
        by_length = dict(zip(lengths, maps, strict=True))
        members = [_on_linear(one, by_length[one.context_length], config, shape) for one in members]
    members += maps
    if len(members) == 1:
        return Ensemble(tuple(members), members[0].model)
    import keras

    from forecast.layers.blend import WeightedSum

    inputs = {one.name: keras.Input(one.shape[1:], name=one.name, dtype=one.dtype) for one in members[0].model.inputs}
    outputs = WeightedSum(name="blend")([one.model(inputs) for one in members])
    return Ensemble(tuple(members), keras.Model(inputs, outputs, name="ensemble"))


def _network(config: Experiment, shape: WindowShape, length: int, *, seed: int) -> Member:
    """A network that looks at the last `length` steps."""
    name = f"context {length}, seed {seed}"
    model = build_model(config.model, replace(shape, context_length=length), seed=seed)
    if config.ensemble.num_members > 1:
        model = _of_longer_windows(model, shape, length, name=f"context_{length}_seed_{seed}")
    return Member(name, length, seed, model)


def _of_longer_windows(model: keras.Model, shape: WindowShape, length: int, *, name: str) -> keras.Model:
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
    return replace(member, model=keras.Model(inputs, outputs, name=f"{member.model.name}_on_linear"))


def _linear(shape: WindowShape, length: int) -> Member:
    """A linear map of the last `length` steps and of what is known ahead, still without its numbers."""
    import keras

    from forecast.layers.blend import LinearWindow
    from forecast.layers.sequences import model_inputs

    inputs = model_inputs(shape)
    targets = inputs["past"][:, shape.context_length - length :, : shape.num_targets]
    reads_known = 0 < shape.horizon * shape.num_known <= KNOWN_NUMBERS
    known = [inputs["known"]] if reads_known else []
    outputs = LinearWindow(shape.horizon, name="linear")([targets, *known])
    model = keras.Model(inputs, outputs, name=f"linear_{length}")
    return Member(f"linear, context {length}", length, None, model, reads_known)


def robust_shares(errors: FloatArray) -> FloatArray:
    """Weights of at least 0 with sum 1 that make the sum of the roots of the windows' squared errors least.

    Squared errors are dominated by the wildest series, which a network trained with absolute errors does not heed.
    Iteratively reweighted: every window counts by the inverse of its error in the round before.

    Args:
        errors: (M, W, H) forecast minus actual of each member, 0 where nothing was measured.

    Returns:
        (M,) weights.
    """
    shares = best_shares(errors.reshape(len(errors), -1))
    for _ in range(ROUNDS):
        size = np.sqrt(np.square(np.tensordot(shares, errors, axes=1)).mean(axis=1))
        least = LEAST_ERROR * float(np.sqrt(np.square(size).mean())) + np.finfo(np.float64).tiny
        weighed = errors / np.sqrt(np.hypot(size, least))[:, None]
        shares = best_shares(weighed.reshape(len(errors), -1))
    return shares


def best_shares(errors: FloatArray) -> FloatArray:
    """Weights of at least 0 with sum 1 that make the squared error of the weighted sum least.

    The error of the sum is the sum of the errors, so what is minimised is w' G w with G = E E'. The way there is
    projected gradient descent (Duchi et al. 2008 for the projection onto the simplex), which ends at the minimum of
    this convex problem.

    Args:
        errors: (M, n) forecast minus actual of each member.

    Returns:
        (M,) weights.
    """
    gram = errors @ errors.T
    shares = np.full(len(gram), 1.0 / len(gram))
    length = 1.0 / max(float(np.linalg.eigvalsh(gram)[-1]), np.finfo(np.float64).tiny)
    for _ in range(STEPS):
        moved = onto_simplex(shares - length * (gram @ shares))
        if np.abs(moved - shares).max() < TOLERANCE:
            return moved
        shares = moved
    return shares


def cautious_shares(
    errors: FloatArray, is_linear: NDArray[np.bool_], evidence: float, *, robust: bool = False
) -> FloatArray:
    """The best weights, moved towards simple ones the further the less there is to choose them on.

    Of n windows that do not overlap, the best weights get the share (n - 1) / (n - 1 + CAUTION): one window alone says
    nothing of how the errors of another would differ. The rest
    goes to the linear members in their own best proportion, or to all alike where there are none: what is best on a
    few weeks of one series is often chance. Chosen on the two halves of validation parts, weights found on one half and
    scored on the other (`benchmarks/accuracy/README.md`).

    Args:
        errors: (M, W, H) forecast minus actual of each member, 0 where nothing was measured.
        is_linear: (M,).
        evidence: number of validation windows that do not overlap.
        robust: choose by `robust_shares` in place of `best_shares`.

    Returns:
        (M,) weights of at least 0 with sum 1.
    """
    choose = robust_shares if robust else lambda some: best_shares(some.reshape(len(some), -1))
    simple = np.full(len(errors), 1.0 / len(errors))
    if is_linear.any():
        simple = np.zeros(len(errors))
        simple[is_linear] = choose(errors[is_linear])
    free = max(evidence - 1.0, 0.0)
    trust = free / (free + CAUTION)
    return trust * choose(errors) + (1 - trust) * simple


def onto_simplex(values: FloatArray) -> FloatArray:
    """The nearest (M,) numbers of at least 0 with sum 1 (Duchi et al. 2008, figure 1)."""
    descending = np.sort(values)[::-1]
    excess = (np.cumsum(descending) - 1.0) / np.arange(1, len(values) + 1)
    last = np.flatnonzero(descending > excess)[-1]
    return np.maximum(values - excess[last], 0.0)


def shares_text(shares: Mapping[str, float]) -> str:
    """One line, for example `0.52 context 336, seed 0 + 0.48 linear, context 336`."""
    return " + ".join(f"{share:.2f} {name}" for name, share in shares.items())
