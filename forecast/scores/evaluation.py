"""Result of an evaluation: forecasts of all models beside the actual values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, check_shape, evenly_spaced
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import DataError
from forecast.scores.forecast import Forecast, _index_columns, _table, column_names, level_name
from forecast.scores.metrics import mae, mase, mse, rmse, smape
from forecast.scores.skill import compare_models
from forecast.scores.symptoms import find_symptoms
from forecast.scores.verdict import SCORE_NAMES, Scores, unjudged_notes, unscaled_notes


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """What happened and what every model said, on the same W windows.

    Attributes:
        alias: the judged model.
        baselines: the names it is judged against.
        series_ids: (N,) ids of the panel's series.
        series: (W,) index into `series_ids`.
        cutoffs: (W,) last stamp before each window's forecast.
        stamps: (W, H).
        actual: (W, H, D) in the unit of the data, NaN where nothing was measured.
        forecasts: (W, H, D) of every model, the judged model first.
        scale: (W, D) `seasonal_error` of the training rows of each window's series, for MASE.
        season_length: steps in one season.
        columns: the roles and names of the columns, D targets among them.
        freq: the frequency of the stamps; with its time zone tables carry local stamps.
        quantile_levels: Q ascending levels of the judged model, none where it gives points alone.
        quantiles: (W, H, D, Q) of the judged model, or None.
        notes: what training has not seen, one sentence each.
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

    def __post_init__(self) -> None:
        """Check that all arrays speak of the same windows, steps and targets."""
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

    def scores(self) -> Scores:
        """Score every model over all windows, steps and targets at once; worked out once."""
        return self._scores

    @cached_property
    def _scores(self) -> Scores:
        num_series = len(np.unique(self.series))
        unscaled = np.unique(self.series[~((self.scale > 0) & np.isfinite(self.scale)).all(axis=1)])
        notes = unjudged_notes(self.unjudged_ids, len(self.series_ids)) + unscaled_notes(
            len(unscaled), num_series
        )
        positions = self.freq.positions(self.cutoffs)
        found = find_symptoms(
            self.alias, self.actual, self.forecasts, series=self.series, positions=positions
        )
        scores = Scores(
            alias=self.alias,
            baselines=self.baselines,
            values={name: self._score(forecast) for name, forecast in self.forecasts.items()},
            num_windows=len(self.series),
            num_series=num_series,
            horizon=self.actual.shape[1],
            season_length=self.season_length,
            notes=self.notes + notes + found,
        )
        best = scores.best_baseline
        return (
            scores.compared(compare_models(self.actual, self.forecasts, best, positions))
            if best
            else scores
        )

    @property
    def unjudged_ids(self) -> NDArray[np.object_]:
        """Ids of the series without a window."""
        return self.series_ids[np.setdiff1d(np.arange(len(self.series_ids)), self.series)]

    def frame(self) -> pd.DataFrame:
        """Long table: id, time, `cutoff`, the targets, and the forecast of every model."""
        ids = self.series_ids[self.series]
        columns = _index_columns(self.columns, self.freq, ids, self.cutoffs, self.stamps)
        for place, name in enumerate(self.columns.target_cols):
            columns.append((name, self.actual[:, :, place].ravel()))
        for alias, forecast in self.forecasts.items():
            for place, name in enumerate(column_names(alias, self.columns.target_cols)):
                columns.append((name, forecast[:, :, place].ravel()))
                if alias == self.alias and self.quantiles is not None:
                    spread = np.moveaxis(self.quantiles[:, :, place], -1, 0)
                    pairs = zip(self.quantile_levels, spread, strict=True)
                    columns += [
                        (f"{name}-{level_name(level)}", table.ravel()) for level, table in pairs
                    ]
        return _table(columns)

    def take(self, windows: NDArray[np.int64]) -> BacktestResult:
        """Return the result of some windows only.

        Args:
            windows: (B,) numbers of windows, in the order wanted.
        """
        return replace(
            self,
            series=self.series[windows],
            cutoffs=self.cutoffs[windows],
            stamps=self.stamps[windows],
            actual=self.actual[windows],
            scale=self.scale[windows],
            forecasts={name: values[windows] for name, values in self.forecasts.items()},
            quantiles=None if self.quantiles is None else self.quantiles[windows],
        )

    def forecast(self, alias: str, windows: NDArray[np.int64]) -> Forecast:
        """Return the forecasts of one model in some windows, for a picture or a table.

        Args:
            alias: a key of `forecasts`.
            windows: (B,) numbers of windows.
        """
        return Forecast(
            alias=alias,
            series_ids=self.series_ids[self.series[windows]],
            cutoffs=self.cutoffs[windows],
            stamps=self.stamps[windows],
            values=self.forecasts[alias][windows],
            columns=self.columns,
            freq=self.freq,
            quantile_levels=self.quantile_levels if alias == self.alias else (),
            quantiles=self.quantiles[windows]
            if alias == self.alias and self.quantiles is not None
            else None,
        )

    def examples(self, count: int) -> NDArray[np.int64]:
        """Pick windows to show: of evenly spaced series the last one, or of one series evenly spaced ones.

        The choice looks at series and time alone, never at the errors.

        Args:
            count: windows to pick, at most.

        Returns:
            Their numbers, ascending.
        """
        series, first, number = np.unique(self.series, return_index=True, return_counts=True)
        chosen = evenly_spaced(len(series), count)
        each = np.full(len(chosen), count // max(len(chosen), 1))
        each[: count - each.sum()] += 1
        places = [
            first[one] + number[one] - 1 - evenly_spaced(number[one], wanted)[::-1]
            for one, wanted in zip(chosen, each, strict=True)
        ]
        return np.concatenate(places).astype(np.int64) if places else np.zeros(0, np.int64)

    def _score(self, forecast: FloatArray) -> dict[str, float]:
        point = (metric(self.actual, forecast) for metric in (mse, mae, rmse, smape))
        scores = (*point, mase(self.actual, forecast, self.scale))
        return {name: float(score) for name, score in zip(SCORE_NAMES, scores, strict=True)}
