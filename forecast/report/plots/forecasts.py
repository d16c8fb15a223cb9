"""What a model said, beside what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, evenly_spaced
from forecast.data.findings import counted
from forecast.data.frequency import Frequency
from forecast.data.names import name_of
from forecast.errors import DataError
from forecast.report.plots.style import (
    INK,
    MODEL,
    MUTED,
    PANEL_TITLE,
    colours_of,
    dress,
    new_figure,
    set_dates,
    write_finding_and_key,
)
from forecast.scores.forecast import Forecast, plain_stamps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MAX_PANELS = 9


MIN_CONTEXT = 30


@dataclass(frozen=True, eq=False)
class _Panel:
    """One small picture: one forecast of one target.

    Attributes:
        place: row of the forecast.
        target: column of the target.
        stamps: of the observed values, context and horizon.
        values: observed values, NaN where there is none.
    """

    place: int
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
) -> Figure:
    """Draw forecasts against what was observed, one small picture per series, cutoff and target.

    Args:
        forecast: what the model said; of more than nine, nine evenly spaced ones are drawn.
        observed: long table with the id, time and target columns, of the context and, where it is
            known, of the horizon; a `BacktestResult.frame()` will do.
        baselines: forecasts of others for the same series and cutoffs.
        context: steps shown before the cutoff; two horizons and at least 30 if left out.
        unit: of the targets, for the axes.

    Raises:
        DataError: a column is missing, or a baseline forecasts something else.
    """
    _check_same(forecast, baselines)
    panels = _panels_of(
        forecast, observed, context or max(2 * forecast.values.shape[1], MIN_CONTEXT)
    )
    columns = len(panels) if len(panels) < 3 else 2 if len(panels) == 4 else 3
    rows = -(-len(panels) // columns)
    size = (9.0, 4.2) if len(panels) == 1 else (min(4.6 * columns, 12.0), 1.0 + 2.3 * rows)
    figure = new_figure(size)
    grid = figure.subplots(rows, columns, squeeze=False)
    for panel, axes in zip(panels, grid.flat, strict=False):
        _draw_panel(axes, panel, forecast, baselines)
        label = unit or (forecast.columns.target_cols[panel.target] if len(panels) == 1 else "")
        dress(axes, y=label if axes in grid[:, 0] else "")
        set_dates(axes, forecast.stamps)
        axes.set_title(_panel_title(forecast, panel), fontweight="bold", **PANEL_TITLE)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    lines = {artist.get_label(): artist for artist in (*grid[0, 0].lines, *grid[0, 0].collections)}
    cutoff = lines.pop("cutoff")
    write_finding_and_key(figure, _finding(forecast, baselines, panels), [*lines.values(), cutoff])
    return figure


def _check_same(forecast: Forecast, baselines: Sequence[Forecast]) -> None:
    for one in baselines:
        same = (
            one.stamps.shape == forecast.stamps.shape and one.values.shape == forecast.values.shape
        )
        if not (
            same
            and (one.stamps == forecast.stamps).all()
            and (one.series_ids == forecast.series_ids).all()
        ):
            raise DataError(
                f"{one.alias} does not forecast the same series and stamps as {forecast.alias}: "
                "take both from the same windows of one evaluation"
            )


def _panels_of(forecast: Forecast, observed: pd.DataFrame, context: int) -> list[_Panel]:
    """Choose what to draw and look up what was observed there."""
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
        place, target = divmod(int(number), num_targets)
        rows = observed
        if columns.id_col in observed.columns:
            name = name_of(forecast.series_ids[place])
            spelled = [one for one in observed[columns.id_col].unique() if name_of(one) == name]
            rows = observed[observed[columns.id_col].isin(spelled)]
        stamps, values = _on_grid(
            rows, columns.time_col, columns.target_cols[target], forecast.freq
        )
        last, end = forecast.freq.positions(
            np.array([forecast.cutoffs[place], forecast.stamps[place, -1]])
        )
        positions = forecast.freq.positions(stamps)
        shown = (positions > last - context) & (positions <= end)
        panels.append(_Panel(place, target, stamps[shown], values[shown]))
    return panels


def _on_grid(
    rows: pd.DataFrame, time_col: str, target: str, freq: Frequency
) -> tuple[NDArray[Any], FloatArray]:
    """Stamps without a step left out, and the value at each, NaN where a row or a value is missing."""
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
    stamps, place, target = forecast.stamps[panel.place], panel.place, panel.target
    axes.plot(
        panel.stamps,
        panel.values,
        color=INK,
        linewidth=1.1,
        label="observed",
        zorder=3,
        **_points(panel.values),
    )
    made = axes.plot(
        stamps, forecast.values[place, :, target], color=MODEL, linewidth=1.9, label=forecast.alias
    )[0]
    made.set(zorder=4, marker="o" if len(stamps) <= 14 else "", markersize=3.2)
    colours = colours_of([one.alias for one in baselines])
    for one in baselines:
        line = axes.plot(
            stamps, one.values[place, :, target], color=colours[one.alias], label=one.alias
        )[0]
        line.set(
            linewidth=1.2,
            alpha=0.6,
            zorder=2,
            marker="o" if len(stamps) == 1 else "",
            markersize=3.2,
        )
    for number, (bounds, share) in enumerate(_bands(forecast, place, target)):
        band = axes.fill_between(
            stamps, *bounds, color=MODEL, linewidth=0, label=f"{share:.3g} % band"
        )
        band.set(alpha=min(0.14 + 0.1 * number, 0.5), zorder=1)
    axes.axvline(
        forecast.cutoffs[place],
        color=MUTED,
        linewidth=0.9,
        linestyle=(0, (2, 3)),
        label="cutoff",
        zorder=1,
    )
    axes.margins(x=0.02)


def _points(values: FloatArray) -> dict[str, Any]:
    """Dots where a value stands between two holes and no line would show it."""
    known = np.concatenate([[False], np.isfinite(values), [False]])
    alone = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])
    return {"marker": ".", "markersize": 4, "markevery": alone.tolist()} if len(alone) else {}


def _bands(
    forecast: Forecast, place: int, target: int
) -> list[tuple[tuple[FloatArray, FloatArray], float]]:
    """Lower and upper end of every central band, widest first, and its share in percent."""
    if forecast.quantiles is None:
        return []
    levels, values = np.array(forecast.quantile_levels), forecast.quantiles[place, :, target]
    pairs = [
        (low, np.flatnonzero(np.isclose(levels, 1 - level)))
        for low, level in enumerate(levels)
        if level < 0.5
    ]
    return [
        ((values[:, low], values[:, high[0]]), 100 * (1 - 2 * levels[low]))
        for low, high in pairs
        if len(high)
    ]


def _panel_title(forecast: Forecast, panel: _Panel) -> str:
    """Say what tells this picture from the others: series, target, cutoff."""
    name, ids = forecast.series_ids[panel.place], forecast.series_ids
    targets = forecast.columns.target_cols
    several = len(np.unique(ids.astype(str))) > 1
    parts = [str(name)] if several or (len(ids) == 1 and len(targets) == 1) else []
    parts += [targets[panel.target]] if len(targets) > 1 else []
    if np.sum(ids == name) > 1:
        cutoff = forecast.cutoffs[panel.place]
        stamp = (
            str(cutoff)
            if forecast.freq.is_integer
            else f"{pd.Timestamp(cutoff):%Y-%m-%d %H:%M}".removesuffix(" 00:00")
        )
        parts.append(f"after {stamp}")
    return ", ".join(parts)


def _finding(forecast: Forecast, baselines: Sequence[Forecast], panels: list[_Panel]) -> str:
    """Compare with the best of the baselines where the truth is known, else say what is shown."""
    total = forecast.values.shape[0] * forecast.values.shape[2]
    number = (
        f"{len(panels)} of {total:,} forecasts"
        if len(panels) < total
        else counted(total, "forecast")
    )
    mine = _errors(forecast, panels)
    if np.isnan(mine).all():
        return f"{forecast.alias}: {number} of {forecast.values.shape[1]} steps"
    others = {one.alias: _errors(one, panels) for one in baselines}
    if not others:
        return (
            f"{forecast.alias} against what happened: {number} of {forecast.values.shape[1]} steps"
        )
    judged = np.isfinite(mine)
    best = max(others, key=lambda name: int(np.sum(others[name][judged] < mine[judged])))
    closer = int(np.sum(mine[judged] < others[best][judged]))
    if judged.sum() == 1:
        return f"{forecast.alias} is {'closer' if closer else 'not closer'} than {best} in this forecast"
    return f"{forecast.alias} is closer than {best} in {closer} of these {judged.sum()} forecasts"


def _errors(forecast: Forecast, panels: list[_Panel]) -> FloatArray:
    """(panels,) mean absolute error in each picture, NaN where nothing was observed after the cutoff."""
    errors = np.full(len(panels), np.nan)
    for number, panel in enumerate(panels):
        truth = (
            pd.Series(panel.values, panel.stamps).reindex(forecast.stamps[panel.place]).to_numpy()
        )
        error = np.abs(truth - forecast.values[panel.place, :, panel.target])
        if np.isfinite(error).any():
            errors[number] = np.nanmean(error)
    return errors
