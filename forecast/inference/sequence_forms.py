"""NumPy forms of the layers for whole sequences of different lengths; see `whole_sequences`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.inference.array_forms import softmax
from forecast.inference.layer_forms import UnknownFormError, require
from forecast.inference.row_blocks import Kernel

Array = NDArray[Any]
Options = dict[str, Any]
Call = Callable[..., Any]

EPSILON = np.float32(1e-3)
"""Added to the variance of a filter, as by batch normalisation."""

POOLING = "forecast.Pooling"

STEP_WEIGHTS = "forecast.StepWeights"
"""In the place of a `POOLING` by attention: its weights, not the mean that they weigh."""

FAR_BELOW = np.float32(-1e9)
"""Score of a step behind the end of a sequence: its softmax is exactly 0."""


def _reverse_steps(_options: Options, _weights: Sequence[Array]) -> Call:
    """See `layers.whole_sequences.ReverseSteps`."""

    def turn(steps: Array, lengths: Array) -> Array:
        places = np.arange(steps.shape[1])
        ends = lengths[:, None]
        order = np.where(places < ends, ends - 1 - places, places)  # (B, L)
        return np.take_along_axis(steps, order[:, :, None], axis=1)

    return turn


def _pooling(options: Options, weights: Sequence[Array]) -> Call:
    """See `layers.whole_sequences.Pooling`."""
    how = options["how"]
    pools = {"last": _last(options), "mean": _mean, "max": _largest}
    if how == "attention":
        return _weighed_steps(*weights)
    if how not in pools:
        raise UnknownFormError(f"how {how!r}")
    return pools[how]


def _inside(outputs: Array, lengths: Array) -> Array:
    """Return (B, L, 1): whether a step is in its sequence."""
    return (np.arange(outputs.shape[1]) < lengths[:, None])[:, :, None]


def _last(options: Options) -> Call:
    def pool(outputs: Array, lengths: Array) -> Array:
        last = outputs[np.arange(len(outputs)), lengths - 1]  # (B, U)
        if not options["is_bidirectional"]:
            return last
        half = outputs.shape[-1] // 2
        return np.concatenate([last[:, :half], outputs[:, 0, half:]], axis=-1)

    return pool


def _mean(outputs: Array, lengths: Array) -> Array:
    total = np.where(_inside(outputs, lengths), outputs, np.float32(0)).sum(axis=1)
    return total / lengths.astype(np.float32)[:, None]


def _largest(outputs: Array, lengths: Array) -> Array:
    largest: Array = np.where(_inside(outputs, lengths), outputs, FAR_BELOW).max(axis=1)
    return largest


def _weighed_steps(kernel: Array, bias: Array, score_kernel: Array) -> Call:
    """Return the mean weighed by softmax(v . tanh(W h + b)) over the steps."""
    shares_of = _step_weights({}, (kernel, bias, score_kernel))

    def pool(outputs: Array, lengths: Array) -> Array:
        return (outputs * shares_of(outputs, lengths)[:, :, None]).sum(axis=1)

    return pool


def _step_weights(_options: Options, weights: Sequence[Array]) -> Call:
    """Return the weights themselves, (B, L); see `layers.whole_sequences.Pooling.step_weights`."""
    kernel, bias, score_kernel = weights
    hidden = Kernel(kernel)
    score = Kernel(score_kernel)

    def shares_of(outputs: Array, lengths: Array) -> Array:
        scores = score.product(np.tanh(hidden.product(outputs) + bias))  # (B, L, 1)
        scores = np.where(_inside(outputs, lengths), scores, FAR_BELOW)
        return softmax(np.ascontiguousarray(scores[:, :, 0]))

    return shares_of


def _neighbour_filters(options: Options, weights: Sequence[Array]) -> Call:
    """See `layers.whole_sequences.NeighbourFilters`."""
    taps, gamma, beta, mean, variance = weights
    kernels = [Kernel(np.ascontiguousarray(tap)) for tap in taps]
    width = options["width"]
    stride = options["stride"]
    scale = gamma / np.sqrt(variance + EPSILON)

    def run(steps: Array, lengths: Array) -> tuple[Array, Array]:
        length = steps.shape[1]
        is_inside = _inside(steps, lengths)
        before = (width - 1) // 2
        known = np.where(is_inside, steps, np.float32(0))
        around = np.pad(known, [(0, 0), (before, width - 1 - before), (0, 0)])
        filtered = np.zeros((*steps.shape[:2], len(scale)), np.float32)
        for place, kernel in enumerate(kernels):
            filtered += kernel.product(np.ascontiguousarray(around[:, place : place + length]))
        normalised = np.maximum((filtered - mean) * scale + beta, 0)
        filtered = np.where(is_inside, normalised, np.float32(0))
        if stride == 1:
            return filtered, lengths
        return _means_of(filtered, lengths, stride), -(-lengths // stride)

    return run


def _means_of(steps: Array, lengths: Array, stride: int) -> Array:
    """Return the means over every `stride` steps; the last one over those that there are."""
    length = steps.shape[1]
    num_groups = -(-length // stride)
    whole = np.pad(steps, [(0, 0), (0, num_groups * stride - length), (0, 0)])
    groups = whole.reshape(len(steps), num_groups, stride, -1)
    left = lengths[:, None] - stride * np.arange(num_groups)
    counts = np.clip(left, 1, stride).astype(np.float32)
    return groups.sum(axis=2) / counts[:, :, None]


def _softmax_layer(options: Options, _: Sequence[Array]) -> Call:
    require(options, axis=-1)
    return softmax


SEQUENCE_FORMS: dict[str, Callable[..., Call]] = {
    "Softmax": _softmax_layer,
    "forecast.NeighbourFilters": _neighbour_filters,
    POOLING: _pooling,
    "forecast.ReverseSteps": _reverse_steps,
    STEP_WEIGHTS: _step_weights,
}
"""Layer -> function of its options and weights that returns the function it computes."""
