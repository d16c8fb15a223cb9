"""A network as a list of operations: what a saved model holds of it beside the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from numpy.typing import NDArray
from pydantic import Field, model_validator

from forecast.errors import ArtifactError
from forecast.files.tensors import Count, Entry

Weights = Mapping[str, NDArray[Any]]
"""The weights of a network by name."""


MAX_NODES = 10_000

Place = Annotated[int, Field(ge=0, lt=8 * MAX_NODES)]
"""Number of a tensor or a weight."""

SHARED = 8
"""Nodes that read a weight, at most, on average."""

TYPES = ("bool", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
"""Types of arrays in arguments and options."""


class Node(Entry):
    """One call of a layer or an operation.

    Attributes:
        name: of the layer.
        kind: key of its form in `forms.FORMS`.
        arguments: of the call. Tensors are `{"tensor": number}`, slices `{"slice": [start, stop,
            step]}`, arrays `{"array": numbers, "dtype": type}`; lists are lists.
        keywords: further arguments by name.
        options: that make the layer.
        weights: numbers of its weights.
        outputs: numbers of the tensors that it returns.
    """

    name: str
    kind: str
    arguments: list[Any]
    keywords: dict[str, Any]
    options: dict[str, Any]
    weights: list[Place]
    outputs: Annotated[list[Place], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_types(self) -> Node:
        """Raise where an array has a type that is no number's."""
        for part in walk([self.arguments, self.keywords, self.options]):
            kind = part.get("dtype") if isinstance(part, dict) else None
            # a layer inside another has a policy there, which is no text
            if isinstance(kind, str) and kind not in TYPES:
                raise ValueError(f"an array has the type {kind[:40]!r}")
        return self


class Weight(Entry):
    """Name and shape of a weight."""

    name: str
    shape: list[Count]


class Graph(Entry):
    """The operations of a network, in an order in which they can run.

    Attributes:
        inputs: number of each input tensor by name.
        nodes: the operations.
        output: number of the tensor that the network returns.
        further: numbers of those that it returns beside that, such as states.
        weights: in the order of their numbers.
    """

    inputs: dict[str, Place]
    nodes: Annotated[list[Node], Field(max_length=MAX_NODES)]
    output: Place
    further: list[Place] = Field(default_factory=list)
    weights: list[Weight]

    def check_weights(self, weights: Weights) -> None:
        """Raise unless weights are those of the network.

        Raises:
            ArtifactError: a weight is missing, unknown or of another shape.
        """
        expected = {weight.name: tuple(weight.shape) for weight in self.weights}
        given = {name: array.shape for name, array in weights.items()}
        if expected != given:
            name, shape = sorted(set(expected.items()) ^ set(given.items()))[0]
            raise ArtifactError(
                f"weights.safetensors: {name} with shape {shape} does not fit the network: save "
                f"the model again"
            )
        sizes = [array.size for array in self.in_order(weights)]
        used = sum(sizes[number] for node in self.nodes for number in node.weights)
        if used > SHARED * sum(sizes):
            raise ArtifactError(
                f"config.json: network: its layers read {used:,} numbers of {sum(sizes):,} "
                f"weights: save the model again"
            )

    def in_order(self, weights: Weights) -> list[NDArray[Any]]:
        """Return weights in the order of their numbers."""
        return [weights[weight.name] for weight in self.weights]


def walk(value: Any) -> Iterator[Any]:
    """Yield a value of JSON and all values in it."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def weights_of(arrays: Weights) -> list[Weight]:
    """Return name and shape of weights."""
    return [Weight(name=name, shape=list(array.shape)) for name, array in arrays.items()]


def weight_name(number: int, path: str) -> str:
    """Return the name of a weight, such that sorted names are in the order of the numbers."""
    return f"{number:03d}/{path}"
