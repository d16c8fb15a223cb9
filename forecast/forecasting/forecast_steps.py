"""Point forecasts of the steps after a history: how far, with which known covariates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.data.known import append_future, read_known
from forecast.data.panel import Panel
from forecast.data.per_series.ended import Reach, reach_of, refuse_unreachable
from forecast.data.per_series.future import known_columns
from forecast.data.per_series.joined import can_join, join_panels
from forecast.data.per_series.subset import last_rows, select_series
from forecast.data.read import Source
from forecast.forecasting.ahead import check_levels, steps_to_forecast, with_company
from forecast.forecasting.closed_days import closed_notes
from forecast.forecasting.fitted import Fitted, align
from forecast.forecasting.learned_table import reading_for
from forecast.forecasting.predict import (
    drift_notes,
    final_windows,
    forecast_windows,
    learned_notes,
    new_series_notes,
)
from forecast.forecasting.simple_members import steps_of, unread_notes
from forecast.forecasting.unseen import RowsRead, covariate_notes
from forecast.scores.forecast import Forecast
from forecast.scores.symptoms import leap_notes
from forecast.windows.splits import Part


def forecast_ahead(
    fitted: Fitted, history: Panel, known: Source | None, horizon: int | None
) -> tuple[Reach, Forecast]:
    """Return the series to forecast and their point forecasts.

    Args:
        fitted: the trained state.
        history: the series.
        known: table with the known covariates of the steps ahead; optional.
        horizon: steps to forecast; None: as trained.

    Raises:
        DataError: the history is too short, or known covariates are missing.
        ConfigError: the horizon cannot be reached.
    """
    data = fitted.config.data
    steps = steps_to_forecast(fitted, horizon)
    ahead = None
    if known is not None:
        with reading_for(fitted, known_columns(history.columns)):
            ahead = read_known(history, known, table_format=data.table_format)
    refuse_unreachable(history, data.ended_series, fitted.shape.horizon, steps)
    reach = reach_of(history, data.ended_series)
    return reach, forecast_future(fitted, reach, steps, ahead)


def forecast_future(fitted: Fitted, reach: Reach, steps: int, known: Panel | None) -> Forecast:
    """Forecast the steps after the end of every series.

    Steps after the horizon of training are forecast from forecasts.

    Args:
        fitted: the trained state.
        reach: the history, and the steps after each series that are not shown.
        steps: H to show.
        known: known covariates of those steps, from `read_known`; missing values are taken from
            future rows of the history's own table.

    Raises:
        DataError: the history is too short, or known covariates are missing.
    """
    aligned = align(fitted, reach.panel, Part.whole(reach.panel))
    made = _make_steps(aligned, reach, steps, known)
    told = _Told(fitted, aligned, reach, made)
    return replace(made.forecast, notes=reach.notes + _notes_on(told, _NOTES))


def forecast_together(
    fitted: Fitted,
    histories: Sequence[Panel],
    *,
    horizon: int | None = None,
    level: float | Sequence[float] | Literal["auto"] = (),
    baseline: str | None = None,
) -> list[Forecast]:
    """Forecast the series of several tables at a time, each as `Forecaster.predict` does alone.

    Of small tables most of the time is that of the calls, which are made once here: 25 tables of
    one series take less than twice the time of one.

    Args:
        fitted: the trained state.
        histories: the series of each table; `can_forecast_together` holds for all of them.
        horizon: as in `Forecaster.predict`, as the next two are.
        level: of intervals.
        baseline: that is forecast beside it.

    Raises:
        DataError: a history is too short or damaged; which one, only `predict` of each tells.
        ConfigError: as in `Forecaster.predict`.
    """
    check_levels(fitted, horizon, level)
    panel = join_panels(histories)
    reach = Reach(panel, np.zeros(panel.num_series, np.int64), ())
    aligned = align(fitted, panel, Part.whole(panel))
    made = _make_steps(aligned, reach, steps_to_forecast(fitted, horizon), None)
    whole = with_company(fitted, reach, made.forecast, level, baseline)
    together = _Told(fitted, aligned, reach, made)
    loud = [kind for kind in _NOTES if kind(together)]  # most have no word on any series
    forecasts = []
    first = 0
    for history in histories:
        last = first + history.num_series
        alone = reach_of(history, fitted.config.data.ended_series)
        notes = alone.notes
        if loud:
            facts = aligned.series.take(np.arange(first, last), history.series_ids)
            part = made.of_series(first, last)
            notes += _notes_on(_Told(fitted, replace(aligned, series=facts), alone, part), loud)
        forecasts.append(_of_series(whole, slice(first, last), (*notes, *whole.notes)))
        first = last
    return forecasts


def can_forecast_together(fitted: Fitted, first: Panel, other: Panel) -> bool:
    """Return whether two tables can be forecast together.

    Args:
        fitted: the trained state.
        first: the series of one.
        other: those of another, or of the same one.
    """
    # Other policies compare the ends of all series with each other.
    return fitted.config.data.ended_series == "own_end" and can_join(first, other)


@dataclass(frozen=True, eq=False)
class _MadeSteps:
    """A forecast of N series, and what it was made from.

    Attributes:
        forecast: without notes.
        panel: the rows that were read, with those of the steps ahead.
        filled: (R, C) values of these rows after the policy for missing values.
        rounded: steps ahead in the panel, whole horizons.
        needed: (N,) steps ahead of each series that the forecast reads.
    """

    forecast: Forecast
    panel: Panel
    filled: FloatArray
    rounded: int
    needed: IntArray

    def of_series(self, first: int, last: int) -> _MadeSteps:
        """Return the part of some series.

        Args:
            first: number of the first of them.
            last: number of the series after them.
        """
        series = np.arange(first, last)
        rows = slice(self.panel.offsets[first], self.panel.offsets[last])
        return _MadeSteps(
            _of_series(self.forecast, slice(first, last), ()),
            select_series(self.panel, series),
            self.filled[rows],
            self.rounded,
            self.needed[series],
        )


def _make_steps(aligned: Fitted, reach: Reach, steps: int, known: Panel | None) -> _MadeSteps:
    """Forecast the steps after the end of every series, without a word on them.

    Args:
        aligned: the trained state, aligned with the series.
        reach: the history, and the steps after each series that are not shown.
        steps: H to show.
        known: as in `forecast_future`.

    Raises:
        DataError: the history is too short, or known covariates are missing.
    """
    panel = reach.panel
    rows = aligned.shape.context_length + aligned.feature_map.target.lag
    if len(aligned.weights) > 1:
        rows = max(rows, steps_of(aligned, panel).history_length)
    panel = last_rows(panel, rows)
    needed = steps + reach.skipped
    num_blocks = -(-needed // aligned.shape.horizon)  # (N,) rounded up
    rounded = int(num_blocks.max()) * aligned.shape.horizon
    future = append_future(panel, rounded, known, needed=needed)
    values, quantiles, filled = _forecast_blocks(aligned, future, num_blocks)
    if quantiles is not None:
        quantiles = reach.shown(quantiles, steps)
    last = panel.offsets[1:] - 1
    ahead = (panel.positions[last] + reach.skipped)[:, None] + np.arange(1, steps + 1)
    forecast = Forecast(
        series_ids=panel.series_ids,
        cutoffs=panel.timestamps[last],
        stamps=panel.freq.stamps(ahead.ravel()).reshape(ahead.shape),
        values=reach.shown(values, steps),
        alias=aligned.config.name,
        columns=panel.columns,
        freq=panel.freq,
        quantile_levels=aligned.quantile_levels,
        quantiles=quantiles,
    )
    return _MadeSteps(forecast, future, filled, rounded, needed)


@dataclass(frozen=True, eq=False)
class _Told:
    """Sources of the notes on a forecast.

    Attributes:
        fitted: the trained state.
        aligned: the same, aligned with the series.
        reach: the history.
        made: the forecast of it.
    """

    fitted: Fitted
    aligned: Fitted
    reach: Reach
    made: _MadeSteps

    @property
    def panel(self) -> Panel:
        """The history."""
        return self.reach.panel

    @property
    def first_new(self) -> IntArray:
        """(N,) first row of each series that is forecast."""
        return self.made.panel.offsets[1:] - self.made.rounded


_Notes = Callable[[_Told], tuple[str, ...]]

_NOTES: tuple[_Notes, ...] = (
    lambda told: new_series_notes(told.fitted, told.panel, told.panel.lengths),
    lambda told: drift_notes(told.aligned, told.panel),
    lambda told: learned_notes(told.aligned, told.panel),
    lambda told: closed_notes(told.aligned.series.closed, told.panel.series_ids),
    lambda told: unread_notes(told.fitted),
    lambda told: told.fitted.feature_map.clip(told.made.panel.values)[1],
    lambda told: covariate_notes(
        told.fitted.feature_map,
        told.made.panel,
        told.made.filled,
        _rows_read(told.fitted, told.first_new, told.made.needed),
    ),
    lambda told: leap_notes(
        told.panel.series_ids,
        told.panel.columns.target_cols,
        told.panel.targets,
        told.panel.offsets,
        told.made.forecast.values,
    ),
)
"""Notes that the reader of a forecast needs on the history that it was made from, beside those of
the history itself. Each says something of several series where it does so of one of them alone."""


def _notes_on(told: _Told, kinds: Sequence[_Notes]) -> tuple[str, ...]:
    return tuple(note for kind in kinds for note in kind(told))


def _of_series(forecast: Forecast, series: slice, notes: tuple[str, ...]) -> Forecast:
    """Return the forecast of some series, with their notes."""
    quantiles = forecast.quantiles
    if quantiles is not None:
        quantiles = quantiles[series]
    return replace(
        forecast,
        series_ids=forecast.series_ids[series],
        cutoffs=forecast.cutoffs[series],
        stamps=forecast.stamps[series],
        values=forecast.values[series],
        quantiles=quantiles,
        baselines={name: values[series] for name, values in forecast.baselines.items()},
        notes=notes,
    )


def _forecast_blocks(
    fitted: Fitted, panel: Panel, num_blocks: IntArray
) -> tuple[FloatArray, FloatArray | None, FloatArray]:
    """Forecast one horizon after the other, each from the forecasts before it.

    Args:
        fitted: state aligned with the panel.
        panel: N series with rows for the most horizons at their ends.
        num_blocks: (N,) horizons to forecast of each series.

    Returns:
        (N, H, D) forecasts and (N, H, D, Q) quantiles, NaN after the last horizon of a series, and
        the (R, C) filled values of the panel.
    """
    horizon = fitted.shape.horizon
    rounded = int(num_blocks.max()) * horizon
    shape = (panel.num_series, rounded, fitted.shape.num_targets)
    values = np.full(shape, np.nan)
    quantiles = None
    if fitted.quantile_levels:
        quantiles = np.full((*shape, len(fitted.quantile_levels)), np.nan)
    filled = np.empty(0)
    active = np.arange(panel.num_series)
    for done in range(0, rounded, horizon):
        going_on = np.flatnonzero(num_blocks[active] * horizon > done)
        if len(going_on) < len(active):
            active = active[going_on]
            panel = select_series(panel, going_on)
            fitted = align(fitted, panel, Part.whole(panel))
        first_new = panel.offsets[1:] - rounded + done
        windows = final_windows(fitted, panel, first_new)
        point, spread = forecast_windows(fitted, panel, windows, np.arange(panel.num_series))
        values[active, done : done + horizon] = point
        if quantiles is not None and spread is not None:
            quantiles[active, done : done + horizon] = spread
        if done == 0:
            filled = windows.features.filled.values
        if done + horizon < rounded:
            panel = _with_targets(panel, first_new, point)
    return values, quantiles, filled


def _rows_read(fitted: Fitted, first_new: IntArray, steps: IntArray) -> RowsRead:
    """Return the rows that forecasts of `steps` (N,) rows from `first_new` (N,) on read."""
    context = first_new[:, None] - np.arange(fitted.shape.context_length, 0, -1)
    ahead = first_new[:, None] + np.arange(steps.max())
    return RowsRead(context.ravel(), ahead[np.arange(steps.max()) < steps[:, None]])


def _with_targets(panel: Panel, first: IntArray, values: FloatArray) -> Panel:
    """Return the panel with forecasts as the targets of some rows."""
    with_forecasts = panel.values.copy()
    rows = first[:, None] + np.arange(values.shape[1])
    with_forecasts[rows, : values.shape[2]] = values
    return replace(panel, values=with_forecasts)
