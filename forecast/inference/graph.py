"""A network as a list of operations: what a saved model holds of it beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from numpy.typing import NDArray
from pydantic import Field

from forecast.errors import ArtifactError
from forecast.files.tensors import Count, Entry

Weights = Mapping[str, NDArray[Any]]
"""The weights of a network by name."""


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
    weights: list[Count]
    outputs: Annotated[list[Count], Field(min_length=1)]


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

    inputs: dict[str, Count]
    nodes: list[Node]
    output: Count
    further: list[Count] = Field(default_factory=list)
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

    def in_order(self, weights: Weights) -> list[NDArray[Any]]:
        """Return weights in the order of their numbers."""
        return [weights[weight.name] for weight in self.weights]


def weights_of(arrays: Weights) -> list[Weight]:
    """Return name and shape of weights."""
    return [Weight(name=name, shape=list(array.shape)) for name, array in arrays.items()]


def weight_name(number: int, path: str) -> str:
    """Return the name of a weight, such that sorted names are in the order of the numbers."""
    return f"{number:03d}/{path}"
