"""The steps after the end of a table, behind its last actual values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.data.frequency import Frequency
from forecast.data.names import name_of
from forecast.data.per_series.ids import ONLY_SERIES
from forecast.data.per_series.keys import ids_in
from forecast.report.plots.style import (
    MODEL,
    PANEL_TITLE,
    colours_of,
    dress,
    marker_of,
    new_figure,
    set_dates,
    write_caption,
    write_finding_and_key,
)
from forecast.report.readable import stamp_words, tick_words
from forecast.scores.forecast import Forecast, plain_stamps
from forecast.scores.quantile_metrics import central_pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SHOWN = 48
"""Pairs of series and target of which a run folder keeps the last actual values."""

MAX_PANELS = 12

NUM_COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2}
"""Columns of panels by their number; three otherwise."""

PAST = "#8c8c8c"
"""Colour of the actual values, which stand back behind the forecast."""

LEAST_PAST = 60
MOST_PAST = 1_000
"""Steps before the forecast that are shown, at least and at most."""


def past_steps(horizon: int, season_length: int) -> int:
    """Return how many steps before the forecast are shown: three horizons or two seasons."""
    wanted = max(3 * horizon, 2 * season_length, LEAST_PAST)
    return max(min(wanted, MOST_PAST), horizon)


def shown_pairs(forecast: Forecast, most: int = MAX_SHOWN) -> IntArray:
    """Choose pairs of series and target, evenly spaced in the order of the table.

    Args:
        forecast: the forecast, of D targets.
        most: the number of pairs at most.

    Returns:
        (P,) pairs as row * D + target. Fewer pairs are among those of `MAX_SHOWN`.
    """
    pairs = evenly_spaced(len(forecast.series_ids) * forecast.values.shape[2], MAX_SHOWN)
    return pairs[evenly_spaced(len(pairs), most)]


def plot_next_steps(
    forecast: Forecast,
    observed: pd.DataFrame | None = None,
    *,
    title: str = "",
) -> Figure:
    """Draw a forecast behind the last actual values, one panel per series and target.

    Args:
        forecast: the steps after the end of a table, each series once, with its intervals and
            baselines; of more than twelve pairs of series and target, twelve evenly spaced ones
            are drawn.
        observed: long table of id, time and targets with the last actual values.
        title: of the figure; default: the names of the targets.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from forecast import Columns, Forecast, plots
        >>> from forecast.data.frequency import Frequency
        >>> days = pd.date_range("2024-01-02", periods=2)
        >>> table = pd.DataFrame({"unique_id": "a", "ds": days, "gru": [5.0, 6.0]})
        >>> table = table.assign(cutoff=pd.Timestamp("2024-01-01"))
        >>> daily = Frequency.parse("D")
        >>> forecast = Forecast.from_frame(table, "gru", columns=Columns(), freq=daily)
        >>> figure = plots.plot_next_steps(forecast, title="y, forecast of sales.csv")
        >>> figure.axes[0].get_title(loc="left")
        'a'
    """
    pairs = shown_pairs(forecast, MAX_PANELS)
    columns = NUM_COLUMNS.get(len(pairs), 3)
    rows = math.ceil(len(pairs) / columns)
    size = (min(4.6 * columns, 12.0), 1.2 + 2.2 * rows)
    if len(pairs) == 1:
        size = (9.0, 4.4)
    figure = new_figure(size)
    grid = figure.subplots(rows, columns, squeeze=False)
    past = past_values(forecast, observed)
    for pair, axes in zip(pairs.tolist(), grid.flat, strict=False):
        _draw_panel(axes, forecast, pair, past)
        if len(forecast.columns.target_cols) == 1 and axes in grid[:, 0]:
            dress(axes, y=forecast.columns.target_cols[0])
    for axes in grid.flat[len(pairs) :]:
        axes.set_visible(False)

    key: dict[str, Any] = {}
    for axes in grid.flat:  # a series without actual values has fewer lines
        for artist in (*axes.lines, *axes.collections):
            key.setdefault(str(artist.get_label()), artist)
    words = title or ", ".join(forecast.columns.target_cols)
    write_finding_and_key(figure, words, list(key.values()))
    write_caption(figure, _about(forecast, len(pairs)))
    return figure


def past_values(
    forecast: Forecast, observed: pd.DataFrame | None
) -> Mapping[str, tuple[NDArray[Any], FloatArray]]:
    """Return the last actual values of the series that are shown, by the names of their ids.

    Args:
        forecast: the forecast, of D targets.
        observed: long table of id, time and targets, or None.

    Returns:
        Stamps (R,) and values (R, D) on the grid, none after the forecast; NaN in gaps.
    """
    if observed is None:
        return {}
    columns = forecast.columns
    names = np.array([name_of(series_id) for series_id in ids_in(observed, columns)], object)
    past = {}
    for row in np.unique(shown_pairs(forecast) // len(columns.target_cols)):
        name = name_of(forecast.series_ids[row])
        rows = observed[names == name]
        stamps = plain_stamps(rows[columns.time_col], forecast.freq)
        values = rows[list(columns.target_cols)].to_numpy(np.float64)
        past[name] = _on_grid(stamps, values, forecast.stamps[row, -1], forecast.freq)
    return past


def _on_grid(
    stamps: NDArray[Any], values: FloatArray, last: Any, freq: Frequency
) -> tuple[NDArray[Any], FloatArray]:
    """Return a stamp for every step up to the last one, and the values there, NaN in gaps."""
    inside = stamps <= last
    if not inside.any():
        return stamps[:0], values[:0]
    positions = freq.positions(stamps[inside])
    first = int(positions.min())
    grid = np.full((int(positions.max()) - first + 1, values.shape[1]), np.nan)
    grid[positions - first] = values[inside]
    return freq.stamps(np.arange(first, first + len(grid))), grid


def joint_of(
    known: tuple[NDArray[Any], FloatArray] | None, forecast: Forecast, row: int, target: int
) -> tuple[NDArray[Any], FloatArray]:
    """Return stamp and value at the cutoff, to which a forecast is joined.

    There is none where the value is missing, or the first step does not follow the cutoff.

    Args:
        known: as of `past_values`, or None.
        forecast: the forecast.
        row: of its series.
        target: column of the target.
    """
    cutoff = forecast.cutoffs[row]
    if known is None or forecast.begins_late[row]:
        return np.zeros(0, np.asarray(cutoff).dtype), np.zeros(0)
    stamps, values = known
    is_joint = (stamps == cutoff) & np.isfinite(values[:, target])
    return stamps[is_joint], values[is_joint, target]


def _draw_panel(
    axes: Axes,
    forecast: Forecast,
    pair: int,
    past: Mapping[str, tuple[NDArray[Any], FloatArray]],
) -> None:
    """Draw the actual values, the intervals and the forecast of one series and target."""
    row, target = divmod(pair, forecast.values.shape[2])
    stamps = forecast.stamps[row]
    known = past.get(name_of(forecast.series_ids[row]))
    if known is not None and len(known[0]):
        axes.plot(known[0], known[1][:, target], color=PAST, linewidth=1.1, label="actual")
    joint_stamp, joint_value = joint_of(known, forecast, row, target)
    x = np.concatenate([joint_stamp, stamps])

    def joined(values: FloatArray) -> FloatArray:
        return np.concatenate([joint_value, values])

    _draw_intervals(axes, forecast, (row, target), x, joined)
    colours = colours_of(list(forecast.baselines))
    for name, others in forecast.baselines.items():
        line = axes.plot(stamps, others[row, :, target], color=colours[name])[0]
        line.set(
            label=f"{name}, baseline",
            linewidth=1.1,
            linestyle="--",
            marker="o" * (len(stamps) == 1),
            markersize=3.2,
        )
    values = joined(forecast.values[row, :, target])
    line = axes.plot(x, values, color=MODEL, linewidth=1.9, label="forecast")[0]
    line.set(marker=marker_of(len(stamps)), markersize=3.2, zorder=4)
    line.set_markevery(slice(len(joint_value), None))

    dress(axes)
    set_dates(axes, x, forecast.freq.tz)
    axes.margins(x=0.02)
    _write_ticks(axes)
    name = panel_name(forecast, row, target)
    if name != forecast.columns.target_cols[0] or forecast.values.shape[2] > 1:
        axes.set_title(name, fontweight="bold", **PANEL_TITLE)


def _draw_intervals(
    axes: Axes, forecast: Forecast, pair: tuple[int, int], x: NDArray[Any], joined: Any
) -> None:
    """Draw the central intervals, the widest first and palest."""
    if forecast.quantiles is None:
        return
    row, target = pair
    ends = forecast.quantiles[row, :, target]
    pairs = central_pairs(forecast.quantile_levels)
    for depth, (share, (low, high)) in enumerate(reversed(pairs.items())):
        label = f"{100 * share:.8g} % interval"
        alpha = min(0.13 + 0.11 * depth, 0.5)
        if len(ends) == 1:  # a band of one step has no width
            bar = axes.vlines(x[-1:], ends[:, low], ends[:, high], color=MODEL, label=label)
            bar.set(linewidth=7, alpha=alpha)
            continue
        band = axes.fill_between(x, joined(ends[:, low]), joined(ends[:, high]), color=MODEL)
        band.set(linewidth=0, alpha=alpha, zorder=1, label=label)


def _write_ticks(axes: Axes) -> None:
    """Write the numbers of the vertical axis in words, without an offset or an exponent."""
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks().tolist() if low <= tick <= high]
    axes.set_yticks(ticks, tick_words(ticks))
    axes.set_ylim(low, high)


def panel_name(forecast: Forecast, row: int, target: int) -> str:
    """Return the name of one series and target, and where the series ends before the others."""
    targets = forecast.columns.target_cols
    parts = [str(forecast.series_ids[row])]
    if parts == [ONLY_SERIES] and len(forecast.series_ids) == 1:  # which is not in the table
        parts = [targets[target]]
    elif len(targets) > 1:
        parts.append(targets[target])
    if forecast.cutoffs[row] < forecast.cutoffs.max():
        ends = stamp_words(forecast.cutoffs[row : row + 1], forecast.freq)
        parts.append(f"ends {ends[0]}")
    return ", ".join(parts)


def _about(forecast: Forecast, shown: int) -> str:
    """Return the steps, and how many of the series are shown."""
    num_series, horizon, num_targets = forecast.values.shape
    first, last = stamp_words(
        np.array([forecast.stamps[:, 0].max(), forecast.stamps[:, -1].max()]), forecast.freq
    )
    steps = f"{horizon:,} steps, {first} to {last}"
    if horizon == 1:
        steps = f"1 step, {first}"
    total = num_series * num_targets
    if shown == total:
        return steps
    things = "series" if num_targets == 1 else "series and targets"
    return f"{steps}; {shown} of {total:,} {things}, evenly spaced in the order of the table"
