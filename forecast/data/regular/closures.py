"""Trading calendars: days without any row, such as public holidays, are not counted as steps.

A table of prices has no row on public holidays. Its steps lead from one trading day to the next, so
windows go over a holiday as they go over a weekend. Longer holes stay gaps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import FindingLog, counted, show_stamp
from forecast.data.frequency import Frequency
from forecast.section import AUTO, Auto

LONGEST_CLOSURE = 6
"""Business days in a row that can be a holiday: as many as exchanges in Asia close for."""

LARGEST_SHARE = 0.08
"""Share of the business days that can be holidays: 3 % in New York, 7 % in Shanghai."""

_SHOWN = 3


def count_trading_days(
    grid: Frequency, stamps: NDArray[np.generic], wanted: Auto | bool, log: FindingLog
) -> Frequency:
    """Return a grid of business days without those on which no series has a row.

    Args:
        grid: the frequency of the table.
        stamps: timestamps of all rows of the table.
        wanted: whether they are left out; `auto`: where they are few.
        log: gets a note that names the first of them.

    Returns:
        The same grid where its steps are not single business days, or where all of these count.
    """
    if not grid.is_business or wanted is False:
        return grid
    every_day = replace(grid, closed=None)
    closed, span = _closures(every_day.positions(stamps))
    if wanted == AUTO and len(closed) > LARGEST_SHARE * span:
        return grid
    if len(closed):
        days = every_day.local(every_day.stamps(closed)).tz_localize(None).to_numpy()
        named = ", ".join(show_stamp(day.astype("datetime64[D]")) for day in days[:_SHOWN])
        if len(days) > _SHOWN:
            named += " ..."
        percent = 100 * len(closed) / span
        log.note(
            "trading_days",
            f"{counted(len(closed), 'business day')} without a row, {percent:.1f} % of all, taken "
            f"as holidays ({named}): they are no steps; forecasts are for the business days after "
            f"the last row (`data.trading_days=false` makes gaps of the holidays)",
        )
    return replace(grid, closed=tuple(closed.tolist()))


def is_calendar(grid: Frequency, stamps: NDArray[np.generic]) -> bool:
    """Return whether no business day without a row is in a hole longer than holidays.

    Args:
        grid: steps of business days, all of which count.
        stamps: timestamps of all rows of the table.
    """
    missing = np.diff(np.unique(grid.positions(stamps))) - 1
    return bool(missing.max(initial=0) <= LONGEST_CLOSURE)


def _closures(positions: IntArray) -> tuple[IntArray, int]:
    """Return the positions without a row, but for those in long holes, and the steps in all."""
    present = np.unique(positions)
    missing = np.diff(present) - 1
    is_closure = (missing > 0) & (missing <= LONGEST_CLOSURE)
    holes = missing[is_closure]
    after = np.repeat(present[:-1][is_closure] + 1 - (np.cumsum(holes) - holes), holes)
    closed: IntArray = after + np.arange(int(holes.sum()))
    return closed, int(present[-1] - present[0] + 1)
