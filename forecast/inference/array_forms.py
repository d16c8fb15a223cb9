"""NumPy forms of `keras.ops`, which a functional model holds as operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow."""
    half = np.float32(0.5)
    return np.tanh(x * half) * half + half


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softmax(x: Array) -> Array:
    """Return exp(x) along the last axis with sum 1."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / last_axis_sum(powers)[..., None]


def last_axis_sum(x: Array) -> Array:
    """Return the sums along the last axis; each reads one row in memory, so in one order."""
    return np.ascontiguousarray(x).sum(axis=-1)


def deviation(x: Array, axis: Any, keepdims: bool) -> Array:
    """Return the standard deviation along an axis or several."""
    axes = tuple(np.atleast_1d(range(x.ndim) if axis is None else axis) % x.ndim)
    kept = [size for place, size in enumerate(x.shape) if place not in axes]
    moved = np.moveaxis(x, axes, range(-len(axes), 0)).reshape(*kept, -1)
    count = np.float32(moved.shape[-1])
    centred = moved - (last_axis_sum(moved) / count)[..., None]
    found = np.sqrt(last_axis_sum(np.square(centred)) / count)
    if keepdims:
        found = np.expand_dims(found, axes)
    return found


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the form of an operation without options."""
    return lambda _options, _weights: function


def _like(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the form of an operation that takes a type in its options or its call."""

    def form(options: dict[str, Any], _: Any) -> Any:
        made_with = options.get("dtype")

        def filled(x: Array, dtype: str | None = None) -> Array:
            return function(x, dtype=dtype or made_with or x.dtype)

        return filled

    return form


ARRAY_FORMS: dict[str, Callable[..., Callable[..., Any]]] = {
    "ops.Absolute": _plain(np.abs),
    "ops.Add": _plain(np.add),
    "ops.Concatenate": lambda options, _: lambda xs: np.concatenate(xs, axis=options["axis"]),
    "ops.Exp": _plain(np.exp),
    "ops.ExpandDims": lambda options, _: lambda x: np.expand_dims(x, options["axis"]),
    "ops.GetItem": _plain(lambda x, key: x[tuple(key) if isinstance(key, list) else key]),
    "ops.Greater": _plain(np.greater),
    "ops.Maximum": _plain(np.maximum),
    "ops.Minimum": _plain(np.minimum),
    "ops.Multiply": _plain(np.multiply),
    "ops.Negative": _plain(np.negative),
    "ops.OnesLike": _like(np.ones_like),
    "ops.Relu": _plain(lambda x: np.maximum(x, 0)),
    "ops.Repeat": lambda options, _: (
        lambda x: np.repeat(x, options["repeats"], axis=options["axis"])
    ),
    "ops.Reshape": lambda options, _: lambda x: x.reshape(options["newshape"]),
    "ops.Sigmoid": _plain(sigmoid),
    "ops.Softplus": _plain(softplus),
    "ops.Squeeze": lambda options, _: lambda x: np.squeeze(x, options["axis"]),
    "ops.Stack": lambda options, _: lambda xs: np.stack(xs, axis=options["axis"]),
    "ops.Std": lambda options, _: lambda x: deviation(x, options["axis"], options["keepdims"]),
    "ops.Subtract": _plain(np.subtract),
    "ops.Tanh": _plain(np.tanh),
    "ops.Transpose": lambda options, _: lambda x: np.transpose(x, options["axes"]),
    "ops.TrueDivide": _plain(np.true_divide),
    "ops.Where": _plain(np.where),
    "ops.ZerosLike": _like(np.zeros_like),
}
"""Operation -> function of its options and weights that returns the function it computes."""
