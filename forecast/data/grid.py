"""The arithmetic of regular time grids: from timestamps to positions and back.

A grid is a step of fixed length (hours, minutes, ...) or a number of calendar units (days, business
days, weeks, months). Calendar grids work on wall-clock time; both directions are array arithmetic.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.opening_hours import DAY, WEEKDAYS, read_hours, write_hours
from forecast.errors import ConfigError, nearest

__all__ = ["DAY", "MONTHS", "TICKS", "WEEKDAYS", "Grid", "parse_grid"]

TICKS = {"h": 3_600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Nanoseconds of every unit of fixed length, longest first."""

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

_MONTHS_OF = {"M": 1, "Q": 3, "Y": 12}
_CALENDAR = (
    "D",
    "B",
    "W",
    "MS",
    "ME",
    "BMS",
    "BME",
    "QS",
    "QE",
    "BQS",
    "BQE",
    "YS",
    "YE",
    "BYS",
    "BYE",
)
_OLD = {
    "H": "h",
    "T": "min",
    "S": "s",
    "L": "ms",
    "U": "us",
    "N": "ns",
    "d": "D",
    "b": "B",
    "w": "W",
    "M": "ME",
    "Q": "QE",
    "Y": "YE",
    "A": "YE",
    "BM": "BME",
    "BQ": "BQE",
    "BY": "BYE",
    "BA": "BYE",
    "AS": "YS",
    "BAS": "BYS",
}
"""Aliases of pandas before 3 and their names since."""

_WORDS = {
    "second": "s",
    "minut": "min",
    "hour": "h",
    "dai": "D",
    "day": "D",
    "business": "B",
    "week": "W",
    "month": "ME",
    "quarter": "QE",
    "year": "YE",
    "annual": "YE",
}
"""Beginnings of English words and the alias each of them means."""

_EPOCH = np.zeros(1, np.int64)
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday, Monday is 0
_LONGEST = 2**61  # ns of the longest step, so that stamps and steps beside them fit 64 bits
_ALIAS = re.compile(r"(-?[0-9]{0,18})([A-Za-z]+)(?:-([A-Za-z]{3}(?:[-,][A-Za-z]{3})*))?")
_MONDAY_TO_FRIDAY = (0, 1, 2, 3, 4)
# days that the longest series spans where other days than Monday to Friday are believed
_SHORTEST_SPAN = 28
_OPEN_SHARE = 0.9  # least share of the open days that have a row


@dataclass(frozen=True)
class Grid:
    """One regular grid.

    Attributes:
        base: a key of `TICKS`, `D`, `B`, `W`, or the rule of a month grid: `MS`, `ME`, `BMS`,
            `BME`.
        multiple: units per step.
        months: months per unit, 0 unless it is a month grid.
        anchor: weekday of a week grid, or the month of a month grid, as a remainder by `months`.
        alias: the name pandas gives to the grid; of other business days than Monday to Friday
            `B-MON-SAT`, or `B-TUE,FRI` where they are not neighbours.
        weekdays: the days of the week of a grid of business days, Monday is 0.
        hours: the only times of the week of a grid of fixed length that has opening hours, in ns
            since Monday at midnight.
    """

    base: str
    multiple: int
    months: int
    anchor: int
    alias: str
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()

    @property
    def tick(self) -> int:
        """Nanoseconds per step of fixed length; 0 on a calendar grid."""
        return TICKS.get(self.base, 0) * self.multiple

    def in_longest_unit(self, days: IntArray = _EPOCH) -> Grid:
        """Return the same steps, counted in the longest unit that divides them.

        24 hours are a day (where no clock changes), 7 days or 5 business days a week, 12 months a
        year.

        Args:
            days: days since 1970-01-01 on the grid; they decide on the weekday of weeks and the
                month of years.
        """
        if self.hours:
            return self
        if self.tick and self.tick % DAY == 0:
            return _plain_grid("D", self.tick // DAY).in_longest_unit(days)
        if self.base not in TICKS:
            days = self.days(self.units(days))
        per_week = self.days_per_week
        if per_week and self.multiple % per_week == 0:
            weekday = most_common((days + _EPOCH_WEEKDAY) % 7)
            return _week_grid(self.multiple // per_week, weekday)
        months = _longest_months(self.months * self.multiple)
        if months == self.months:
            return self
        anchor = most_common(_months_of(days) % months)
        return _month_grid(self.base, self.months * self.multiple // months, months, anchor)

    @property
    def days_per_week(self) -> int:
        """Days of a week that are on the grid, were its multiple 1; 0 of other units than days."""
        return {"D": 7, "B": len(self.weekdays)}.get(self.base, 0)

    def units(self, days: IntArray) -> IntArray:
        """Return the numbers of the calendar units in which days since 1970-01-01 lie."""
        if self.base == "D":
            return days
        if self.base == "W":
            return (days + _EPOCH_WEEKDAY - self.anchor) // 7
        if self.base == "B":
            week, weekday = np.divmod(days + _EPOCH_WEEKDAY, 7)
            # a day that is not on the grid counts as the last one before it
            place = np.searchsorted(self.weekdays, weekday, side="right") - 1
            return week * len(self.weekdays) + place
        return (_months_of(days) - self.anchor) // self.months

    def days(self, units: IntArray) -> IntArray:
        """Return the day since 1970-01-01 that represents each unit; the inverse of `units`."""
        if self.base == "D":
            return units
        if self.base == "W":
            return units * 7 - _EPOCH_WEEKDAY + self.anchor
        if self.base == "B":
            week, place = np.divmod(units, len(self.weekdays))
            return week * 7 + np.array(self.weekdays)[place] - _EPOCH_WEEKDAY
        return _day_of_month(units * self.months + self.anchor, self.base)


def open_weekdays(days: IntArray, inside: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the days of the week that have rows, where a table has nearly all of these days.

    Args:
        days: (R,) days since 1970-01-01, in time order within each series.
        inside: (R - 1,) whether a row and the next belong to the same series.

    Returns:
        From 2 to 6 days, Monday is 0; none where rows are on all of them, or too few to tell.
    """
    weekdays = tuple(np.unique((days + _EPOCH_WEEKDAY) % 7).tolist())
    if not 2 <= len(weekdays) <= 6:
        return ()
    outside = np.flatnonzero(~inside)
    first = days[np.append(0, outside + 1)]
    last = days[np.append(outside, len(days) - 1)]
    if (last - first).max() < _SHORTEST_SPAN:
        return ()
    units = business_grid(weekdays).units
    expected = int((units(last) - units(first) + 1).sum())
    distinct = int((np.diff(days)[inside] > 0).sum()) + len(first)
    if distinct < _OPEN_SHARE * expected:
        return ()
    return weekdays


def most_common(values: IntArray) -> int:
    """Return the value that occurs most often, the smallest of several."""
    unique, counts = np.unique(values, return_counts=True)
    return int(unique[np.argmax(counts)])


def _months_of(days: IntArray) -> IntArray:
    """Return the months since January 1970 in which days lie."""
    months: IntArray = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def _longest_months(step: int) -> int:
    """Return the months of the longest unit that divides a step: a year, a quarter or a month."""
    if step % 12 == 0:
        return min(step, 12)
    if step == 3:
        return 3
    return 1


def _day_of_month(months: IntArray, rule: str) -> IntArray:
    """Return the first or last (business) day of months counted from January 1970."""
    at_end = rule.endswith("E")
    first = (months + at_end).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    day: IntArray = first - at_end
    if not rule.startswith("B"):
        return day
    weekend = np.maximum((day + _EPOCH_WEEKDAY) % 7 - 4, 0)  # 1 on Saturday, 2 on Sunday
    if at_end:
        return day - weekend
    return day + np.where(weekend > 0, 3 - weekend, 0)


@functools.lru_cache(maxsize=256)
def parse_grid(text: str) -> Grid:
    """Read a pandas alias, in the spelling of pandas 3 or an older one.

    Args:
        text: for example `h`, `15min`, `D`, `B`, `W-SUN`, `2W`, `ME`, `QE-DEC`, `YS`; with opening
            hours `30min@MON-FRI/09:30-15:30`.

    Raises:
        ConfigError: not an alias of a regular grid, or a step below 1.
    """
    step, _, hours = text.partition("@")
    if hours:
        return _with_hours_of(step, hours, text)
    match = _ALIAS.fullmatch(text.strip())
    if match is None:
        raise ConfigError(_unknown(text))
    base = _OLD.get(match.group(2), match.group(2))
    if base not in TICKS and base not in _CALENDAR:
        raise ConfigError(_unknown(text))
    number = match.group(1) or "1"
    multiple = -1 if number == "-" else int(number)
    if not 1 <= multiple * TICKS.get(base, DAY) <= _LONGEST:
        raise ConfigError(
            f"`data.freq` is {text!r}: its step is {multiple}; expected a step of at least 1, such "
            f"as {base!r}, and of at most 73 years"
        )
    anchor = (match.group(3) or "").upper()
    if base in TICKS and not anchor:
        return fixed_grid(TICKS[base] * multiple)
    return _calendar_grid(base, multiple, anchor, text)


def _with_hours_of(step: str, hours: str, text: str) -> Grid:
    """Read the opening hours behind a step of fixed length."""
    grid = parse_grid(step)
    if not 0 < grid.tick < DAY:
        raise ConfigError(f"`data.freq` is {text!r}; expected opening hours of steps below a day")
    try:
        return with_hours(grid, read_hours(hours, grid.tick))
    except ValueError as error:
        raise ConfigError(f"`data.freq` is {text!r}, with {error}") from error


def with_hours(grid: Grid, hours: tuple[int, ...]) -> Grid:
    """Return a grid of fixed length that has opening hours.

    Args:
        grid: the grid without them.
        hours: times of the week, in ns since Monday at midnight, in order.
    """
    alias = f"{grid.alias}@{write_hours(hours, grid.tick)}"
    weekdays = tuple(sorted({hour // DAY for hour in hours}))
    return replace(grid, alias=alias, hours=hours, weekdays=weekdays)


def fixed_grid(tick: int) -> Grid:
    """Return the grid with a step of `tick` nanoseconds, named by its longest unit."""
    base = next(unit for unit, length in TICKS.items() if tick % length == 0)
    multiple = tick // TICKS[base]
    return Grid(base, multiple, 0, 0, _times(multiple, base))


def _calendar_grid(base: str, multiple: int, anchor: str, text: str) -> Grid:
    """Return the grid of a calendar alias; `anchor` is a weekday, a month or empty."""
    months = _MONTHS_OF.get(base[-2:-1], 0)
    names: tuple[str, ...] = ()
    if base == "B" and anchor:
        return business_grid(_read_weekdays(anchor, text), multiple)
    if base == "W":
        names = WEEKDAYS
        anchor = anchor or "SUN"
    elif months > 1:
        names = MONTHS
        anchor = anchor or ("JAN" if base.endswith("S") else "DEC")
    if anchor and anchor not in names:
        raise ConfigError(_unknown(text))

    if base == "W":
        return _week_grid(multiple, WEEKDAYS.index(anchor))
    if not months:
        return _plain_grid(base, multiple)
    month = MONTHS.index(anchor) % months if anchor else 0
    return _month_grid(f"{base[:-2]}M{base[-1]}", multiple, months, month)


def _plain_grid(base: str, multiple: int) -> Grid:
    """Return a grid of days, or of business days from Monday to Friday."""
    if base == "B":
        return business_grid(_MONDAY_TO_FRIDAY, multiple)
    return Grid(base, multiple, 0, 0, _times(multiple, base))


def business_grid(weekdays: tuple[int, ...], multiple: int = 1) -> Grid:
    """Return a grid of some days of the week; Monday is 0.

    Args:
        weekdays: the days, in order.
        multiple: days per step.
    """
    alias = _times(multiple, _business_alias(weekdays))
    return Grid("B", multiple, 0, 0, alias, weekdays)


def _business_alias(weekdays: tuple[int, ...]) -> str:
    """Return `B`, `B-MON-SAT` for days from Monday to Saturday, or `B-TUE,FRI`."""
    if weekdays == _MONDAY_TO_FRIDAY:
        return "B"
    # days that follow one that is not among them
    starts = [day for day in weekdays if (day - 1) % 7 not in weekdays]
    if len(starts) == 1 and len(weekdays) > 1:
        first = starts[0]
        last = (first + len(weekdays) - 1) % 7
        return f"B-{WEEKDAYS[first]}-{WEEKDAYS[last]}"
    return f"B-{','.join(WEEKDAYS[day] for day in weekdays)}"


def _read_weekdays(anchor: str, text: str) -> tuple[int, ...]:
    """Read the days of `B-MON-SAT` or `B-TUE,FRI`.

    Raises:
        ConfigError: not days of the week.
    """
    names = re.split("[-,]", anchor)
    if not set(names) <= set(WEEKDAYS) or (len(names) > 2 and "-" in anchor):
        raise ConfigError(_unknown(text))
    days = [WEEKDAYS.index(name) for name in names]
    if "-" in anchor:
        first, last = days
        days = [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    return tuple(sorted(set(days)))


def _week_grid(multiple: int, weekday: int) -> Grid:
    """Return a grid of weeks; Monday is 0."""
    return Grid("W", multiple, 0, weekday, _times(multiple, f"W-{WEEKDAYS[weekday]}"))


def _month_grid(rule: str, multiple: int, months: int, anchor: int) -> Grid:
    """Return a grid of months, quarters or years; `anchor` is a month modulo `months`."""
    if months == 1:
        return Grid(rule, multiple, 1, 0, _times(multiple, rule))
    # pandas names quarters by the first quarter's start (QS-JAN) or the last quarter's end (QE-DEC)
    named = anchor
    if months == 3 and rule.endswith("E"):
        named = 9 + anchor
    base = rule.replace("M", {3: "Q", 12: "Y"}[months])
    return Grid(rule, multiple, months, anchor, _times(multiple, f"{base}-{MONTHS[named]}"))


def _times(multiple: int, alias: str) -> str:
    if multiple == 1:
        return alias
    return f"{multiple}{alias}"


def _unknown(text: str) -> str:
    valid = (*TICKS, *_CALENDAR)
    word = text.strip("-0123456789 ")
    meant = next((alias for start, alias in _WORDS.items() if word.lower().startswith(start)), word)
    expected = f"expected a pandas alias, one of {', '.join(valid)}, or a multiple such as 15min"
    return f"`data.freq` is {text!r}; {expected}{nearest(meant, valid)}"
