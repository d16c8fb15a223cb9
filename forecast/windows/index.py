"""Windows as index arithmetic: which rows a window reads, never a copy of them all.

A window is `context_length` rows the model sees followed by `horizon` rows it predicts, all of one
series and all neighbours in time: a window never spans a gap. The windows of a panel are numbered
0..W-1; a number is turned into a row by a search over the runs of neighbouring rows, so memory is
proportional to the number of runs and not to the number of windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.panel import Panel
from forecast.errors import ConfigError, ShapeError, check_kind
from forecast.windows.splits import Part


@dataclass(frozen=True)
class WindowShape:
    """Shapes of the arrays a model reads and writes, for a model builder.

    A model reads a dictionary with those of the following entries whose last axis is not empty:

    | key                 | shape                          | type    |
    |---------------------|--------------------------------|---------|
    | `past`              | (B, L, num_past)               | float32 |
    | `known`             | (B, H, num_known)              | float32 |
    | `static`            | (B, num_static)                | float32 |
    | `past_categories`   | (B, L, len(past_categories))   | int32   |
    | `known_categories`  | (B, H, len(known_categories))  | int32   |
    | `static_categories` | (B, len(static_categories))    | int32   |

    The first `num_targets` channels of `past` are the scaled targets. A model writes
    (B, H, num_targets), or (B, H, num_targets, num_quantiles) where `num_quantiles` is not 0.

    Attributes:
        context_length: L.
        horizon: H.
        num_targets: D.
        num_past: numeric channels of the context, targets included.
        num_known: numeric channels known for the forecast steps (covariates and calendar).
        num_static: numeric values per series.
        past_categories: number of codes of each categorical column of the context; code 0 is
            unknown.
        known_categories: the same for columns known for the forecast steps.
        static_categories: the same for columns with one value per series.
        num_quantiles: Q, or 0 for a point forecast.
    """

    context_length: int
    horizon: int
    num_targets: int = 1
    num_past: int = 1
    num_known: int = 0
    num_static: int = 0
    past_categories: tuple[int, ...] = ()
    known_categories: tuple[int, ...] = ()
    static_categories: tuple[int, ...] = ()
    num_quantiles: int = 0


@dataclass(frozen=True, eq=False)
class WindowIndex:
    """The windows of a panel whose forecast rows are inside one set.

    Attributes:
        context_length: L.
        horizon: H.
        stride: rows between the first rows of two windows of a run.
        run_series: (runs,) series of each run.
        run_first: (runs,) row where the context of the run's first window begins.
        run_ends: (runs,) windows up to and with this run.
    """

    context_length: int
    horizon: int
    stride: int
    run_series: IntArray
    run_first: IntArray
    run_ends: IntArray

    def __len__(self) -> int:
        if not len(self.run_ends):
            return 0
        return int(self.run_ends[-1])

    def locate(self, windows: IntArray) -> tuple[IntArray, IntArray]:
        """Return the series and the first context row of each numbered window.

        Args:
            windows: (B,) numbers in 0..W-1.

        Returns:
            (B,) series and (B,) rows.
        """
        run = np.searchsorted(self.run_ends, windows, side="right")
        before = np.concatenate([[0], self.run_ends])[run]
        return self.run_series[run], self.run_first[run] + (windows - before) * self.stride

    def context_rows(self, first: IntArray) -> IntArray:
        """Return (B, L) context rows of windows that begin at `first` (B,)."""
        return first[:, None] + np.arange(self.context_length)

    def horizon_rows(self, first: IntArray) -> IntArray:
        """Return (B, H) rows to forecast of windows that begin at `first` (B,)."""
        return first[:, None] + np.arange(self.context_length, self.context_length + self.horizon)

    def series_counts(self, num_series: int) -> IntArray:
        """Return (N,) numbers of windows of each series."""
        counts = np.diff(np.concatenate([[0], self.run_ends]))
        return np.bincount(self.run_series, weights=counts, minlength=num_series).astype(np.int64)


def index_windows(
    panel: Panel,
    context_length: int,
    horizon: int,
    *,
    part: Part | None = None,
    stride: int = 1,
    usable: NDArray[np.bool_] | None = None,
) -> WindowIndex:
    """Number the windows whose forecast rows are in `part`; contexts may begin before it.

    Args:
        panel: the series; a step of more than one between `positions` is a gap no window spans.
        context_length: L, at least 1.
        horizon: H, at least 1.
        part: rows that may be forecast; default: all rows.
        stride: rows from one window to the next, at least 1.
        usable: (R,) rows that can stand in a context; contexts begin no earlier than the first
            usable row of their run (before it there is nothing to fill a missing value with, or to
            subtract from).

    Returns:
        The index, possibly of no window at all.

    Raises:
        ConfigError: a length is below 1.
    """
    _check_lengths(context_length, horizon, stride)
    part = part or Part.whole(panel)
    run_start, run_stop, run_series = contiguous_runs(panel)
    if usable is not None:
        run_start = first_usable(run_start, usable)
    first = np.maximum(run_start, part.first[run_series] - context_length)
    stop = np.minimum(run_stop, part.last[run_series])
    counts = np.maximum((stop - first - context_length - horizon) // stride + 1, 0)
    kept = counts > 0
    return WindowIndex(
        context_length,
        horizon,
        stride,
        run_series[kept],
        first[kept],
        np.cumsum(counts[kept], dtype=np.int64),
    )


def _check_lengths(context_length: int, horizon: int, stride: int) -> None:
    lengths = {"context_length": context_length, "horizon": horizon, "stride": stride}
    for name, length in lengths.items():
        check_kind(name, length, (int, np.integer), "a whole number of at least 1")
        if length < 1:
            raise ConfigError(f"{name} is {length}; expected a whole number of at least 1")


def index_after(
    panel: Panel,
    context_length: int,
    horizon: int,
    last: IntArray,
    *,
    usable: NDArray[np.bool_] | None = None,
) -> tuple[WindowIndex, IntArray]:
    """Number the windows whose contexts end at given rows; incomplete contexts are dropped.

    Args:
        panel: the series.
        context_length: L.
        horizon: H; the caller makes sure that this many rows follow without a gap.
        last: (B,) rows.
        usable: as in `index_windows`.

    Returns:
        The index of W windows, and (W,) their indices in `last`.
    """
    run_start, _, run_series = contiguous_runs(panel)
    run = np.searchsorted(run_start, last, side="right") - 1
    begins = run_start
    if usable is not None:
        begins = first_usable(run_start, usable)
    first = last - context_length + 1
    whole = np.flatnonzero(first >= begins[run])
    ends = np.arange(1, len(whole) + 1, dtype=np.int64)
    series = run_series[run[whole]]
    return WindowIndex(context_length, horizon, 1, series, first[whole], ends), whole


def contiguous_runs(panel: Panel) -> tuple[IntArray, IntArray, IntArray]:
    """Return first row, last row (exclusive) and series of every stretch without a gap."""
    begins = np.ones(panel.num_rows, bool)
    np.not_equal(np.diff(panel.positions), 1, out=begins[1:])
    begins[panel.offsets[:-1][panel.lengths > 0]] = True
    starts = np.flatnonzero(begins).astype(np.int64)
    stops = np.append(starts[1:], panel.num_rows).astype(np.int64)
    return starts, stops, panel.series_at(starts)


def first_usable(run_start: IntArray, usable: NDArray[np.bool_]) -> IntArray:
    """Return (runs,) first usable row from the start of each run on.

    It is one past the last row of the panel where there is none.
    """
    if usable[run_start].all():
        return run_start
    rows = np.where(usable, np.arange(len(usable)), len(usable))
    if not len(run_start):
        return run_start
    return np.minimum.reduceat(rows, run_start)


def make_windows(
    values: NDArray[np.generic], context_length: int, horizon: int, *, stride: int = 1
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Cut one array into windows, as read-only views without a copy.

    Args:
        values: (R,) or (R, C), rows in time order, one step apart.
        context_length: L.
        horizon: H.
        stride: rows from one window to the next.

    Returns:
        Context (W, L, C) and target (W, H, C); without the last axis where `values` is (R,).

    Raises:
        ShapeError: `values` has another number of axes, or fewer than L + H rows.
        ConfigError: a length is below 1.

    Example:
        >>> import numpy as np
        >>> from forecast import make_windows
        >>> context, target = make_windows(np.arange(6), context_length=3, horizon=2)
        >>> context.tolist(), target.tolist()
        ([[0, 1, 2], [1, 2, 3]], [[3, 4], [4, 5]])
    """
    check_kind("values", values, np.ndarray, "a NumPy array")
    _check_lengths(context_length, horizon, stride)
    span = context_length + horizon
    if values.ndim not in (1, 2) or len(values) < span:
        raise ShapeError(
            f"values has shape {values.shape}; expected (rows,) or (rows, channels) with at least "
            f"{span} rows (context {context_length} + horizon {horizon})"
        )
    view = np.lib.stride_tricks.sliding_window_view(values, span, axis=0)[::stride]
    windows = view  # (W, L + H)
    if values.ndim == 2:
        windows = view.swapaxes(1, 2)  # (W, L + H, C)
    return windows[:, :context_length], windows[:, context_length:]
