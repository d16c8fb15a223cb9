"""A network as a function of arrays: its forward pass in NumPy, or Keras where it has none."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forecast.errors import ForecastWarning
from forecast.inference.forward import ForwardPass
from forecast.inference.graph import Graph
from forecast.inference.layer_forms import UnknownFormError
from forecast.inference.recording import model_weights, record
from forecast.layers.traced import key_of, trace_once

if TYPE_CHECKING:
    import keras

BATCH_SIZES = (1, 8, 64, 512)
"""Windows that Keras reads at once."""

BATCH_BYTES = 2**30
"""Memory that a batch may take inside Keras."""

WARNED: set[str] = set()
"""Layers without a form that this process has already warned of."""


class Network(Protocol):
    """The trained network, or the ensemble, as a function of arrays."""

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            inputs: as in `WindowShape`, B windows.

        Returns:
            (B, H, D) or (B, H, D, Q).
        """
        ...

    @property
    def graph(self) -> Graph | None:
        """Its operations; None where Keras alone knows them."""
        ...

    @property
    def weights(self) -> Mapping[str, NDArray[Any]]:
        """Its weights by name."""
        ...


def network_of(model: keras.Model) -> Network:
    """Return a trained model as a function of arrays; the weights are those it has now.

    Where a layer has no form in NumPy, Keras runs the model.
    """
    graph = record(model)
    if graph is None:
        return KerasNetwork(model, reason="it is no functional model of layers")
    try:
        return ForwardPass(graph, model_weights(model)).prepare()
    except UnknownFormError as error:
        return KerasNetwork(model, graph, reason=f"{error}")


def warn_of_keras(reason: str) -> None:
    """Warn once of each reason that a loaded network runs in Keras."""
    if reason in WARNED:
        return
    WARNED.add(reason)
    warnings.warn(
        f"forecasts of this model start Keras and TensorFlow, which takes seconds: {reason}",
        ForecastWarning,
        stacklevel=2,
    )


@dataclass(frozen=True, eq=False)
class KerasNetwork:
    """A model as a function of arrays that Keras runs, traced when it first runs.

    Models of a kind are traced once (`layers.traced`).

    Attributes:
        model: the model.
        graph: its operations, where it is functional.
        reason: why Keras runs it.
    """

    model: keras.Model
    graph: Graph | None = None
    reason: str = ""

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """See `Network`."""
        import tensorflow as tf

        size = self.largest_batch
        outputs = []
        for start in range(0, len(inputs["past"]), size):
            tensors = {
                name: tf.constant(array[start : start + size]) for name, array in inputs.items()
            }
            outputs.append(self.traced(tensors).numpy())
        return np.concatenate(outputs)

    @property
    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Network`."""
        return model_weights(self.model)

    @cached_property
    def traced(self) -> Any:
        """The network as TensorFlow runs it, for batches of any size."""
        import tensorflow as tf

        from forecast.layers.clusters import tracing
        from forecast.layers.recurrent import runs_natively

        model = self.model

        def run(inputs: Any) -> Any:
            with tracing(compiled=False):
                return model(inputs, training=False)

        signature = {
            tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
            for tensor in model.inputs
        }
        key = key_of(model, model.variables, "forward", runs_natively(model))
        return trace_once(key, model.variables, run, [signature])

    @cached_property
    def window_bytes(self) -> int:
        """Estimated memory of one window: eight arrays of its widest tensor.

        A recurrent layer has its inputs, its outputs, and between them the gates of both
        directions.
        """
        shapes = [
            output.shape.as_list()
            for operation in self.traced.graph.get_operations()
            for output in operation.outputs
            if output.shape.rank
        ]
        per_window = [shape for shape in shapes if None in shape]  # None: the axis of the batch
        widest = max(prod(filter(None, shape)) for shape in per_window)
        return 8 * 4 * widest  # float32

    @property
    def largest_batch(self) -> int:
        """The largest of `BATCH_SIZES` that fits into memory."""
        return max(
            size for size in BATCH_SIZES if size == 1 or size * self.window_bytes <= BATCH_BYTES
        )
