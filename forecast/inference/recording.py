"""The graph of a functional Keras model. Keras objects are read here, and Keras is not imported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.inference.graph import Graph, Node, weight_name, weights_of

if TYPE_CHECKING:
    # a name for annotations; the contract of imports counts `keras` here as well
    KerasModel = Any

NOT_IN_A_FORWARD_PASS = (
    "_constraint",
    "_initializer",
    "_regularizer",
    "dropout",
    "dtype",
    "name",
    "quantization_config",
    "rate",
    "seed",
    "trainable",
)
"""Endings of options that do not change a forward pass, in which nothing is dropped."""


def record(model: KerasModel) -> Graph | None:
    """Return the graph of a model; None where it is not functional.

    Models inside are written out: the graph has layers and operations only.

    Args:
        model: from tensors by name to one tensor or several, built by this package.
    """
    numbers: dict[int, int] = {}
    inputs = {}
    given = model.input
    if not isinstance(given, dict):
        given = {tensor.name: tensor for tensor in _tensors(given)}
    for name, tensor in given.items():
        inputs[name] = numbers[id(tensor)] = len(numbers)
    recorder = _Recorder({id(weight): place for place, weight in enumerate(model.weights)})
    recorder.count = len(inputs)
    found = recorder.run(model, numbers)
    if found is None:
        return None
    first, *others = _tensors(model.output)
    return Graph(
        inputs=inputs,
        nodes=recorder.nodes,
        output=found[id(first)],
        further=[found[id(tensor)] for tensor in others],
        weights=weights_of(model_weights(model)),
    )


def model_weights(model: KerasModel) -> dict[str, NDArray[Any]]:
    """Return the trained variables by path, without the states of random generators."""
    return {
        weight_name(number, variable.path): np.array(variable)
        for number, variable in enumerate(model.weights)
    }


class _Recorder:
    """Collects the nodes of a model and of the models in it.

    Attributes:
        nodes: found so far.
        count: tensors numbered so far.
    """

    def __init__(self, weight_numbers: Mapping[int, int]) -> None:
        self.nodes: list[Node] = []
        self.count = 0
        self._weight_numbers = weight_numbers

    def run(self, model: KerasModel, numbers: dict[int, int]) -> dict[int, int] | None:
        """Record a model whose input tensors have numbers; None where it is not functional.

        Returns:
            Numbers of all its tensors.
        """
        if not hasattr(model, "_nodes_by_depth"):
            return None
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for call in model._nodes_by_depth[depth]:
                if call.is_input:
                    continue
                if not self._call(call, numbers):
                    return None
        return numbers

    def _call(self, call: Any, numbers: dict[int, int]) -> bool:
        """Record one call of a layer, an operation or a model; False where it has no graph."""
        operation = call.operation
        if hasattr(functional(operation), "_nodes_by_depth"):
            return self._inner_model(call, numbers)
        outputs = []
        for tensor in call.outputs:
            numbers[id(tensor)] = self.count
            outputs.append(self.count)
            self.count += 1
        keywords = {
            name: value
            for name, value in call.arguments.kwargs.items()
            if value is not None and name != "training"
        }
        own_weights = getattr(operation, "weights", [])
        try:
            node = Node(
                name=operation.name,
                kind=kind_of_layer(operation),
                arguments=[_encoded(value, numbers) for value in call.arguments.args],
                keywords={name: _encoded(value, numbers) for name, value in keywords.items()},
                options=options_of(operation),
                weights=[self._weight_numbers[id(weight)] for weight in own_weights],
                outputs=outputs,
            )
        except (TypeError, ValueError, KeyError):  # an argument that JSON does not have
            return False
        self.nodes.append(node)
        return True

    def _inner_model(self, call: Any, numbers: dict[int, int]) -> bool:
        """Record the layers of a model that is called inside another."""
        model = functional(call.operation)
        (given,) = call.arguments.args
        inner = dict(_inputs(model.input, given, numbers))
        found = self.run(model, inner)
        if found is None:
            return False
        own = list(_tensors(model.output))
        for tensor, result in zip(call.outputs, own, strict=True):
            numbers[id(tensor)] = found[id(result)]
        return True


def functional(operation: Any) -> Any:
    """Return the functional model inside a sequential one; anything else as it is."""
    return getattr(operation, "_functional", None) or operation


def kind_of_layer(operation: Any) -> str:
    """Return the name by which `forms` knows a layer or an operation."""
    cls = type(operation)
    if cls.__module__.startswith("keras."):
        is_operation = ".ops." in cls.__module__
        return f"ops.{cls.__name__}" if is_operation else cls.__name__
    if cls.__module__.startswith("forecast."):
        return f"forecast.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def options_of(operation: Any) -> dict[str, Any]:
    """Return the options of a layer or an operation that a forward pass reads, as JSON has them."""
    options = operation.get_config()
    unread: tuple[str, ...] = ("name",)
    if "trainable" in options:  # a layer
        unread = NOT_IN_A_FORWARD_PASS
    options = {name: value for name, value in options.items() if not name.endswith(unread)}
    if hasattr(operation, "forward_layer"):
        options = {"merge_mode": operation.merge_mode}
        for name in ("forward", "backward"):
            layer = getattr(operation, f"{name}_layer")
            options[name] = {"kind": kind_of_layer(layer), "options": options_of(layer)}
    if hasattr(operation, "state_size"):  # a recurrent layer
        sizes = operation.state_size
        options["state_sizes"] = [sizes] if isinstance(sizes, int) else list(sizes)
    found: dict[str, Any] = json.loads(json.dumps(options))
    return found


def _inputs(own: Any, given: Any, numbers: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of an input tensor of a model and the number of the tensor it is called with."""
    if isinstance(own, dict):
        for name, tensor in own.items():
            yield id(tensor), numbers[id(given[name])]
        return
    for tensor, argument in zip(_tensors(own), _tensors(given), strict=True):
        yield id(tensor), numbers[id(argument)]


def _tensors(tree: Any) -> Sequence[Any]:
    if isinstance(tree, (list, tuple)):
        return tree
    return [tree]


def _encoded(value: Any, numbers: Mapping[int, int]) -> Any:
    """Return an argument as `Node` has it.

    Raises:
        TypeError: it is of another type.
    """
    if id(value) in numbers:
        return {"tensor": numbers[id(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is Ellipsis:
        return {"slice": "..."}
    if isinstance(value, (list, tuple)):
        return [_encoded(part, numbers) for part in value]
    array = np.asarray(value)
    if array.dtype.kind not in "bif":
        raise TypeError(f"{type(value).__name__} is no argument of a graph")
    return {"array": array.tolist(), "dtype": array.dtype.name}
