"""Rows in order on their grid: sorting, duplicates, frequency, gaps and changes of the clocks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.findings import SHOWN, BadTableError, FindingLog, RowNames, counted, show_stamp
from forecast.data.frequency import Frequency, infer_frequency
from forecast.data.grid import DAY
from forecast.errors import DataError

IntArray = NDArray[np.int64]

_DST_ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "Australia/Sydney", "Pacific/Auckland", "America/Santiago",
)  # fmt: skip
_MOST_FILLED = 10  # rows that `gaps: fill` may make of one


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a table, one series after another, each in time order.

    Attributes:
        order: (R,) row of the table; None where the table has this order already.
        offsets: (N + 1,) first row of every series.
        stamps: (R,) in this order.
        names: how rows of the table are called.
        tz: time zone of the stamps as given.
    """

    order: NDArray[np.int64] | None
    offsets: IntArray
    stamps: NDArray[np.generic]
    names: RowNames
    tz: str | None

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(R - 1,) whether a row and the next are of one series."""
        inside = np.ones(max(len(self.stamps) - 1, 0), dtype=bool)
        inside[self.offsets[1:-1] - 1] = False
        return inside

    def sorted(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring one column of the table into this order."""
        return cells if self.order is None else cells[self.order]

    def table_row(self, row: int) -> int:
        """Return the row of the table that has the given place in this order."""
        return int(row) if self.order is None else int(self.order[row])

    def several(self, rows: IntArray) -> str:
        """Name the first of some rows, given by their place in this order."""
        return self.names.several([self.table_row(row) for row in rows[:SHOWN]], len(rows))


def sort_rows(names: RowNames, tz: str | None, log: FindingLog) -> Rows:
    """Put the rows of each series together and in time order; the sort is stable.

    Args:
        names: holds ids, series and stamp of every row; rows of no series are left out.
        tz: time zone of the stamps as given.
        log: gets a note where rows were out of order.
    """
    if names.codes is None or names.ids is None or names.stamps is None:
        raise TypeError("rows are sorted once their series and stamps are known")
    kept = np.flatnonzero(names.codes >= 0)
    whole = len(kept) == len(names.codes)
    codes, stamps = (names.codes, names.stamps) if whole else (names.codes[kept], names.stamps[kept])
    order = _sorting_order(codes, stamps.view(np.int64))
    rows = np.arange(len(kept)) if order is None else order
    counts = np.bincount(codes, minlength=len(names.ids))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    if order is not None and (early := _first_unsorted(codes, stamps.view(np.int64))) is not None:
        log.note("unsorted", f"rows of a series were not in time order, first {names.several([kept[early]])}: sorted")
    if order is None and whole:
        return Rows(None, offsets, stamps, names, tz)
    return Rows(kept[rows], offsets, stamps[rows], names, tz)


def _sorting_order(codes: NDArray[np.integer], ticks: IntArray) -> IntArray | None:
    """Return the stable order by series and time, or None where the rows have it."""
    if _is_sorted(codes, ticks):
        return None
    order = np.argsort(codes, kind="stable")
    return order if _is_sorted(codes[order], ticks[order]) else np.lexsort((ticks, codes))


def _is_sorted(codes: NDArray[np.integer], ticks: IntArray) -> bool:
    same, later = codes[1:] == codes[:-1], ticks[1:] >= ticks[:-1]
    return bool(((codes[1:] > codes[:-1]) | (same & later)).all())


def _first_unsorted(codes: NDArray[np.integer], ticks: IntArray) -> int | None:
    """First row that is earlier than the row of its series before it."""
    order = np.argsort(codes, kind="stable")
    back = (np.diff(ticks[order]) < 0) & (np.diff(codes[order]) == 0)
    return int(order[1:][back].min()) if back.any() else None


def check_duplicates(rows: Rows, log: FindingLog) -> None:
    """Report stamps that occur twice in a series, pair by pair."""
    again = np.flatnonzero((rows.stamps[1:] == rows.stamps[:-1]) & rows.inside) + 1
    if not len(again):
        return
    pairs = ", ".join(_name_pair(rows, row) for row in again[:SHOWN])
    message = f"{counted(len(again), 'stamp')} twice: {pairs}" + _more(len(again))
    if zone := _changing_zone(rows, rows.stamps[again], "repeats"):
        log.error("local_time", f"{message}; {_looks_local(zone)}", _pass_zone(zone))
        return
    fix = "remove or aggregate one of each pair"
    if len(rows.offsets) == 2:
        fix += "; if the table holds several series, name their column with id_col"
    log.error("duplicate_stamps", message, fix)


def _name_pair(rows: Rows, row: int) -> str:
    first, second = rows.table_row(row - 1), rows.table_row(row)
    place = rows.names.table.places([first, second])
    return f"{rows.names.series(second)}{place[0]} and {place[1]}{rows.names.stamp(second)}"


def find_grid(rows: Rows, freq: str | None, gaps: str, log: FindingLog) -> tuple[Frequency, IntArray] | None:
    """Return the frequency of the rows and the place of each on its grid, or None where they fit none.

    Args:
        rows: in time order.
        freq: as declared; inferred where it is None.
        gaps: `refuse`, `skip` or `fill`.
        log: gets rows that do not fit.

    Raises:
        BadTableError: the frequency cannot be seen, or is not the declared one.
        ConfigError: `freq` is no frequency.
    """
    declared = None if freq is None else _declare(rows, freq, log)
    inferred = _infer(rows)
    if inferred is None and declared is None:
        first = rows.names.several([rows.table_row(0)])
        raise BadTableError(
            "too_few_rows",
            f"no series has two different stamps ({counted(len(rows.stamps), 'row')} in all, first {first})",
            "at least 2 rows of one series are needed to see the step between them; or pass freq",
        )
    if declared is not None and inferred is not None:
        _refuse_wrong(rows, declared, inferred, gaps)
    grid = declared or inferred
    if grid is None:
        return None
    positions = grid.positions(rows.stamps)
    fits = _check_on_grid(rows, grid, log) & _check_series_steps(rows, grid, positions, log)
    return (grid, positions) if fits and check_gaps(rows, grid, positions, gaps, log) else None


def _declare(rows: Rows, freq: str, log: FindingLog) -> Frequency:
    """Read the declared frequency; a note tells where an old alias was translated."""
    is_integer = rows.stamps.dtype.kind == "i"
    declared = Frequency.parse(freq, is_integer=is_integer, tz=rows.tz)
    if declared.is_integer and not is_integer:
        raise BadTableError(
            "wrong_frequency", f"freq is {freq!r} but {rows.names.table.columns.time_col} holds dates",
            "give a step of time, such as 'h' or 'D'",
        )  # fmt: skip
    if not declared.alias.startswith(freq.strip()):
        log.note("old_alias", f"freq {freq!r} is written {declared.alias!r} since pandas 3: translated")
    return declared.aligned_to(rows.stamps)


def _infer(rows: Rows) -> Frequency | None:
    try:
        return infer_frequency(rows.stamps, rows.offsets, rows.tz)
    except DataError:
        return None


def _refuse_wrong(rows: Rows, declared: Frequency, inferred: Frequency, gaps: str) -> None:
    """Raise where the stamps fit the inferred frequency far better than the declared one."""
    off, steps = _misfit(rows, declared)
    if not off and not (steps > 1).any():
        return
    off_inferred, steps_inferred = _misfit(rows, inferred)
    usual = int(np.median(steps)) if len(steps) else 1
    gap_count = 0 if gaps != "refuse" and usual == 1 else int((steps > 1).sum())
    if 2 * (off_inferred + int((steps_inferred > 1).sum())) < off + gap_count:
        found = f"{off} of {len(rows.stamps)} stamps lie off its grid" if off else f"neighbours are {usual} steps of it apart"
        shown = ", ".join(show_stamp(stamp) for stamp in rows.stamps[:3])
        raise BadTableError(
            "wrong_frequency",
            f"freq is {declared.alias!r}, but {found if off or usual > 1 else f"{counted(gap_count, 'step')} between neighbours are longer"} "
            f"(first stamps {shown})",
            f"the stamps look like {inferred.alias!r}: pass freq: {inferred.alias!r}, or leave freq out",
        )


def _misfit(rows: Rows, grid: Frequency) -> tuple[int, IntArray]:
    """Count the stamps off the grid, and return the steps between neighbours."""
    steps = np.diff(grid.positions(rows.stamps))[rows.inside]
    return int((~grid.on_grid(rows.stamps)).sum()), steps


def _check_on_grid(rows: Rows, grid: Frequency, log: FindingLog) -> bool:
    """Report stamps that lie beside the grid, with a small histogram of how far."""
    off = np.flatnonzero(~grid.on_grid(rows.stamps))
    if not len(off):
        return True
    log.error(
        "off_grid",
        f"{len(off)} of {len(rows.stamps)} stamps do not lie on the {grid.alias!r} grid: {rows.several(off)}; "
        f"distance to the grid: {_histogram(rows.stamps, grid)}",
        f"round the stamps to {grid.alias!r}, or pass the right freq",
    )
    return False


def _histogram(stamps: NDArray[np.generic], grid: Frequency) -> str:
    """Write how many stamps lie how far from the nearest place of the grid."""
    positions = grid.positions(stamps)
    ticks = stamps.view(np.int64)
    below, above = (ticks - grid.stamps(positions + shift).view(np.int64) for shift in (0, 1))
    distance = np.where(below <= -above, below, above) / (1 if grid.is_integer else 10**9)
    unit = "" if grid.is_integer else " s"
    counts, edges = np.histogram(distance, bins=5)
    return ", ".join(
        f"{low:.3g} to {high:.3g}{unit}: {count}"
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        if count
    )


def _check_series_steps(rows: Rows, grid: Frequency, positions: IntArray, log: FindingLog) -> bool:
    """Report series of which no two rows are one step apart: they have another frequency than the others."""
    inside = rows.inside
    steps = np.where(inside, np.diff(positions), np.iinfo(np.int64).max)
    closest = np.minimum.reduceat(np.append(steps, np.iinfo(np.int64).max), rows.offsets[:-1])
    coarse = np.flatnonzero((closest > 1) & (np.diff(rows.offsets) > 2))
    if not len(coarse) or rows.names.ids is None:
        return True
    log.error(
        "mixed_frequency",
        f"no two rows are one step of {grid.alias!r} apart in {counted(len(coarse), 'series')}, first series "
        f"{rows.names.ids[coarse[0]]!r} with steps of {closest[coarse[0]]}",
        "give series of one frequency, or pass the right freq",
    )
    return False


def check_gaps(rows: Rows, grid: Frequency, positions: IntArray, gaps: str, log: FindingLog) -> bool:
    """Report missing stamps: an error where gaps are refused, else a note."""
    steps = np.diff(positions)
    after = np.flatnonzero((steps > 1) & rows.inside) + 1
    if not len(after):
        return True
    missing = int((steps[after - 1] - 1).sum())
    shown = ", ".join(_name_gap(rows, row, int(steps[row - 1]) - 1) for row in after[:SHOWN])
    message = f"{counted(missing, 'stamp')} missing in {counted(len(after), 'gap')}: {shown}" + _more(len(after))
    if gaps == "skip":
        log.note("gaps", f"{message}; no window spans them")
    elif gaps == "fill":
        _refuse_explosion(rows, missing, message)
        log.note("gaps", f"{message}; filled with {counted(missing, 'row')} of missing values")
    elif zone := _changing_zone(rows, grid.stamps(positions[after] - 1), "skips", steps[after - 1]):
        log.error("local_time", f"{message}; {_looks_local(zone)}", _pass_zone(zone))
    else:
        log.error("gaps", message, "pass gaps: skip to leave out windows that span one, or gaps: fill to insert rows")
    return gaps != "refuse"


def _name_gap(rows: Rows, row: int, missing: int) -> str:
    first, second = show_stamp(rows.stamps[row - 1]), show_stamp(rows.stamps[row])
    table_row = rows.table_row(row)
    place = rows.names.table.places([table_row])[0]
    return f"{rows.names.series(table_row)}{place} ({missing} missing between {first} and {second})"


def _refuse_explosion(rows: Rows, missing: int, message: str) -> None:
    if missing > _MOST_FILLED * len(rows.stamps):
        raise BadTableError(
            "gaps", f"{message}; filling them would make {len(rows.stamps)} rows {missing + len(rows.stamps)}",
            "pass gaps: skip, or correct stray stamps",
        )  # fmt: skip


def fill_gaps(rows: Rows, grid: Frequency, positions: IntArray) -> tuple[Rows, IntArray, IntArray]:
    """Insert the missing stamps of every series.

    Returns:
        The rows with them, all positions, and the place of every old row among the new ones.
    """
    first, last = positions[rows.offsets[:-1]], positions[rows.offsets[1:] - 1]
    offsets = np.concatenate([[0], np.cumsum(last - first + 1)]).astype(np.int64)
    shift = offsets[:-1] - first
    place = positions + np.repeat(shift, np.diff(rows.offsets))
    filled = np.arange(offsets[-1]) - np.repeat(shift, np.diff(offsets))
    return replace(rows, order=None, offsets=offsets, stamps=grid.stamps(filled)), filled, place


def _changing_zone(rows: Rows, stamps: NDArray[np.generic], change: str, steps: IntArray | None = None) -> str | None:
    """Return a zone whose clocks repeat or skip each of these naive stamps, if there is one.

    Args:
        rows: of one series after another.
        stamps: those that occur twice, or that are missing.
        change: `repeats` or `skips`.
        steps: with `skips`, the step over each gap; a change of the clocks hides one hour.
    """
    ticks: IntArray = rows.stamps[:1000].view(np.int64)
    whole_days = bool((np.diff(ticks) % DAY == 0).all())
    if rows.tz is not None or rows.stamps.dtype.kind != "M" or whole_days or (steps is not None and (steps > 61).any()):
        return None
    for zone in _DST_ZONES:
        index = pd.DatetimeIndex(stamps)
        twice = np.zeros(len(index), dtype=bool)
        try:
            first = index.tz_localize(zone, ambiguous=~twice, nonexistent="NaT")
            second = index.tz_localize(zone, ambiguous=twice, nonexistent="NaT")
        except (KeyError, ValueError):  # a machine without a time zone database
            return None
        changed = first.isna() if change == "skips" else (first != second) & first.notna()
        if changed.all():
            return zone
    return None


def _more(total: int) -> str:
    return f" and {total - SHOWN} more" if total > SHOWN else ""


def _looks_local(zone: str) -> str:
    return f"this looks like local time with DST, as in {zone}"


def _pass_zone(zone: str) -> str:
    return f"pass tz: with the zone of the data, for example tz: {zone}"
