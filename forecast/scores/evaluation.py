"""Result of an evaluation: forecasts of all models beside the actual values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray, check_shape, evenly_spaced
from forecast.data.findings import counted
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import DataError
from forecast.scores.forecast import (
    SHOWN_ROWS,
    Forecast,
    first_rows_html,
    forecast_columns,
    index_columns,
    levels_text,
    table_of,
)
from forecast.scores.member_weights import member_notes
from forecast.scores.scoring import Scorable
from forecast.scores.skill import compare_models
from forecast.scores.symptoms import find_symptoms
from forecast.scores.verdict import Scores, unjudged_notes, unscaled_notes


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """Actual values and the forecasts of every model, on the same W windows.

    `Forecaster.evaluate` returns one; made by hand, it scores any forecasts.

    Example:
        >>> import numpy as np
        >>> from forecast import BacktestResult, Columns
        >>> from forecast.data.frequency import Frequency
        >>> actual = np.arange(8.0).reshape(4, 2, 1)  # four windows of two steps
        >>> cutoffs = np.array([0, 2, 4, 6])
        >>> result = BacktestResult(
        ...     alias="gru",
        ...     baselines=("last_value",),
        ...     series_ids=np.array(["a"], object),
        ...     series=np.zeros(4, np.int64),
        ...     cutoffs=cutoffs,
        ...     stamps=cutoffs[:, None] + [1, 2],
        ...     actual=actual,
        ...     forecasts={"gru": actual + 1.0, "last_value": actual - 2.0},
        ...     scale=np.ones((4, 1)),
        ...     season_length=1,
        ...     columns=Columns(),
        ...     freq=Frequency.parse("1", is_integer=True),
        ... )
        >>> result
        BacktestResult('gru' and 1 other model: 4 windows of 1 series, horizon 2)
        >>> result.scores()
        Scores('gru': MAE 1, skill +50.0 % against 'last_value'; 4 windows of 1 series, horizon 2)
        >>> result.scores().verdict()
        'gru beats the best baseline (last_value) by 50.0 % in MAE on 4 test windows.'

    Attributes:
        alias: the evaluated model.
        baselines: names of the models it is compared with.
        series_ids: (N,) ids of the panel's series.
        series: (W,) index into `series_ids`.
        cutoffs: (W,) last stamp before each window's forecast.
        stamps: (W, H).
        actual: (W, H, D) in the unit of the data, NaN where nothing was measured.
        forecasts: (W, H, D) of every model, the evaluated model first.
        scale: (W, D) `seasonal_errors` of the training rows of each window's series, for MASE.
        season_length: steps in one season.
        columns: the roles and names of the columns, D targets among them.
        freq: the frequency of the stamps; with its time zone tables carry local stamps.
        quantile_levels: Q ascending levels of the evaluated model, none where it gives points
            alone.
        quantiles: (W, H, D, Q) of the evaluated model, or None.
        notes: what training has not seen, one sentence each.
        members: weight of each member by its name, where the evaluated model is an ensemble.
        judged_by: score by which models are compared, MAE or MSE.
    """

    alias: str
    baselines: tuple[str, ...]
    series_ids: NDArray[np.object_]
    series: NDArray[np.int64]
    cutoffs: NDArray[Any]
    stamps: NDArray[Any]
    actual: FloatArray
    forecasts: dict[str, FloatArray]
    scale: FloatArray
    season_length: int
    columns: Columns
    freq: Frequency
    quantile_levels: tuple[float, ...] = ()
    quantiles: FloatArray | None = None
    notes: tuple[str, ...] = ()
    members: Mapping[str, float] = field(default_factory=dict)
    judged_by: Literal["MAE", "MSE"] = "MAE"

    def __post_init__(self) -> None:
        """Check that all arrays are of the same windows, steps and targets."""
        object.__setattr__(self, "columns", self.columns.with_usual_names())
        sizes = dict(zip("WHD", (*self.stamps.shape, len(self.columns.target_cols)), strict=True))
        for name, array, axes in (("series", self.series, "W"), ("cutoffs", self.cutoffs, "W")):
            check_shape(name, array, axes, **sizes)
        check_shape("scale", self.scale, "WD", **sizes)
        for name, array in (("actual", self.actual), *self.forecasts.items()):
            check_shape(name, array, "WHD", **sizes)
        if self.quantiles is not None:
            check_shape("quantiles", self.quantiles, "WHDQ", **sizes, Q=len(self.quantile_levels))
        missing = [name for name in (self.alias, *self.baselines) if name not in self.forecasts]
        if missing:
            raise DataError(
                f"no forecast of {missing[0]!r}; there are forecasts of {list(self.forecasts)}"
            )

    def __repr__(self) -> str:
        """One line: the model, the number of others, the windows."""
        others = counted(len(self.forecasts) - 1, "other model")
        return (
            f"BacktestResult({self.alias!r} and {others}: {counted(len(self.series), 'window')} of "
            f"{len(np.unique(self.series)):,} series, horizon {self.actual.shape[1]}"
            f"{levels_text(self.quantile_levels)})"
        )

    def _repr_html_(self) -> str:
        """Return the first rows of the table for a notebook, every text escaped."""
        first = self.take(np.arange(min(len(self.series), SHOWN_ROWS)))
        rows = self.actual.shape[0] * self.actual.shape[1]
        return first_rows_html(repr(self), first.frame(), rows)

    def scores(self) -> Scores:
        """Score every model over all windows, steps and targets at once; computed once."""
        return self._scores

    @cached_property
    def _scores(self) -> Scores:
        num_series = len(np.unique(self.series))
        is_scaled = (self.scale > 0) & np.isfinite(self.scale)
        unscaled = np.unique(self.series[~is_scaled.all(axis=1)])
        positions = self.freq.positions(self.cutoffs)
        symptoms = find_symptoms(
            self.alias, self.actual, self.forecasts, series=self.series, positions=positions
        )
        scores = Scores(
            alias=self.alias,
            baselines=self.baselines,
            values={alias: _numbers(self.scorable(alias)) for alias in self.forecasts},
            num_windows=len(self.series),
            num_series=num_series,
            horizon=self.actual.shape[1],
            season_length=self.season_length,
            notes=(
                *self.notes,
                *unjudged_notes(self.unjudged_ids, len(self.series_ids)),
                *unscaled_notes(len(unscaled), num_series),
                *symptoms,
                *member_notes(self.members),
            ),
            quantile_levels=self.quantile_levels,
            members=dict(self.members),
            judged_by=self.judged_by,
        )
        best = scores.best_baseline
        if best is None:
            return scores
        power = {"MAE": 1, "MSE": 2}[self.judged_by]
        comparisons = compare_models(self.actual, self.forecasts, best, positions, power=power)
        return scores.compared(comparisons)

    def scorable(self, alias: str) -> Scorable:
        """Return the forecasts of one model beside the actual values, to be scored.

        Args:
            alias: a key of `forecasts`.
        """
        levels, quantiles = self._quantiles_of(alias)
        scale = np.broadcast_to(self.scale[:, None], self.actual.shape)
        return Scorable(self.actual, self.forecasts[alias], scale, levels, quantiles)

    def scores_of(self, forecast: Forecast) -> dict[str, float]:
        """Return the scores of another model's forecasts in the same windows.

        Args:
            forecast: one entry for every window, in the same order.
        """
        levels = forecast.quantile_levels
        points = replace(self.scorable(self.alias), forecast=forecast.values)
        return _numbers(replace(points, levels=levels, quantiles=forecast.quantiles))

    @property
    def unjudged_ids(self) -> NDArray[np.object_]:
        """Ids of the series without a window."""
        return self.series_ids[np.setdiff1d(np.arange(len(self.series_ids)), self.series)]

    def frame(self) -> pd.DataFrame:
        """Long table: id, time, `cutoff`, the targets, and the forecast of every model."""
        ids = self.series_ids[self.series]
        columns = index_columns(self.columns, self.freq, ids, self.cutoffs, self.stamps)
        for target, name in enumerate(self.columns.target_cols):
            columns.append((name, self.actual[:, :, target].ravel()))
        for alias, forecast in self.forecasts.items():
            levels, quantiles = self._quantiles_of(alias)
            columns += forecast_columns(alias, self.columns, forecast, levels, quantiles)
        return table_of(columns)

    def take(self, windows: IntArray) -> BacktestResult:
        """Return the result of some windows only.

        Args:
            windows: (B,) numbers of windows, in the order wanted.
        """
        quantiles = self.quantiles
        if quantiles is not None:
            quantiles = quantiles[windows]
        return replace(
            self,
            series=self.series[windows],
            cutoffs=self.cutoffs[windows],
            stamps=self.stamps[windows],
            actual=self.actual[windows],
            scale=self.scale[windows],
            forecasts={name: values[windows] for name, values in self.forecasts.items()},
            quantiles=quantiles,
        )

    def forecast(self, alias: str, windows: IntArray) -> Forecast:
        """Return the forecasts of one model in some windows, for a figure or a table.

        Args:
            alias: a key of `forecasts`.
            windows: (B,) numbers of windows.
        """
        levels, quantiles = self._quantiles_of(alias)
        if quantiles is not None:
            quantiles = quantiles[windows]
        return Forecast(
            alias=alias,
            series_ids=self.series_ids[self.series[windows]],
            cutoffs=self.cutoffs[windows],
            stamps=self.stamps[windows],
            values=self.forecasts[alias][windows],
            columns=self.columns,
            freq=self.freq,
            quantile_levels=levels,
            quantiles=quantiles,
        )

    def examples(self, count: int) -> IntArray:
        """Pick windows to show: the last one of evenly spaced series, or several of one series.

        Windows of one series are evenly spaced. The choice looks at series and time alone, never
        at the errors.

        Args:
            count: windows to pick, at most.

        Returns:
            Their numbers, ascending.
        """
        series, first, number = np.unique(self.series, return_index=True, return_counts=True)
        if not len(series):
            return np.zeros(0, np.int64)
        chosen = evenly_spaced(len(series), count)
        each = np.full(len(chosen), count // max(len(chosen), 1))
        each[: count - each.sum()] += 1

        windows = []
        for index, wanted in zip(chosen, each, strict=True):
            back = evenly_spaced(number[index], wanted)[::-1]
            windows.append(first[index] + number[index] - 1 - back)
        return np.concatenate(windows).astype(np.int64)

    def _quantiles_of(self, alias: str) -> tuple[tuple[float, ...], FloatArray | None]:
        """Levels and (W, H, D, Q) quantiles of a model: only the evaluated one has any."""
        if alias != self.alias:
            return (), None
        return self.quantile_levels, self.quantiles


def _numbers(scorable: Scorable) -> dict[str, float]:
    """Scores over all windows, steps and targets at once."""
    return {name: float(score) for name, score in scorable.scores().items()}
