"""Facts about the columns of a table that tell their roles: kind, distinct cells, order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.cells.suffixes import are_measured
from forecast.data.dates.lookalikes import refuse_lookalikes
from forecast.data.dates.stamps import read_stamps
from forecast.data.findings import BadTableError, FindingLog
from forecast.data.formats.opened import Opened
from forecast.data.panel import Columns
from forecast.data.per_series.row_codes import IntCodes, codes_of, determines
from forecast.data.table import MISSING_WORDS, Table
from forecast.errors import ConfigError

Kind = Literal["time", "clock", "number", "flag", "text", "other"]

_SAMPLE = 1000

_MOST = 0.9
"""Share of the cells that decides on the kind of a column: a line of units may be among them."""

_CLOCK = re.compile(r"([01]?\d|2[0-4])((:\d{2}){1,2}([.]\d+)?( ?[AaPp][Mm])?|([.]\d{2}){2})")
_PADDED = re.compile(r"0\d+")
_NUMBER = re.compile(
    r"[^\w\s.,;:/]{0,3}\s?[-+(]?[.,]?\d[\d.,'\u00a0\u202f ]*([eE][-+]?\d+)?\s?\W{0,2}"
)
_TIME_CODES = (
    "ambiguous_dates",
    "counted_years",
    "no_year",
    "number_dates",
    "date_range",
    "unreadable_stamp",
)
"""Findings about a column that contains timestamps, whatever is wrong with them."""


@dataclass(frozen=True, eq=False)
class Facts:
    """Facts about one column.

    Attributes:
        name: of the column.
        kind: the kind of its cells.
        column: (R,) the cells, in the type in which they were read.
    """

    name: str
    kind: Kind
    column: pa.ChunkedArray

    @cached_property
    def codes(self) -> IntCodes:
        """(R,) number of the distinct value of each cell; -1 where it is missing."""
        return codes_of(self.column)

    @cached_property
    def num_distinct(self) -> int:
        """Number of distinct values."""
        return int(self.codes.max(initial=-1)) + 1

    @cached_property
    def head(self) -> IntCodes:
        """The codes of the first rows alone."""
        return codes_of(self.column.slice(0, _SAMPLE))

    def has_more_than(self, number: int) -> bool:
        """Return whether there are more distinct values; the first rows often show it."""
        return int(self.head.max(initial=-1)) + 1 > number or self.num_distinct > number

    @property
    def is_constant(self) -> bool:
        """Whether there is no second value in many rows."""
        return len(self.column) > 1 and not self.has_more_than(1)

    def follows(self, codes: IntCodes) -> bool:
        """Return whether rows equal in `codes` (R,) have equal cells."""
        return determines(codes[:_SAMPLE], self.head) and determines(codes, self.codes)

    @property
    def is_whole(self) -> bool:
        """Whether the cells are whole numbers."""
        return self.kind == "number" and pa.types.is_integer(self.column.type)

    @cached_property
    def is_sorted(self) -> bool:
        """Whether numbers mostly grow from row to row, or mostly fall."""
        steps = np.diff(self.column.drop_null().cast(pa.float64()).to_numpy())
        if not len(steps):
            return True
        return bool(max(np.mean(steps >= 0), np.mean(steps <= 0)) >= _MOST)

    @cached_property
    def counts_rows(self) -> bool:
        """Whether whole numbers grow by one from each row to the next."""
        if not self.is_whole or self.column.null_count or len(self.column) < 3:
            return False
        return bool((np.diff(self.column.to_numpy()) == 1).all())

    @cached_property
    def counts_in_blocks(self) -> bool:
        """Whether whole numbers mostly grow or fall by one, as in tables put one below another."""
        if not self.is_whole or self.column.null_count or len(self.column) < 3:
            return False
        return bool((np.abs(np.diff(self.column.to_numpy())) == 1).mean() >= _MOST)

    @property
    def is_measured(self) -> bool:
        """Whether the first cells are numbers with their unit, such as `12.5 kW`."""
        text = _as_text(self.column)
        return bool(text) and are_measured(pa.chunked_array([pa.array(text, pa.string())]))

    def is_hour(self) -> bool:
        """Return whether the cells could be the hours of a day, 0 to 23 or 1 to 24."""
        if not self.is_whole or not 23 <= self.num_distinct <= 25:
            return False
        limits = pc.min_max(self.column).as_py()
        return bool(limits["min"] in (0, 1) and limits["max"] in (23, 24))


def survey(
    opened: Opened, names: Sequence[str], columns: Columns, time_format: str | None, decimal: str
) -> dict[str, Facts]:
    """Return the facts about some columns.

    Args:
        opened: the table.
        names: of the columns.
        columns: roles with which the reader was opened.
        time_format: as in `TableFormat`.
        decimal: decimal mark of text.

    Raises:
        BadTableError: the table cannot be read.
    """
    cells = _read(opened, names)
    written = _written(opened, names)
    facts = {}
    for name, column in cells.items():
        sample = written.get(name)
        if not sample:
            sample = _as_text(column)
        view = _Sample(name, sample, columns, time_format, decimal)
        facts[name] = Facts(name, _kind(column, view), column)
    return facts


@dataclass(frozen=True)
class _Sample:
    """The first cells of a column as text, without missing ones, and how they are written."""

    name: str
    cells: list[str]
    columns: Columns
    time_format: str | None
    decimal: str

    def mostly(self, pattern: re.Pattern[str]) -> bool:
        """Return whether most cells match a pattern."""
        if not self.cells:
            return False
        return sum(pattern.fullmatch(cell) is not None for cell in self.cells) >= _MOST * len(
            self.cells
        )

    def is_time(self) -> bool:
        """Return whether the reader of timestamps takes the cells, or asks which dates they are."""
        table = Table(
            self.columns.model_copy(update={"time_col": self.name}),
            {self.name: pa.chunked_array([pa.array(self.cells, pa.string())])},
            len(self.cells),
            decimal=self.decimal,
        )
        log = FindingLog(strict=False)
        try:
            time = read_stamps(table, None, log, time_format=self.time_format, tz=None)
        except BadTableError as error:
            return error.finding.code in _TIME_CODES
        except ConfigError:
            return False
        if time.stamps.dtype.kind != "M":
            return False
        return time.readable is None or bool(np.mean(time.readable) >= _MOST)


def _read(opened: Opened, names: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
    """Read columns; of an object in memory those that cannot be read are left out."""
    try:
        return opened.read(list(names))
    except BadTableError:
        if opened.text is not None:
            raise
    cells: dict[str, pa.ChunkedArray] = {}
    for name in names:
        try:
            cells |= opened.read([name])
        except BadTableError as error:
            if error.finding.code == "periods":
                raise
    return cells


def _written(opened: Opened, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the first cells of a text file as they stand there, without missing ones."""
    if opened.text is None:
        return {}
    rows = [cells for _, cells in islice(opened.text.records(), 1, 1 + _SAMPLE)]
    places = {name: place for place, name in enumerate(opened.text.header)}
    cells = {
        name: [row[places[name]].strip() for row in rows if places[name] < len(row)]
        for name in names
    }
    return {
        name: [cell for cell in column if cell not in MISSING_WORDS]
        for name, column in cells.items()
    }


def _as_text(column: pa.ChunkedArray) -> list[str]:
    """Return the first cells of a column of text, without missing ones."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return []
    head = column.drop_null().slice(0, _SAMPLE).cast(pa.string())
    cells = [cell.strip() for cell in head.drop_null().to_pylist()]  # a code may stand for null
    return [cell for cell in cells if cell not in MISSING_WORDS]


def _kind(column: pa.ChunkedArray, sample: _Sample) -> Kind:
    kind = column.type
    if column.null_count == len(column):
        return "other"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    if pa.types.is_time(kind):
        return "clock"
    if pa.types.is_boolean(kind):
        return "flag"
    is_padded = any(_PADDED.fullmatch(cell) for cell in sample.cells)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "text" if is_padded else "number"
    if not sample.cells:
        return "other"
    if sample.mostly(_CLOCK):
        return "clock"
    has_digits = sample.mostly(re.compile(r".*\d.*", re.DOTALL))
    if has_digits and sample.is_time():
        return "time"
    if sample.mostly(_NUMBER) and not is_padded:
        return "number"
    return "text"


def could_be_dates(facts: Facts) -> bool:
    """Return whether numbers look like dates, so that they are asked about when read as a time."""
    if facts.kind != "number":
        return False
    try:
        refuse_lookalikes(facts.column, None, facts.name)
    except BadTableError:
        return True
    except pa.ArrowInvalid:  # numbers as a person writes them, such as 1.234,56
        return False
    return False
