"""The trained network as a function of arrays, some of whose calls XLA compiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from forecast.layers.traced import key_of, trace_once

if TYPE_CHECKING:
    import keras


BATCH_SIZES = (1, 8, 64, 512)
"""Windows that the network reads at once: no other number is ever compiled."""

FEW_WINDOWS = 8
"""Up to this number of windows the compiled network forecasts, since a caller with few windows
usually comes again, and waits for the answer."""

MANY_WINDOWS = 4096
"""From this number on compiling pays: it takes about a second, and halves the time per window."""

BATCH_BYTES = 2**30
"""Memory that a batch may take inside the network."""


_MEMBERS: WeakKeyDictionary[keras.Model, list[ref[keras.Model]]] = WeakKeyDictionary()
"""Weighted sum -> its models, which it keeps alive itself."""


class Network(Protocol):
    """The trained network, or the ensemble, as a function of arrays."""

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
        ...

    @property
    def window_bytes(self) -> int:
        """Estimated memory of one window inside the network."""
        ...

    @property
    def largest_batch(self) -> int:
        """The largest of `BATCH_SIZES` that fits into memory."""
        ...


@dataclass(frozen=True, eq=False)
class SingleNetwork:
    """A model as a function of arrays; each of its functions is traced when it first runs.

    Functions of a kind are traced once for all models of that kind (`layers.traced`).

    Attributes:
        model: the model.
        compiles: whether XLA compiles what `__call__` is to run compiled.
    """

    model: keras.Model
    compiles: bool

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], *, compiled: bool = False
    ) -> NDArray[np.float32]:
        """See `Network`."""
        import tensorflow as tf

        num_windows = len(next(iter(inputs.values())))
        if not (compiled and self.compiles):
            function = self.traced
        elif num_windows <= FEW_WINDOWS:
            function = self.whole
        else:
            function = self.in_clusters
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        output: NDArray[np.float32] = function(tensors).numpy()
        return output

    @cached_property
    def traced(self) -> Any:
        """The network as TensorFlow runs it, for batches of any size."""
        return self._trace("forward")

    @cached_property
    def whole(self) -> Callable[..., Any]:
        """The network compiled as one, the fastest for a small batch."""
        return self._trace("whole", jit_compile=True)

    @cached_property
    def in_clusters(self) -> Callable[..., Any]:
        """The network compiled layer by layer, so that both directions of one run at once."""
        return self._trace("in clusters", in_clusters=True)

    def _trace(
        self, name: str, *, in_clusters: bool = False, jit_compile: bool | None = None
    ) -> Any:
        import tensorflow as tf

        from forecast.layers.clusters import tracing
        from forecast.layers.recurrent import runs_natively

        model = self.model

        def run(inputs: Any) -> Any:
            with tracing(compiled=in_clusters):
                return model(inputs, training=False)

        signature = {
            tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
            for tensor in model.inputs
        }
        key = key_of(model, model.variables, name, runs_natively(model))
        return trace_once(key, model.variables, run, [signature], jit_compile=jit_compile)

    @cached_property
    def window_bytes(self) -> int:
        """Eight arrays of the widest tensor of one window.

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
        """See `Network`."""
        return largest_batch(self.window_bytes)


@dataclass(frozen=True, eq=False)
class WeightedNetworks:
    """An ensemble as a function of arrays: the weighted sum of its members.

    A member of weight 0 is not run, and each of the others is traced by itself: the function that
    chose its weight serves its forecasts too.

    Attributes:
        members: the members.
        weights: returns the (M,) weights as they are now.
    """

    members: tuple[SingleNetwork, ...]
    weights: Callable[[], NDArray[np.float32]]

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], *, compiled: bool = False
    ) -> NDArray[np.float32]:
        """See `Network`."""
        outputs = [
            member(inputs, compiled=compiled) * weight for member, weight in self._weighted()
        ]
        total = outputs[0]
        for output in outputs[1:]:
            total = total + output
        return total

    def _weighted(self) -> list[tuple[SingleNetwork, np.float32]]:
        """Return the members that count, with their weights; the first where none does."""
        pairs = list(zip(self.members, self.weights(), strict=True))
        return [pair for pair in pairs if pair[1]] or pairs[:1]

    @property
    def window_bytes(self) -> int:
        """That of the member that takes most: one runs after the other."""
        return max(member.window_bytes for member, _ in self._weighted())

    @property
    def largest_batch(self) -> int:
        """See `Network`."""
        return largest_batch(self.window_bytes)


def largest_batch(window_bytes: int) -> int:
    """Return the largest of `BATCH_SIZES` that fits into memory."""
    return max(size for size in BATCH_SIZES if size == 1 or size * window_bytes <= BATCH_BYTES)


def mark_weighted_sum(model: keras.Model, members: Sequence[keras.Model]) -> keras.Model:
    """Note that a model is the weighted sum of others, by its layer `blend`; return it."""
    _MEMBERS[model] = [ref(member) for member in members]
    return model


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

    from forecast.layers.recurrent import runs_natively

    compiles = not (
        jit == "off" or runs_natively(model) or bool(tf.config.list_logical_devices("GPU"))
    )
    if model not in _MEMBERS:
        return SingleNetwork(model, compiles)
    members = [member() for member in _MEMBERS[model]]
    shares = model.get_layer("blend").shares
    return WeightedNetworks(
        tuple(SingleNetwork(member, compiles) for member in members), lambda: np.asarray(shares)
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
