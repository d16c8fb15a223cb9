"""Totals and highest values of a forecast over time and groups of series, with intervals.

A total has a distribution that no interval of a single step knows: it is that of the sums of joint
sample paths. Their median is the centre, and the ends of an interval are as far from it as those
of the paths, times a factor that follows what such intervals would have held at the past cutoffs
(`intervals.adaptive`), as the widths of single steps do. At each of these cutoffs the paths are
drawn from the windows at the same place in the season.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.names import name_of
from forecast.data.panel import Panel
from forecast.data.per_series.ended import Reach
from forecast.data.per_series.keys import id_columns
from forecast.errors import ConfigError, nearest
from forecast.forecasting.ahead import levels_by_number
from forecast.forecasting.fitted import Fitted, align
from forecast.forecasting.past_totals import PastTotals
from forecast.forecasting.sample_paths import trajectories_for
from forecast.intervals.levels import tails
from forecast.report.totals import PERIODS, ordinals_of, rows_since, steps_in
from forecast.scores.forecast import Forecast, level_name
from forecast.windows.splits import Part

Period = Literal["day", "week", "month", "horizon"]

HORIZON = "horizon"


@dataclass(frozen=True)
class Asked:
    """Totals that are asked for.

    Attributes:
        period: `day`, `week`, `month` or `horizon`.
        by: columns whose values name the groups of series, the widest first; none: each series
            alone.
        level: of the intervals, in %.
    """

    period: Period
    by: tuple[str, ...]
    level: float

    @classmethod
    def of(cls, period: Period, by: str | Sequence[str] | None, level: float) -> Asked:
        """Return what is asked, with a level that is checked.

        Raises:
            ConfigError: the level is no single percentage.
        """
        levels = levels_by_number(level)
        if len(levels) != 1:
            raise ConfigError(f"level is {level!r}; expected one percentage, such as 80")
        columns = (by,) if isinstance(by, str) else tuple(by or ())
        return cls(period, columns, levels[0])


@dataclass(frozen=True, eq=False)
class Added:
    """Steps that are added up: of one group of series, one target and one period.

    Attributes:
        group: its number.
        series: (K,) their numbers.
        target: number of the target.
        ordinal: of the period.
        places: (K, H) whether a step of a series is in the period.
    """

    group: int
    series: IntArray
    target: int
    ordinal: int
    places: NDArray[np.bool_]


def check_asked(asked: Asked, panel: Panel) -> None:
    """Raise where there is no such period or no such group.

    Raises:
        ConfigError: as above.
    """
    if asked.period not in get_args(Period):
        known = ", ".join(get_args(Period))
        raise ConfigError(f"period is {asked.period!r}; expected one of {known}")
    if asked.period != HORIZON and panel.freq.is_integer:
        raise ConfigError(
            f"period is {asked.period!r}, and the time of this table is a whole number, which has "
            f"no calendar: ask for horizon, all steps together"
        )
    named = (*panel.columns.id_cols, *panel.columns.static_covariates)
    for name in asked.by:
        if name not in named:
            raise ConfigError(
                f"the column to group by is {name!r}; expected an id column or a static covariate: "
                f"{', '.join(named)}{nearest(name, named)}"
            )
    if len(set(asked.by)) < len(asked.by):
        raise ConfigError(f"columns to group by are {', '.join(asked.by)}; name each of them once")


def totals_ahead(
    fitted: Fitted, reach: Reach, forecast: Forecast, asked: Asked, seed: int
) -> pd.DataFrame:
    """Return totals and highest values with intervals; columns as in `Forecaster.totals`.

    Args:
        fitted: the trained state.
        reach: the history that the forecast was made from.
        forecast: with sample paths.
        asked: what is added up.
        seed: of the paths at past cutoffs.

    Raises:
        ConfigError: there is no such period or group.
    """
    panel = reach.panel
    check_asked(asked, panel)
    ordinals = _ordinals(forecast, asked.period)
    names, groups = _groups(panel, asked.by)
    added = list(_added(forecast, ordinals, groups))
    facts = align(fitted, panel, Part.whole(panel)).series
    past = PastTotals.at_cutoffs(fitted, trajectories_for(fitted), facts.unit, reach, seed)
    actual = _actual_sums(forecast, panel, asked.period, int(ordinals.min()))
    low_level, high_level = tails(asked.level)
    low_name = level_name(low_level)
    high_name = level_name(high_level)
    rows = []
    for each in added:
        known_sum, known_steps = actual.of(each)
        sums, highest = path_totals(forecast, each)
        point_sum, point_highest = _point_totals(forecast, each)
        factors = past.factors(each.series, each.target, each.places, asked.level)
        row: dict[str, Any] = {
            "group": each.group,
            "target": forecast.columns.target_cols[each.target],
            "period": asked.period,
            "start": _start(forecast, each, asked.period),
            "steps": _steps_of_period(forecast, each, asked.period),
            "actual_steps": known_steps,
            "forecast_steps": int(each.places.sum()),
        }
        kinds = [("total", sums + known_sum, point_sum + known_sum, factors[0])]
        kinds.append(("highest", highest, point_highest, factors[1]))
        for kind, samples, point, factor in kinds:
            low, high = widened(samples, asked.level, factor)
            row[kind] = point
            row[f"{kind}-{low_name}"] = min(low, point)
            row[f"{kind}-{high_name}"] = max(high, point)
        rows.append(row)
    table = pd.DataFrame(rows)
    place = table.pop("group").to_numpy()
    for position, (name, values) in enumerate(names.items()):
        table.insert(position, name, values[place])
    return table


def path_totals(forecast: Forecast, added: Added) -> tuple[FloatArray, FloatArray]:
    """Return (P,) sums and (P,) highest values of the paths, the series added up at each stamp."""
    if forecast.paths is None:
        raise ConfigError("totals need a forecast with sample paths")
    paths = forecast.paths[added.series, :, added.target]  # (K, H, P)
    return _totals(paths, forecast.stamps[added.series], added.places)


def widened(samples: FloatArray, level: float, factor: float) -> tuple[float, float]:
    """Return the ends of a central interval of samples, moved from their median by a factor."""
    low_level, high_level = tails(level)
    low, middle, high = np.quantile(samples, [low_level, 0.5, high_level])
    return float(middle - factor * (middle - low)), float(middle + factor * (high - middle))


def _point_totals(forecast: Forecast, added: Added) -> tuple[float, float]:
    """Return the sum and the highest value of the point forecasts."""
    values = forecast.values[added.series, :, added.target][..., None]
    sums, highest = _totals(values, forecast.stamps[added.series], added.places)
    return float(sums[0]), float(highest[0])


def _totals(
    values: FloatArray, stamps: NDArray[Any], places: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Return sums and highest values of (K, H, P) values at the (K, H) places."""
    moments, number = np.unique(stamps[places], return_inverse=True)
    by_moment = np.zeros((len(moments), values.shape[-1]))
    np.add.at(by_moment, number, values[places])
    return by_moment.sum(axis=0), by_moment.max(axis=0)


def _ordinals(forecast: Forecast, period: Period) -> IntArray:
    """Return (N, H) number of the period of each step; all are 0 of the whole horizon."""
    if period == HORIZON:
        return np.zeros(forecast.stamps.shape, np.int64)
    found = ordinals_of(forecast.stamps.ravel(), forecast.freq, PERIODS[period])
    return found.reshape(forecast.stamps.shape)


def _groups(
    panel: Panel, by: Sequence[str]
) -> tuple[dict[str, NDArray[np.object_]], list[IntArray]]:
    """Return the columns that name the groups, and the series of each group.

    Of several columns there are the groups of the first, then those of the first two within them,
    and so on: a column that a group is added up over is empty in its row.
    """
    columns = panel.columns
    own = id_columns(columns, panel.series_ids)
    if not by:
        return own, [np.array([number]) for number in range(panel.num_series)]
    values = {name: own[name] if name in own else _static_values(panel, name) for name in by}
    groups: list[IntArray] = []
    labels: dict[str, list[Any]] = {name: [] for name in by}
    keys = [tuple(map(name_of, row)) for row in zip(*values.values(), strict=True)]
    for depth in range(1, len(by) + 1):
        places, found = pd.factorize(pd.MultiIndex.from_tuples([key[:depth] for key in keys]))
        for place in range(len(found)):
            group = np.flatnonzero(places == place)
            groups.append(group)
            for number, name in enumerate(by):
                labels[name].append(values[name][group[0]] if number < depth else None)
    named = {}
    for name, cells in labels.items():
        named[name] = np.empty(len(cells), object)
        named[name][:] = cells
    return named, groups


def _static_values(panel: Panel, by: str) -> NDArray[np.object_]:
    """Return (N,) values of a static covariate as the table has them."""
    values = panel.static_values[:, panel.columns.static_covariates.index(by)]
    words = panel.categories.get(by)
    if words is None:
        return values.astype(object)
    return np.array([words[int(code)] for code in values], object)


def _added(forecast: Forecast, ordinals: IntArray, groups: list[IntArray]) -> Iterator[Added]:
    """Yield what is added up, group by group."""
    for number, group in enumerate(groups):
        for target in range(forecast.values.shape[2]):
            for ordinal in np.unique(ordinals[group]).tolist():
                yield Added(number, group, target, ordinal, ordinals[group] == ordinal)


@dataclass(frozen=True, eq=False)
class _ActualSums:
    """Sums (N, D, K) and counts (N, D, K) of actual values in the periods from `first` on."""

    sums: FloatArray
    counts: IntArray
    first: int

    def of(self, added: Added) -> tuple[float, int]:
        """Return the sum and the number of the actual values of a period."""
        place = added.ordinal - self.first
        if place >= self.sums.shape[2]:
            return 0.0, 0
        series = added.series
        total = float(self.sums[series, added.target, place].sum())
        return total, int(self.counts[series, added.target, place].sum())


def _actual_sums(forecast: Forecast, panel: Panel, period: Period, first: int) -> _ActualSums:
    """Return the actual values in the periods that are forecast; none of the whole horizon."""
    num_series, _, num_targets = forecast.values.shape
    if period == HORIZON:
        empty = np.zeros((num_series, num_targets, 0))
        return _ActualSums(empty, empty.astype(np.int64), first)
    rows, series = rows_since(panel, forecast, first, PERIODS[period])
    ordinals = ordinals_of(panel.timestamps[rows], forecast.freq, PERIODS[period]) - first
    shape = (num_series, num_targets, int(ordinals.max(initial=0)) + 1)
    sums = np.zeros(shape)
    counts = np.zeros(shape, np.int64)
    for target in range(num_targets):
        values = panel.targets[rows, target]
        is_known = np.isfinite(values)
        place = (series[is_known], target, ordinals[is_known])
        np.add.at(sums, place, values[is_known])
        np.add.at(counts, place, 1)
    return _ActualSums(sums, counts, first)


def _start(forecast: Forecast, added: Added, period: Period) -> Any:
    """Return the beginning of a period; of the whole horizon its first step."""
    if period == HORIZON:
        first = forecast.stamps[added.series].min()
        if forecast.freq.is_integer:
            return int(first)
        return forecast.freq.local(np.array([first]))[0]
    periods: Any = pd.PeriodIndex  # the stubs lack from_ordinals
    return periods.from_ordinals([added.ordinal], freq=PERIODS[period].alias).start_time[0]


def _steps_of_period(forecast: Forecast, added: Added, period: Period) -> int:
    """Return the steps that a whole period has, of all series of a group together."""
    if period == HORIZON:
        return int(added.places.sum())
    of_one = steps_in(added.ordinal, added.ordinal, forecast.freq, PERIODS[period])
    return int(of_one.loc[added.ordinal]) * len(added.series)
