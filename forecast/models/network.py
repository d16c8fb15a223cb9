"""The trained network as a function of arrays, some of whose calls XLA compiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


BATCH_SIZES = (1, 8, 64, 512)
"""Windows that the network reads at once: no other number is ever compiled."""

FEW_WINDOWS = 8
"""Up to this number of windows the compiled network forecasts, since a caller with few windows
usually comes again, and waits for the answer."""

MANY_WINDOWS = 4096
"""From this number on compiling pays: it takes about a second, and halves the time per window."""

BATCH_BYTES = 2**30
"""Memory that a batch may take inside the network."""


@dataclass(frozen=True, eq=False)
class Network:
    """The trained network as a function of arrays.

    Attributes:
        traced: the network as TensorFlow runs it, for batches of any size.
        whole: compiled as one, the fastest for a small batch.
        in_clusters: its layers compiled one by one, so that the directions of a layer run at the
            same time.
    """

    traced: tf.types.experimental.PolymorphicFunction
    whole: tf.types.experimental.PolymorphicFunction
    in_clusters: tf.types.experimental.PolymorphicFunction

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], *, compiled: bool = False
    ) -> NDArray[np.float32]:
        """Run the network.

        Args:
            inputs: as in `WindowShape`, B windows.
            compiled: whether to run the compiled network.

        Returns:
            (B, H, D) or (B, H, D, Q).
        """
        import tensorflow as tf

        num_windows = len(next(iter(inputs.values())))
        if not compiled:
            function = self.traced
        elif num_windows <= FEW_WINDOWS:
            function = self.whole
        else:
            function = self.in_clusters
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        output: NDArray[np.float32] = function(tensors).numpy()
        return output

    @cached_property
    def window_bytes(self) -> int:
        """Estimated memory of one window inside the network: eight arrays of its widest tensor.

        A recurrent layer has its inputs, its outputs, and between them the gates of both
        directions.
        """
        operations = self.traced.get_concrete_function().graph.get_operations()
        shapes = [
            output.shape.as_list()
            for operation in operations
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


def make_network(model: keras.Model, *, jit: str = "auto") -> Network:
    """Return the network as a function of arrays; each function is traced when it first runs.

    XLA runs the loop over the steps without a return to TensorFlow's executor after each one, which
    is most of the time of a small batch. Nothing is compiled where there are faster loops that XLA
    cannot contain: those in C++, and cuDNN's on a GPU.

    Args:
        model: the network.
        jit: `off` to compile nothing; see `TrainingConfig`.
    """
    import tensorflow as tf

    from forecast.layers.clusters import tracing
    from forecast.layers.recurrent import runs_natively

    def run(inputs: Any, *, compiled: bool) -> Any:
        with tracing(compiled=compiled):
            return model(inputs, training=False)

    signature = {
        tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
        for tensor in model.inputs
    }
    function = partial(tf.function, input_signature=[signature], autograph=False)
    traced = function(lambda inputs: run(inputs, compiled=False))
    if jit == "off" or runs_natively(model) or tf.config.list_logical_devices("GPU"):
        return Network(traced, traced, traced)
    return Network(
        traced,
        function(traced, jit_compile=True),
        function(lambda inputs: run(inputs, compiled=True)),
    )


def batch_rule(num_windows: int, largest: int) -> tuple[int, bool]:
    """Return the windows per batch, and whether the network is compiled for that number.

    Compiling takes about a second for every size. That pays for many windows, and for few windows
    again and again, as in a service; in between the network runs as it was traced, on batches of
    any size.

    Args:
        num_windows: all windows to forecast.
        largest: windows that fit into memory.
    """
    if num_windows <= FEW_WINDOWS:
        smallest_fit = next(size for size in BATCH_SIZES if size >= num_windows)
        return min(largest, smallest_fit), True
    return largest, num_windows >= MANY_WINDOWS
