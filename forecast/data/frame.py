"""Tables in: delimited text, parquet files and data frames as one light type, not yet checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from forecast.data.findings import BadTableError, Finding, listed
from forecast.data.panel import Columns
from forecast.data.textfile import TextFile, find_ragged, inspect_text
from forecast.errors import ConfigError, nearest

Source = str | Path | pd.DataFrame

MISSING_WORDS = ("", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None")
"""What stands for a missing number in text."""

_TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
_PARQUET_SUFFIXES = (".parquet", ".pq")
_CODES = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class TableFormat:
    """How a table is written down.

    Attributes:
        separator: between the columns of a text file; detected where it is None.
        decimal: decimal mark of a text file.
        encoding: of a text file.
        layout: `long` has one row per series and stamp, `wide` one column per series.
        time_format: `strptime` format of the stamps.
        tz: time zone of stamps that carry none; where they carry one, the zone they are shown in.
    """

    separator: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    layout: Literal["long", "wide"] = "long"
    time_format: str | None = None
    tz: str | None = None

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if self.decimal not in (".", ","):
            raise ConfigError(f"decimal is {self.decimal!r}; expected '.' or ','")
        if self.separator is not None and (len(self.separator) != 1 or self.separator == self.decimal):
            raise ConfigError(
                f"separator is {self.separator!r} and decimal {self.decimal!r}; expected two different characters"
            )
        if self.layout not in ("long", "wide"):
            raise ConfigError(f"layout is {self.layout!r}; expected 'long' or 'wide'")


@dataclass(frozen=True, eq=False)
class Table:
    """The declared columns of a table, as they were given.

    Attributes:
        columns: the roles, those of the long form where the table was wide.
        data: arrow columns by name; `take` removes one so that its memory can be freed.
        num_rows: R.
        text: the file it was read from, where that was text.
        height: rows of the table as given; R is a multiple of it where the table was wide.
        notes: what was done on the way.
    """

    columns: Columns
    data: dict[str, pa.ChunkedArray]
    num_rows: int
    text: TextFile | None = None
    height: int = 0
    notes: tuple[Finding, ...] = ()

    def take(self, name: str) -> pa.ChunkedArray:
        """Remove one column and return it."""
        return self.data.pop(name)

    def places(self, rows: list[int]) -> list[str]:
        """Name rows as a person finds them: `line 37` of a text file, else `row 35` counted from 0."""
        inner = [row % (self.height or self.num_rows) for row in rows]
        if self.text is None:
            return [f"row {row}" for row in inner]
        return [f"line {line}" for line in self.text.lines(inner)]


def read_table(source: Source, columns: Columns, table_format: TableFormat) -> Table:
    """Read the declared columns of a CSV or parquet file or of a data frame.

    Args:
        source: a path ending in .csv, .txt, .tsv (each also with .gz), .parquet or .pq, or a frame.
        columns: the roles; all other columns are left out with a note.
        table_format: how the table is written down.

    Raises:
        BadTableError: the file cannot be read, is empty, or lacks a declared column.
        ConfigError: one column has two roles.
    """
    _check_roles(columns)
    if isinstance(source, pd.DataFrame):
        table = _from_frame(source, columns, table_format)
    elif _file_kind(path := Path(source)) == "parquet":
        table = _from_parquet(path, columns, table_format)
    else:
        table = _from_text(path, columns, table_format)
    if not table.num_rows:
        raise BadTableError("no_rows", "the table has a header but no rows", "expected one row per series and stamp")
    return _melt(table) if table_format.layout == "wide" else table


def _check_roles(columns: Columns) -> None:
    """Raise where a column has two roles or a categorical column none."""
    single = (columns.time_col, *columns.dynamic, *columns.static_covariates)
    doubled = [name for name, count in Counter(single).items() if count > 1]
    if columns.id_col in (columns.time_col, *columns.dynamic):
        doubled.append(columns.id_col)
    if doubled:
        raise ConfigError(f"column {doubled[0]!r} has two roles; expected one: remove it from one of the lists")
    covariates = (*columns.past_covariates, *columns.known_covariates, *columns.static_covariates)
    for name in columns.categorical:
        if name not in covariates:
            raise ConfigError(f"categorical column {name!r} is not among the covariates{nearest(name, covariates)}")


def _file_kind(path: Path) -> Literal["text", "parquet"]:
    """Tell how a file is to be read from its name.

    Raises:
        BadTableError: there is no such file, or its name has no known ending.
    """
    if path.is_dir():
        raise BadTableError("no_file", f"{path} is a folder", "give one CSV or parquet file")
    if not path.is_file():
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise BadTableError("no_file", f"there is no file {path}", "check the path" + nearest(path.name, beside))
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix.lower() in _TEXT_SUFFIXES:
        return "text"
    if path.suffix.lower() in _PARQUET_SUFFIXES:
        return "parquet"
    known = ", ".join((*_TEXT_SUFFIXES, *_PARQUET_SUFFIXES))
    raise BadTableError("file_kind", f"{path.name} ends in {path.suffix!r}", f"expected one of {known} (text also .gz)")


def _choose(names: tuple[str, ...], columns: Columns, layout: str) -> tuple[list[str], tuple[Finding, ...]]:
    """Return the columns to read, and a note that names the others.

    Raises:
        BadTableError: a column is missing, or two have one name.
    """
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise BadTableError("duplicate_columns", f"column {doubled[0]!r} occurs twice", "rename or remove one of them")
    targets = columns.target_cols if layout == "long" or columns.target_cols != Columns.target_cols else ()
    wanted = [columns.time_col, *targets, *columns.past_covariates, *columns.known_covariates]
    if layout == "long":
        wanted += [name for name in columns.static_covariates if name != columns.id_col]
        wanted += [columns.id_col] if columns.id_col in names or columns.id_col != Columns.id_col else []
    missing = [name for name in wanted if name not in names]
    if missing:
        raise BadTableError(
            "missing_column",
            f"there is no column {missing[0]!r}{_nearest_column(missing[0], names)}; the columns are {listed(names)}",
            "name the columns with id_col, time_col and target_cols",
        )
    if layout == "wide" and not targets:
        return list(names), ()
    rest = [name for name in names if name not in wanted]
    ignored = Finding("ignored_columns", "note", f"columns without a role are ignored: {listed(rest)}")
    return wanted, (ignored,) if rest else ()


def _nearest_column(name: str, names: tuple[str, ...]) -> str:
    """Suggest the column that differs in spaces or case only, else the one most alike."""
    same = [one for one in names if one.strip().lower() == name.strip().lower()]
    return nearest(same[0], same) if same else nearest(name, names)


def _from_text(path: Path, columns: Columns, table_format: TableFormat) -> Table:
    """Read a delimited text file; arrow infers the types, ids and categories stay text."""
    file = inspect_text(path, table_format.encoding, table_format.separator)
    wanted, notes = _choose(file.header, columns, table_format.layout)
    types = {name: _CODES for name in (columns.id_col, *columns.categorical)}
    if table_format.time_format is not None:
        types[columns.time_col] = pa.string()
    try:
        data = pyarrow.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(encoding=file.encoding),
            parse_options=pa.csv.ParseOptions(delimiter=file.separator, newlines_in_values=file.has_quotes),
            convert_options=pa.csv.ConvertOptions(
                include_columns=wanted,
                column_types=types,
                null_values=MISSING_WORDS,
                decimal_point=table_format.decimal,
            ),
        )
    except pa.ArrowInvalid as error:
        raise find_ragged(file) or BadTableError(
            "unreadable_file", f"{path.name} cannot be read ({_first_line(error)})", "check the file in a text editor"
        ) from error
    return Table(columns, _by_name(data), data.num_rows, file, notes=(*file.notes, *notes))


def _from_parquet(path: Path, columns: Columns, table_format: TableFormat) -> Table:
    """Read a parquet file, ids as codes."""
    try:
        names = tuple(pyarrow.parquet.read_schema(path).names)
        wanted, notes = _choose(names, columns, table_format.layout)
        data = pyarrow.parquet.ParquetFile(path, read_dictionary=[columns.id_col]).read(columns=wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise BadTableError(
            "damaged_file", f"{path.name} is not a whole parquet file ({_first_line(error)})", "copy or write it anew"
        ) from error
    return Table(columns, _by_name(data), data.num_rows, notes=notes)


def _from_frame(frame: pd.DataFrame, columns: Columns, table_format: TableFormat) -> Table:
    """Take the columns of a data frame, without a copy where they are plain numbers."""
    names = tuple(str(name) for name in frame.columns)
    if columns.time_col not in names and isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex | pd.MultiIndex):
        held = listed(str(name) for name in frame.index.names)
        raise BadTableError("index", f"there is no column {columns.time_col!r}; the index holds {held}", "call reset_index()")
    wanted, notes = _choose(names, columns, table_format.layout)
    data = {name: _from_series(frame.iloc[:, names.index(name)], name, columns.id_col) for name in wanted}
    return Table(columns, data, len(frame), notes=notes)


def _from_series(series: pd.Series, name: str) -> pa.ChunkedArray:
    """Turn a column of a frame into an arrow column; mixed objects become text."""
    if series.dtype.kind == "c":
        raise BadTableError(
            "complex_numbers", f"column {name!r} holds complex numbers", "take the real or absolute part"
        )
    if isinstance(series.dtype, pd.PeriodDtype):
        raise BadTableError(
            "periods", f"column {name!r} holds periods", "turn them into stamps with .dt.to_timestamp()"
        )
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iufb":
        return pa.chunked_array([pa.array(series.to_numpy())])
    try:
        column = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        column = pa.array([_as_text(value, name) for value in series], pa.string())
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _as_text(value: object, name: str) -> str | None:
    """Write one object of a mixed column as text; a missing value is None."""
    if isinstance(value, complex | np.complexfloating):
        raise BadTableError(
            "complex_numbers", f"column {name!r} holds complex numbers", "take the real or absolute part"
        )
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _by_name(data: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: data.column(name) for name in data.column_names}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _melt(table: Table) -> Table:
    """Put the series columns of a wide table one after another, as one target `y`.

    Covariates belong to every series. Where no series is named, every column of numbers is one.
    """
    columns = table.columns
    if columns.static_covariates:
        raise ConfigError("static_covariates do not fit layout 'wide', which has no row per series: use layout 'long'")
    shared = (columns.time_col, *columns.past_covariates, *columns.known_covariates)
    named = columns.target_cols if columns.target_cols != Columns.target_cols else None
    names = [name for name in named or table.data if name not in shared]
    chosen = names if named else [name for name in names if _holds_numbers(table.data[name])]
    if not chosen:
        raise BadTableError(
            "no_series", f"no column but {columns.time_col!r} holds numbers", "name them as target_cols"
        )
    kind = pa.string() if any(_is_text(table.data[name].type) for name in chosen) else pa.float64()
    chunks = [chunk for name in chosen for chunk in table.data[name].cast(kind).chunks]
    ids = pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(chosen), dtype=np.int32), table.num_rows), chosen)
    data = {name: pa.chunked_array(table.data[name].chunks * len(chosen)) for name in shared}
    data |= {Columns.id_col: pa.chunked_array([ids]), "y": pa.chunked_array(chunks, kind)}
    ignored = [name for name in names if name not in chosen]
    note = Finding("ignored_columns", "note", f"columns that hold no numbers are ignored: {listed(ignored)}")
    return Table(
        replace(columns, id_col=Columns.id_col, target_cols=("y",)),
        data,
        table.num_rows * len(chosen),
        table.text,
        height=table.num_rows,
        notes=(*table.notes, note) if ignored else table.notes,
    )


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary))


def _holds_numbers(column: pa.ChunkedArray) -> bool:
    """Whether a column of a wide table is meant as a series: numbers, or text among which there are some."""
    kind = column.type
    if _is_text(kind):
        return bool(pa.compute.any(pa.compute.match_substring_regex(column.cast(pa.string()), r"^\s*[+-]?\d")).as_py())
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
