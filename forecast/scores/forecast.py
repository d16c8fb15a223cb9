"""Forecasts of one model as a frozen result that turns into a table and back.

The columns of an output table are the id, one column or several, the time, `cutoff`, and per model:

| values           | one target                      | several targets          |
|------------------|---------------------------------|--------------------------|
| the forecast     | `<alias>`                       | `<alias>-<target>`       |
| level 0.1 or 0.9 | `<alias>-lo-80`, `<alias>-hi-80` | `<alias>-<target>-lo-80` |
| level 0.5        | `<alias>-median`                | `<alias>-<target>-median` |

`lo-80` and `hi-80` are the ends of the central 80 % interval. Forecasts of baselines, if there are
any, follow under their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, check_shape
from forecast.data.findings import counted
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.data.per_series.keys import id_columns, ids_in
from forecast.errors import DataError

Column = tuple[str, Any]


SHOWN_ROWS = 10
"""Rows of a result that a notebook shows."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts of one model, one for every pair of series and cutoff.

    Example:
        >>> import pandas as pd
        >>> from forecast import Columns, Forecast
        >>> from forecast.data.frequency import Frequency
        >>> days = pd.date_range("2024-01-02", periods=2)
        >>> table = pd.DataFrame({"unique_id": "a", "ds": days, "y": [5.0, 6.0]})
        >>> table = table.assign(cutoff=pd.Timestamp("2024-01-01")).rename(columns={"y": "gru"})
        >>> forecast = Forecast.from_frame(
        ...     table, "gru", columns=Columns(), freq=Frequency.parse("D")
        ... )
        >>> forecast
        Forecast('gru': 1 series, horizon 2, of y)
        >>> forecast.frame()
          unique_id         ds     cutoff  gru
        0         a 2024-01-02 2024-01-01  5.0
        1         a 2024-01-03 2024-01-01  6.0

    Attributes:
        alias: the model's name in columns and figures.
        series_ids: (B,) object.
        cutoffs: (B,) last stamp the model saw.
        stamps: (B, H) stamps of the forecast steps.
        values: (B, H, D) in the unit of the data.
        columns: the roles and names of the columns, D targets among them.
        freq: the frequency of the stamps; with its time zone tables carry local stamps.
        quantile_levels: Q ascending levels, none for a point forecast.
        quantiles: (B, H, D, Q) in the unit of the data, or None.
        notes: remarks for the reader, one sentence each.
        baselines: (B, H, D) forecasts of baselines for the same steps, by name.
        paths: (B, H, D, P) joint sample paths, or None; path p of all series belongs together.
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
    baselines: Mapping[str, FloatArray] = field(default_factory=dict)
    paths: FloatArray | None = None

    def __post_init__(self) -> None:
        """Check that all arrays are of the same series, steps and targets."""
        object.__setattr__(self, "columns", self.columns.with_usual_names())
        count, horizon = self.stamps.shape
        check_shape("series_ids", self.series_ids, "B", B=count)
        check_shape("cutoffs", self.cutoffs, "B", B=count)
        check_shape(
            "values", self.values, "BHD", B=count, H=horizon, D=len(self.columns.target_cols)
        )
        quantiles = self.quantiles
        if quantiles is None:
            quantiles = np.zeros((*self.values.shape, 0))
        sizes = dict(zip("BHDQ", (*self.values.shape, len(self.quantile_levels)), strict=True))
        check_shape("quantiles", quantiles, "BHDQ", **sizes)
        for name, values in self.baselines.items():
            check_shape(f"forecast of {name}", values, "BHD", **sizes)
        if self.paths is not None:
            check_shape("paths", self.paths, "BHDP", **{axis: sizes[axis] for axis in "BHD"})

    def __repr__(self) -> str:
        """One line: the model, the number of series and cutoffs, horizon, targets and levels."""
        num_series = len(set(self.series_ids.tolist()))
        windows = ""
        if len(self.series_ids) > num_series:
            windows = f", {len(np.unique(self.cutoffs)):,} cutoffs"
        return (
            f"Forecast({self.alias!r}: {num_series:,} series{windows}, horizon "
            f"{self.stamps.shape[1]}, of {', '.join(self.columns.target_cols)}"
            f"{levels_text(self.quantile_levels)})"
        )

    def _repr_html_(self) -> str:
        """Return the first rows of the table for a notebook, every text escaped."""
        quantiles = self.quantiles
        if quantiles is not None:
            quantiles = quantiles[:SHOWN_ROWS]
        first = replace(
            self,
            series_ids=self.series_ids[:SHOWN_ROWS],
            cutoffs=self.cutoffs[:SHOWN_ROWS],
            stamps=self.stamps[:SHOWN_ROWS],
            values=self.values[:SHOWN_ROWS],
            quantiles=quantiles,
            baselines={name: values[:SHOWN_ROWS] for name, values in self.baselines.items()},
            paths=None,
        )
        return first_rows_html(repr(self), first.frame(), self.stamps.size)

    @property
    def begins_late(self) -> NDArray[np.bool_]:
        """(B,) whether the first step does not follow the cutoff, as with a series that ended."""
        first = self.freq.positions(self.stamps[:, 0])
        return first - self.freq.positions(self.cutoffs) > 1

    def frame(self) -> pd.DataFrame:
        """Return one row per series, cutoff and step; columns as in the head of this module."""
        return table_of(self.named_columns())

    def named_columns(self) -> list[Column]:
        """Return names and values of the columns of `frame`."""
        columns = index_columns(self.columns, self.freq, self.series_ids, self.cutoffs, self.stamps)
        columns += forecast_columns(
            self.alias, self.columns, self.values, self.quantile_levels, self.quantiles
        )
        for name, values in self.baselines.items():
            columns += forecast_columns(name, self.columns, values)
        return columns

    def paths_frame(self) -> pd.DataFrame:
        """Return one row per series, cutoff, path and step: `frame` with a column `path` from 1.

        Raises:
            DataError: there are no paths.
        """
        if self.paths is None:
            raise DataError("this forecast has no paths: predict with num_paths=1000")
        num_paths = self.paths.shape[-1]
        columns = index_columns(self.columns, self.freq, self.series_ids, self.cutoffs, self.stamps)
        index = table_of(columns)
        by_path = np.moveaxis(self.paths, -1, 1)  # (B, P, H, D)
        count, horizon = self.stamps.shape
        places = np.arange(count * horizon).reshape(count, 1, horizon)
        rows = np.broadcast_to(places, (count, num_paths, horizon)).ravel()
        numbers = np.broadcast_to(np.arange(1, num_paths + 1)[:, None], by_path.shape[:3]).ravel()
        table = index.iloc[rows].reset_index(drop=True).assign(path=numbers)
        for target, name in enumerate(column_names(self.alias, self.columns.target_cols)):
            table[name] = by_path[..., target].ravel()
        return table

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        alias: str,
        *,
        columns: Columns,
        freq: Frequency,
        baselines: Sequence[str] = (),
    ) -> Forecast:
        """Read back what `frame` wrote, or a forecast of another package with the same columns.

        Args:
            frame: rows in any order, with a `cutoff` column.
            alias: which model to read.
            columns: the names of id, time and targets.
            freq: the frequency of the stamps.
            baselines: names of the baselines to read, too.

        Raises:
            DataError: a column is missing, or series and cutoffs have different numbers of steps.
        """
        columns = columns.with_usual_names()
        id_cols = columns.id_cols
        time_col = columns.time_col
        names = column_names(alias, columns.target_cols)
        names_of = {name: column_names(name, columns.target_cols) for name in baselines}
        needed = (*id_cols, time_col, "cutoff", *names, *chain.from_iterable(names_of.values()))
        missing = [name for name in needed if name not in frame.columns]
        if missing:
            raise DataError(
                f"column {missing[0]!r} is missing; the table has {list(frame.columns)}: name its "
                f"columns"
            )
        group = frame.groupby([*id_cols, "cutoff"], sort=False).ngroup().to_numpy()
        horizon = _equal_steps(frame, group, columns)
        rows = frame.iloc[np.lexsort((plain_stamps(frame[time_col], freq), group))]
        firsts = rows.iloc[::horizon]
        shape = (len(firsts), horizon, len(names))

        levels = levels_of(frame, names[0])
        quantiles = None
        if levels:
            of_levels = [f"{name}-{level_name(level)}" for name in names for level in levels]
            quantiles = rows[of_levels].to_numpy(np.float64).reshape(*shape, len(levels))
        return cls(
            alias=alias,
            series_ids=ids_in(firsts, columns),
            cutoffs=plain_stamps(firsts["cutoff"], freq),
            stamps=plain_stamps(rows[time_col], freq).reshape(shape[:2]),
            values=rows[list(names)].to_numpy(np.float64).reshape(shape),
            columns=columns,
            freq=freq,
            quantile_levels=levels,
            quantiles=quantiles,
            baselines={
                name: rows[list(found)].to_numpy(np.float64).reshape(shape)
                for name, found in names_of.items()
            },
        )


def column_names(alias: str, target_cols: tuple[str, ...]) -> tuple[str, ...]:
    """Column of each target's forecast: `<alias>` of one target, `<alias>-<target>` of several."""
    if len(target_cols) == 1:
        return (alias,)
    return tuple(f"{alias}-{name}" for name in target_cols)


def plain_stamps(column: pd.Series, freq: Frequency) -> NDArray[Any]:
    """Return the stamps of a table as in results: int64, or datetime64[ns], in UTC if aware."""
    if freq.is_integer:
        return column.to_numpy(np.int64)
    stamps = pd.DatetimeIndex(pd.to_datetime(column))
    if stamps.tz is not None:
        stamps = stamps.tz_convert(None)
    return stamps.to_numpy("datetime64[ns]")


def level_name(level: float) -> str:
    """Suffix of a quantile column: 0.1 is `lo-80`, 0.9 is `hi-80`, 0.5 is `median`."""
    if level == 0.5:
        return "median"
    if level < 0.5:
        return f"lo-{100 - 200 * level:.8g}"
    return f"hi-{200 * level - 100:.8g}"


def named_level(suffix: str) -> float:
    """Quantile level of a column suffix: the inverse of `level_name`."""
    if suffix == "median":
        return 0.5
    side, percent = suffix.split("-")
    half = 0.005 * float(percent)
    if side == "lo":
        half = -half
    return round(0.5 + half, 10)


def levels_text(levels: tuple[float, ...]) -> str:
    """Return quantile levels as the end of a line, such as `, quantiles 0.1, 0.9`; or nothing."""
    if not levels:
        return ""
    return f", quantiles {', '.join(f'{level:g}' for level in levels)}"


def index_columns(
    columns: Columns,
    freq: Frequency,
    series_ids: NDArray[np.object_],
    cutoffs: NDArray[Any],
    stamps: NDArray[Any],
) -> list[Column]:
    """Return id, time and cutoff of every row of a long table.

    Args:
        columns: their names.
        freq: the frequency of the stamps.
        series_ids: (B,).
        cutoffs: (B,).
        stamps: (B, H).
    """
    horizon = stamps.shape[1]
    names = id_columns(columns, series_ids)
    return [
        *((name, np.repeat(values, horizon)) for name, values in names.items()),
        (columns.time_col, _local(stamps.ravel(), freq)),
        ("cutoff", _local(np.repeat(cutoffs, horizon), freq)),
    ]


def forecast_columns(
    alias: str,
    columns: Columns,
    values: FloatArray,
    levels: tuple[float, ...] = (),
    quantiles: FloatArray | None = None,
) -> Iterator[Column]:
    """Yield the columns of one model: of each target its forecast, then its quantiles.

    Args:
        alias: the model's name.
        columns: the names of the targets.
        values: (B, H, D).
        levels: of the quantiles.
        quantiles: (B, H, D, Q), or None.
    """
    for target, name in enumerate(column_names(alias, columns.target_cols)):
        yield name, values[:, :, target].ravel()
        if quantiles is not None:
            for number, level in enumerate(levels):
                yield f"{name}-{level_name(level)}", quantiles[:, :, target, number].ravel()


def table_of(columns: list[Column]) -> pd.DataFrame:
    """Build a table of columns.

    Raises:
        DataError: a name occurs twice: one column would silently replace the other.
    """
    return pd.DataFrame(by_name(columns)).infer_objects()


def by_name(columns: list[Column]) -> dict[str, Any]:
    """Return columns by their names.

    Raises:
        DataError: a name occurs twice: one column would silently replace the other.
    """
    found = dict(columns)
    if len(found) < len(columns):
        names = [name for name, _ in columns]
        double = sorted({name for name in names if names.count(name) > 1})
        raise DataError(
            f"two columns would be named {double[0]!r} in {names}: choose another alias or rename "
            f"the column"
        )
    return found


def first_rows_html(summary: str, table: pd.DataFrame, num_rows: int) -> str:
    """Return a line and the first rows of a table as HTML for a notebook, every text escaped.

    Args:
        summary: the line above the table.
        table: at least its first rows.
        num_rows: rows of the whole table.
    """
    rows = table.head(SHOWN_ROWS).to_html(index=False, border=0, escape=True)
    return f"<p>{escape(summary)}</p>{rows}<p>{counted(num_rows, 'row')}</p>"


def _local(stamps: NDArray[Any], freq: Frequency) -> Any:
    """Stamps as the table had them: in the time zone of the frequency, if it has one."""
    if freq.is_integer:
        return stamps
    return freq.local(stamps)


def levels_of(frame: pd.DataFrame, name: str) -> tuple[float, ...]:
    """Return the ascending quantile levels that a table has for one forecast column."""
    pattern = re.compile(re.escape(name) + r"-((?:lo|hi)-[0-9.]+|median)")
    matches = (pattern.fullmatch(str(column)) for column in frame.columns)
    return tuple(sorted(named_level(match.group(1)) for match in matches if match))


def _equal_steps(frame: pd.DataFrame, group: NDArray[Any], columns: Columns) -> int:
    """Return H, if every series and cutoff has the same number of rows."""
    if not len(frame):
        raise DataError("the forecast table has no rows; expected at least one series and cutoff")
    counts = np.bincount(group)
    others = np.flatnonzero(counts != counts[0])
    if len(others):
        row = frame.iloc[[int(np.flatnonzero(group == others[0])[0])]]
        raise DataError(
            f"series {ids_in(row, columns)[0]!r} has {counts[others[0]]} steps after cutoff "
            f"{row['cutoff'].iloc[0]} "
            f"and the first series {counts[0]}; expected the same number everywhere: read them in "
            f"groups of equal length"
        )
    return int(counts[0])
