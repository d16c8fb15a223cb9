"""The graph of an ensemble of ridge regressions, which is trained without Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.inference.forward import WEIGHTED_SUM, ForwardPass
from forecast.inference.graph import Graph, Node, weight_name, weights_of
from forecast.windows.index import WindowShape


@dataclass(frozen=True, eq=False)
class Regression:
    """A linear map of a window.

    Attributes:
        context_length: last steps of the window that it reads.
        matrix: (L + H K, H) its weights, of the targets and of the known covariates; see
            `layers.combination.LinearWindow`.
        reads_known: whether it reads known covariates.
    """

    context_length: int
    matrix: NDArray[np.float32]
    reads_known: bool


def regression_pass(
    shape: WindowShape, regressions: Sequence[Regression], shares: Sequence[float]
) -> ForwardPass:
    """Return the weighted sum of regressions, equal to the Keras model of `training.ensemble`.

    Args:
        shape: the arrays that it reads and writes.
        regressions: the members.
        shares: weight of each; of a single one it does not count.
    """
    inputs = {"past": 0}
    if shape.num_known:
        inputs["known"] = 1
    weights = {}
    nodes = []
    outputs = []
    for number, regression in enumerate(regressions):
        start = shape.context_length - regression.context_length
        window = len(inputs) + 2 * number
        keys = [_slice(), _slice(start), _slice(None, shape.num_targets)]
        nodes.append(_node("ops.GetItem", "targets", [_tensor(0), keys], window))
        read = [_tensor(window)]
        if regression.reads_known:
            read.append(_tensor(1))
        nodes.append(_node("forecast.LinearWindow", "linear", [read], window + 1, number))
        outputs.append(window + 1)
        weights[weight_name(number, "linear/kernel")] = regression.matrix
    if len(regressions) > 1:
        last = outputs[-1] + 1
        read = [_tensor(output) for output in outputs]
        nodes.append(_node(WEIGHTED_SUM, "blend", [read], last, len(regressions)))
        outputs = [last]
        weights[weight_name(len(regressions), "blend/shares")] = np.asarray(shares, np.float32)
    graph = Graph(inputs=inputs, nodes=nodes, output=outputs[-1], weights=weights_of(weights))
    return ForwardPass(graph, weights)


def _node(kind: str, name: str, arguments: list[Any], output: int, *weights: int) -> Node:
    return Node(
        name=name,
        kind=kind,
        arguments=arguments,
        keywords={},
        options={},
        weights=list(weights),
        outputs=[output],
    )


def _tensor(number: int) -> dict[str, int]:
    return {"tensor": number}


def _slice(start: int | None = None, stop: int | None = None) -> dict[str, Any]:
    return {"slice": [start, stop, None]}
