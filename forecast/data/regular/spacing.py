"""The spacing of rows: their frequency, and rows that are not on its grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import BadTableError, Change, FindingLog, counted, show_stamp
from forecast.data.frequency import Frequency
from forecast.data.infer import infer_frequency
from forecast.data.order import SortedRows
from forecast.data.regular.clocks import in_zone, zone_of_days
from forecast.data.regular.closures import count_trading_days
from forecast.data.regular.gaps import check_gaps
from forecast.data.regular.intervals import can_resample
from forecast.data.regular.proposed_steps import resample_change
from forecast.data.regular.time_steps import TimeSteps
from forecast.errors import DataError

_REGULAR_SHARE = 0.5
"""Least share of the steps of a series that are its shortest one, where that is its frequency."""


@dataclass(frozen=True, eq=False)
class Spacing:
    """Rows compared with a grid; each result is computed when it is first read.

    Attributes:
        rows: rows in time order.
        grid: the frequency.
    """

    rows: SortedRows
    grid: Frequency

    @cached_property
    def positions(self) -> IntArray:
        """(R,) position of every row on the grid."""
        return self.grid.positions(self.rows.stamps)

    @cached_property
    def off(self) -> IntArray:
        """Rows that are not on the grid."""
        return np.flatnonzero(self.grid.stamps(self.positions) != self.rows.stamps)

    @cached_property
    def steps(self) -> IntArray:
        """Steps from one row to the next of the same series."""
        return np.diff(self.positions)[self.rows.inside]


def find_grid(
    rows: SortedRows,
    freq: str | None,
    gaps: str,
    log: FindingLog,
    settings: TimeSteps,
    later: NDArray[np.generic] | None = None,
) -> tuple[Frequency, IntArray] | None:
    """Return the frequency and (R,) positions of the rows, or None where there is an error.

    Args:
        rows: rows in time order.
        freq: declared frequency; None to infer it.
        gaps: `refuse`, `skip` or `fill`.
        log: gets the findings.
        settings: how the rows became steps.
        later: timestamps of the future rows of the table.

    Raises:
        BadTableError: the frequency cannot be inferred, or is not the declared one.
        ConfigError: `freq` is not a frequency.
    """
    grid = _infer(rows, log) if freq is None else _declare(rows, freq, log)
    # the days and longer steps that `resample` makes have the names that they always have
    is_made = settings.resample is not None
    grid = replace(grid, at_end=settings.stamps == "end" and (grid.is_intraday or not is_made))
    spacing = Spacing(rows, grid)
    # rows of forecast steps contain covariates alone and need not be neighbours
    is_ahead = not rows.names.table.columns.target_cols
    if freq is not None and not is_ahead and not is_made:
        _refuse_wrong(spacing, gaps)
    if not is_ahead:
        stamps = rows.stamps
        if later is not None:
            stamps = np.concatenate([stamps, later])
        counted_days = count_trading_days(grid, stamps, settings.trading_days, log)
        if counted_days is not grid:
            grid = counted_days
            spacing = Spacing(rows, grid)

    positions = spacing.positions
    is_accepted = check_on_grid(spacing, log)
    if not is_ahead:
        is_accepted &= _check_series_steps(spacing, log)
    if not is_accepted:
        return None
    has_gaps = bool((spacing.steps > 1).any())
    if has_gaps and not check_gaps(rows, grid, positions, gaps, log):
        return None
    return grid, positions


def _declare(rows: SortedRows, freq: str, log: FindingLog) -> Frequency:
    """Read the declared frequency; add a note where its spelling was translated."""
    is_integer = rows.stamps.dtype.kind == "i"
    declared = Frequency.parse(freq, is_integer=is_integer, tz=rows.tz)
    if declared.is_integer and not is_integer:
        time_col = rows.names.table.columns.time_col
        raise BadTableError(
            "wrong_frequency",
            f"freq is {freq!r} but {time_col} contains dates",
            "give a step of time, such as 'h' or 'D'",
            settings=({"data.freq": None},),
        )
    aligned = declared.aligned_to(rows.stamps)
    if not aligned.alias.startswith(freq.strip()):
        log.note(
            "old_alias",
            f"`data.freq` {freq!r} is read as {aligned.alias!r}, the usual name of that step",
        )
    return aligned


def _infer(rows: SortedRows, log: FindingLog) -> Frequency:
    """Infer the frequency; add a note where its steps are unusual days of the week.

    Raises:
        BadTableError: there are too few rows, or their step has no name.
    """
    try:
        grid = infer_frequency(rows.stamps, rows.offsets, rows.tz)
    except DataError as error:
        first = rows.names.several([rows.table_row(0)])
        resample = resample_change(rows)
        raise BadTableError(
            "no_frequency",
            f"{error} ({counted(len(rows.stamps), 'row')} in all, first {first})",
            "give at least 2 rows of one series, or pass `data.freq`",
            settings=() if resample is None else (resample,),
        ) from error
    if grid.is_business and grid.alias != "B":
        days = grid.alias.removeprefix("B-").replace("-", " to ").replace(",", ", ")
        log.note("weekdays", f"rows are on {days} alone: these days are the steps ({grid.alias!r})")
    return grid


def _refuse_wrong(declared: Spacing, gaps: str) -> None:
    """Raise where the inferred frequency fits the timestamps far better than the declared one."""
    rows = declared.rows
    steps = declared.steps
    off = len(declared.off)
    if not off and not (steps > 1).any():
        return
    try:
        inferred = Spacing(rows, infer_frequency(rows.stamps, rows.offsets, rows.tz))
    except DataError:  # nothing fits better than the declared one
        return

    usual = 1
    if len(steps):
        usual = int(np.median(steps))
    num_gaps = int((steps > 1).sum())
    if gaps != "refuse" and usual == 1:  # gaps are allowed
        num_gaps = 0
    if 2 * (len(inferred.off) + int((inferred.steps > 1).sum())) >= off + num_gaps:
        return

    if off:
        reason = f"{off} of {counted(len(rows.stamps), 'timestamp')} are not on its grid"
    elif usual > 1:
        reason = f"neighbours are {usual} of its steps apart"
    else:
        reason = f"{counted(num_gaps, 'step')} between neighbours are longer"
    first = ", ".join(show_stamp(stamp, rows.tz) for stamp in rows.stamps[:3])
    alias = inferred.grid.alias
    raise BadTableError(
        "wrong_frequency",
        f"freq is {declared.grid.alias!r}, but {reason} (first timestamps {first})",
        settings=(Change({"data.freq": alias}, "as the timestamps look"),),
    )


def check_on_grid(spacing: Spacing, log: FindingLog) -> bool:
    """Report timestamps that are not on the grid, with a small histogram of their distances.

    Args:
        spacing: the rows and the grid.
        log: gets an error with these rows.

    Returns:
        Whether all timestamps are on the grid.
    """
    rows = spacing.rows
    off = spacing.off
    if not len(off):
        return True
    alias = spacing.grid.alias
    message = (
        f"{len(off)} of {len(rows.stamps)} timestamps are not on the {alias!r} grid: "
        f"{rows.several(off)}; "
        f"distance to the grid: {_histogram(rows.stamps, spacing.grid)}"
    )
    zone = zone_of_days(rows)
    if zone is not None:
        log.error(
            "local_days",
            f"{message}; all are midnight in {zone}",
            settings=(in_zone({"data.tz": zone}),),
        )
        return False
    resample = resample_change(rows)
    log.error(
        "off_grid",
        message,
        f"round the timestamps to {alias!r}, or pass the right `data.freq`",
        settings=() if resample is None else (resample,),
    )
    return False


def _histogram(stamps: NDArray[np.generic], grid: Frequency) -> str:
    """Write the distances of timestamps to the nearest point of the grid, in five bins."""
    positions = grid.positions(stamps)
    ticks = stamps.view(np.int64)
    below = ticks - grid.stamps(positions).view(np.int64)
    above = ticks - grid.stamps(positions + 1).view(np.int64)
    distance = np.where(below <= -above, below, above)
    unit = ""
    if not grid.is_integer:
        distance = distance / 10**9  # nanoseconds to seconds
        unit = " s"
    counts, edges = np.histogram(distance, bins=5)
    return ", ".join(
        f"{low:.3g} to {high:.3g}{unit}: {count}"
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        if count
    )


def _check_series_steps(spacing: Spacing, log: FindingLog) -> bool:
    """Report series without two neighbouring rows: their frequency differs from the others'.

    Returns:
        Whether there are none.
    """
    if (spacing.steps == 1).all():
        return True
    rows = spacing.rows
    most = np.iinfo(np.int64).max
    steps = np.where(rows.inside, np.diff(spacing.positions), most)
    closest = np.minimum.reduceat(np.append(steps, most), rows.offsets[:-1])  # (N,)
    is_closest = np.append(steps, most) == np.repeat(closest, np.diff(rows.offsets))
    num_closest = np.add.reduceat(is_closest.astype(np.int64), rows.offsets[:-1])
    num_steps = np.diff(rows.offsets) - 1
    # rows at various distances have the same steps and many gaps
    is_regular = num_closest > _REGULAR_SHARE * num_steps
    coarse = np.flatnonzero((closest > 1) & (num_steps > 1) & is_regular)
    if not len(coarse) or rows.names.ids is None:
        return True
    first = coarse[0]
    log.error(
        "mixed_frequency",
        f"no two rows are one step of {spacing.grid.alias!r} apart in "
        f"{counted(len(coarse), 'series')}, first series {rows.names.ids[first]!r} with steps of "
        f"{closest[first]}",
        "give series of one frequency, or pass the right `data.freq`",
        settings=_in_coarsest_steps(rows, coarse[closest[coarse].argmax()]),
        asks=True,
    )
    return False


def _in_coarsest_steps(rows: SortedRows, series: int) -> tuple[Change, ...]:
    """Return the settings that bring all series to the steps of one of them."""
    stamps = rows.stamps[rows.offsets[series] : rows.offsets[series + 1]]
    try:
        grid = infer_frequency(stamps, np.array([0, len(stamps)]), rows.tz)
    except DataError:
        return ()
    if grid.is_integer or not can_resample(grid.alias):
        return ()
    return tuple(
        Change({"data.resample": grid.alias, "data.aggregate": how}, purpose)
        for how, purpose in (("mean", "to average values"), ("sum", "to add them up"))
    )
