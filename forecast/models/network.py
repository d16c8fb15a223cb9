"""The trained network as a function of arrays, and which of its calls XLA compiles."""

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
"""Up to so many windows are forecast by the compiled network, since who asks for few asks again and
waits."""


MANY_WINDOWS = 4096
"""From here on compiling pays: about a second, for a network that reads a window in half the
time."""


BATCH_BYTES = 2**30
"""Memory that a batch may take inside the network."""


@dataclass(frozen=True, eq=False)
class Network:
    """The trained network as a function of arrays.

    Attributes:
        traced: the network as TensorFlow runs it, for batches of any size.
        whole: all of it compiled as one, which calls it fastest.
        in_clusters: its layers compiled one by one, so that the directions of a layer run at the
            same time.
    """

    traced: tf.types.experimental.PolymorphicFunction
    whole: tf.types.experimental.PolymorphicFunction
    in_clusters: tf.types.experimental.PolymorphicFunction

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], *, compiled: bool = False
    ) -> NDArray[np.float32]:
        """Run the network on inputs as in `WindowShape`."""
        import tensorflow as tf

        few = len(next(iter(inputs.values()))) <= FEW_WINDOWS
        function = (self.whole if few else self.in_clusters) if compiled else self.traced
        output: NDArray[np.float32] = function(
            {name: tf.constant(array) for name, array in inputs.items()}
        ).numpy()
        return output

    @cached_property
    def window_bytes(self) -> int:
        """About the memory that one window takes inside the network: eight arrays of its widest tensor.

        A recurrent layer holds what it reads, what it writes, and between them the gates of both
        directions.
        """
        operations = self.traced.get_concrete_function().graph.get_operations()
        shapes = [
            output.shape.as_list()
            for one in operations
            for output in one.outputs
            if output.shape.rank
        ]
        return 8 * 4 * max(prod(filter(None, shape)) for shape in shapes if None in shape)

    @property
    def largest_batch(self) -> int:
        """The largest of `BATCH_SIZES` that memory holds."""
        return max(
            size for size in BATCH_SIZES if size == 1 or size * self.window_bytes <= BATCH_BYTES
        )


def make_network(model: keras.Model, *, jit: str = "auto") -> Network:
    """Return the network as a function of arrays; each way is traced when it first runs.

    XLA runs the loop over the steps without a return to TensorFlow's executor after each one, which
    is most of the time of a small batch. Nothing is compiled where faster loops are there that XLA
    cannot hold: those in C++, and cuDNN's on a GPU.

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
        one.name: tf.TensorSpec(one.shape, one.dtype, name=one.name) for one in model.inputs
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
    """Windows per batch, and whether the network is compiled for that number.

    Compiling takes about a second for every size. That pays for many windows, and for few that are
    asked for again and again, as a service does; in between the network runs as it was traced, on
    batches of any size.

    Args:
        num_windows: all windows that are to be forecast.
        largest: windows that memory holds.
    """
    if num_windows <= FEW_WINDOWS:
        return min(largest, next(size for size in BATCH_SIZES if size >= num_windows)), True
    return largest, num_windows >= MANY_WINDOWS
