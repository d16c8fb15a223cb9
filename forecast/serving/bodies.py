"""The body of a request as tables, with limits. Nothing in it names a file, a URL or a data set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from forecast.serving.limits import Limits, RefusedError

Table: TypeAlias = pa.Table | pd.DataFrame | str
"""Rows, or the text of a CSV file."""

FIELDS = ("model", "rows", "known", "horizon", "level")
"""Fields of a JSON body."""

MAX_COLUMNS = 500
"""Columns of a table."""

MAX_HEADER = 100_000
"""Characters of the first line of a text."""

SEPARATORS = ",;\t|"
"""Between the columns of a text."""

_TEXTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

_UNMARKED = bytes(set(range(256)) - set(b'{}[]"'))
"""Bytes that neither open nor close anything."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A request for a forecast.

    Attributes:
        model: its name; empty for the default.
        rows: the history.
        known: known covariates of the steps to forecast; None for none.
        horizon: steps; None: as trained.
        level: of intervals, as in `Forecaster.predict`.
    """

    model: str
    rows: Table
    known: Table | None
    horizon: int | None
    level: tuple[float, ...] | Literal["auto"]


def asked_in_json(body: bytes, limits: Limits) -> Asked:
    """Read a JSON body.

    Raises:
        RefusedError: it is no such body, or above a limit.
    """
    _check_depth(body, limits)
    try:
        document = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _bad(f"the body is no JSON: {_short(error)}", "send an object with `rows`") from error
    if b"\\ud" in body.lower():
        _check_letters(document)
    if not isinstance(document, dict):
        raise _bad(f"the body is {_kind(document)}; expected an object with the field rows")
    unknown = sorted(document.keys() - set(FIELDS))
    if unknown:
        raise _bad(f"unknown field {unknown[0][:50]!r}; expected some of {', '.join(FIELDS)}")
    if "rows" not in document:
        raise _bad("there is no field rows; expected a list of rows, or the text of a CSV file")
    known = document.get("known")
    return Asked(
        model=_model(document.get("model")),
        rows=_table("rows", document["rows"], limits),
        known=None if known is None else _table("known", known, limits),
        horizon=_horizon(document.get("horizon"), limits),
        level=_level(document.get("level", "auto")),
    )


def asked_in_csv(body: bytes, options: Mapping[str, str], limits: Limits) -> Asked:
    """Read a body that is a CSV file; the other fields are in the query of the address.

    Args:
        body: the file, in UTF-8.
        options: the query.
        limits: of the service.

    Raises:
        RefusedError: it is no such body, or above a limit.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad(f"the body is no UTF-8: {_short(error)}", "save the file as UTF-8") from error
    unknown = sorted(options.keys() - {"model", "horizon", "level"})
    if unknown:
        raise _bad(
            f"unknown field {unknown[0][:50]!r} in the address; expected model, horizon or level"
        )
    return Asked(
        model=_model(options.get("model")),
        rows=_table("rows", text, limits),
        known=None,
        horizon=_horizon(_number(options.get("horizon")), limits),
        level=_level(options.get("level", "auto")),
    )


@contextmanager
def as_source(table: Table) -> Iterator[Table]:
    """Yield a table as the package reads it: rows as they are, a text as a file of its own."""
    if not isinstance(table, str):
        yield table
        return
    with TemporaryDirectory(prefix="forecast-") as folder:
        path = Path(folder, "table.csv")
        path.write_text(table, encoding="utf-8", newline="")
        yield str(path)


def _check_letters(document: Any) -> None:
    """Raise where a text has half of a surrogate pair, which is no letter."""
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise _bad(
            "the body has half of a surrogate pair, such as \\ud800; expected UTF-8"
        ) from error


def _check_depth(body: bytes, limits: Limits) -> None:
    """Raise where brackets are nested too deep, before anything is built from them."""
    marks = np.frombuffer(_brackets(body), np.uint8)
    opening = (marks == ord("[")) | (marks == ord("{"))
    closing = (marks == ord("]")) | (marks == ord("}"))
    depth = np.cumsum(opening.astype(np.int32) - closing.astype(np.int32))
    if len(depth) and depth.max() > limits.max_depth:
        raise _bad(
            f"the body is nested {int(depth.max())} deep; expected at most {limits.max_depth}"
        )


def _brackets(body: bytes) -> bytes:
    """Return the brackets that stand outside of texts."""
    if b"\\" in body:  # a quotation mark behind it ends no text
        body = _TEXTS.sub(b"", body)
    # Most texts have no bracket, so that their two marks are neighbours now. Taking both away
    # changes for no bracket whether it stands in a text; the expression alone takes ten times as
    # long.
    marks = body.translate(None, _UNMARKED).replace(b'""', b"")
    return _TEXTS.sub(b"", marks)


def _table(name: str, given: Any, limits: Limits) -> Table:
    """Return a field as rows or text.

    Raises:
        RefusedError: it is neither, or has too many rows.
    """
    if isinstance(given, str):
        num_lines = given.count("\n") + given.count("\r") - given.count("\r\n")
        _check_rows(name, num_lines - 1, limits)  # a header beside them
        _check_header(name, given)
        if not given.strip():
            raise _bad(f"{name} is empty; expected a header and a row for each step")
        if "\0" in given:
            raise _bad(f"{name} has a character of code 0; expected the text of a CSV file")
        return given
    if not isinstance(given, list):
        raise _bad(f"{name} is {_kind(given)}; expected a list of rows, or the text of a CSV file")
    _check_rows(name, len(given), limits)
    if not given:
        raise _bad(f"{name} is empty; expected a row for each step")
    return _frame(name, given)


def _frame(name: str, rows: list[Any]) -> pa.Table | pd.DataFrame:
    """Return a list of rows as a table; a column that a row lacks is missing there."""
    columns = _equal_rows(rows) or _columns(name, rows)
    if not columns:
        raise _bad(f"{name} has rows without a column; expected one value per column")
    try:
        return pa.table({label: pa.array(cells) for label, cells in columns.items()})
    except pa.ArrowException:  # cells of several types, which a frame can hold
        return pd.DataFrame(columns)


def _equal_rows(rows: list[Any]) -> dict[str, list[Any]]:
    """Return the columns of rows with the same keys and plain values; none for any other rows.

    That is nearly every request, and takes a tenth of the time of looking at each cell.
    """
    if set(map(type, rows)) != {dict} or not 0 < len(rows[0]) <= MAX_COLUMNS:
        return {}
    names = rows[0].keys()
    if any(row.keys() != names for row in rows):
        return {}
    columns = {name: [row[name] for row in rows] for name in names}
    for cells in columns.values():
        kinds = set(map(type, cells))
        if not kinds <= {str, int, float, type(None)}:
            return {}
        if int in kinds and any(type(cell) is int and abs(cell) >= 2**63 for cell in cells):
            return {}
    return columns


def _columns(name: str, rows: list[Any]) -> dict[str, list[Any]]:
    """Return the columns of any rows, with a look at each cell.

    Raises:
        RefusedError: a row is no object, a cell is no plain value, or there are too many columns.
    """
    columns: dict[str, list[Any]] = {}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise _bad(f"{name}: row {number} is {_kind(row)}; expected an object of columns")
        for column, given in row.items():
            found = columns.get(column)
            if found is None:
                if len(columns) >= MAX_COLUMNS:
                    raise _bad(f"{name} has more than {MAX_COLUMNS} columns")
                found = columns[column] = []
            if len(found) < number - 1:
                found += [None] * (number - 1 - len(found))
            found.append(_cell(given, name, number, column))
    for short in columns.values():
        short.extend([None] * (len(rows) - len(short)))
    return columns


def _cell(given: Any, name: str, number: int, column: str) -> Any:
    """Return a value of JSON as a cell.

    Raises:
        RefusedError: it is neither a text, a number, a truth value nor null.
    """
    if given is not None and not isinstance(given, (str, int, float)):
        raise _bad(
            f"{name}: row {number} has {_kind(given)} in column {column[:50]!r}; expected a text "
            f"or a number"
        )
    if isinstance(given, int) and abs(given) >= 2**63:
        return float(given) if abs(given) < 10**300 else str(given)
    return given


def _check_header(name: str, text: str) -> None:
    """Raise where the first line of a text is too long, or has too many columns."""
    header = text[: MAX_HEADER + 1].partition("\n")[0]
    most = max(header.count(separator) for separator in SEPARATORS) + 1
    if len(header) > MAX_HEADER or most > MAX_COLUMNS:
        raise _bad(f"{name} has a header of too many columns; expected at most {MAX_COLUMNS}")


def _check_rows(name: str, count: int, limits: Limits) -> None:
    if count > limits.max_rows:
        raise _bad(
            f"{name} has more than {limits.max_rows:,} rows: send the last rows of each series, "
            f"which the model reads"
        )


def _model(given: Any) -> str:
    if given is None:
        return ""
    if not isinstance(given, str):
        raise _bad(f"model is {_kind(given)}; expected a name, as /models lists them")
    return given


def _number(text: str | None) -> Any:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        raise _bad(f"horizon is {text[:50]!r}; expected a whole number of steps")
    return int(text)


def _horizon(given: Any, limits: Limits) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise _bad(f"horizon is {str(given)[:50]!r}; expected a whole number of at least 1")
    if given > limits.max_horizon:
        raise _bad(f"horizon is {str(given)[:20]}; expected at most {limits.max_horizon}")
    return given


def _level(given: Any) -> tuple[float, ...] | Literal["auto"]:
    """Return levels of intervals from `auto`, `none`, a number, a list, or a text such as 80,95."""
    wanted = "expected %, such as 80 or [80, 95], auto, or none"
    if given == "auto":
        return "auto"
    if given == "none" or given is None:
        return ()
    parts = given
    if isinstance(given, str):
        parts = given.split(",")
    elif isinstance(given, (int, float)):
        parts = [given]
    if not isinstance(parts, list) or len(parts) > 20:
        raise _bad(f"level is {str(given)[:50]!r}; {wanted}")
    levels = []
    for part in parts:
        try:
            level = float(part) if not isinstance(part, bool) else np.nan
        except (TypeError, ValueError, OverflowError):
            level = np.nan
        if not 0 < level < 100:
            raise _bad(f"level is {str(given)[:50]!r}; {wanted}")
        levels.append(level)
    return tuple(levels)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON; a missing value is null")


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    if value is None:
        return "null"
    return kinds.get(type(value), "a number")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:150]


def _bad(*lines: str) -> RefusedError:
    return RefusedError(422, *lines)
