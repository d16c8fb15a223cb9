"""A trained network as a function of arrays, run in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.inference.forms import function_of
from forecast.inference.graph import Graph, Node, Weights
from forecast.inference.sizes import Meter

Array = NDArray[Any]

WINDOWS_AT_ONCE = 128
"""Windows that run through the network together, at most: their numbers stay in the cache."""

BLOCK_BYTES = 2**28
"""Memory that they may take, about."""

TENSORS_AT_ONCE = 8
"""Tensors of the size of the largest one that there may be at a time."""

WEIGHTED_SUM = "forecast.WeightedSum"


@dataclass(frozen=True, eq=False)
class _Step:
    """A node as it runs.

    Attributes:
        function: of its arguments.
        arguments: from all tensors to its arguments.
        keywords: from all tensors to further arguments.
        outputs: numbers of what it returns.
        done: numbers of tensors that no later node reads.
        node: what it is.
        weights: of the node.
    """

    function: Callable[..., Any]
    arguments: Callable[[list[Any]], Sequence[Any]]
    keywords: Mapping[str, Callable[[list[Any]], Any]]
    outputs: Sequence[int]
    done: Sequence[int]
    node: Node
    weights: Sequence[Array]


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """The forward pass of a network.

    The output for a window has the same bits beside any other windows, and on any number of
    processors.

    Attributes:
        graph: its operations.
        weights: its weights by name.
    """

    graph: Graph
    weights: Weights

    def __call__(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            inputs: as in `WindowShape`, B windows.

        Returns:
            (B, H, D) or (B, H, D, Q).
        """
        num_windows = len(next(iter(inputs.values())))
        size = WINDOWS_AT_ONCE
        if num_windows > 1:
            size = min(size, self._windows_in_memory(inputs))
        if num_windows <= size:
            return self._run(inputs)[0]
        blocks = [
            {name: array[start : start + size] for name, array in inputs.items()}
            for start in range(0, num_windows, size)
        ]
        return np.concatenate([self._run(block)[0] for block in blocks])

    def outputs(self, inputs: Mapping[str, Array]) -> list[NDArray[np.float32]]:
        """Run the network in one go, and return everything it returns.

        Args:
            inputs: arrays by name.
        """
        return self._run(inputs)

    def metered(self, inputs: Mapping[str, Array]) -> list[NDArray[np.float32]]:
        """Run the network in one go, with sizes and work that are counted before each operation.

        Raises:
            ValueError: an operation would take more than a network of these weights.
        """
        return self._run(inputs, meter=Meter.of(self.weights, inputs))

    def prepare(self) -> ForwardPass:
        """Prepare all operations, which otherwise the first call does; return this pass.

        Raises:
            UnknownFormError: an operation that the output depends on has no form in NumPy.
            ValueError: there is no such operation.
        """
        if not self._steps:
            raise ValueError("no operation computes the output of the network")
        return self

    @cached_property
    def _steps(self) -> list[_Step]:
        """The nodes that the output depends on; members of weight 0 are left out."""
        arrays = self.graph.in_order(self.weights)
        needed = {self.graph.output, *self.graph.further}
        steps: list[_Step] = []
        for node in reversed(self.graph.nodes):
            if needed.isdisjoint(node.outputs):
                continue
            counting, own = _without_zeros(node, arrays)
            read = set(_tensor_numbers([counting.arguments, list(node.keywords.values())]))
            steps.append(_step(counting, own, sorted(read - needed)))
            needed |= read
        return steps[::-1]

    @cached_property
    def _num_tensors(self) -> int:
        numbers = [number for node in self.graph.nodes for number in node.outputs]
        return 1 + max([self.graph.output, *self.graph.inputs.values(), *numbers])

    def _run(
        self,
        inputs: Mapping[str, Array],
        sizes: list[int] | None = None,
        meter: Meter | None = None,
    ) -> list[NDArray[np.float32]]:
        """Return the outputs for one block of windows.

        Args:
            inputs: the block.
            sizes: gets the bytes of the largest tensor; optional.
            meter: counts every operation before it runs; optional.
        """
        tensors: list[Any] = [None] * self._num_tensors
        for name, number in self.graph.inputs.items():
            tensors[number] = inputs[name]
        for step in self._steps:
            arguments = step.arguments(tensors)
            if meter is not None:
                read = [reader(tensors) for reader in step.keywords.values()]
                meter.allow(step.node, [arguments, read], step.weights)
            if step.keywords:
                keywords = {name: read(tensors) for name, read in step.keywords.items()}
                result = step.function(*arguments, **keywords)
            else:
                result = step.function(*arguments)
            if len(step.outputs) == 1:
                tensors[step.outputs[0]] = result
            else:
                for number, part in zip(step.outputs, result, strict=True):
                    tensors[number] = part
            if sizes is not None:
                sizes.append(max(np.asarray(tensors[number]).nbytes for number in step.outputs))
            if meter is not None:
                meter.made(result)
                for number in step.done:
                    meter.freed(tensors[number])
            for number in step.done:
                tensors[number] = None
        returned = (self.graph.output, *self.graph.further)
        return [np.ascontiguousarray(tensors[number], np.float32) for number in returned]

    def _windows_in_memory(self, inputs: Mapping[str, Array]) -> int:
        """Return how many windows may run together, by the largest tensor of one."""
        if "_window_bytes" not in self.__dict__:
            sizes: list[int] = []
            self._run({name: array[:1] for name, array in inputs.items()}, sizes)
            self.__dict__["_window_bytes"] = TENSORS_AT_ONCE * max(sizes)
        return max(BLOCK_BYTES // int(self.__dict__["_window_bytes"]), 1)


def _without_zeros(node: Node, weights: Sequence[Array]) -> tuple[Node, list[Array]]:
    """Return a node and its weights, of a weighted sum without the tensors of weight 0.

    Where all weights are 0, the first tensor stays.
    """
    own = [weights[number] for number in node.weights]
    if node.kind != WEIGHTED_SUM:
        return node, own
    (tensors,) = node.arguments
    (shares,) = own
    counting = np.flatnonzero(shares).tolist() or [0]
    fewer = node.model_copy(update={"arguments": [[tensors[place] for place in counting]]})
    return fewer, [shares[counting]]


def _step(node: Node, weights: Sequence[Array], done: Sequence[int]) -> _Step:
    """Return a node as it runs; `done` are the tensors that no later node reads."""
    function = function_of(node, weights)
    keywords = {name: _reader(value) for name, value in node.keywords.items()}
    constants = {
        name: keywords.pop(name)([])
        for name, value in node.keywords.items()
        if not list(_tensor_numbers(value))
    }
    if constants:
        function = partial(function, **constants)
    return _Step(function, _reader(node.arguments), keywords, node.outputs, done, node, weights)


def _tensor_numbers(value: Any) -> Iterator[int]:
    """Yield the numbers of all tensors in an argument."""
    if isinstance(value, list):
        for part in value:
            yield from _tensor_numbers(part)
    elif isinstance(value, dict) and "tensor" in value:
        yield value["tensor"]


def _reader(value: Any) -> Callable[[list[Any]], Any]:
    """Return the function from all tensors to an argument; see `Node`."""
    if isinstance(value, list):
        readers = [_reader(part) for part in value]
        if len(readers) > 1 and all(isinstance(read, itemgetter) for read in readers):
            return itemgetter(*[part["tensor"] for part in value])
        return lambda tensors: [read(tensors) for read in readers]
    if not isinstance(value, dict):
        return lambda _: value
    if "tensor" in value:
        return itemgetter(value["tensor"])
    constant: Any
    if "array" in value:
        constant = np.array(value["array"], value["dtype"])
    elif value["slice"] == "...":
        constant = Ellipsis
    else:
        constant = slice(*value["slice"])
    return lambda _: constant
