"""Batches of windows as `tf.data`, gathered by TensorFlow from tensors of the rows.

Windows are never copied all at once. Training windows come in a new order each epoch, evaluation
windows in order and none dropped. Every batch of a source has the same size, so that a compiler
sees one shape: the last is filled up with windows of the same epoch whose targets are NaN, which
losses and scores skip.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.errors import ConfigError
from forecast.windows.features import Features
from forecast.windows.index import WindowIndex

if TYPE_CHECKING:
    import tensorflow as tf


Batch = tuple[dict[str, NDArray[Any]], NDArray[np.float32]]
Pipeline = Callable[[IntArray, int], Any]

CHUNK_BYTES = 1 << 21
"""Size of the chunks of batches that are gathered in one call and then divided.

A call costs as much as 50 windows; chunks of this size fit into the cache of a processor.
"""

MOST_PER_CHUNK = 32
"""Batches that are gathered in one call, at most."""

ALIGNMENT = 64
"""Alignment in bytes of memory that TensorFlow uses without a copy."""

# Caches that live as long as the source, or as the features that several sources share.
_PIPELINES: WeakKeyDictionary[WindowSource, dict[int, Pipeline]] = WeakKeyDictionary()
_ROW_TENSORS: WeakKeyDictionary[Features, dict[str, tf.Tensor]] = WeakKeyDictionary()
_ONE_AT_A_TIME = threading.Lock()


class WindowSource(Protocol):
    """Numbered windows over rows; neither may change after the first batch."""

    @property
    def features(self) -> Features:
        """The rows."""
        ...

    @property
    def index(self) -> WindowIndex:
        """The rows that each window reads."""
        ...

    def __len__(self) -> int:
        """Number of windows W."""
        ...

    def batch(self, numbers: IntArray) -> Batch:
        """Gather windows with NumPy.

        Args:
            numbers: (B,) in 0..W-1.

        Returns:
            The inputs as in `WindowShape`, and the target (B, H, D) float32, NaN where missing.
        """
        ...


def training_batches(
    source: WindowSource, *, batch_size: int, seed: int, epoch: int, num_windows: int | None = None
) -> tf.data.Dataset:
    """Return the batches of one epoch, in an order that depends on `(seed, epoch)` alone.

    See `batches_in_order`.

    Args:
        source: the windows.
        batch_size: B.
        seed: start of the random order.
        epoch: number of the epoch; each has another order.
        num_windows: windows drawn for this epoch without replacement; default: all.
    """
    order = training_order(len(source), seed=seed, epoch=epoch, num_windows=num_windows)
    return batches_in_order(source, order, batch_size)


def evaluation_batches(
    source: WindowSource, batch_size: int, numbers: IntArray | None = None
) -> tf.data.Dataset:
    """Return the windows of these numbers, or all windows, in order; see `batches_in_order`."""
    if numbers is None:
        numbers = np.arange(len(source))
    return batches_in_order(source, numbers, batch_size)


def training_order(size: int, *, seed: int, epoch: int, num_windows: int | None = None) -> IntArray:
    """Return the (num_windows,) numbers of windows in the order of one epoch.

    Keras' own seeded shuffle repeats one order in every epoch; here the epoch is part of the seed.
    """
    return np.random.default_rng([seed, epoch]).permutation(size)[:num_windows]


def batches_in_order(
    source: WindowSource, order: IntArray, batch_size: int, *further: IntArray
) -> tf.data.Dataset:
    """Return batches of windows, all of one size: `batch_size`, or W where W is smaller.

    The first call for a source and size copies the rows and traces the pipeline; every other takes
    milliseconds, and its iterators fit into the same traced functions.

    Args:
        source: the windows.
        order: numbers in 0..W-1.
        batch_size: B.
        *further: the same of epochs that follow; each begins with a new batch.

    Returns:
        Inputs and target as from `WindowSource.batch`, and where rows have weights those of the
        forecast rows, (B, H, 1); the last batch of each epoch is filled up with windows of the
        epoch whose targets are NaN.

    Raises:
        ConfigError: `batch_size` is below 1.
    """
    import tensorflow as tf  # TensorFlow starts when batches are made, not before

    size = fixed_batch_size(source, batch_size)
    with _ONE_AT_A_TIME:
        pipelines = _PIPELINES.setdefault(source, {})
        if size not in pipelines:
            pipelines[size] = _make_pipeline(source, size)
    fitting = CHUNK_BYTES // (size * window_bytes(source))
    per_chunk = min(max(fitting, 1), MOST_PER_CHUNK)
    numbers = np.concatenate([_filled_up(epoch, size) for epoch in (order, *further)])
    num_batches = len(numbers) // size
    with tf.device("CPU:0"):
        return pipelines[size](_chunks(numbers, size * per_chunk), num_batches)


def _filled_up(order: IntArray, size: int) -> IntArray:
    """Return an order of a multiple of `size`, filled up with `~number`s of others."""
    return np.concatenate([order, ~np.resize(order, -len(order) % size)])


def fixed_batch_size(source: WindowSource, batch_size: int) -> int:
    """Return the number of windows in every batch of a source.

    Raises:
        ConfigError: `batch_size` is below 1.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}; expected a whole number of at least 1")
    return max(1, min(batch_size, len(source)))


def count_batches(source: WindowSource, batch_size: int, *, num_windows: int | None = None) -> int:
    """Return the number of batches of an epoch of `num_windows` windows; default: all.

    Raises:
        ConfigError: `batch_size` is below 1.
    """
    num_drawn = min(len(source), num_windows or len(source))
    return math.ceil(num_drawn / fixed_batch_size(source, batch_size))


@dataclass(frozen=True)
class Estimate:
    """Number and memory of the batches of a source.

    Attributes:
        windows: of an epoch.
        batches: of an epoch.
        context_length: L.
        horizon: H.
        row_bytes: of the rows and the index of the windows, once for all epochs; sources with the
            same features share the rows.
        order_bytes: of the order of one epoch.
        batch_bytes: of one batch.
    """

    windows: int
    batches: int
    context_length: int
    horizon: int
    row_bytes: int
    order_bytes: int
    batch_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.windows:,} windows of {self.context_length} + {self.horizon} rows, "
            f"{self.batches:,} batches an epoch; rows {self.row_bytes / 1e6:,.1f} MB, "
            f"order {self.order_bytes / 1e6:,.1f} MB, one batch {self.batch_bytes / 1e6:,.1f} MB"
        )


def estimate(source: WindowSource, batch_size: int, *, num_windows: int | None = None) -> Estimate:
    """Return number and memory of the batches of an epoch, without making them.

    Args:
        source: the windows.
        batch_size: B, as for `training_batches`.
        num_windows: as for `training_batches`.

    Raises:
        ConfigError: `batch_size` is below 1.
    """
    size = fixed_batch_size(source, batch_size)
    index = source.index
    windows = min(len(source), num_windows or len(source))
    arrays = [*_row_arrays(source.features).values(), *_run_arrays(index)]
    return Estimate(
        windows=windows,
        batches=count_batches(source, batch_size, num_windows=num_windows),
        context_length=index.context_length,
        horizon=index.horizon,
        row_bytes=sum(array.nbytes for array in arrays),
        order_bytes=8 * windows,
        batch_bytes=size * window_bytes(source),
    )


def window_bytes(source: WindowSource) -> int:
    """Return the bytes of the inputs and the target of one window; every number takes four."""
    rows = source.features
    index = source.index
    known = rows.known.shape[1] + rows.known_codes.shape[1]
    past = rows.past.shape[1] + rows.past_codes.shape[1] + known
    static = rows.static.shape[1] + rows.static_codes.shape[1]
    ahead = known + rows.target.shape[1]
    return 4 * (index.context_length * past + index.horizon * ahead + static)


def _chunks(order: IntArray, size: int) -> tf.Tensor:
    """Return (chunks, size) numbers; the last row is filled up with numbers that nobody reads."""
    filler = -len(order) % size
    numbers = _aligned_array((len(order) + filler,), np.dtype(np.int64))
    numbers[: len(order)] = order
    numbers[len(order) :] = order[:1]
    return _tensor_over(numbers.reshape(-1, size))


def _aligned_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an empty array whose memory TensorFlow uses without a copy."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def _tensor_over(array: NDArray[Any]) -> tf.Tensor:
    """Return a tensor in the memory of an aligned array.

    `tf.convert_to_tensor` takes up to three times as much memory.
    """
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def _row_arrays(features: Features) -> dict[str, NDArray[Any]]:
    """Return the arrays that windows are gathered from, without those that have no column."""
    names = ("past", "known", "past_codes", "known_codes", "static", "static_codes", "target")
    arrays: dict[str, NDArray[Any]] = {name: getattr(features, name) for name in names}
    if features.weights is not None:
        arrays["weights"] = features.weights[:, None]
    if features.late is not None:
        arrays |= zip(("late", "usable_from"), features.late, strict=True)
    return {name: array for name, array in arrays.items() if array.shape[1]}


def _row_tensors(features: Features) -> dict[str, tf.Tensor]:
    """Return the arrays as tensors in main memory, copied at the first call."""
    if features not in _ROW_TENSORS:
        _ROW_TENSORS[features] = {
            name: _tensor_of(array) for name, array in _row_arrays(features).items()
        }
    return _ROW_TENSORS[features]


def _tensor_of(array: NDArray[Any]) -> tf.Tensor:
    copy = _aligned_array(array.shape, array.dtype)
    copy[...] = array
    return _tensor_over(copy)


def _run_arrays(index: WindowIndex) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return (runs,) windows up to the end of each run, before it, its first row, its series."""
    before = np.concatenate([[0], index.run_ends[:-1]]).astype(np.int64)[: len(index.run_ends)]
    return index.run_ends, before, index.run_first, index.run_series


def _make_pipeline(source: WindowSource, size: int) -> Pipeline:
    """Return a function from (chunks, windows) numbers and the number of batches to a dataset."""
    import tensorflow as tf

    gather = _make_gather(source)
    options = tf.data.Options()
    # The optimizations gain nothing here, and copy the tensors of the rows in every epoch.
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False

    @tf.function(
        input_signature=[tf.TensorSpec((None, None), tf.int64), tf.TensorSpec((), tf.int64)]
    )
    def pipeline(numbers: Any, num_batches: Any) -> Any:
        # A second thread gathers the next chunk while the model works on the batches of this one.
        chunks = tf.data.Dataset.from_tensor_slices(numbers).map(gather).prefetch(1)
        return chunks.rebatch(size, drop_remainder=True).take(num_batches).with_options(options)

    # Already traced: `tf.function` would take the pipelines of many sources for one that is traced
    # too often.
    return pipeline.get_concrete_function()


def _make_gather(source: WindowSource) -> Callable[[Any], Any]:
    """Return `WindowSource.batch` in TensorFlow; numbers as `~number` get a target of NaN."""
    import tensorflow as tf

    rows = _row_tensors(source.features)
    index = source.index
    run_ends, run_before, run_first, run_series = map(_tensor_of, _run_arrays(index))
    length = index.context_length

    def read(at: Any, *names: str) -> list[Any]:
        """Return the rows `at` these indices, of those arrays that have a column."""
        return [tf.gather(rows[name], at) for name in names if name in rows]

    def past(context: Any) -> Any:
        """Return targets and past covariates of (B, L) context rows.

        A cell that was interpolated counts only where its later neighbour lies inside the context.
        """
        (values,) = read(context, "past")
        if "late" in rows:
            (late,) = read(context, "late")
            (usable_from,) = read(context, "usable_from")
            values = tf.where(usable_from <= context[:, -1, None, None], late, values)
        return values

    def gather(numbers: Any) -> Any:
        windows = tf.maximum(numbers, ~numbers)  # (B,) numbers without the mark
        run = tf.searchsorted(run_ends, windows, side="right")
        series = tf.gather(run_series, run)
        number_in_run = windows - tf.gather(run_before, run)
        start = (tf.gather(run_first, run) + number_in_run * index.stride)[:, None]
        context = start + tf.range(length, dtype=tf.int64)  # (B, L) rows
        ahead = start + tf.range(length, length + index.horizon, dtype=tf.int64)  # (B, H) rows

        groups = {
            "past": [past(context), *read(context, "known")],
            "known": read(ahead, "known"),
            "static": read(series, "static"),
            "past_categories": read(context, "past_codes", "known_codes"),
            "known_categories": read(ahead, "known_codes"),
            "static_categories": read(series, "static_codes"),
        }
        inputs = {name: tf.concat(arrays, axis=-1) for name, arrays in groups.items() if arrays}
        (target,) = read(ahead, "target")
        is_filler = (numbers < 0)[:, None, None]
        target = tf.where(is_filler, np.float32(np.nan), target)
        return inputs, target, *read(ahead, "weights")

    return gather
