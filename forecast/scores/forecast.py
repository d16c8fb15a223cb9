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
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, check_shape
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import DataError
from forecast.scores.verdict import Scores

__all__ = ["Forecast", "Scores", "column_names", "level_name", "named_level", "plain_stamps"]


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
        check_shape(
            "values", self.values, "BHD", B=count, H=horizon, D=len(self.columns.target_cols)
        )
        quantiles = np.zeros((*self.values.shape, 0)) if self.quantiles is None else self.quantiles
        sizes = dict(zip("BHDQ", (*self.values.shape, len(self.quantile_levels)), strict=True))
        check_shape("quantiles", quantiles, "BHDQ", **sizes)

    def frame(self) -> pd.DataFrame:
        """One row per series, cutoff and step; columns as in the head of this module."""
        columns = _index_columns(
            self.columns, self.freq, self.series_ids, self.cutoffs, self.stamps
        )
        for place, name in enumerate(column_names(self.alias, self.columns.target_cols)):
            columns.append((name, self.values[:, :, place].ravel()))
            if self.quantiles is not None:
                tables = np.moveaxis(self.quantiles[:, :, place], -1, 0)
                pairs = zip(self.quantile_levels, tables, strict=True)
                columns += [
                    (f"{name}-{level_name(level)}", table.ravel()) for level, table in pairs
                ]
        return _table(columns)

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, alias: str, *, columns: Columns, freq: Frequency
    ) -> Forecast:
        """Read back what `frame` wrote, or a forecast of another package with the same columns.

        Args:
            frame: rows in any order, with a `cutoff` column.
            alias: which model to read.
            columns: the names of id, time and targets.
            freq: the frequency of the stamps.

        Raises:
            DataError: a column is missing, or series and cutoffs have different numbers of steps.
        """
        id_col, time_col, names = (
            columns.id_col,
            columns.time_col,
            column_names(alias, columns.target_cols),
        )
        missing = [
            name for name in (id_col, time_col, "cutoff", *names) if name not in frame.columns
        ]
        if missing:
            raise DataError(
                f"column {missing[0]!r} is missing; the table has {list(frame.columns)}: name its "
                f"columns"
            )
        group = frame.groupby([id_col, "cutoff"], sort=False).ngroup().to_numpy()
        horizon = _equal_steps(frame, group, id_col)
        rows = frame.iloc[np.lexsort((plain_stamps(frame[time_col], freq), group))]
        firsts = rows.iloc[::horizon]
        levels = levels_of(frame, names[0])
        shape = (len(firsts), horizon, len(names))
        spread = rows[
            [f"{name}-{level_name(level)}" for name in names for level in levels]
        ].to_numpy(np.float64)
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
    columns: Columns,
    freq: Frequency,
    series_ids: NDArray[np.object_],
    cutoffs: NDArray[Any],
    stamps: NDArray[Any],
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
            f"two columns would be named {double[0]!r} in {names}: choose another alias or rename "
            f"the column"
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
            f"series {row[id_col]!r} has {counts[counts != counts[0]][0]} steps after cutoff "
            f"{row['cutoff']} and the "
            f"first series {counts[0]}; expected the same number everywhere: read them in groups "
            f"of equal length"
        )
    return int(counts[0])
