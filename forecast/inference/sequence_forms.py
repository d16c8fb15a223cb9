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
    hidden = Kernel(kernel)
    score = Kernel(score_kernel)

    def pool(outputs: Array, lengths: Array) -> Array:
        scores = score.product(np.tanh(hidden.product(outputs) + bias))  # (B, L, 1)
        scores = np.where(_inside(outputs, lengths), scores, FAR_BELOW)
        shares = softmax(np.ascontiguousarray(scores[:, :, 0]))[:, :, None]
        return (outputs * shares).sum(axis=1)

    return pool


def _softmax_layer(options: Options, _: Sequence[Array]) -> Call:
    require(options, axis=-1)
    return softmax


SEQUENCE_FORMS: dict[str, Callable[..., Call]] = {
    "Softmax": _softmax_layer,
    "forecast.Pooling": _pooling,
    "forecast.ReverseSteps": _reverse_steps,
}
"""Layer -> function of its options and weights that returns the function it computes."""
