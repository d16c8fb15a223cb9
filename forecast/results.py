"""What forecasting and evaluation hand back: frozen results that turn into tables.

The columns of an output table are the id, the time, `cutoff`, and per model:

| values             | one target      | several targets          |
|--------------------|-----------------|--------------------------|
| the forecast       | `<alias>`       | `<alias>-<target>`       |
| level 0.1 / 0.9    | `<alias>-lo-80` / `<alias>-hi-80`, the ends of the central 80 % | `<alias>-<target>-lo-80` |
| level 0.5          | `<alias>-median` | `<alias>-<target>-median` |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, check_shape
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import DataError
from forecast.metrics import mae, mase, mse, rmse, smape
from forecast.scores import SCORE_NAMES, Scores, unjudged_notes, unscaled_notes
from forecast.skill import compare_models
from forecast.symptoms import find_symptoms

__all__ = [
    "BacktestResult",
    "Forecast",
    "History",
    "Scores",
    "column_names",
    "level_name",
    "named_level",
    "plain_stamps",
]

Column = tuple[str, Any]


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts of one model, one for every pair of series and cutoff.

    Attributes:
        alias: the model's name in columns and pictures.
        series_ids: (B,) object.
        cutoffs: (B,) last stamp the model saw.
        stamps: (B, H) stamps of the forecast steps.
        values: (B, H, D) in the unit of the data.
        columns: the roles and names of the columns, D targets among them.
        freq: the frequency of the stamps; with its time zone tables carry local stamps.
        quantile_levels: Q ascending levels, none for a point forecast.
        quantiles: (B, H, D, Q) in the unit of the data, or None.
        notes: what the reader should know, one sentence each.
    """

    alias: str
    series_ids: NDArray[np.object_]
    cutoffs: NDArray[Any]
    stamps: NDArray[Any]
    values: FloatArray
    columns: Columns
    freq: Frequency
    quantile_levels: tuple[float, ...] = ()
    quantiles: FloatArray | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that all arrays speak of the same series, steps and targets."""
        count, horizon = self.stamps.shape
        check_shape("series_ids", self.series_ids, "B", B=count)
        check_shape("cutoffs", self.cutoffs, "B", B=count)
        check_shape("values", self.values, "BHD", B=count, H=horizon, D=len(self.columns.target_cols))
        quantiles = np.zeros((*self.values.shape, 0)) if self.quantiles is None else self.quantiles
        sizes = dict(zip("BHDQ", (*self.values.shape, len(self.quantile_levels)), strict=True))
        check_shape("quantiles", quantiles, "BHDQ", **sizes)

    def frame(self) -> pd.DataFrame:
        """One row per series, cutoff and step; columns as in the head of this module."""
        columns = _index_columns(self.columns, self.freq, self.series_ids, self.cutoffs, self.stamps)
        for place, name in enumerate(column_names(self.alias, self.columns.target_cols)):
            columns.append((name, self.values[:, :, place].ravel()))
            if self.quantiles is not None:
                tables = np.moveaxis(self.quantiles[:, :, place], -1, 0)
                pairs = zip(self.quantile_levels, tables, strict=True)
                columns += [(f"{name}-{level_name(level)}", table.ravel()) for level, table in pairs]
        return _table(columns)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, alias: str, *, columns: Columns, freq: Frequency) -> Forecast:
        """Read back what `frame` wrote, or a forecast of another package with the same columns.

        Args:
            frame: rows in any order, with a `cutoff` column.
            alias: which model to read.
            columns: the names of id, time and targets.
            freq: the frequency of the stamps.

        Raises:
            DataError: a column is missing, or series and cutoffs have different numbers of steps.
        """
        id_col, time_col, names = columns.id_col, columns.time_col, column_names(alias, columns.target_cols)
        missing = [name for name in (id_col, time_col, "cutoff", *names) if name not in frame.columns]
        if missing:
            raise DataError(f"column {missing[0]!r} is missing; the table has {list(frame.columns)}: name its columns")
        group = frame.groupby([id_col, "cutoff"], sort=False).ngroup().to_numpy()
        horizon = _equal_steps(frame, group, id_col)
        rows = frame.iloc[np.lexsort((plain_stamps(frame[time_col], freq), group))]
        firsts = rows.iloc[::horizon]
        levels = levels_of(frame, names[0])
        shape = (len(firsts), horizon, len(names))
        spread = rows[[f"{name}-{level_name(level)}" for name in names for level in levels]].to_numpy(np.float64)
        return cls(
            alias=alias,
            series_ids=firsts[id_col].to_numpy(object),
            cutoffs=plain_stamps(firsts["cutoff"], freq),
            stamps=plain_stamps(rows[time_col], freq).reshape(shape[:2]),
            values=rows[list(names)].to_numpy(np.float64).reshape(shape),
            columns=columns,
            freq=freq,
            quantile_levels=levels,
            quantiles=spread.reshape(*shape, len(levels)) if levels else None,
        )


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
            raise DataError(f"no forecast of {missing[0]!r}; there are forecasts of {list(self.forecasts)}")

    def scores(self) -> Scores:
        """Score every model over all windows, steps and targets at once; worked out once."""
        return self._scores

    @cached_property
    def _scores(self) -> Scores:
        num_series = len(np.unique(self.series))
        unscaled = np.unique(self.series[~((self.scale > 0) & np.isfinite(self.scale)).all(axis=1)])
        notes = unjudged_notes(self.unjudged_ids, len(self.series_ids)) + unscaled_notes(len(unscaled), num_series)
        positions = self.freq.positions(self.cutoffs)
        found = find_symptoms(self.alias, self.actual, self.forecasts, series=self.series, positions=positions)
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
        return scores.compared(compare_models(self.actual, self.forecasts, best, positions)) if best else scores

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
                    columns += [(f"{name}-{level_name(level)}", table.ravel()) for level, table in pairs]
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
            quantiles=self.quantiles[windows] if alias == self.alias and self.quantiles is not None else None,
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
        chosen = np.unique(np.linspace(0, len(series) - 1, min(count, len(series))).round().astype(np.int64))
        each = np.full(len(chosen), count // max(len(chosen), 1))
        each[: count - each.sum()] += 1
        places = [
            first[one] + np.linspace(number[one] - 1, 0, min(wanted, number[one])).round().astype(np.int64)[::-1]
            for one, wanted in zip(chosen, each, strict=True)
        ]
        return np.concatenate(places).astype(np.int64) if places else np.zeros(0, np.int64)

    def _score(self, forecast: FloatArray) -> dict[str, float]:
        point = (metric(self.actual, forecast) for metric in (mse, mae, rmse, smape))
        scores = (*point, mase(self.actual, forecast, self.scale))
        return {name: float(score) for name, score in zip(SCORE_NAMES, scores, strict=True)}


@dataclass(frozen=True)
class History:
    """What training went through, one entry per epoch.

    Attributes:
        loss: mean training loss, on the transformed scale.
        val_loss: validation loss; empty where there were no validation windows.
        learning_rate: at the end of the epoch.
        seconds: wall time of the epoch.
        best_epoch: the epoch, counted from 1, whose weights were kept; 0 before the first one ends.
        compiled: whether XLA compiled the steps.
        native: whether the recurrent loops ran in C++.
    """

    loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    learning_rate: tuple[float, ...]
    seconds: tuple[float, ...]
    best_epoch: int
    compiled: bool = False
    native: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> History:
        """Read back what `to_dict` wrote."""
        series = {name: tuple(values[name]) for name in ("loss", "val_loss", "learning_rate", "seconds")}
        compiled, native = (bool(values.get(name, False)) for name in ("compiled", "native"))
        return cls(best_epoch=int(values["best_epoch"]), compiled=compiled, native=native, **series)


def column_names(alias: str, target_cols: tuple[str, ...]) -> tuple[str, ...]:
    """Forecast column of each target: the alias alone for one target, `<alias>-<target>` for several."""
    return (alias,) if len(target_cols) == 1 else tuple(f"{alias}-{name}" for name in target_cols)


def plain_stamps(column: pd.Series, freq: Frequency) -> NDArray[Any]:
    """Turn a column of a table into stamps as results hold them: datetime64[ns], in UTC where aware, or int64."""
    if freq.is_integer:
        return column.to_numpy(np.int64)
    stamps = pd.DatetimeIndex(pd.to_datetime(column))
    return (stamps if stamps.tz is None else stamps.tz_convert(None)).to_numpy("datetime64[ns]")


def level_name(level: float) -> str:
    """Suffix of a quantile column: 0.1 is `lo-80`, 0.9 is `hi-80`, 0.5 is `median`."""
    if level == 0.5:
        return "median"
    side, percent = ("lo", 100 - 200 * level) if level < 0.5 else ("hi", 200 * level - 100)
    return f"{side}-{percent:.8g}"


def named_level(suffix: str) -> float:
    """Quantile level of a column suffix: the inverse of `level_name`."""
    if suffix == "median":
        return 0.5
    side, percent = suffix.split("-")
    return round(0.5 + (0.005 if side == "hi" else -0.005) * float(percent), 10)


def _index_columns(
    columns: Columns, freq: Frequency, series_ids: NDArray[np.object_], cutoffs: NDArray[Any], stamps: NDArray[Any]
) -> list[Column]:
    """Id, time and cutoff of every row of a long table."""
    horizon = stamps.shape[1]
    return [
        (columns.id_col, np.repeat(series_ids, horizon)),
        (columns.time_col, _local(stamps.ravel(), freq)),
        ("cutoff", _local(np.repeat(cutoffs, horizon), freq)),
    ]


def _local(stamps: NDArray[Any], freq: Frequency) -> Any:
    """Stamps as the table had them: in the time zone of the frequency, if it has one."""
    return stamps if freq.is_integer else freq.local(stamps)


def levels_of(frame: pd.DataFrame, name: str) -> tuple[float, ...]:
    """Quantile levels that a table holds for one forecast column."""
    pattern = re.compile(re.escape(name) + r"-((?:lo|hi)-[0-9.]+|median)")
    matches = (pattern.fullmatch(str(column)) for column in frame.columns)
    return tuple(sorted(named_level(match.group(1)) for match in matches if match))


def _table(columns: list[Column]) -> pd.DataFrame:
    """Build a frame; refuse names that occur twice, because one column would silently replace the other."""
    names = [name for name, _ in columns]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise DataError(
            f"two columns would be named {double[0]!r} in {names}: choose another alias or rename the column"
        )
    return pd.DataFrame(dict(columns)).infer_objects()


def _equal_steps(frame: pd.DataFrame, group: NDArray[Any], id_col: str) -> int:
    """H, when every series and cutoff has the same number of rows."""
    if not len(frame):
        raise DataError("the forecast table has no rows; expected at least one series and cutoff")
    counts = np.bincount(group)
    if (counts != counts[0]).any():
        row = frame.iloc[int(np.flatnonzero(group == np.flatnonzero(counts != counts[0])[0])[0])]
        raise DataError(
            f"series {row[id_col]!r} has {counts[counts != counts[0]][0]} steps after cutoff {row['cutoff']} and the "
            f"first series {counts[0]}; expected the same number everywhere: read them in groups of equal length"
        )
    return int(counts[0])
