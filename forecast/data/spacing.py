"""The spacing of rows: the frequency they have, and rows that do not lie on its grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import BadTableError, FindingLog, counted, show_stamp
from forecast.data.frequency import Frequency, infer_frequency
from forecast.data.gaps import check_gaps
from forecast.data.order import SortedRows
from forecast.errors import DataError


@dataclass(frozen=True, eq=False)
class Spacing:
    """Rows beside a grid; each number is worked out once, when it is first asked for.

    Attributes:
        rows: in time order.
        grid: the frequency they are held against.
    """

    rows: SortedRows
    grid: Frequency

    @cached_property
    def positions(self) -> IntArray:
        """(R,) place of every row on the grid."""
        return self.grid.positions(self.rows.stamps)

    @cached_property
    def off(self) -> IntArray:
        """Rows that lie beside the grid."""
        return np.flatnonzero(self.grid.stamps(self.positions) != self.rows.stamps)

    @cached_property
    def steps(self) -> IntArray:
        """Places from one row of a series to the next."""
        return np.diff(self.positions)[self.rows.inside]


def find_grid(
    rows: SortedRows, freq: str | None, gaps: str, log: FindingLog
) -> tuple[Frequency, IntArray] | None:
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
    spacing = Spacing(rows, _infer(rows) if freq is None else _declare(rows, freq, log))
    # Rows of steps ahead hold covariates alone, and need not be neighbours.
    is_ahead = not rows.names.table.columns.target_cols
    if freq is not None and not is_ahead:
        _refuse_wrong(spacing, gaps)
    grid, positions = spacing.grid, spacing.positions
    fits = check_on_grid(spacing, log)
    if not is_ahead:
        fits &= _check_series_steps(spacing, log)
    if not fits:
        return None
    whole = bool((spacing.steps <= 1).all())
    return (grid, positions) if whole or check_gaps(rows, grid, positions, gaps, log) else None


def _declare(rows: SortedRows, freq: str, log: FindingLog) -> Frequency:
    """Read the declared frequency; a note tells where its spelling was translated."""
    is_integer = rows.stamps.dtype.kind == "i"
    declared = Frequency.parse(freq, is_integer=is_integer, tz=rows.tz)
    if declared.is_integer and not is_integer:
        raise BadTableError(
            "wrong_frequency", f"freq is {freq!r} but {rows.names.table.columns.time_col} holds dates",
            "give a step of time, such as 'h' or 'D'",
        )  # fmt: skip
    aligned = declared.aligned_to(rows.stamps)
    if not aligned.alias.startswith(freq.strip()):
        log.note(
            "old_alias", f"freq {freq!r} is read as {aligned.alias!r}, the usual name of that step"
        )
    return aligned


def _infer(rows: SortedRows) -> Frequency:
    """Infer the frequency.

    Raises:
        BadTableError: there are too few rows, or their step has no name.
    """
    try:
        return infer_frequency(rows.stamps, rows.offsets, rows.tz)
    except DataError as error:
        size = f"{counted(len(rows.stamps), 'row')} in all, first {rows.names.several([rows.table_row(0)])}"
        raise BadTableError(
            "no_frequency", f"{error} ({size})", "at least 2 rows of one series, or pass freq"
        ) from error


def _refuse_wrong(declared: Spacing, gaps: str) -> None:
    """Raise where the stamps fit the frequency they seem to have far better than the declared one."""
    rows, off, steps = declared.rows, len(declared.off), declared.steps
    if not off and not (steps > 1).any():
        return
    try:
        inferred = Spacing(rows, infer_frequency(rows.stamps, rows.offsets, rows.tz))
    except DataError:  # no frequency would be better than the declared one
        return
    usual = int(np.median(steps)) if len(steps) else 1
    gap_count = 0 if gaps != "refuse" and usual == 1 else int((steps > 1).sum())
    if 2 * (len(inferred.off) + int((inferred.steps > 1).sum())) >= off + gap_count:
        return
    if off:
        found = f"{off} of {counted(len(rows.stamps), 'stamp')} lie off its grid"
    elif usual > 1:
        found = f"neighbours are {usual} steps of it apart"
    else:
        found = f"{counted(gap_count, 'step')} between neighbours are longer"
    shown = ", ".join(show_stamp(stamp) for stamp in rows.stamps[:3])
    raise BadTableError(
        "wrong_frequency",
        f"freq is {declared.grid.alias!r}, but {found} (first stamps {shown})",
        f"the stamps look like {inferred.grid.alias!r}: pass freq: {inferred.grid.alias!r}, or "
        f"leave freq out",
    )


def check_on_grid(spacing: Spacing, log: FindingLog) -> bool:
    """Report stamps that lie beside the grid, with a small histogram of how far.

    Args:
        spacing: the rows and the grid.
        log: gets them.

    Returns:
        Whether there are none.
    """
    rows, grid, off = spacing.rows, spacing.grid, spacing.off
    if not len(off):
        return True
    log.error(
        "off_grid",
        f"{len(off)} of {len(rows.stamps)} stamps do not lie on the {grid.alias!r} grid: "
        f"{rows.several(off)}; "
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


def _check_series_steps(spacing: Spacing, log: FindingLog) -> bool:
    """Report series of which no two rows are one step apart: they have another frequency than the others."""
    if (spacing.steps == 1).all():
        return True
    rows, grid = spacing.rows, spacing.grid
    steps = np.where(rows.inside, np.diff(spacing.positions), np.iinfo(np.int64).max)
    closest = np.minimum.reduceat(np.append(steps, np.iinfo(np.int64).max), rows.offsets[:-1])
    coarse = np.flatnonzero((closest > 1) & (np.diff(rows.offsets) > 2))
    if not len(coarse) or rows.names.ids is None:
        return True
    log.error(
        "mixed_frequency",
        f"no two rows are one step of {grid.alias!r} apart in {counted(len(coarse), 'series')}, "
        f"first series "
        f"{rows.names.ids[coarse[0]]!r} with steps of {closest[coarse[0]]}",
        "give series of one frequency, or pass the right freq",
    )
    return False
