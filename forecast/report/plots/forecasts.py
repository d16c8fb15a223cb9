"""Forecasts beside the observed values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, evenly_spaced
from forecast.data.frequency import Frequency
from forecast.data.names import name_of
from forecast.data.panel import Columns
from forecast.data.per_series.keys import ids_in
from forecast.errors import DataError
from forecast.report.plots.style import (
    INK,
    MODEL,
    PANEL_TITLE,
    colours_of,
    dress,
    mark_cutoff,
    marker_of,
    new_figure,
    set_dates,
    subject_of,
    write_finding_and_key,
)
from forecast.scores.forecast import Forecast, plain_stamps
from forecast.scores.quantile_metrics import central_pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MAX_PANELS = 9

MIN_CONTEXT = 30
"""Steps before the cutoff at least."""


@dataclass(frozen=True, eq=False)
class _Panel:
    """One panel of the figure: one forecast of one target.

    Attributes:
        row: row of the forecast.
        target: column of the target.
        stamps: of the observed values, context and horizon.
        values: observed values, NaN where there is none.
    """

    row: int
    target: int
    stamps: NDArray[Any]
    values: FloatArray


def plot_forecasts(
    forecast: Forecast,
    observed: pd.DataFrame,
    *,
    baselines: Sequence[Forecast] = (),
    context: int | None = None,
    unit: str = "",
    subject: str = "",
) -> Figure:
    """Draw forecasts and observed values, one panel per series, cutoff and target.

    Args:
        forecast: forecasts of the model; of more than nine, nine evenly spaced ones are drawn.
        observed: long table with the id, time and target columns, of the context and, where it is
            known, of the horizon; a `BacktestResult.frame()` will do.
        baselines: forecasts of others for the same series and cutoffs.
        context: steps shown before the cutoff; default: two horizons and at least 30.
        unit: of the targets, for the axes.
        subject: of the title, such as `sales, sales.csv`; default: the names of the targets.

    Raises:
        DataError: a column is missing, or a baseline forecasts something else.
    """
    _check_same(forecast, baselines)
    context = context or max(2 * forecast.values.shape[1], MIN_CONTEXT)
    panels = _panels_of(forecast, observed, context)
    columns = _num_columns(len(panels))
    rows = math.ceil(len(panels) / columns)
    size = (min(4.6 * columns, 12.0), 1.0 + 2.3 * rows)
    if len(panels) == 1:
        size = (9.0, 4.2)
        unit = unit or forecast.columns.target_cols[panels[0].target]

    figure = new_figure(size)
    grid = figure.subplots(rows, columns, squeeze=False)
    for panel, axes in zip(panels, grid.flat, strict=False):
        _draw_panel(axes, panel, forecast, baselines)
        dress(axes, y=unit if axes in grid[:, 0] else "")
        set_dates(axes, forecast.stamps)
        axes.set_title(_panel_title(forecast, panel), fontweight="bold", **PANEL_TITLE)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)

    artists = (*grid[0, 0].lines, *grid[0, 0].collections)
    key = {artist.get_label(): artist for artist in artists}
    cutoff = key.pop("cutoff")
    finding = _finding(forecast, baselines, panels)
    title = f"{subject_of(forecast, subject)}: {finding}"
    write_finding_and_key(figure, title, [*key.values(), cutoff])
    return figure


def _num_columns(num_panels: int) -> int:
    if num_panels == 4:
        return 2
    return min(num_panels, 3)


def _check_same(forecast: Forecast, baselines: Sequence[Forecast]) -> None:
    for baseline in baselines:
        same = (
            baseline.stamps.shape == forecast.stamps.shape
            and baseline.values.shape == forecast.values.shape
            and bool((baseline.stamps == forecast.stamps).all())
            and bool((baseline.series_ids == forecast.series_ids).all())
        )
        if not same:
            raise DataError(
                f"{baseline.alias} does not forecast the same series and stamps as "
                f"{forecast.alias}: take both from the same windows of one evaluation"
            )


def _panels_of(forecast: Forecast, observed: pd.DataFrame, context: int) -> list[_Panel]:
    """Choose the forecasts to draw and look up the values observed there."""
    columns = forecast.columns
    missing = [
        name for name in (columns.time_col, *columns.target_cols) if name not in observed.columns
    ]
    if missing:
        raise DataError(
            f"column {missing[0]!r} is missing in the observed table; it has "
            f"{list(observed.columns)}"
        )
    num_targets = len(columns.target_cols)
    total = len(forecast.series_ids) * num_targets
    chosen = evenly_spaced(total, MAX_PANELS)
    panels = []
    for number in chosen:
        row, target = divmod(int(number), num_targets)
        own = _rows_of(observed, columns, forecast.series_ids[row])
        stamps, values = _on_grid(own, columns.time_col, columns.target_cols[target], forecast.freq)
        ends = np.array([forecast.cutoffs[row], forecast.stamps[row, -1]])
        cutoff, last = forecast.freq.positions(ends)
        positions = forecast.freq.positions(stamps)
        shown = (positions > cutoff - context) & (positions <= last)
        panels.append(_Panel(row, target, stamps[shown], values[shown]))
    return panels


def _rows_of(observed: pd.DataFrame, columns: Columns, series_id: object) -> pd.DataFrame:
    """Return the rows of one series, however the table spells its id."""
    if not set(columns.id_cols) <= set(observed.columns):
        return observed
    ids = pd.Series(ids_in(observed, columns), index=observed.index)
    name = name_of(series_id)
    spellings = [value for value in ids.unique() if name_of(value) == name]
    return observed[ids.isin(spellings)]


def _on_grid(
    rows: pd.DataFrame, time_col: str, target: str, freq: Frequency
) -> tuple[NDArray[Any], FloatArray]:
    """Return stamps at every step, and the value at each, NaN where there is none."""
    stamps = plain_stamps(rows[time_col], freq)
    positions = freq.positions(stamps)
    if not len(positions):
        return stamps, np.zeros(0)
    first = int(positions.min())
    grid = np.arange(first, int(positions.max()) + 1)
    values = np.full(len(grid), np.nan)
    values[positions - first] = rows[target].to_numpy(np.float64)
    return freq.stamps(grid), values


def _draw_panel(
    axes: Axes, panel: _Panel, forecast: Forecast, baselines: Sequence[Forecast]
) -> None:
    stamps = forecast.stamps[panel.row]
    column = (panel.row, slice(None), panel.target)
    observed = axes.plot(panel.stamps, panel.values, color=INK, label="observed")[0]
    observed.set(linewidth=1.1, zorder=3, **_points(panel.values))
    line = axes.plot(stamps, forecast.values[column], color=MODEL, label=forecast.alias)[0]
    line.set(linewidth=1.9, zorder=4, marker=marker_of(len(stamps)), markersize=3.2)

    colours = colours_of([baseline.alias for baseline in baselines])
    for baseline in baselines:
        name = baseline.alias
        line = axes.plot(stamps, baseline.values[column], color=colours[name], label=name)[0]
        line.set(linewidth=1.2, alpha=0.6, zorder=2, markersize=3.2)
        if len(stamps) == 1:
            line.set_marker("o")
    if forecast.quantiles is not None:
        ends = forecast.quantiles[column]
        pairs = central_pairs(forecast.quantile_levels)
        for depth, (share, (low, high)) in enumerate(reversed(pairs.items())):
            label = f"{100 * share:.3g} % band"
            band = axes.fill_between(stamps, ends[:, low], ends[:, high], color=MODEL, label=label)
            band.set(linewidth=0, alpha=min(0.14 + 0.1 * depth, 0.5), zorder=1)
    mark_cutoff(axes, forecast.cutoffs[panel.row])
    axes.margins(x=0.02)


def _points(values: FloatArray) -> dict[str, Any]:
    """Return the look that dots values between two gaps, which no line would show."""
    is_known = np.concatenate([[False], np.isfinite(values), [False]])
    alone = np.flatnonzero(is_known[1:-1] & ~is_known[:-2] & ~is_known[2:])
    if not len(alone):
        return {}
    return {"marker": ".", "markersize": 4, "markevery": alone.tolist()}


def _panel_title(forecast: Forecast, panel: _Panel) -> str:
    """Return the parts of series, target and cutoff that differ from panel to panel."""
    series_id = forecast.series_ids[panel.row]
    targets = forecast.columns.target_cols
    num_series = len(set(map(str, forecast.series_ids)))
    parts = []
    if num_series > 1 or (len(forecast.series_ids) == 1 and len(targets) == 1):
        parts.append(str(series_id))
    if len(targets) > 1:
        parts.append(targets[panel.target])
    if forecast.series_ids.tolist().count(series_id) > 1:
        cutoff = forecast.cutoffs[panel.row]
        words = str(cutoff)
        if not forecast.freq.is_integer:
            words = f"{pd.Timestamp(cutoff):%Y-%m-%d %H:%M}".removesuffix(" 00:00")
        parts.append(f"after {words}")
    return ", ".join(parts)


def _finding(forecast: Forecast, baselines: Sequence[Forecast], panels: list[_Panel]) -> str:
    """Compare with the best of the baselines where values are known, else count the forecasts."""
    num_forecasts, num_steps, num_targets = forecast.values.shape
    total = num_forecasts * num_targets
    counted = f"{total} forecast{'s' * (total > 1)}"
    if len(panels) < total:
        counted = f"{len(panels)} of {total:,} forecasts"
    counted += f" of {num_steps} steps"

    errors = _errors(forecast, panels)
    known = np.isfinite(errors)
    if not known.any():
        return counted
    if not baselines:
        return f"{counted}, and observed values"
    closer = {}  # baseline -> panels in which the model is closer
    further = {}  # baseline -> panels in which the model is further away
    for baseline in baselines:
        others = _errors(baseline, panels)
        closer[baseline.alias] = int(np.sum(errors[known] < others[known]))
        further[baseline.alias] = int(np.sum(others[known] < errors[known]))
    best = max(further, key=lambda name: further[name])
    if known.sum() == 1:
        words = "closer" if closer[best] else "not closer"
        return f"the model is {words} than {best} in this forecast"
    return f"the model is closer than {best} in {closer[best]} of these {known.sum()} forecasts"


def _errors(forecast: Forecast, panels: list[_Panel]) -> FloatArray:
    """Return the mean absolute error in each panel, NaN without values after the cutoff."""
    errors = np.full(len(panels), np.nan)
    for index, panel in enumerate(panels):
        observed = pd.Series(panel.values, panel.stamps)
        actual = observed.reindex(forecast.stamps[panel.row]).to_numpy()
        error = np.abs(actual - forecast.values[panel.row, :, panel.target])
        if np.isfinite(error).any():
            errors[index] = np.nanmean(error)
    return errors
