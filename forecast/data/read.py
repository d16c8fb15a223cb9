"""Readers of delimited text, parquet files, data frames and Arrow tables, before any check."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pydantic import Field, model_validator

from forecast.data.findings import BadTableError, Finding, listed
from forecast.data.names import split_names
from forecast.data.number_dates import NUMBER_FORMATS
from forecast.data.panel import Columns, Name
from forecast.data.table import MISSING_WORDS, Table
from forecast.data.textfile import TextFile, explain_unreadable, inspect_text
from forecast.data.time_parts import join_parts, parts_of, proposed_parts
from forecast.data.wide import melt
from forecast.errors import nearest
from forecast.section import Section

Source: TypeAlias = str | Path | pd.DataFrame | pa.Table


_TEXT_SUFFIXES = (".csv", ".txt", ".tsv")


_PARQUET_SUFFIXES = (".parquet", ".pq")


_DEFAULT = Columns()


_CODES = pa.dictionary(pa.int32(), pa.string())


class TableFormat(Section):
    """Format of a table: layout, text format and timestamps.

    Raises:
        ConfigError: a setting is wrong whatever the table.

    Example:
        >>> import pandas as pd
        >>> from forecast import TableFormat, load_panel
        >>> days = pd.date_range("2025-01-01", periods=3)
        >>> wide = pd.DataFrame({"ds": days, "north": [3.0, 4.0, 5.0], "south": [8.0, 9.0, 9.0]})
        >>> panel = load_panel(wide, table_format=TableFormat(layout="wide"))
        >>> panel.series_ids.tolist()
        ['north', 'south']
    """

    layout: Literal["long", "wide"] = "long"
    """`long`: one row per series and stamp. `wide`: one column per series, those in `target_cols`,
    or all of numbers that do not count the rows.
    """
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """CSV column separator; default: detected."""
    decimal: Literal[".", ","] = "."
    """CSV decimal mark."""
    encoding: Name = "utf-8"
    """CSV text encoding."""
    time_format: str | None = None
    """`strptime` format of the stamps, for dates that could be read in two ways. For numbers also
    `unix_s`, `unix_ms`, `unix_us`, `unix_ns` (since 1970, UTC), `excel` (days), `year_quarter`
    (202004, 2020-Q4), `year_week` (202053, 2020-W53) or `decimal_year` (2020.25 is April).
    """
    tz: str | None = None
    """Time zone of stamps that carry none, for example `Europe/Berlin`; where they carry one, the
    zone they are shown in."""

    @model_validator(mode="after")
    def _check_format(self) -> TableFormat:
        """Refuse settings that contradict each other, and an unknown format of timestamps."""
        if self.separator == self.decimal:
            raise ValueError(
                f"separator is {self.separator!r} and so is decimal; expected two different "
                f"characters"
            )
        known = (*NUMBER_FORMATS, "ISO8601", "mixed")
        written = self.time_format
        if written is not None and "%" not in written and written not in known:
            raise ValueError(
                f"time_format is {written!r}; expected a strptime format such as '%Y%m' or one of "
                f"{', '.join(NUMBER_FORMATS)}{nearest(written, NUMBER_FORMATS)}"
            )
        return self


def read_table(source: Source, columns: Columns, table_format: TableFormat) -> Table:
    """Read the declared columns of a CSV or parquet file, a data frame or an Arrow table.

    Args:
        source: a path ending in .csv, .txt, .tsv (each also with .gz), .parquet or .pq, or a table.
        columns: the roles; all other columns are ignored, with a note.
        table_format: separator, layout and other properties of the table as text.

    Raises:
        BadTableError: the file cannot be read, is empty, or lacks a declared column; or `source` is
            not a table.
        ConfigError: the format fits no table.
    """
    if isinstance(source, pd.DataFrame):
        table = _from_frame(source, columns, table_format)
    elif isinstance(source, pa.Table):
        table = _from_arrow(source, columns, table_format)
    elif not isinstance(source, str | Path):
        raise BadTableError(
            "table_kind",
            f"the table is of type {type(source).__name__}",
            "expected a pandas frame, an Arrow table or the name of a file: convert it",
        )
    elif _file_kind(Path(source)) == "parquet":
        table = _from_parquet(Path(source), columns, table_format)
    else:
        table = _from_text(Path(source), columns, table_format)
    if not table.num_rows:
        raise BadTableError(
            "no_rows", "the table has a header but no rows", "expected one row per series and stamp"
        )
    names = tuple(table.data)
    parts = parts_of(columns.time_col, names)
    if len(parts) > 1:
        table = join_parts(table, parts)
    if table_format.layout == "wide":
        return melt(table)
    return table


def _file_kind(path: Path) -> Literal["text", "parquet"]:
    """Return the kind of a file, by the ending of its name.

    Raises:
        BadTableError: there is no such file, or its name has an unknown ending.
    """
    if path.is_dir():
        raise BadTableError("no_file", f"{path} is a folder", "give one CSV or parquet file")
    if not path.is_file():
        siblings: list[str] = []
        if path.parent.is_dir():
            siblings = [entry.name for entry in path.parent.iterdir()]
        raise BadTableError(
            "no_file", f"there is no file {path}", "check the path" + nearest(path.name, siblings)
        )
    suffix = path.suffix
    if suffix == ".gz":
        suffix = path.with_suffix("").suffix
    if suffix.lower() in _TEXT_SUFFIXES:
        return "text"
    if path.suffix.lower() in _PARQUET_SUFFIXES:
        return "parquet"
    known = ", ".join((*_TEXT_SUFFIXES, *_PARQUET_SUFFIXES))
    raise BadTableError(
        "file_kind",
        f"{path.name} ends in {path.suffix!r}",
        f"expected one of {known} (text also .gz)",
    )


def _choose(
    names: tuple[str, ...], columns: Columns, layout: str
) -> tuple[list[str], tuple[Finding, ...]]:
    """Return the columns to read, and a note that names the others.

    Raises:
        BadTableError: a column is missing, or two have one name.
    """
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise BadTableError(
            "duplicate_columns",
            f"column {doubled[0]!r} occurs twice",
            "rename or remove one of them",
        )
    targets = columns.target_cols
    if layout == "wide" and targets == _DEFAULT.target_cols:
        targets = ()  # every column of numbers may be a series
    times = parts_of(columns.time_col, names)
    wanted = [*times, *targets, *columns.past_covariates, *columns.known_covariates]
    if layout == "long":
        wanted += [name for name in columns.static_covariates if name != columns.id_col]
        if columns.id_col in names or columns.id_col != _DEFAULT.id_col:
            wanted.append(columns.id_col)
    for name in wanted:
        if name not in names:
            raise _missing_column(name, names, layout, columns)
    wanted = list(dict.fromkeys(wanted))
    if layout == "wide" and not targets:
        return list(names), ()
    rest = [name for name in names if name not in wanted]
    if not rest:
        return wanted, ()
    message = f"columns without a role are ignored: {listed(rest)}"
    others = [name for name in names if name in rest or name == columns.time_col]
    proposal = proposed_parts(others, columns.time_col)
    if proposal:
        message += f"; pass {proposal} if they are the parts of the time"
    return wanted, (Finding("ignored_columns", "note", message),)


def _missing_column(
    name: str, names: tuple[str, ...], layout: str, columns: Columns
) -> BadTableError:
    """Return the error of a table that lacks a declared column."""
    fix = "name the columns with time_col and target_cols"
    if layout == "long":
        fix = "name the columns with id_col, time_col and target_cols"
    with_comma = [column for column in names if "," in column and name and name in column]
    if name in columns.target_cols and with_comma:
        quoted = shlex.quote('"' + with_comma[0].replace('"', '""') + '"')
        fix = f"on the command line, put a name with a comma in double quotes: --target {quoted}"
    proposal = proposed_parts(names)
    if name == columns.time_col and proposal:
        fix = f"pass {proposal}, or {fix}"
    if name == columns.id_col and set(split_names(name)) < set(names):
        fix = "id_col is one column: join these in the table, as store/item, and name the result"
    if "" in names:
        fix = f"give the column without a name one, and {fix}"
    return BadTableError(
        "missing_column",
        f"there is no column {name!r}{_nearest_column(name, names)}; the columns are "
        f"{listed(names)}",
        fix,
    )


def _nearest_column(name: str, names: tuple[str, ...]) -> str:
    """Suggest the column that differs in spaces or case only, else the most similar one."""
    for column in names:
        if column.strip().lower() == name.strip().lower():
            return nearest(column, [column])
    return nearest(name, names)


def _from_text(path: Path, columns: Columns, table_format: TableFormat) -> Table:
    """Read a delimited text file; ids and categories stay text."""
    file = inspect_text(path, table_format.encoding, table_format.separator)
    wanted, notes = _choose(file.header, columns, table_format.layout)
    types = {name: _CODES for name in (columns.id_col, *columns.categorical)}
    if table_format.time_format is not None:
        types[columns.time_col] = pa.string()
    parts = parts_of(columns.time_col, file.header)
    if len(parts) > 1:
        types.update(dict.fromkeys(set(parts) - set(columns.dynamic), pa.string()))
    try:
        data = _parse(file, wanted, types, table_format.decimal)
    except pa.ArrowInvalid as error:
        raise explain_unreadable(file, _first_line(error)) from error
    return Table(
        columns,
        _by_name(data),
        data.num_rows,
        file,
        notes=(*file.notes, *notes),
        decimal=table_format.decimal,
    )


def _parse(
    file: TextFile, wanted: list[str], types: dict[str, pa.DataType], decimal: str
) -> pa.Table:
    """Parse the columns with the types of their first block, or of all blocks where these differ.

    To infer types from all blocks, Arrow keeps their text, so this takes the size of the file in
    memory.
    """

    def options(types: dict[str, pa.DataType]) -> dict[str, Any]:
        return {
            "read_options": pa.csv.ReadOptions(encoding=file.encoding, skip_rows=file.blank_lines),
            "parse_options": pa.csv.ParseOptions(
                delimiter=file.separator, newlines_in_values=file.has_quotes
            ),
            "convert_options": pa.csv.ConvertOptions(
                include_columns=wanted,
                column_types=types,
                null_values=MISSING_WORDS,
                decimal_point=decimal,
            ),
        }

    with pyarrow.csv.open_csv(file.path, **options(types)) as head:
        seen = {field.name: field.type for field in head.schema if field.type != pa.null()}
    try:
        return pyarrow.csv.read_csv(file.path, **options(seen))
    except pa.ArrowInvalid:
        return pyarrow.csv.read_csv(file.path, **options(types))


def _from_parquet(path: Path, columns: Columns, table_format: TableFormat) -> Table:
    """Read a parquet file, ids as codes."""
    try:
        schema = pyarrow.parquet.read_schema(path)
        names = tuple(schema.names)
        wanted, notes = _choose(names, columns, table_format.layout)
        coded = [
            name
            for name in wanted
            if name == columns.id_col and schema.field(name).type == pa.string()
        ]
        data = pyarrow.parquet.ParquetFile(path, read_dictionary=coded).read(columns=wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise BadTableError(
            "damaged_file",
            f"{path.name} is not a complete parquet file ({_first_line(error)})",
            "copy or write it again",
        ) from error
    return Table(columns, _by_name(data), data.num_rows, notes=notes)


def _from_arrow(given: pa.Table, columns: Columns, table_format: TableFormat) -> Table:
    """Take the columns of an Arrow table."""
    wanted, notes = _choose(tuple(given.column_names), columns, table_format.layout)
    return Table(columns, _by_name(given.select(wanted)), given.num_rows, notes=notes)


def _from_frame(frame: pd.DataFrame, columns: Columns, table_format: TableFormat) -> Table:
    """Take the columns of a data frame, without a copy where they are plain numbers."""
    given = frame.columns.tolist()
    names = tuple(map(str, given))
    if columns.time_col not in names and isinstance(
        frame.index, pd.DatetimeIndex | pd.PeriodIndex | pd.MultiIndex
    ):
        index_names = listed(str(name) for name in frame.index.names)
        raise BadTableError(
            "index",
            f"there is no column {columns.time_col!r}; the index contains {index_names}",
            "call reset_index()",
        )
    wanted, notes = _choose(names, columns, table_format.layout)
    labels = dict(zip(names, given, strict=True))
    data = {name: _from_series(frame[labels[name]], name, columns.id_col) for name in wanted}
    return Table(columns, data, len(frame), notes=notes)


def _from_series(series: pd.Series, name: str, id_col: str) -> pa.ChunkedArray:
    """Turn a column of a frame into an arrow column.

    Mixed objects become text; in the id column they are an error.
    """
    kind = series.dtype
    if kind.kind == "c":
        raise _complex_error(name)
    if isinstance(kind, pd.PeriodDtype):
        raise BadTableError(
            "periods", f"column {name!r} contains periods", "convert them: .dt.to_timestamp()"
        )
    if isinstance(kind, np.dtype) and kind.kind in "iufb":
        return pa.chunked_array([pa.array(series.to_numpy())])
    try:
        column = pa.Array.from_pandas(series)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        OverflowError,
    ) as error:
        if name == id_col:
            raise BadTableError(
                "mixed_ids", f"column {name!r} mixes types", "cast it to text or whole numbers"
            ) from error
        column = pa.array([_as_text(value, name) for value in series], pa.string())
    if isinstance(column, pa.ChunkedArray):
        return column
    return pa.chunked_array([column])


def _as_text(value: Any, name: str) -> str | None:
    """Write one object of a mixed column as text; a missing value is None."""
    if isinstance(value, complex | np.complexfloating):
        raise _complex_error(name)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return str(value)


def _complex_error(name: str) -> BadTableError:
    return BadTableError(
        "complex_numbers",
        f"column {name!r} contains complex numbers",
        "take the real part or the absolute value",
    )


def _by_name(data: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: data.column(name) for name in data.column_names}


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    return lines[0]
