"""The intervals of one series through the test part, beside what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.data.names import name_of
from forecast.errors import DataError
from forecast.intervals.levels import central_levels
from forecast.report.plots.style import (
    INK,
    MODEL,
    MUTED,
    dress,
    new_figure,
    set_dates,
    write_finding_and_key,
)
from forecast.scores.evaluation import BacktestResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MIN_WINDOWS, MIN_STEPS = 4, 30
"""Windows of a fan chart, or more of them where they are short."""


def plot_fan(
    result: BacktestResult, *, series_id: object = None, target: str | None = None, unit: str = ""
) -> Figure:
    """Draw the last forecasts of one series that do not overlap, with all their intervals, and what came.

    Args:
        result: an evaluation with intervals.
        series_id: the series; the first one if left out.
        target: the target; the first one if left out.
        unit: of the target, for the axis.

    Raises:
        DataError: there are no intervals, or no such series or target.
    """
    place, number = _place_of(result, series_id), _target_of(result, target)
    levels = central_levels(result)
    if not levels or result.quantiles is None:
        raise DataError(
            f"the evaluation of {result.alias} holds no intervals to draw: train with "
            f"evaluation.calibration_size "
            "above 0, or with training.loss quantile"
        )
    horizon = result.actual.shape[1]
    windows = last_windows(result, place, max(MIN_WINDOWS, -(-MIN_STEPS // horizon)))
    actual, point, ends = (
        values[windows][:, :, number]
        for values in (result.actual, result.forecasts[result.alias], result.quantiles)
    )
    figure = new_figure((11.0, 4.4))
    axes = figure.add_subplot()
    axes.plot(
        *_measured(result, place, number, windows),
        color=INK,
        linewidth=1.2,
        label="observed",
        zorder=4,
    )
    median = "median" if 0.5 in result.quantile_levels else result.alias
    for stamps, values in zip(*_pieces(result.stamps[windows], point), strict=True):
        axes.plot(stamps, values, color=MODEL, linewidth=1.8, label=median, zorder=3)
    for depth, (level, (low, high)) in enumerate(sorted(levels.items(), reverse=True)):
        for stamps, *band in zip(
            *_pieces(result.stamps[windows], ends[..., low], ends[..., high]), strict=True
        ):
            drawn = axes.fill_between(
                stamps, *band, color=MODEL, linewidth=0, label=f"{level:g} % interval"
            )
            drawn.set(alpha=min(0.14 + 0.1 * depth, 0.5), zorder=1)
    if horizon > 1:
        _mark_cutoffs(axes, result.cutoffs[windows])
    targets = result.columns.target_cols
    dress(axes, y=unit or targets[number])
    set_dates(axes, result.stamps[windows])
    axes.margins(x=0.012)
    held = {
        level: (ends[..., low] <= actual) & (actual <= ends[..., high])
        for level, (low, high) in levels.items()
    }
    name = f"{result.series_ids[place]}{f', {targets[number]}' if len(targets) > 1 else ''}"
    key = {artist.get_label(): artist for artist in (*axes.lines, *axes.collections)}
    write_finding_and_key(
        figure, _finding(name, held, int(np.isfinite(actual).sum())), list(key.values())
    )
    return figure


def last_windows(result: BacktestResult, series: int, count: int) -> NDArray[np.int64]:
    """Numbers of the last window of a series and of those before it that do not overlap, in order of time.

    Args:
        result: an evaluation.
        series: index into its `series_ids`.
        count: windows at most.
    """
    own = np.flatnonzero(result.series == series)
    positions = result.freq.positions(result.cutoffs[own])
    kept: list[int] = []
    limit = None
    for place in np.argsort(positions)[::-1]:
        if limit is None or positions[place] <= limit:
            kept.append(int(own[place]))
            limit = int(positions[place]) - result.actual.shape[1]
        if len(kept) == count:
            break
    return np.array(kept[::-1], np.int64)


def _place_of(result: BacktestResult, series_id: object) -> int:
    present = np.unique(result.series)
    if series_id is None and len(present):
        return int(present[0])
    for place in present:
        if name_of(result.series_ids[place]) == name_of(series_id):
            return int(place)
    raise DataError(
        f"the evaluation has no windows of series {series_id!r}; it has "
        f"{list(result.series_ids[present[:5]])}"
    )


def _target_of(result: BacktestResult, target: str | None) -> int:
    targets = result.columns.target_cols
    if target is not None and target not in targets:
        raise DataError(f"{target!r} is no target of the evaluation; it has {list(targets)}")
    return 0 if target is None else targets.index(target)


def _pieces(*arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """(W, H) arrays by window; windows of one step are joined, since no line or band has one point."""
    return [one.T if one.shape[1] == 1 else one for one in arrays]


def _measured(
    result: BacktestResult, series: int, target: int, windows: NDArray[np.int64]
) -> tuple[NDArray[Any], FloatArray]:
    """Stamps and measured values from a horizon before the first window to the end of the last, NaN in gaps."""
    own = result.series == series
    positions = result.freq.positions(result.stamps[own].ravel())
    values = result.actual[own][:, :, target].ravel()
    first, last = result.freq.positions(result.stamps[windows[[0, -1]], [0, -1]])
    grid = np.arange(max(first - result.actual.shape[1], positions.min()), last + 1)
    found = np.full(len(grid), np.nan)
    inside = (positions >= grid[0]) & (positions <= last)
    found[positions[inside] - grid[0]] = values[inside]
    return result.freq.stamps(grid), found


def _mark_cutoffs(axes: Axes, cutoffs: NDArray[Any]) -> None:
    for cutoff in cutoffs:
        axes.axvline(
            cutoff, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)), label="cutoff", zorder=1
        )


def _finding(name: str, held: dict[float, NDArray[np.bool_]], total: int) -> str:
    counts = [
        f"{int(inside.sum())} lie in the {level:g} % intervals"
        for level, inside in sorted(held.items())
    ]
    return f"{name}: of {total} values {' and '.join(counts)}"
