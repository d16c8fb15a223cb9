"""Tables with dates across their columns, one row per series, opened as long tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.cells.marks import count_marks, marks_note, without_marks
from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import (
    SHOWN,
    BadTableError,
    Choice,
    Decisions,
    Finding,
    and_more,
    counted,
    listed,
)
from forecast.data.formats.opened import Cells, Opened, Written
from forecast.data.layouts.labels import DateLabels, find_dates
from forecast.data.layouts.row_names import choose_ids, fill_ids
from forecast.data.layouts.squares import Square, find_square, find_transposed
from forecast.data.names import join_names
from forecast.data.panel import NO_TIME, USUAL_ROLES, Columns
from forecast.data.text.footers import is_total
from forecast.section import AUTO

Reopen = Callable[[Opened, Columns], Opened]
"""Opens a table again, with other roles."""

ACROSS = "dates_across"
"""Name of this layout."""

Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Wide:
    """The cells of a table with dates across.

    Attributes:
        fronts: the columns that name the rows.
        words: the same as text, null where a cell is empty.
        values: (T * N,) the columns of values, one after another.
        present: (T, N) whether there is a value.
        labels: the dates of the columns; none in a square.
        square: the parts of the time in header and rows, if it has such.
        notes: findings made so far.
    """

    fronts: Cells
    words: Cells
    values: pa.ChunkedArray
    present: NDArray[np.bool_]
    labels: DateLabels
    square: Square | None
    notes: tuple[Finding, ...]


def open_across(opened: Opened, reopen: Reopen, columns: Columns, written: Written) -> Opened:
    """Open a table, and as a long one if its header has dates or parts of them.

    Args:
        opened: the table.
        reopen: opens it with other roles.
        columns: the roles.
        written: the format; its layout is `auto` or `dates_across`.

    Raises:
        BadTableError: the dates can be read in several ways, or there are none although the layout
            says so.
    """
    is_asked = written.layout == ACROSS
    if _is_long(opened.names, columns, is_asked=is_asked):
        return opened
    square, labels = _dates_of(opened.names, written)
    spread = labels.names if square is None else tuple(square.labels)
    if not spread:
        if is_asked:
            raise _no_dates(opened.names)
        return opened
    refuse_doubled(opened.names)
    fronts = tuple(name for name in opened.names if name not in set(spread))
    # ids keep their leading zeros where they are read as text
    opened = reopen(opened, columns.model_copy(update={"categorical": fronts}))
    return _as_long(opened, _read(opened, spread, labels, square), columns)


def has_dates_across(names: Sequence[str], columns: Columns, written: Written) -> bool:
    """Return whether `open_across` makes a long table of one with these column names."""
    is_asked = written.layout == ACROSS
    if written.layout not in (AUTO, ACROSS) or _is_long(names, columns, is_asked=is_asked):
        return False
    square, labels = _dates_of(names, written)
    return square is not None or bool(labels.names)


def _dates_of(names: Sequence[str], written: Written) -> tuple[Square | None, DateLabels]:
    """Return the parts of the time in a header, or its dates; none of them in a usual table."""
    square = find_square(names)
    if square is not None:
        return square, DateLabels((), np.empty(0))
    return None, find_dates(names, written.time_format, is_asked=written.layout == ACROSS)


def doubled_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that several columns have."""
    return tuple(name for name, count in Counter(names).items() if count > 1)


def refuse_doubled(names: Iterable[str]) -> None:
    """Raise where two columns have one name.

    Raises:
        BadTableError: always then.
    """
    doubled = doubled_names(names)
    if doubled:
        raise BadTableError(
            "duplicate_columns",
            f"column {doubled[0]!r} occurs twice",
            "rename or remove one of them",
        )


def _is_long(names: Sequence[str], columns: Columns, *, is_asked: bool) -> bool:
    """Return whether the roles name columns of this table that only a long one has.

    Args:
        names: the header.
        columns: the roles.
        is_asked: whether the layout was given, as by a run on a wide table: then time and target
            must both be there.
    """
    if columns.time_col == NO_TIME:
        return True
    times = set(parts_of(columns.time_col, tuple(names))) & set(names)
    if is_asked:
        return bool(times) and set(columns.target_cols) <= set(names)
    roles = (*columns.target_cols, *columns.past_covariates, *columns.known_covariates)
    return bool(set(roles) & set(names)) or len(times) > 1


def _no_dates(names: Sequence[str]) -> BadTableError:
    return BadTableError(
        "no_dates_across",
        f"the layout is {ACROSS!r}, and the header has no dates such as '2024-01': the columns are "
        f"{listed(names)}",
        "name the columns by dates",
        settings=({"data.layout": "long"},),
    )


def _read(
    opened: Opened, spread: tuple[str, ...], labels: DateLabels, square: Square | None
) -> _Wide:
    """Read all cells of a table with dates across."""
    data = opened.read(list(opened.names))
    num_rows = len(data[spread[0]])
    values, notes = _values([data.pop(name) for name in spread])
    words = {name: _as_text(column) for name, column in data.items()}
    if labels.are_years:
        rows = {name: column.to_pylist() for name, column in words.items()}
        square = find_transposed(spread, rows)
    present = np.concatenate([chunk.is_valid().to_numpy(False) for chunk in values.chunks])
    present = present.reshape(len(spread), num_rows)
    return _Wide(data, words, values, present, labels, square, notes)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the cells that name rows as trimmed text, null where one is empty."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), None, text)


def _values(columns: list[pa.ChunkedArray]) -> tuple[pa.ChunkedArray, tuple[Finding, ...]]:
    """Return the columns of values one after another, null where one is missing, and notes."""
    kinds = {column.type for column in columns if not pa.types.is_null(column.type)}
    kind = pa.float64()
    if any(not (pa.types.is_integer(kind) or pa.types.is_floating(kind)) for kind in kinds):
        kind = pa.string()
    elif kinds and all(pa.types.is_integer(kind) for kind in kinds):
        kind = pa.int64()
    chunks = [chunk for column in columns for chunk in column.cast(kind).chunks]
    values = pa.chunked_array(chunks, kind)
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_nan(values), None, values), ()
    if pa.types.is_integer(kind):
        return values, ()
    marks = count_marks(values)
    notes = (marks_note(marks, "the values"),) if marks else ()
    return without_marks(values), notes


def _as_long(opened: Opened, wide: _Wide, columns: Columns) -> Opened:
    """Return a table with dates across as an opened long one."""
    usable, notes = _usable_rows(wide, opened)
    ids = choose_ids(wide.words, usable, columns, wide.square)
    filled, id_notes = fill_ids(wide.words, usable, ids)
    fronts = {**wide.fronts, **filled}
    wide = replace(wide, words={**wide.words, **filled})
    order = _in_order(wide, usable, ids)
    num_rows = len(usable)
    rows = order % num_rows
    if wide.square is not None:
        fronts.pop(wide.square.label_col)
    time_col, target = _new_names(columns, tuple(fronts))
    long = {
        time_col: pa.chunked_array([_stamps(wide, rows, order // num_rows)]),
        target: wide.values.take(pa.array(order)),
    }

    def read(wanted: list[str]) -> Cells:
        place = pa.array(rows)
        return {name: long[name] if name in long else fronts[name].take(place) for name in wanted}

    decisions = _decisions(wide, ids)
    form = f"{decisions['data.layout'].reason}: read one after another"
    if wide.square is None:
        form = f"{decisions['data.layout'].reason}: each row is a series"
    if ids:
        form += f", named by {listed(ids)}"
    return Opened(
        (*fronts, *long),
        read,
        (*opened.notes, Finding(ACROSS, "note", form), *wide.notes, *notes, *id_notes),
        opened.text,
        rows if opened.row_numbers is None else opened.row_numbers[rows],
        decisions,
    )


def _new_names(columns: Columns, fronts: tuple[str, ...]) -> tuple[str, str]:
    """Return the names of the columns of time and values in the long table."""
    time_col = columns.time_col
    if time_col in fronts or "," in time_col:
        time_col = USUAL_ROLES.time_col
    return time_col, columns.target_cols[0]


def _usable_rows(wide: _Wide, opened: Opened) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Return (N,) which rows are series or parts of one, and notes on the others.

    Rows of totals at the end are none, nor are rows without a value, such as the sources below a
    table.
    """
    has_value = np.asarray(wide.present.any(axis=0))
    label_col = next(iter(wide.words), None)
    is_sum: NDArray[np.bool_] = np.zeros(len(has_value), dtype=bool)
    if wide.square is not None:
        labels = wide.words[wide.square.label_col].to_pylist()
        is_sum = wide.square.row_numbers(labels) < 0
    elif label_col is not None:
        labels = wide.words[label_col].to_pylist()
        row = len(labels) - 1
        while row > 0 and is_total(labels[row] or ""):
            is_sum[row] = True
            row -= 1
    is_sum &= has_value
    notes = []
    if not has_value.all():
        named = _named_rows(wide, opened, np.flatnonzero(~has_value))
        notes.append(Finding("empty_rows", "note", f"without a value and left out: {named}"))
    if is_sum.any():
        named = _named_rows(wide, opened, np.flatnonzero(is_sum))
        notes.append(Finding("totals", "note", f"of totals and left out: {named}"))
    return has_value & ~is_sum, notes


def _named_rows(wide: _Wide, opened: Opened, rows: Index) -> str:
    """Write `2 rows (line 5 'Total', ...)`."""
    places = opened.row_numbers
    names = []
    for row in rows[:SHOWN].tolist():
        place = f"row {row if places is None else places[row]}"
        if opened.text is not None:
            place = f"line {opened.text.lines([row])[0]}"
        cells = [column[row].as_py() for column in wide.words.values()]
        label = next((cell for cell in cells if cell), "")
        names.append(f"{place} {label[:40]!r}" if label else place)
    return f"{counted(len(rows), 'row')} ({', '.join(names)}{and_more(len(rows))})"


def _in_order(wide: _Wide, usable: NDArray[np.bool_], ids: tuple[str, ...]) -> Index:
    """Return the places in `values` of all cells, by series and time.

    Missing cells before the first and after the last value of a series are left out.
    """
    num_columns, num_rows = wide.present.shape
    rows = np.flatnonzero(usable)
    if wide.square is None:
        by_time = np.argsort(wide.labels.stamps, kind="stable")
        order = (by_time[np.newaxis, :] * num_rows + rows[:, np.newaxis]).ravel()
        series = np.repeat(np.arange(len(rows)), num_columns)
    else:
        numbers = wide.square.row_numbers(wide.words[wide.square.label_col].to_pylist())
        order = (np.arange(num_columns)[:, np.newaxis] * num_rows + rows).ravel()
        codes = _codes([wide.words[name] for name in ids], num_rows)
        ranks = wide.square.ranks(numbers[order % num_rows], order // num_rows)
        by_series = np.lexsort((ranks, codes[order % num_rows]))
        order = order[by_series]
        series = codes[order % num_rows]
    has_value = wide.present.ravel()[order]
    return order[_between(has_value, series)]


def _codes(columns: list[pa.ChunkedArray], num_rows: int) -> Index:
    """Return (N,) a number for each distinct row of some columns."""
    if not columns:
        return np.zeros(num_rows, np.int64)
    cells = list(zip(*(column.to_pylist() for column in columns), strict=True))
    known = {cell: number for number, cell in enumerate(dict.fromkeys(cells))}
    return np.array([known[cell] for cell in cells], np.int64)


def _between(has_value: NDArray[np.bool_], series: Index) -> NDArray[np.bool_]:
    """Return (R,) which cells are not before the first value of their series or after the last."""
    places = np.flatnonzero(has_value)
    starts = np.flatnonzero(np.diff(series, prepend=-1))
    ends = np.append(starts[1:], len(series))
    first = places[np.searchsorted(places, starts).clip(max=len(places) - 1)]
    last = places[(np.searchsorted(places, ends) - 1).clip(min=0)]
    lengths = ends - starts
    each = np.arange(len(series))
    return (each >= np.repeat(first, lengths)) & (each <= np.repeat(last, lengths))


def _stamps(wide: _Wide, rows: Index, columns: Index) -> pa.Array:
    """Return (R,) the time of each cell: whole numbers, dates, or text in a square."""
    if wide.square is not None:
        labels = wide.words[wide.square.label_col].take(pa.array(rows)).to_pylist()
        return wide.square.stamps(labels, columns)
    return pa.array(wide.labels.stamps[columns])


def _decisions(wide: _Wide, ids: tuple[str, ...]) -> Decisions:
    """Return the settings with which a further table of this kind is read in the same way."""
    if wide.square is not None:
        reason = f"{wide.square.parts.noun} stand in the header, years or days in the rows"
        if wide.square.is_transposed:
            reason = f"years stand in the header, {wide.square.parts.noun} in the rows"
    else:
        names = wide.labels.names
        reason = f"{counted(len(names), 'column')} of the header are dates, {_span(names)}"
    decisions = {"data.layout": Choice(ACROSS, reason)}
    if ids:
        # a single name stays as it is, also with a comma in it
        name = ids[0] if len(ids) == 1 else join_names(ids)
        decisions["data.id_col"] = Choice(name, "tells the rows apart")
    if wide.labels.time_format is not None:
        decisions["data.time_format"] = Choice(wide.labels.time_format, "fits the header")
    return decisions


def _span(names: tuple[str, ...]) -> str:
    return f"{names[0].strip()!r} to {names[-1].strip()!r}"
