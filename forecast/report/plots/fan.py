"""Intervals and actual values of one series over the last windows of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.names import name_of
from forecast.errors import DataError
from forecast.intervals.levels import central_levels
from forecast.report.plots.style import (
    INK,
    MODEL,
    dress,
    mark_cutoff,
    new_figure,
    set_dates,
    write_finding_and_key,
)
from forecast.scores.evaluation import BacktestResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MIN_WINDOWS = 4
"""Windows of a fan chart."""

MIN_STEPS = 30
"""Steps of a fan chart; it has more than `MIN_WINDOWS` where windows are short."""


def plot_fan(
    result: BacktestResult,
    *,
    series_id: object = None,
    target: str | None = None,
    unit: str = "",
    subject: str = "",
) -> Figure:
    """Draw the last forecasts of one series that do not overlap, with intervals and actuals.

    Args:
        result: an evaluation with intervals.
        series_id: the series; default: the first.
        target: the target; default: the first.
        unit: of the target, for the axis.
        subject: of the title, before the series; default: the name of the target.

    Raises:
        DataError: there are no intervals, or no such series or target.
    """
    series = _series_of(result, series_id)
    column = _target_of(result, target)
    levels = central_levels(result)
    if not levels or result.quantiles is None:
        raise DataError(
            f"the evaluation of {result.alias} holds no intervals to draw: train with "
            '`evaluation.calibration_size` above 0, or with `training.loss="quantile"`'
        )
    horizon = result.actual.shape[1]
    windows = last_windows(result, series, max(MIN_WINDOWS, math.ceil(MIN_STEPS / horizon)))
    stamps = result.stamps[windows]
    ends = result.quantiles[windows, :, column]
    bands = {level: (ends[..., low], ends[..., high]) for level, (low, high) in levels.items()}

    figure = new_figure((11.0, 4.4))
    axes = figure.add_subplot()
    measured = _measured(result, series, column, windows)
    axes.plot(*measured, color=INK, linewidth=1.2, label="observed", zorder=4)
    point = result.forecasts[result.alias][windows, :, column]
    name = "median" if 0.5 in result.quantile_levels else result.alias
    for piece in zip(*_pieces(stamps, point), strict=True):
        axes.plot(*piece, color=MODEL, linewidth=1.8, label=name, zorder=3)
    for depth, (level, band) in enumerate(sorted(bands.items(), reverse=True)):
        for piece in zip(*_pieces(stamps, *band), strict=True):
            area = axes.fill_between(*piece, color=MODEL, label=f"{level:g} % interval")
            area.set(linewidth=0, alpha=min(0.14 + 0.1 * depth, 0.5), zorder=1)
    if horizon > 1:
        for cutoff in result.cutoffs[windows]:
            mark_cutoff(axes, cutoff)

    targets = result.columns.target_cols
    dress(axes, y=unit or targets[column])
    set_dates(axes, stamps)
    axes.margins(x=0.012)
    key = {artist.get_label(): artist for artist in (*axes.lines, *axes.collections)}
    name = f"{subject or targets[column]}, {result.series_ids[series]}"
    if subject and len(targets) > 1:
        name += f", {targets[column]}"
    finding = _finding(result.actual[windows, :, column], bands)
    write_finding_and_key(figure, f"{name}: {finding}", list(key.values()))
    return figure


def last_windows(result: BacktestResult, series: int, count: int) -> IntArray:
    """Return the last window of a series and those before it that do not overlap.

    Args:
        result: an evaluation.
        series: index into its `series_ids`.
        count: windows at most.

    Returns:
        (W,) index of the windows, ascending in time.
    """
    own = np.flatnonzero(result.series == series)
    positions = result.freq.positions(result.cutoffs[own])
    chosen: list[int] = []
    limit = None
    for index in np.argsort(positions)[::-1]:
        if limit is None or positions[index] <= limit:
            chosen.append(int(own[index]))
            limit = int(positions[index]) - result.actual.shape[1]
        if len(chosen) == count:
            break
    return np.array(chosen[::-1], np.int64)


def _series_of(result: BacktestResult, series_id: object) -> int:
    """Return the index of a series in `series_ids`; default: the first with a window."""
    present = np.unique(result.series)
    if series_id is None and len(present):
        return int(present[0])
    for index in present:
        if name_of(result.series_ids[index]) == name_of(series_id):
            return int(index)
    raise DataError(
        f"the evaluation has no windows of series {series_id!r}; it has "
        f"{list(result.series_ids[present[:5]])}"
    )


def _target_of(result: BacktestResult, target: str | None) -> int:
    targets = result.columns.target_cols
    if target is None:
        return 0
    if target not in targets:
        raise DataError(f"{target!r} is no target of the evaluation; it has {list(targets)}")
    return targets.index(target)


def _pieces(*arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """Return (W, H) arrays by window; windows of one step are joined into one piece.

    No line or band has a single point.
    """
    return [array.T if array.shape[1] == 1 else array for array in arrays]


def _measured(
    result: BacktestResult, series: int, target: int, windows: IntArray
) -> tuple[NDArray[Any], FloatArray]:
    """Return stamps and actual values around the windows, NaN in gaps.

    They begin a horizon before the first window and end with the last.
    """
    own = result.series == series
    positions = result.freq.positions(result.stamps[own].ravel())
    values = result.actual[own][:, :, target].ravel()
    first, last = result.freq.positions(result.stamps[windows[[0, -1]], [0, -1]])
    grid = np.arange(max(first - result.actual.shape[1], positions.min()), last + 1)
    on_grid = np.full(len(grid), np.nan)
    inside = (positions >= grid[0]) & (positions <= last)
    on_grid[positions[inside] - grid[0]] = values[inside]
    return result.freq.stamps(grid), on_grid


def _finding(actual: FloatArray, bands: Mapping[float, tuple[FloatArray, FloatArray]]) -> str:
    counts = []
    for level, (low, high) in sorted(bands.items()):
        inside = (low <= actual) & (actual <= high)
        counts.append(f"{int(inside.sum())} lie in the {level:g} % intervals")
    return f"of {int(np.isfinite(actual).sum())} values {' and '.join(counts)}"
