"""A timestamp as messages show it: in the zone of the table, and no finer than its frequency."""

from __future__ import annotations

import numpy as np

from forecast.data.findings import show_stamp
from forecast.data.frequency import Frequency
from forecast.data.grid import TICKS, parse_grid
from forecast.data.panel import Panel

_MINUTE = TICKS["min"]


def stamp_at(freq: Frequency, stamp: np.generic) -> str:
    """Write a timestamp: `2024-03-13` of days, `2024-03` of months, `2024-03-13 05:00` of hours.

    Days, weeks and months that do not begin at midnight keep the time of day.

    Args:
        freq: the frequency of the table.
        stamp: datetime64[ns], in UTC where the table has a time zone, or a whole number.

    Example:
        >>> stamp_at(Frequency.parse("ME"), np.datetime64("2024-03-31", "ns"))
        '2024-03'
    """
    if freq.is_integer or not isinstance(stamp, np.datetime64):
        return str(stamp)
    text = show_stamp(stamp, freq.tz)
    grid = parse_grid(freq.alias)
    if grid.tick:
        is_day = len(text) == len("2024-03-13")
        return f"{text} 00:00" if is_day else text
    is_midnight = " " not in text
    if is_midnight and grid.months:
        is_calendar_year = freq.alias in ("YS-JAN", "YE-DEC", "BYS-JAN", "BYE-DEC")
        return text[:4] if is_calendar_year else text[:7]
    return text


def span_of(panel: Panel) -> str:
    """Write the first and the last timestamp of a panel, `FIRST to LAST`."""
    ends = (panel.timestamps.min(), panel.timestamps.max())
    return " to ".join(stamp_at(panel.freq, end) for end in ends)
