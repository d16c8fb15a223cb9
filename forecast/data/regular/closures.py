"""Trading calendars: times without any row, such as nights and public holidays, are no steps.

A table of prices has no row on public holidays, and one of half hours none at night. Its steps lead
from one row to the next, so windows go over a holiday or a night as they go over a weekend. Longer
holes stay gaps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import FindingLog, counted, show_stamp
from forecast.data.frequency import Frequency, wall_clock
from forecast.data.grid import parse_grid, with_hours
from forecast.data.opening_hours import find_hours
from forecast.section import AUTO, Auto

LONGEST_CLOSURE = 6
"""Business days in a row that can be a holiday: as many as exchanges in Asia close for."""

LARGEST_SHARE = 0.08
"""Share of the business days that can be holidays: 3 % in New York, 7 % in Shanghai."""

_SHOWN = 3


def count_trading_days(
    grid: Frequency, stamps: NDArray[np.generic], wanted: Auto | bool, log: FindingLog
) -> Frequency:
    """Return a grid without the nights, weekends and holidays on which no series has a row.

    Args:
        grid: the frequency of the table.
        stamps: timestamps of all rows of the table.
        wanted: whether they are left out; `auto`: where few rows are missing besides.
        log: gets notes that say which times are counted, and name the first of the others.

    Returns:
        The same grid where its steps are neither single business days nor parts of days with
        opening hours, or where all of these count.
    """
    if wanted is False:
        return grid
    every_step = replace(opening_hours(grid, stamps), closed=None)
    if not every_step.is_trading:
        return grid
    closed, span = _closures(every_step, stamps)
    if wanted == AUTO and len(closed) > LARGEST_SHARE * span:
        return grid
    if every_step.alias != grid.alias:
        log.note(
            "opening_hours",
            f"rows are at certain times of the week alone: these times are the steps "
            f"({every_step.alias!r}; `data.trading_days=false` makes gaps of the others)",
        )
    if len(closed):
        _note_closures(every_step, closed, span, log)
    return replace(every_step, closed=tuple(closed.tolist()))


def opening_hours(grid: Frequency, stamps: NDArray[np.generic]) -> Frequency:
    """Return a grid of steps below a day with the opening hours of the rows, if they have some.

    Args:
        grid: the frequency of the table.
        stamps: timestamps of all rows of the table.
    """
    if not grid.is_intraday:
        return grid
    steps = parse_grid(grid.alias)
    wall = np.unique(wall_clock(stamps.view(np.int64), grid.tz))
    hours = find_hours(wall, steps.tick)
    if not hours:
        return grid
    return replace(grid, alias=with_hours(steps, hours).alias, phase=0)


def is_calendar(grid: Frequency, stamps: NDArray[np.generic]) -> bool:
    """Return whether no step without a row is in a hole longer than holidays.

    Args:
        grid: steps of business days or of opening hours, all of which count.
        stamps: timestamps of all rows of the table.
    """
    missing = np.diff(np.unique(grid.positions(stamps))) - 1
    return bool(missing.max(initial=0) <= LONGEST_CLOSURE * grid.most_per_day)


def _note_closures(grid: Frequency, closed: IntArray, span: int, log: FindingLog) -> None:
    """Add a note on the steps without a row, which are not counted.

    Args:
        grid: the grid with them.
        closed: their positions.
        span: steps from the first row to the last.
        log: gets the note.
    """
    names = [show_stamp(stamp, grid.tz) for stamp in grid.stamps(closed[:_SHOWN])]
    kind = "step"
    if grid.is_business:
        kind = "business day"
        names = [name[:10] for name in names]
    named = ", ".join(names)
    if len(closed) > _SHOWN:
        named += " ..."
    log.note(
        "trading_days",
        f"{counted(len(closed), kind)} without a row, {100 * len(closed) / span:.1f} % of all, "
        f"taken as holidays ({named}): they are no steps; forecasts are for the {kind}s after "
        f"the last row (`data.trading_days=false` makes gaps of the holidays)",
    )


def _closures(grid: Frequency, stamps: NDArray[np.generic]) -> tuple[IntArray, int]:
    """Return the positions without a row, but for those in long holes, and the steps in all.

    Args:
        grid: steps of business days or of opening hours, all of which count.
        stamps: timestamps of all rows of the table.
    """
    present = np.unique(grid.positions(stamps))
    missing = np.diff(present) - 1
    is_closure = (missing > 0) & (missing <= LONGEST_CLOSURE * grid.most_per_day)
    holes = missing[is_closure]
    after = np.repeat(present[:-1][is_closure] + 1 - (np.cumsum(holes) - holes), holes)
    closed: IntArray = after + np.arange(int(holes.sum()))
    return closed, int(present[-1] - present[0] + 1)
