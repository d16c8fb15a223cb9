"""Totals of a forecast per day, week, month or year, beside those of the same period a year before.

The steps of a period that are in the table count with their actual values, the others with their
forecasts. A period is complete if each of its steps is one or the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.frequency import Frequency
from forecast.data.grid import DAY, TICKS, parse_grid
from forecast.data.names import name_of
from forecast.data.panel import Panel
from forecast.scores.forecast import Forecast


@dataclass(frozen=True)
class Period:
    """A stretch of the calendar over which steps are added up.

    Attributes:
        name: `day`, `week` and so on.
        alias: the name pandas gives to it.
        year: periods from one to the one before that it is compared with.
        compared_with: the other period in words.
        article: of the name.
    """

    name: str
    alias: str
    year: int
    compared_with: str
    article: str = "a"


# Hours, days and weeks are compared with those 52 weeks before: the same weekday.
PERIODS = {
    period.name: period
    for period in (
        Period("minute", "min", 364 * 24 * 60, "the same minute 52 weeks before"),
        Period("hour", "h", 364 * 24, "the same hour 52 weeks before", "an"),
        Period("day", "D", 364, "the day 52 weeks before, which is the same weekday"),
        Period("week", "W-SUN", 52, "the week 52 weeks before"),
        Period("month", "M", 12, "the same month a year before"),
        Period("year", "Y", 1, "the year before"),
    )
}

_PERIODS_OF_SHORT_STEPS = (
    (TICKS["min"], ("minute", "hour")),
    (TICKS["h"], ("hour", "day")),
    (DAY, ("day", "month")),
)
"""Periods of steps that are shorter than some time in ns."""

_PERIODS_OF_LONG_STEPS = {"D": ("week", "month"), "B": ("week", "month"), "W": ("year",)}

LEAST_FORECAST = 0.25
"""Share of the steps that are forecast, in one period at least: the total of a month of which two
days are forecast says little about the forecast."""

LEAST_KNOWN = 0.5
"""Share of the steps that are actual values or forecasts, in the same period."""

SERIES = "series"

COLUMNS = (
    "target",
    "period",
    "start",
    "steps",
    "actual_steps",
    "forecast_steps",
    "total",
    "year_before",
)
"""Columns of the table of totals, after the id."""


def periods_of(freq: Frequency) -> tuple[Period, ...]:
    """Return the periods over which steps are added up; none for an integer index."""
    if freq.is_integer:
        return ()
    grid = parse_grid(freq.alias).in_longest_unit()
    names: tuple[str, ...] = ()
    if grid.tick:
        names = next((found for limit, found in _PERIODS_OF_SHORT_STEPS if grid.tick < limit), ())
    elif grid.months * grid.multiple in range(1, 12):
        names = ("year",)
    elif grid.multiple == 1:
        names = _PERIODS_OF_LONG_STEPS.get(grid.base, ())
    return tuple(PERIODS[name] for name in names)


def period_totals(forecast: Forecast, panel: Panel) -> pd.DataFrame:
    """Add up a forecast, and the actual values of the same periods and of those a year before.

    Args:
        forecast: the steps after the end of the panel.
        panel: the actual values.

    Returns:
        One row per series, target and period: `series`, the id, then `COLUMNS`. `total` is of all
        known steps; `year_before` is NaN unless both periods are complete.
    """
    tables = [_totals(forecast, panel, period) for period in periods_of(forecast.freq)]
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame(columns=[SERIES, *COLUMNS])
    return pd.concat(tables, ignore_index=True)


def _totals(forecast: Forecast, panel: Panel, period: Period) -> pd.DataFrame:
    """Return the totals of one kind of period; no rows where none is forecast enough."""
    count, horizon, num_targets = forecast.values.shape
    ahead = ordinals_of(forecast.stamps.ravel(), forecast.freq, period)
    if not _is_any_forecast(ahead.reshape(count, horizon), forecast.freq, period):
        return pd.DataFrame(columns=[SERIES, *COLUMNS])
    first = int(ahead.min()) - period.year
    steps = steps_in(first, int(ahead.max()), forecast.freq, period)
    rows, row_series = rows_since(panel, forecast, first, period)
    past = ordinals_of(panel.timestamps[rows], forecast.freq, period)

    tables = []
    for target in range(num_targets):
        predicted = _added(
            np.repeat(np.arange(count), horizon), ahead, forecast.values[:, :, target].ravel()
        )
        actual = _added(row_series, past, panel.targets[rows, target])
        table = _compared(predicted, actual, steps, period)
        tables.append(table.assign(target=forecast.columns.target_cols[target]))
    table = pd.concat(tables, ignore_index=True)
    num_known = table["actual_steps"] + table["forecast_steps"]
    is_known = num_known >= LEAST_KNOWN * table["steps"]
    is_forecast = table["forecast_steps"] >= LEAST_FORECAST * table["steps"]
    if not (is_known & is_forecast).any():
        return table[:0]
    table[SERIES] = forecast.series_ids[table[SERIES].to_numpy()]
    return table[[SERIES, *COLUMNS]]


def _is_any_forecast(ahead: IntArray, freq: Frequency, period: Period) -> bool:
    """Return whether enough steps of some period are forecast.

    It is asked first, since the steps of a year are many where they are short: 315 million of
    100 ms.

    Args:
        ahead: (N, H) ordinal of the period of each step.
        freq: of the steps.
        period: the kind of period.
    """
    # without those that begin before or after, of which a step or two are counted
    steps = steps_in(int(ahead.min()), int(ahead.max()), freq, period)
    steps = steps.loc[int(ahead.min()) : int(ahead.max())]
    most = max(int(np.unique(of_series, return_counts=True)[1].max()) for of_series in ahead)
    return most >= LEAST_FORECAST * steps.min()


def _compared(
    predicted: pd.DataFrame, actual: pd.DataFrame, steps: pd.Series, period: Period
) -> pd.DataFrame:
    """Return every period of the forecast, with the actual values in it and a year before.

    Args:
        predicted: sum and number of the forecast steps by series and ordinal of the period.
        actual: the same of the actual values, also of earlier periods.
        steps: number of the steps of a complete period by its ordinal.
        period: the kind of period.
    """
    series, ordinals = (predicted.index.get_level_values(level) for level in (0, 1))
    own = actual.reindex(predicted.index, fill_value=0)
    before = actual.reindex(
        pd.MultiIndex.from_arrays([series, ordinals - period.year]), fill_value=0
    )
    expected = steps.reindex(ordinals).to_numpy()
    is_complete = (predicted["count"] + own["count"]).to_numpy() == expected
    was_complete = before["count"].to_numpy() == steps.reindex(ordinals - period.year).to_numpy()
    periods: Any = pd.PeriodIndex  # the stubs lack from_ordinals
    starts = periods.from_ordinals(ordinals, freq=period.alias).start_time
    return pd.DataFrame(
        {
            SERIES: series,
            "period": period.name,
            "start": starts,
            "steps": expected,
            "actual_steps": own["count"].to_numpy(np.int64),
            "forecast_steps": predicted["count"].to_numpy(np.int64),
            "total": (predicted["sum"] + own["sum"]).to_numpy(),
            "year_before": np.where(is_complete & was_complete, before["sum"], np.nan),
        }
    )


def _added(series: IntArray, ordinals: IntArray, values: FloatArray) -> pd.DataFrame:
    """Return `sum` and `count` of the known values by series and ordinal of the period."""
    frame = pd.DataFrame({SERIES: series, "ordinal": ordinals, "value": values})
    return frame.groupby([SERIES, "ordinal"])["value"].agg(["sum", "count"])


def rows_since(
    panel: Panel, forecast: Forecast, first: int, period: Period
) -> tuple[IntArray, IntArray]:
    """Return the rows of a panel since some period, and the row of the forecast each belongs to."""
    place_of = {name_of(name): place for place, name in enumerate(forecast.series_ids)}
    places = np.array([place_of.get(name_of(name), -1) for name in panel.series_ids], np.int64)
    series = places[panel.series_of_rows()]
    since = _begin(first, forecast.freq, period)
    rows = np.flatnonzero((series >= 0) & (panel.freq.begins(panel.timestamps) >= since))
    return rows, series[rows]


def steps_in(first: int, last: int, freq: Frequency, period: Period) -> pd.Series:
    """Return the number of steps in each period from one to another, by its ordinal."""
    ends = np.array([_begin(first, freq, period), _begin(last + 1, freq, period)])
    start, stop = freq.positions(ends)
    stamps = freq.stamps(np.arange(start - 1, stop + 2))
    ordinals, counts = np.unique(ordinals_of(stamps, freq, period), return_counts=True)
    return pd.Series(counts, index=ordinals)


def _begin(ordinal: int, freq: Frequency, period: Period) -> np.datetime64:
    """Return the first moment of a period as in a panel: UTC where the table has a zone."""
    begin = pd.Period(ordinal=ordinal, freq=period.alias).start_time
    if freq.tz is not None:
        begin = begin.tz_localize(freq.tz, ambiguous=True, nonexistent="shift_forward")
        begin = begin.tz_convert(None)
    return np.datetime64(begin, "ns")


def ordinals_of(stamps: NDArray[np.generic], freq: Frequency, period: Period) -> IntArray:
    """Return the number of the period in which each stamp lies, by the wall clock."""
    places, unique = pd.factorize(stamps)
    wall = freq.local(freq.begins(np.asarray(unique))).tz_localize(None)
    return wall.to_period(period.alias).asi8[places]
