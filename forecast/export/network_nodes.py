"""A recorded network in operations of an export: one entry of `NODES` for each kind of layer.

The graph is the one that forecasts run in NumPy (`forecast.inference`), so a file has nothing that
a forecast has not: no dropout, and no member of weight 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.export.operations import Operations, Value
from forecast.export.recurrent_nodes import KINDS, bidirectional_node, recurrent_node
from forecast.inference.forward import WEIGHTED_SUM
from forecast.inference.graph import Graph, Node, Weights
from forecast.inference.layer_forms import Options, UnknownFormError, require

Array = NDArray[Any]

Write = Callable[[Operations, Options, Sequence[Array], Sequence[Any]], Any]
"""From options, weights and arguments of a node to what it returns."""


def write_network(
    ops: Operations, graph: Graph, weights: Weights, inputs: Mapping[str, Value]
) -> Value:
    """Write a network into a graph.

    Args:
        ops: writes the graph.
        graph: the network.
        weights: its weights by name.
        inputs: as in `WindowShape`.

    Returns:
        Its output, (B, H, D) or (B, H, D, Q).

    Raises:
        UnknownFormError: a layer cannot be written.
    """
    arrays = graph.in_order(weights)
    tensors: dict[int, Value] = {number: inputs[name] for name, number in graph.inputs.items()}
    for node in _needed(graph, arrays):
        own = [arrays[number] for number in node.weights]
        arguments = [_argument(value, tensors) for value in node.arguments]
        keywords = {name: _argument(value, tensors) for name, value in node.keywords.items()}
        result = _write_node(ops, node, own, arguments, keywords)
        results = result if len(node.outputs) > 1 else [result]
        tensors |= dict(zip(node.outputs, results, strict=True))
    return tensors[graph.output]


def _write_node(
    ops: Operations,
    node: Node,
    weights: Sequence[Array],
    arguments: list[Any],
    keywords: dict[str, Any],
) -> Any:
    try:
        if node.kind in KINDS:
            given = (arguments[0], keywords.get("initial_state"))
            return recurrent_node(ops, node.kind, node.options, weights, given)
        if node.kind in ("Bidirectional", "forecast.Bidirectional"):
            state = keywords.get("initial_state")
            return bidirectional_node(ops, node.options, weights, arguments[0], state)
        if node.kind not in NODES or keywords:
            raise UnknownFormError("unknown")
        return NODES[node.kind](ops, node.options, weights, arguments)
    except UnknownFormError as error:
        raise UnknownFormError(
            f"its layer {node.name!r}, a {node.kind}, cannot be written into a file ({error})"
        ) from error


def _needed(graph: Graph, arrays: Sequence[Array]) -> list[Node]:
    """Return the nodes that the output depends on, without members of weight 0."""
    needed = {graph.output}
    kept = []
    for node in reversed(graph.nodes):
        if needed.isdisjoint(node.outputs):
            continue
        kept.append(node)
        arguments = node.arguments
        if node.kind == WEIGHTED_SUM:
            arguments = [node.arguments[0][place] for place in _counting(arrays[node.weights[0]])]
        needed |= set(_tensors([arguments, list(node.keywords.values())]))
    return kept[::-1]


def _counting(shares: Array) -> list[int]:
    """Return the places of the members with a weight; where all are 0, the first."""
    places: list[int] = np.flatnonzero(shares).tolist() or [0]
    return places


def _tensors(value: Any) -> list[int]:
    """Return the numbers of all tensors in an argument."""
    if isinstance(value, list):
        return [number for part in value for number in _tensors(part)]
    if isinstance(value, dict) and "tensor" in value:
        return [value["tensor"]]
    return []


def _argument(value: Any, tensors: Mapping[int, Value]) -> Any:
    """Return an argument of a node; see `inference.graph.Node`."""
    if isinstance(value, list):
        return [_argument(part, tensors) for part in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors.get(value["tensor"])  # None: the output of a member without weight
    if "array" in value:
        return np.array(value["array"], value["dtype"])
    if value["slice"] == "...":
        return Ellipsis
    return slice(*value["slice"])


def _activated(ops: Operations, name: str, x: Value) -> Value:
    if name == "linear":
        return x
    if name == "silu":
        return x * ops.unary("sigmoid", x)
    if name == "softmax":
        return ops.softmax(x)
    if name not in ("relu", "sigmoid", "softplus", "tanh"):
        raise UnknownFormError(f"activation {name!r}")
    return ops.unary(name, x)  # type: ignore[arg-type]


def _as_value(ops: Operations, given: Any, like: Value = None) -> Value:
    """Return an argument as a value; a number or an array has the type that the others have."""
    if isinstance(given, np.ndarray):
        return ops.constant(given)
    if isinstance(given, (int, float)):
        kind = np.float32
        if like is not None and "int" in str(getattr(like, "dtype", getattr(like, "type", ""))):
            kind = np.int32  # type: ignore[assignment]
        return ops.constant(np.asarray(given, kind))
    return given


def _arithmetic(operate: Callable[[Any, Any], Any]) -> Write:
    def write(ops: Operations, _: Options, __: Sequence[Array], given: Sequence[Any]) -> Value:
        a, b = given
        return operate(_as_value(ops, a, b), _as_value(ops, b, a))

    return write


def _binary(name: Any) -> Write:
    def write(ops: Operations, _: Options, __: Sequence[Array], given: Sequence[Any]) -> Value:
        a, b = given
        return ops.binary(name, _as_value(ops, a, b), _as_value(ops, b, a))

    return write


def _unary(name: Any) -> Write:
    return lambda ops, _options, _weights, given: ops.unary(name, given[0])


def _item(ops: Operations, _: Options, __: Sequence[Array], given: Sequence[Any]) -> Value:
    """Write `x[key]`, with slices, numbers, new axes and an ellipsis in the key."""
    x, key = given
    parts = list(key) if isinstance(key, list) else [key]
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        others = sum(part is not None for part in parts) - 1
        left = len(ops.shape(x)) - others
        parts[place : place + 1] = [slice(None)] * left
    axis = 0
    for part in parts:
        if part is None:
            x = ops.expand(x, axis)
            axis += 1
            continue
        size = ops.shape(x)[axis]
        if isinstance(part, slice):
            if size is not None and part != slice(None):
                start, stop, step = part.indices(size)
                if step != 1:
                    raise UnknownFormError(f"a slice with step {step}")
                x = ops.slice(x, axis, start, stop)
            axis += 1
            continue
        if size is None:
            raise UnknownFormError("a single window")
        x = ops.squeeze(ops.slice(x, axis, part % size, part % size + 1), axis)
    return x


def _filled(number: int) -> Write:
    """Write an array of one number in the shape of another."""

    def write(ops: Operations, options: Options, _: Sequence[Array], given: Sequence[Any]) -> Value:
        x = given[0]
        kind: Any = options.get("dtype") or "float32"
        zero = x - x
        if kind != "float32":
            zero = ops.cast(zero, kind)
        if not number:
            return zero
        return zero + ops.constant(np.asarray(number, kind))

    return write


def _repeat(ops: Operations, options: Options, _: Sequence[Array], given: Sequence[Any]) -> Value:
    x = given[0]
    axis = options["axis"]
    size = ops.shape(x)[axis]
    if size is None:
        raise UnknownFormError("windows that are repeated")
    return ops.take(x, np.repeat(np.arange(size), options["repeats"]).tolist(), axis)


def _repeat_vector(
    ops: Operations, options: Options, _: Sequence[Array], given: Sequence[Any]
) -> Value:
    return ops.take(ops.expand(given[0], 1), [0] * options["n"], 1)


def _stack(ops: Operations, options: Options, _: Sequence[Array], given: Sequence[Any]) -> Value:
    axis = options["axis"]
    return ops.concat([ops.expand(x, axis) for x in given[0]], axis)


def _deviation(
    ops: Operations, options: Options, _: Sequence[Array], given: Sequence[Any]
) -> Value:
    if not isinstance(options["axis"], int) or not options["keepdims"]:
        raise UnknownFormError(f"axis {options['axis']}")
    centred = given[0] - ops.reduce("mean", given[0], options["axis"])
    return ops.unary("sqrt", ops.reduce("mean", centred * centred, options["axis"]))


def _dense(ops: Operations, options: Options, weights: Sequence[Array], given: Any) -> Value:
    product = ops.matmul(given[0], ops.constant(weights[0]))
    if options["use_bias"]:
        product = product + ops.constant(weights[1])
    return _activated(ops, options["activation"], product)


def _embedding(ops: Operations, options: Options, weights: Sequence[Array], given: Any) -> Value:
    require(options, mask_zero=False)
    codes = given[0]
    if isinstance(codes, np.ndarray):
        return ops.constant(weights[0][codes])
    return ops.rows(ops.constant(weights[0]), codes)


def _attention(ops: Operations, options: Options, _: Sequence[Array], given: Any) -> Value:
    require(options, score_mode="dot", use_scale=False)
    queries, values, *others = given[0]
    keys = others[0] if others else values
    scores = ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))  # (B, H, L)
    return ops.matmul(ops.softmax(scores), values)


def _additive_attention(
    ops: Operations, options: Options, weights: Sequence[Array], given: Any
) -> Value:
    queries, values, *others = given[0]
    keys = others[0] if others else values
    sums = ops.unary("tanh", ops.expand(queries, 2) + ops.expand(keys, 1))  # (B, H, L, U)
    if options["use_scale"]:
        sums = sums * ops.constant(weights[0])
    scores = ops.squeeze(ops.reduce("sum", sums, 3), 3)
    return ops.matmul(ops.softmax(scores), values)


def _layer_norm(ops: Operations, options: Options, weights: Sequence[Array], given: Any) -> Value:
    if options["axis"] not in (-1, [-1]):
        raise UnknownFormError(f"axis {options['axis']}")
    require(options, rms_scaling=False)
    x = given[0]
    left = list(weights)
    centred = x - ops.reduce("mean", x, -1)
    variance = ops.reduce("mean", centred * centred, -1)
    epsilon = ops.constant(np.float32(options["epsilon"]))
    result = centred / ops.unary("sqrt", variance + epsilon)
    if options["scale"]:
        result = result * ops.constant(left.pop(0))
    if options["center"]:
        result = result + ops.constant(left.pop(0))
    return result


def _padding(ops: Operations, options: Options, _: Sequence[Array], given: Any) -> Value:
    require(options, data_format="channels_last")
    x = given[0]
    parts = [x]
    first, last = options["padding"]
    one_step = ops.slice(x, 1, 0, 1)
    zero = one_step - one_step  # (B, 1, C)
    if first:
        parts.insert(0, ops.take(zero, [0] * first, 1))
    if last:
        parts.append(ops.take(zero, [0] * last, 1))
    return ops.concat(parts, 1)


def _linear_window(ops: Operations, _: Options, weights: Sequence[Array], given: Any) -> Value:
    """See `layers.combination.LinearWindow`."""
    (matrix,) = weights
    targets, *known = given[0]
    length = ops.shape(targets)[1] or 0
    last = ops.slice(targets, 1, length - 1, length)  # (B, 1, D)
    centred = ops.transpose(targets - last, (0, 2, 1))
    change = ops.matmul(centred, ops.constant(matrix[:length]))  # (B, D, H)
    if len(matrix) > length:
        for covariates in known:
            _windows, steps, channels = ops.shape(covariates)
            flat = ops.reshape(covariates, (-1, 1, (steps or 0) * (channels or 0)))
            change = change + ops.matmul(flat, ops.constant(matrix[length:]))
    return last + ops.transpose(change, (0, 2, 1))


def _weighted_sum(ops: Operations, _: Options, weights: Sequence[Array], given: Any) -> Value:
    (shares,) = weights
    parts = [given[0][place] * ops.constant(shares[place]) for place in _counting(shares)]
    return reduce(lambda a, b: a + b, parts)


def _reshape(ops: Operations, options: Options, _: Sequence[Array], given: Any) -> Value:
    return ops.reshape(given[0], (-1, *options["target_shape"]))


def _over_all(operate: Callable[[Any, Any], Any]) -> Write:
    return lambda _ops, _options, _weights, given: reduce(operate, given[0])


NODES: dict[str, Write] = {
    "Activation": lambda ops, options, _, given: _activated(ops, options["activation"], given[0]),
    "Add": _over_all(lambda a, b: a + b),
    "AdditiveAttention": _additive_attention,
    "Attention": _attention,
    "Concatenate": lambda ops, options, _, given: ops.concat(given[0], options["axis"]),
    "Dense": _dense,
    "Dropout": lambda _ops, _options, _weights, given: given[0],
    "Embedding": _embedding,
    "LayerNormalization": _layer_norm,
    "Multiply": _over_all(lambda a, b: a * b),
    "Permute": lambda ops, options, _, given: ops.transpose(given[0], (0, *options["dims"])),
    "RepeatVector": _repeat_vector,
    "Reshape": _reshape,
    "Subtract": _over_all(lambda a, b: a - b),
    "ZeroPadding1D": _padding,
    "forecast.LinearWindow": _linear_window,
    WEIGHTED_SUM: _weighted_sum,
    "ops.Absolute": _unary("abs"),
    "ops.Add": _arithmetic(lambda a, b: a + b),
    "ops.Concatenate": lambda ops, options, _, given: ops.concat(given[0], options["axis"]),
    "ops.Exp": _unary("exp"),
    "ops.ExpandDims": lambda ops, options, _, given: ops.expand(given[0], options["axis"]),
    "ops.GetItem": _item,
    "ops.Greater": _binary("greater"),
    "ops.Maximum": _binary("maximum"),
    "ops.Minimum": _binary("minimum"),
    "ops.Multiply": _arithmetic(lambda a, b: a * b),
    "ops.Negative": _unary("neg"),
    "ops.OnesLike": _filled(1),
    "ops.Relu": _unary("relu"),
    "ops.Repeat": _repeat,
    "ops.Reshape": lambda ops, options, _, given: ops.reshape(given[0], options["newshape"]),
    "ops.Sigmoid": _unary("sigmoid"),
    "ops.Softplus": _unary("softplus"),
    "ops.Squeeze": lambda ops, options, _, given: ops.squeeze(given[0], options["axis"]),
    "ops.Stack": _stack,
    "ops.Std": _deviation,
    "ops.Subtract": _arithmetic(lambda a, b: a - b),
    "ops.Tanh": _unary("tanh"),
    "ops.Transpose": lambda ops, options, _, given: ops.transpose(given[0], options["axes"]),
    "ops.TrueDivide": _arithmetic(lambda a, b: a / b),
    "ops.Where": lambda ops, _options, _weights, given: ops.where(*given),
    "ops.ZerosLike": _filled(0),
}
"""Kind of a node -> function that writes it; recurrent layers are in `recurrent_nodes`."""
