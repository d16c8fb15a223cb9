"""NumPy forms of the layers without a loop: those of Keras that our networks have, and our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.inference.array_forms import last_axis_sum, sigmoid, softmax, softplus
from forecast.inference.row_blocks import Kernel, pairwise_products

Array = NDArray[Any]
Options = dict[str, Any]
Call = Callable[..., Any]

ACTIVATIONS: dict[str, Call] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "softmax": softmax,
    "softplus": softplus,
    "tanh": np.tanh,
}
"""Activation -> its function."""


ADDED_AT_ONCE = 2**22
"""Sums of query and key that are in memory at a time, about."""


class UnknownFormError(Exception):
    """A layer, or an option of it, that has no form in NumPy; the message says so in words."""


def activation_of(options: Options, name: str = "activation") -> Call:
    """Return the activation that an option names.

    Raises:
        UnknownFormError: it is not in `ACTIVATIONS`.
    """
    wanted = options[name]
    if not isinstance(wanted, str) or wanted not in ACTIVATIONS:
        raise UnknownFormError(f"{name} {wanted!r}")
    return ACTIVATIONS[wanted]


def require(options: Options, **expected: Any) -> None:
    """Raise unless options are as expected, where a layer has them.

    Raises:
        UnknownFormError: an option has another value.
    """
    for name, value in expected.items():
        if options.get(name, value) != value:
            raise UnknownFormError(f"{name} {options[name]!r}")


def _dense(options: Options, weights: Sequence[Array]) -> Call:
    activation = activation_of(options)
    kernel = Kernel(weights[0])
    if not options["use_bias"]:
        return lambda x: activation(kernel.product(x))
    bias = weights[1]
    return lambda x: activation(kernel.product(x) + bias)


def _embedding(options: Options, weights: Sequence[Array]) -> Call:
    require(options, mask_zero=False)
    (vectors,) = weights
    return lambda codes: vectors[codes]


def _attention(options: Options, _: Sequence[Array]) -> Call:
    """Luong attention: the scores are the products of query and key."""
    require(options, score_mode="dot", use_scale=False)

    def attend(tensors: Sequence[Array]) -> Array:
        queries, values, *others = tensors
        keys = others[0] if others else values
        return _weighed(pairwise_products(queries, keys), values)

    return attend


def _additive_attention(options: Options, weights: Sequence[Array]) -> Call:
    """Bahdanau attention: the scores are v . tanh(query + key)."""
    scale = Kernel(weights[0][:, None]) if options["use_scale"] else None

    def attend(tensors: Sequence[Array]) -> Array:
        queries, values, *others = tensors
        keys = others[0] if others else values
        per_window = queries.shape[1] * keys.shape[1] * keys.shape[2]
        size = max(ADDED_AT_ONCE // per_window, 1)
        blocks = []
        for first in range(0, len(queries), size):
            block = slice(first, first + size)
            blocks.append(score(queries[block], keys[block]))
        return _weighed(np.concatenate(blocks), values)

    def score(queries: Array, keys: Array) -> Array:
        sums = np.tanh(queries[:, :, None] + keys[:, None])  # (B, H, L, U)
        if scale is None:
            return last_axis_sum(sums)
        return scale.product(sums)[..., 0]

    return attend


def _weighed(scores: Array, values: Array) -> Array:
    """Return (B, H, U), values (B, L, U) weighed by the softmax of scores (B, H, L)."""
    return pairwise_products(softmax(scores), np.ascontiguousarray(values.swapaxes(1, 2)))


def _layer_norm(options: Options, weights: Sequence[Array]) -> Call:
    if options["axis"] not in (-1, [-1]):
        raise UnknownFormError(f"axis {options['axis']}")
    require(options, rms_scaling=False)
    epsilon = np.float32(options["epsilon"])
    left = list(weights)
    gamma = left.pop(0) if options["scale"] else np.float32(1)
    beta = left.pop(0) if options["center"] else np.float32(0)

    def normalise(x: Array) -> Array:
        x = np.ascontiguousarray(x)
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        return centred / np.sqrt(variance + epsilon) * gamma + beta

    return normalise


def _reshape(options: Options, _: Sequence[Array]) -> Call:
    shape = options["target_shape"]
    return lambda x: x.reshape(len(x), *shape)


def _padding(options: Options, _: Sequence[Array]) -> Call:
    require(options, data_format="channels_last")
    first, last = options["padding"]

    def pad(x: Array) -> Array:
        batch, steps, width = x.shape
        padded = np.zeros((batch, first + steps + last, width), x.dtype)
        padded[:, first : first + steps] = x
        return padded

    return pad


def _linear_window(_: Options, weights: Sequence[Array]) -> Call:
    """See `layers.combination.LinearWindow`."""
    (matrix,) = weights
    prepared: dict[int, tuple[Kernel, Kernel | None]] = {}

    def forecast(tensors: Sequence[Array]) -> Array:
        targets, *known = tensors
        length = targets.shape[1]
        if length not in prepared:
            of_known = Kernel(matrix[length:]) if len(matrix) > length else None
            prepared[length] = (Kernel(matrix[:length]), of_known)
        of_targets, of_known = prepared[length]
        last = targets[:, -1:]  # (B, 1, D)
        change = of_targets.product(np.ascontiguousarray((targets - last).swapaxes(1, 2)))
        for covariates in known:
            flat = covariates.reshape(len(covariates), 1, -1)  # (B, 1, H K)
            if of_known is not None:
                change = change + of_known.product(flat)
        return last + change.swapaxes(1, 2)

    return forecast


def _weighted_sum(_: Options, weights: Sequence[Array]) -> Call:
    """See `layers.combination.WeightedSum`; `forward` leaves out the tensors of weight 0."""
    (shares,) = weights

    def total(tensors: Sequence[Array]) -> Array:
        result = tensors[0] * shares[0]
        for tensor, share in zip(tensors[1:], shares[1:], strict=True):
            result = result + tensor * share
        return result

    return total


def _same(_options: Options, _weights: Sequence[Array]) -> Call:
    return lambda x: x


def _over_all(function: Call) -> Callable[..., Call]:
    """Return the form of a layer that joins its tensors two at a time."""
    return lambda _options, _weights: lambda tensors: reduce(function, tensors)


LAYER_FORMS: dict[str, Callable[..., Call]] = {
    "Activation": lambda options, _: activation_of(options),
    "Add": _over_all(np.add),
    "AdditiveAttention": _additive_attention,
    "Attention": _attention,
    "Average": lambda _options, _weights: (
        lambda tensors: reduce(np.add, tensors) / np.float32(len(tensors))
    ),
    "Concatenate": lambda options, _: lambda tensors: np.concatenate(tensors, options["axis"]),
    "Dense": _dense,
    "Dropout": _same,
    "Embedding": _embedding,
    "Flatten": lambda _options, _weights: lambda x: x.reshape(len(x), -1),
    "LayerNormalization": _layer_norm,
    "Multiply": _over_all(np.multiply),
    "Permute": lambda options, _: lambda x: np.transpose(x, (0, *options["dims"])),
    "RepeatVector": lambda options, _: lambda x: np.repeat(x[:, None], options["n"], axis=1),
    "Reshape": _reshape,
    "Subtract": _over_all(np.subtract),
    "ZeroPadding1D": _padding,
    "forecast.LinearWindow": _linear_window,
    "forecast.WeightedSum": _weighted_sum,
}
"""Layer -> function of its options and weights that returns the function it computes."""
