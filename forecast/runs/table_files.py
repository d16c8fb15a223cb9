"""Tables that commands write for users: forecasts, and templates of known covariates.

A CSV file has no mark of its origin, so an earlier table is recognised by its columns.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from forecast.baselines.simple import BASELINE_NAMES
from forecast.data.panel import Columns
from forecast.errors import DataError
from forecast.files.atomic import write_file
from forecast.runs.records import FORECAST
from forecast.runs.workbook_file import workbook_bytes
from forecast.scores.forecast import column_names

if TYPE_CHECKING:
    import pandas as pd

_UNREADABLE = (OSError, ValueError, KeyError, BadZipFile)
"""Errors of pandas, Arrow and openpyxl about a file of another kind."""

_ENDINGS = (".csv", ".parquet", ".xlsx")

WHOLE_NUMBER = r"-?(0|[1-9]\d{0,14})"
"""A number as text that is the same text again when it is written; 007 is not."""

OTHER_FORECASTS = ("forecast.parquet", "forecast.xlsx")
"""Files of a run with the content of `forecast.csv`, where they were asked for."""


def check_ending(path: str | Path) -> None:
    """Raise unless a table can be written under this name.

    Raises:
        DataError: it ends in something else than `.csv`, `.parquet` or `.xlsx`, or the package that
            writes workbooks is missing.
    """
    ending = Path(path).suffix
    if ending == ".xlsx" and find_spec("openpyxl") is None:
        raise DataError(
            f"{path}: the package openpyxl that writes Excel workbooks is not installed: run pip "
            f"install 'bigru-forecast[excel]', or give a name in .csv"
        )
    if ending in _ENDINGS:
        return
    given = repr(ending)
    if not ending:
        given = "a file without an ending"
    raise DataError(f"{path}: cannot write {given}; expected a name in .csv, .parquet or .xlsx")


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a frame as CSV, Parquet or Excel, by the ending of the name; an old file is replaced.

    Raises:
        DataError: as in `check_ending` and `workbook_bytes`.
    """
    check_ending(path)
    ending = Path(path).suffix
    if ending == ".csv":
        write_file(path, frame.to_csv(index=False).encode())
    elif ending == ".parquet":
        write_file(path, frame.to_parquet(index=False))
    else:
        write_file(path, workbook_bytes(frame))


def with_format(path: str | None, ending: str | None) -> str | None:
    """Return the name of a file to write in a format.

    Args:
        path: as it was given; without an ending it gets that of the format.
        ending: of the format, such as `xlsx`; None: by the name.

    Raises:
        DataError: the name is that of another format, or a format needs a name and has none.
    """
    if ending is None:
        return path
    if path is None:
        if ending == "csv":  # which is printed
            return None
        raise DataError(
            f"the format is {ending}, which is not printed: name a file with --output "
            f"forecast.{ending}"
        )
    given = Path(path).suffix
    if given == f".{ending}":
        return path
    if given in _ENDINGS:
        raise DataError(f"{path}: the format is {ending}; expected a name in .{ending}")
    return f"{path}.{ending}"


def export_forecast(folder: Path, ending: str) -> Path:
    """Write the forecast of a run once more, as a workbook or Parquet file beside the CSV file.

    Args:
        folder: the run.
        ending: `xlsx` or `parquet`.

    Returns:
        The file.

    Raises:
        DataError: the run has no forecast, as covariates were not known.
    """
    import pandas as pd

    source = folder / FORECAST
    if not source.is_file():
        raise DataError(
            f"{folder}: there is no forecast to write as {ending}, since the known covariates of "
            f"its steps were not in the table: pass them to forecast predict with --known"
        )
    table = pd.read_csv(source, dtype=str, keep_default_na=False, na_values=[""])
    names = list(table)
    place = names.index("cutoff")  # after ids and time, before the numbers
    for name in names[place + 1 :]:
        table[name] = table[name].astype(float)
    for name in (names[place - 1], "cutoff"):
        table[name] = _typed_stamps(table[name])
    for name in names[: place - 1]:
        if table[name].str.fullmatch(WHOLE_NUMBER).all():
            table[name] = table[name].astype("int64")
    path = source.with_suffix(f".{ending}")
    write_table(table, path)
    return path


def _typed_stamps(text: pd.Series) -> pd.Series:
    """Return stamps of a CSV file as dates or whole numbers; those with an offset stay text."""
    import pandas as pd

    if text.str.fullmatch(WHOLE_NUMBER).all():
        return text.astype("int64")
    if text.str.contains(r"[+-]\d\d:\d\d$").any():
        return text
    return pd.to_datetime(text)


def is_forecast(alias: str, columns: Columns, path: Path) -> bool:
    """Return whether a file has the columns of a forecast, its intervals and baselines, if any.

    Args:
        alias: name of the model.
        columns: roles of the columns in its training table.
        path: the file.
    """
    found = columns_in(path)
    first = [*columns.id_cols, columns.time_col, "cutoff"]
    rest = found[len(first) :]
    names = column_names(alias, columns.target_cols)
    if found[: len(first)] != first or not set(names) <= set(rest):
        return False
    interval = re.compile(
        "|".join(rf"{re.escape(name)}-((lo|hi)-[0-9.]+|median)" for name in names)
    )
    baselines = {
        name for each in BASELINE_NAMES for name in column_names(each, columns.target_cols)
    }
    own = {*names, *baselines}
    return all(name in own or interval.fullmatch(name) for name in rest)


def is_template(columns: Columns, path: Path) -> bool:
    """Return whether a file is a template of known covariates in which no cell is filled in.

    Args:
        columns: roles of the columns in the training table.
        path: the file.
    """
    import pandas as pd

    covariates = list(columns.known_covariates)
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix == ".xlsx":
            table = pd.read_excel(path, dtype=str, engine="openpyxl")
        else:
            table = pd.read_csv(path, dtype=str)
    except _UNREADABLE:
        return False
    if list(table.columns) != [*columns.id_cols, columns.time_col, *covariates]:
        return False
    return bool(table[covariates].isna().all(axis=None))


def columns_in(path: Path) -> list[str]:
    """Return the columns of the table in a file; none if it is not a table."""
    import pandas as pd
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        if path.suffix == ".xlsx":
            frame = pd.read_excel(path, nrows=0, engine="openpyxl")
            return [str(name) for name in frame.columns]
        return [str(name) for name in pd.read_csv(path, nrows=0).columns]
    except _UNREADABLE:
        return []
