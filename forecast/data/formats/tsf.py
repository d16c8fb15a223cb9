"""Reader of `.tsf` files, the format of the Monash forecasting archive: one line per series.

Source: Godahewa et al., Monash Time Series Forecasting Archive, 2021.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import BadTableError, Finding, listed
from forecast.data.formats.opened import Cells, Opened, Written
from forecast.data.panel import Columns

_START_FORMAT = "%Y-%m-%d %H-%M-%S"

_MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}
"""Steps of months."""

_SECONDS = {
    "4_seconds": 4,
    "minutely": 60,
    "10_minutes": 600,
    "15_minutes": 900,
    "half_hourly": 1800,
    "hourly": 3600,
    "daily": 86_400,
    "weekly": 604_800,
}
"""Steps of seconds."""


@dataclass
class _File:
    """Content of a file.

    Attributes:
        attributes: type of each attribute of a series: string, numeric or date.
        frequency: name of the step; empty where there is none.
        rows: attributes of each series.
        values: values of each series.
    """

    attributes: dict[str, str] = field(default_factory=dict)
    frequency: str = ""
    rows: list[list[Any]] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        """Return an attribute of every series."""
        place = list(self.attributes).index(name)
        return [row[place] for row in self.rows]


def open_tsf(source: str | Path, columns: Columns, _written: Written) -> Opened:
    """Open a `.tsf` file: ids are its first text, stamps follow from start and frequency.

    Raises:
        BadTableError: the file is damaged, or there are several targets.
    """
    path = Path(source)
    if len(columns.target_cols) > 1:
        raise BadTableError(
            "one_target",
            f"{path.name} has one value per step, and there are targets "
            f"{listed(columns.target_cols)}",
            "name one target",
        )
    return _opened(_read_file(path), path.name, columns)


def _opened(file: _File, name: str, columns: Columns, _: Cells | None = None) -> Opened:
    """Return the content of a file with the names that the roles give to its columns.

    Args:
        file: the content.
        name: of the file.
        columns: the roles.
    """
    lengths = [len(values) for values in file.values]
    stamps, how = _stamps(file, name)
    data: dict[str, Any] = {columns.time_col: stamps, columns.target_cols[0]: _joined(file.values)}
    message = f"{name}: {columns.target_cols[0]} are its values, {columns.time_col} {how}"
    named = None
    if len(parts_of(columns.id_col, tuple(file.attributes))) == 1:
        named = _id_attribute(file, columns.id_col)
        ids = [str(number) for number in range(1, len(lengths) + 1)]
        if named:
            ids = list(map(str, file.column(named)))
            message += f", {columns.id_col} is {named!r}"
        data[columns.id_col] = np.repeat(np.array(ids, object), lengths)
    for attribute, kind in file.attributes.items():
        if attribute not in data and attribute != named and kind != "date":
            data[attribute] = np.repeat(np.array(file.column(attribute), object), lengths)

    def read(wanted: list[str]) -> Cells:
        return {name: pa.chunked_array([pa.array(data[name])]) for name in wanted}

    note = Finding("tsf", "note", message)
    return Opened(tuple(data), read, (note,), again=partial(_opened, file, name))


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    if not parts:
        return np.empty(0)
    return np.concatenate(parts)


def _id_attribute(file: _File, id_col: str) -> str | None:
    """Return the attribute that names the series; None where there is none."""
    if id_col in file.attributes:
        return id_col
    for name, kind in file.attributes.items():
        if kind == "string" and len(set(file.column(name))) == len(file.rows):
            return name
    return None


def _stamps(file: _File, name: str) -> tuple[NDArray[Any], str]:
    """Return the timestamps of all rows, and words on where they come from."""
    dates = [attribute for attribute, kind in file.attributes.items() if kind == "date"]
    if not dates or not file.frequency:
        steps = [np.arange(len(values)) for values in file.values]
        return _joined(steps), "counts the steps of each series from 0"
    if file.frequency not in (*_MONTHS, *_SECONDS):
        raise BadTableError(
            "tsf",
            f"the frequency of {name} is {file.frequency!r}",
            f"expected one of {', '.join((*_SECONDS, *_MONTHS))}",
        )
    starts = file.column(dates[0])
    stamps = [
        _steps(start, len(values), file.frequency)
        for start, values in zip(starts, file.values, strict=True)
    ]
    return _joined(stamps), f"is {file.frequency} from {dates[0]!r} on"


def _steps(start: datetime, rows: int, frequency: str) -> NDArray[np.datetime64]:
    """Return the timestamps of one series."""
    first = np.datetime64(start, "s")
    if frequency in _SECONDS:
        return first + np.arange(rows) * np.timedelta64(_SECONDS[frequency], "s")
    begin = first.astype("datetime64[M]")
    time_of_day = first - first.astype("datetime64[D]").astype("datetime64[s]")
    month = begin + np.arange(rows + 1) * _MONTHS[frequency]
    last = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
    day = np.minimum(start.day, last)
    if start.day == last[0]:  # the end of a month stays the end
        day = last
    days = month.astype("datetime64[D]") + (day - 1)
    return days[:rows].astype("datetime64[s]") + time_of_day


def _read_file(path: Path) -> _File:
    """Read a file line by line."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # as the archive has it
    file = _File()
    is_data = False
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if is_data:
                _add_series(file, line)
            else:
                is_data = _add_tag(file, line)
        except ValueError as error:
            raise BadTableError(
                "tsf",
                f"line {number} of {path.name} cannot be read as tsf ({error})",
                "correct the line",
            ) from error
    if not is_data:
        raise BadTableError(
            "tsf", f"{path.name} has no line @data", "expected attributes, @data, and the series"
        )
    return file


def _add_tag(file: _File, line: str) -> bool:
    """Read a line before the data; return whether it is the last one."""
    tag, *words = line.split()
    if not tag.startswith("@"):
        raise ValueError(f"expected a tag such as @attribute, got {tag[:40]!r}")
    if tag == "@attribute":
        if len(words) != 2 or words[1] not in ("string", "numeric", "date"):
            raise ValueError("expected @attribute NAME and string, numeric or date")
        file.attributes[words[0]] = words[1]
    if tag == "@frequency" and words:
        file.frequency = words[0]
    return tag == "@data"


def _add_series(file: _File, line: str) -> None:
    """Read the line of one series: its attributes and its values."""
    *texts, values = line.split(":")
    if len(texts) != len(file.attributes):
        raise ValueError(f"it has {len(texts)} attributes, {len(file.attributes)} are declared")
    row: list[Any] = []
    for text, kind in zip(texts, file.attributes.values(), strict=True):
        if kind == "date":
            row.append(datetime.strptime(text, _START_FORMAT))
        elif kind == "numeric":
            row.append(float(text))
        else:
            row.append(text)
    numbers = [np.nan if cell.strip() == "?" else float(cell) for cell in values.split(",")]
    file.rows.append(row)
    file.values.append(np.array(numbers, np.float64))
