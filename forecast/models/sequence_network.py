"""A trained network for sequences as a function of arrays: in NumPy, or in Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.inference.forward import ForwardPass
from forecast.inference.graph import Graph
from forecast.inference.layer_forms import UnknownFormError
from forecast.inference.recording import model_weights, record
from forecast.inference.sequence_forms import POOLING, STEP_WEIGHTS
from forecast.layers.runtime import start_quietly
from forecast.models.counted_weights import names_in_order
from forecast.models.keras_network import warn_of_keras

if TYPE_CHECKING:
    import keras

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class SequenceNetwork:
    """A network that was trained, for batches of any number of steps.

    Attributes:
        graph: its operations; None where Keras alone knows them.
        weights: its weights by name.
        make: builds the same network in Keras, without these weights, for a number of steps.
    """

    graph: Graph | None
    weights: Arrays
    make: Callable[[int], keras.Model]

    @classmethod
    def of(cls, model: keras.Model, make: Callable[[int], keras.Model]) -> SequenceNetwork:
        """Take over a trained model; its weights are those it has now.

        Args:
            model: from arrays by name.
            make: builds the same for another number of steps.
        """
        return cls(record(model), model_weights(model), make)

    @cached_property
    def forward(self) -> ForwardPass | None:
        """The forward pass in NumPy; None where a layer has no form there."""
        if self.graph is None:
            return None
        try:
            return ForwardPass(self.graph, self.weights).prepare()
        except UnknownFormError as error:
            warn_of_keras(f"{error}")
            return None

    def __call__(self, inputs: Arrays) -> NDArray[np.float32]:
        """Run the network; return its first output.

        Args:
            inputs: arrays by name, (B, L, ...) or (B,).
        """
        if self.forward is not None:
            return self.forward(inputs)
        (output, *_) = self._in_keras(inputs)
        return output

    def outputs(self, inputs: Arrays) -> list[NDArray[np.float32]]:
        """Run the network; return all outputs."""
        if self.forward is not None:
            return self.forward.outputs(inputs)
        return self._in_keras(inputs)

    def metered(self, inputs: Arrays) -> list[NDArray[np.float32]]:
        """Run the network of a file, with its memory and work counted beforehand."""
        if self.forward is not None:
            return self.forward.metered(inputs)
        return self._in_keras(inputs)

    def step_weights(self, inputs: Arrays) -> NDArray[np.float32]:
        """Return the (B, L) weights of an attention over the steps; see `Pooling.step_weights`.

        Args:
            inputs: as for the network, whose `pooling` is `attention`.
        """
        if self._attention is not None:
            return self._attention(inputs)
        import keras

        steps = _steps_of(inputs)
        model = self.in_keras(steps)
        pooling = model.get_layer("pooling")
        read = keras.Model(model.inputs, pooling.input)
        weights = pooling.step_weights(*read(dict(inputs), training=False))
        return np.asarray(weights)[:, :, 0]

    @cached_property
    def _attention(self) -> ForwardPass | None:
        """The forward pass up to the weights of the steps; None where Keras has to run it."""
        if self.graph is None or self.forward is None:
            return None
        nodes = list(self.graph.nodes)
        (place,) = [place for place, node in enumerate(nodes) if node.kind == POOLING]
        nodes[place] = nodes[place].model_copy(update={"kind": STEP_WEIGHTS})
        ends = {"nodes": nodes, "output": nodes[place].outputs[0], "further": []}
        return ForwardPass(self.graph.model_copy(update=ends), self.weights).prepare()

    def _in_keras(self, inputs: Arrays) -> list[NDArray[np.float32]]:
        steps = _steps_of(inputs)
        model = self.in_keras(steps)
        given: Any = dict(inputs)
        if not isinstance(model.input, dict):
            given = [inputs[tensor.name] for tensor in model.inputs]
        returned = model(given, training=False)
        if not isinstance(returned, list | tuple):
            returned = [returned]
        return [np.asarray(part) for part in returned]

    def in_keras(self, length: int) -> keras.Model:
        """Return the network as a Keras model for a number of steps."""
        start_quietly()
        made: dict[int, keras.Model] = self.__dict__.setdefault("_made", {})
        if length not in made:
            names = names_in_order(lambda: self.make(length), self.weights)
            model = self.make(length)
            model.set_weights([self.weights[name] for name in names])
            made[length] = model
        return made[length]


def _steps_of(inputs: Arrays) -> int:
    """Return the steps of a batch; states have an axis of units in the place of steps."""
    return max(
        array.shape[1]
        for name, array in inputs.items()
        if array.ndim > 1 and not name.startswith("state_")
    )
