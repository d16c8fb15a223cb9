"""Sizes of what a node is about to make, from its options and the arrays that it reads.

A saved model may come from anybody. Before its golden windows run, each node is counted: a few
bytes of options, such as a number of repeats, may ask for any memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.inference.graph import Node

Array = NDArray[Any]
Arrays = Sequence[Array]

LARGEST_BYTES = 2**27
"""Memory of all tensors that are alive, at most, beside twice that of the weights and inputs."""

LARGEST_WORK = 2**30
"""Products of numbers, at most, beside those of `USES` runs of every weight on every row."""

USES = 8
"""Nodes that read a weight, at most; members of an ensemble share none."""


@dataclass(eq=False)
class Meter:
    """Memory and work that a pass may still take.

    Attributes:
        num_weights: numbers in all weights.
        rows: windows and steps of the inputs together.
        bytes_left: of tensors that are alive.
        work_left: products of numbers.
    """

    num_weights: int
    rows: int
    bytes_left: int = field(init=False)
    work_left: int = field(init=False)

    def __post_init__(self) -> None:
        """Set what may be taken."""
        self.bytes_left = LARGEST_BYTES + 8 * self.num_weights
        self.work_left = LARGEST_WORK + USES * self.num_weights * self.rows

    @classmethod
    def of(cls, weights: Mapping[str, Array], inputs: Mapping[str, Array]) -> Meter:
        """Return the meter of a pass."""
        num_weights = sum(array.size for array in weights.values())
        rows = sum(prod(array.shape[:2]) for array in inputs.values())
        return cls(num_weights, rows)

    def allow(self, node: Node, arguments: Any, weights: Arrays) -> None:
        """Raise unless a node may run.

        Args:
            node: the node.
            arguments: of its call.
            weights: of the node.

        Raises:
            ValueError: it would take more memory or work than a network of these weights.
        """
        arrays = list(_arrays_in(arguments))
        numbers, work = _demand(node, arrays, weights)
        self.work_left -= work + numbers
        if 8 * numbers > self.bytes_left or self.work_left < 0:
            raise ValueError(
                f"the layer {node.name[:40]!r} would make {numbers:,} numbers with {work:,} "
                f"products, more than a network of {self.num_weights:,} weights"
            )

    def made(self, result: Any) -> None:
        """Count tensors that are alive from now on."""
        self.bytes_left -= sum(array.nbytes for array in _arrays_in(result))

    def freed(self, tensor: Any) -> None:
        """Count a tensor that is alive no more."""
        self.bytes_left += sum(array.nbytes for array in _arrays_in(tensor))


def _arrays_in(value: Any) -> Iterator[Array]:
    """Yield all arrays in nested arguments."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _arrays_in(part)
    elif isinstance(value, dict):
        yield from _arrays_in(list(value.values()))


def _demand(node: Node, arrays: Arrays, weights: Arrays) -> tuple[int, int]:
    """Return the numbers that a node makes, and the products of numbers it takes, about."""
    numbers = sum(array.size for array in arrays)
    work = 0
    if len(arrays) > 1:
        numbers = max(numbers, _broadcast(arrays))
    for array in arrays:
        rows = array.size
        if array.ndim and array.dtype.kind == "f":
            rows = array.size // max(array.shape[-1], 1)
        numbers = max(numbers, rows * sum(_width(weight) for weight in weights))
        work += rows * sum(weight.size for weight in weights)
    enlarging = ENLARGING.get(node.kind)
    if enlarging is not None and arrays:
        numbers += enlarging(node.options, arrays)
    numbers += _states(node.options, arrays)
    if "Attention" in node.kind and len(arrays) > 1:
        queries, keys = arrays[0], arrays[1]
        scores = queries.size // max(queries.shape[-1], 1) * keys.shape[1]
        numbers += scores
        work += scores * keys.shape[-1]
    return numbers, work


def _width(weight: Array) -> int:
    return weight.shape[-1] if weight.ndim else 1


def _broadcast(arrays: Arrays) -> int:
    """Return the numbers of arrays that are combined element by element; 0 where they cannot be."""
    try:
        return prod(np.broadcast_shapes(*[array.shape for array in arrays]))
    except ValueError:
        return 0


def _states(options: Mapping[str, Any], arrays: Arrays) -> int:
    """Return the numbers in the states of a recurrent layer, in one direction or both."""
    layers = [options, options.get("forward"), options.get("backward")]
    total = 0
    for layer in layers:
        if isinstance(layer, dict):
            own = layer.get("options", layer)
            total += sum(map(abs, own.get("state_sizes", ())))
    return total * max([len(array) for array in arrays if array.ndim], default=1)


def _count(value: Any) -> int:
    """Return the sum of whole numbers, nested or not."""
    if isinstance(value, list):
        return sum(map(_count, value))
    return abs(int(value))


def _times(name: str) -> Callable[[Mapping[str, Any], Arrays], int]:
    return lambda options, arrays: arrays[0].size * _count(options[name])


def _steps_more(*names: str) -> Callable[[Mapping[str, Any], Arrays], int]:
    """Return the numbers of an array (B, L, C) that gets further steps."""

    def more(options: Mapping[str, Any], arrays: Arrays) -> int:
        per_step = arrays[0].size // max(arrays[0].shape[1], 1)
        return per_step * sum(_count(options[name]) for name in names)

    return more


ENLARGING: dict[str, Callable[[Mapping[str, Any], Arrays], int]] = {
    "RepeatVector": _times("n"),
    "ops.Repeat": _times("repeats"),
    "ZeroPadding1D": _steps_more("padding"),
    "forecast.NeighbourFilters": _steps_more("width", "stride"),
}
"""Kind of a node whose options make an array larger -> numbers that it adds."""
