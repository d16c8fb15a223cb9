"""Opening hours: the times of the week at which a table has rows, as an exchange or a shop has.

They are written behind a step, as `30min@MON-FRI/09:30-15:30`: from the first to the last timestamp
of a day. `+` adds a second range, after a break for lunch, and a comma other days.
"""

from __future__ import annotations

import re
from itertools import groupby

import numpy as np

from forecast.axes import IntArray

DAY = 86_400 * 10**9
"""Nanoseconds of a day."""

WEEK = 7 * DAY

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")

_SECOND = 10**9
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday, Monday is 0
_PART = re.compile(r"([A-Z]{3})(?:-([A-Z]{3}))?/(.+)")
_CLOCK = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?")

_FEWEST_WEEKS = 4
"""Weeks up to which times of the day and weekdays are believed; beyond, every time of the week."""

_FEWEST_DAYS = 3

_MOST_OPEN = 0.9
"""Share of the steps of a week, or a day, from which a table is not closed at any time."""

_LEAST_ROWS = 0.8
"""Share of the steps within opening hours that have a row."""


def time_of_week(wall: IntArray) -> tuple[IntArray, IntArray]:
    """Return the week of timestamps, and the nanoseconds since its Monday at midnight.

    Args:
        wall: nanoseconds of the wall clock since 1970.
    """
    week, rest = np.divmod(wall + _EPOCH_WEEKDAY * DAY, WEEK)
    return week, rest


def wall_clock_at(week: IntArray, rest: IntArray) -> IntArray:
    """Return nanoseconds of the wall clock since 1970: the inverse of `time_of_week`."""
    return week * WEEK + rest - _EPOCH_WEEKDAY * DAY


def find_hours(wall: IntArray, tick: int) -> tuple[int, ...]:
    """Return the times of the week at which a table has rows.

    Args:
        wall: nanoseconds of the wall clock of all rows, in order and each once.
        tick: step between neighbours, in nanoseconds.

    Returns:
        Nanoseconds since Monday at midnight, in order; none where rows are at nearly all steps of
        the week, or too few to tell.
    """
    if not len(wall) or (wall % _SECOND).any():
        return ()
    weeks, times_of_week = time_of_week(wall)
    num_weeks = len(np.unique(weeks))
    if num_weeks > _FEWEST_WEEKS:
        hours = np.unique(times_of_week)
        expected = (num_weeks - 1) * len(hours)  # the first and the last week may be cut
    else:
        days = np.unique(wall // DAY)
        times = np.unique(wall % DAY)
        if len(days) < _FEWEST_DAYS:
            return ()
        is_open_all_day = len(times) > _MOST_OPEN * (DAY // tick)
        open_days = _open_days(days, is_known=num_weeks > 1 or not is_open_all_day)
        hours = np.add.outer(open_days * DAY, times).ravel()
        expected = len(days) * len(times)
    if len(hours) > _MOST_OPEN * (WEEK // tick) or len(wall) < _LEAST_ROWS * expected:
        return ()
    return tuple(hours.tolist())


def _open_days(days: IntArray, *, is_known: bool) -> IntArray:
    """Return the weekdays of a short table: Monday to Friday, or all.

    Args:
        days: days since 1970-01-01 that have rows.
        is_known: whether a missing weekend is no chance.
    """
    weekdays = (days + _EPOCH_WEEKDAY) % 7
    return np.arange(5 if is_known and weekdays.max() < 5 else 7)


def write_hours(hours: tuple[int, ...], tick: int) -> str:
    """Write times of the week, such as `MON-FRI/09:30-15:30`.

    Args:
        hours: nanoseconds since Monday at midnight, in order.
        tick: step between neighbours, in nanoseconds.
    """
    days = []
    for day in range(7):
        times = [hour % DAY for hour in hours if hour // DAY == day]
        days.append((day, "+".join(_ranges(times, tick))))
    parts = []
    for text, group in groupby(days, key=lambda pair: pair[1]):
        numbers = [day for day, _ in group]
        if text:
            names = dict.fromkeys((WEEKDAYS[numbers[0]], WEEKDAYS[numbers[-1]]))
            parts.append(f"{'-'.join(names)}/{text}")
    return ",".join(parts)


def _ranges(times: list[int], tick: int) -> list[str]:
    """Write times of a day as ranges of steps that follow one another."""
    ranges: list[list[int]] = []
    for time in times:
        if ranges and time == ranges[-1][-1] + tick:
            ranges[-1].append(time)
        else:
            ranges.append([time])
    return ["-".join(dict.fromkeys((_clock(run[0]), _clock(run[-1])))) for run in ranges]


def _clock(time: int) -> str:
    minutes, seconds = divmod(time // _SECOND, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def read_hours(text: str, tick: int) -> tuple[int, ...]:
    """Read times of the week as `write_hours` writes them.

    Raises:
        ValueError: not such a text, or not a whole number of steps from one time to the other.
    """
    hours: set[int] = set()
    for part in text.upper().split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part!r}; expected days and times such as MON-FRI/09:30-15:30")
        first = WEEKDAYS.index(match[1])
        last = WEEKDAYS.index(match[2] or match[1])
        for step in range((last - first) % 7 + 1):
            day = (first + step) % 7
            hours |= {day * DAY + time for time in _times(match[3], tick)}
    return tuple(sorted(hours))


def _times(text: str, tick: int) -> set[int]:
    """Read ranges of times of a day, such as `09:00-11:30+12:30-15:00`."""
    times: set[int] = set()
    for part in text.split("+"):
        ends = [_nanoseconds(clock) for clock in part.split("-")]
        if len(ends) > 2 or ends[-1] < ends[0] or (ends[-1] - ends[0]) % tick:
            raise ValueError(f"{part!r}; expected whole steps from one time to a later one")
        times |= set(range(ends[0], ends[-1] + 1, tick))
    return times


def _nanoseconds(clock: str) -> int:
    match = _CLOCK.fullmatch(clock)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59 or int(match[3] or 0) > 59:
        raise ValueError(f"{clock!r}; expected a time of day such as 09:30")
    return (int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)) * _SECOND
