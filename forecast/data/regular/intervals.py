"""The intervals of a frequency, into which rows at any time fall.

Steps of fixed length, days and the starts of months, quarters and years name an interval by its
beginning; weeks (`W-SUN`) and the ends of months, quarters and years by its last day, as in pandas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.frequency import Frequency
from forecast.data.grid import DAY, Grid, parse_grid
from forecast.errors import ConfigError


def check_resample(text: str) -> str:
    """Return a frequency as it is, if rows can be joined into its intervals.

    Raises:
        ValueError: not a frequency, or a multiple of weeks, months or business days.
    """
    try:
        parse_grid(text)
    except ConfigError as error:
        raise ValueError(f"resample is {str(error).partition(' is ')[2]}") from error
    if not can_resample(text):
        raise ValueError(
            f"resample is {text!r}; expected a single week, month, quarter, year or business day, "
            f"or steps such as 2D or 6h"
        )
    return text


def can_resample(alias: str) -> bool:
    """Return whether rows can be joined into the intervals of a frequency."""
    grid = parse_grid(alias)
    if grid.hours:
        return False
    return grid.multiple == 1 or bool(grid.tick) or grid.base == "D"


def check_freq(freq: str, resample: str | None) -> None:
    """Raise where a table is said to have other steps than those that are made.

    Raises:
        ConfigError: `freq` and `resample` have steps of another length.
    """
    if resample is not None and not is_same_step(freq, resample):
        raise ConfigError(
            f"`data.freq` is {freq!r} and resample {resample!r}: freq says which steps a table "
            f"has, resample makes them; leave freq out"
        )


def is_same_step(freq: str, resample: str) -> bool:
    """Return whether two frequencies have steps of the same length."""
    if freq.strip().isdigit():
        return False
    stated = parse_grid(freq).in_longest_unit()
    made = parse_grid(resample).in_longest_unit()
    return (stated.base, stated.multiple, stated.months) == (
        made.base,
        made.multiple,
        made.months,
    )


@dataclass(frozen=True)
class Intervals:
    """The intervals of one frequency, numbered in order of time.

    Attributes:
        grid: the frequency.
        tz: time zone of the table.
        phase: begin of an interval of fixed length, in ns after 1970 (UTC).
        at_end: whether rows name the end of their steps; then a row belongs to the interval that
            ends with it, and intervals below a day are named by their end too.
    """

    grid: Grid
    tz: str | None
    phase: int
    at_end: bool = False

    @classmethod
    def of(cls, freq: str, tz: str | None, *, at_end: bool = False) -> Intervals:
        """Return the intervals of a frequency; those of hours begin at midnight in winter."""
        grid = parse_grid(freq)
        phase = 0
        if grid.tick and tz is not None:
            # midnight in winter, when the clock is behind that in summer
            phase = max(_midnight("2020-01-01", tz), _midnight("2020-07-01", tz)) % grid.tick
        return cls(grid, tz, phase, at_end)

    def numbers(self, stamps: NDArray[np.generic]) -> IntArray:
        """Return the number of the interval of each timestamp (R,)."""
        grid = self.grid
        if self.at_end:
            stamps = (stamps.view(np.int64) - 1).view("datetime64[ns]")
        if grid.tick:
            return (stamps.view(np.int64) - self.phase) // grid.tick
        days = self.wall_clock(stamps) // DAY
        if grid.base == "W":
            return grid.units(days + 6)
        if grid.months:
            months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
            return (months - self._first_month) // grid.months
        return grid.units(days) // grid.multiple

    def stamps(self, numbers: IntArray) -> NDArray[np.generic]:
        """Return the timestamp that names each interval."""
        tick = self.grid.tick
        if tick:
            if self.at_end and tick < DAY:
                numbers = numbers + 1
            return (numbers * tick + self.phase).view("datetime64[ns]")
        return Frequency(self.grid.alias, tz=self.tz).stamps(numbers)

    def starts(self, numbers: IntArray) -> IntArray:
        """Return the beginning of each interval, in ns as `wall_clock` has them."""
        grid = self.grid
        if grid.tick:
            return numbers * grid.tick + self.phase
        if grid.base == "W":
            return (grid.days(numbers) - 6) * DAY
        if grid.months:
            months = (numbers * grid.months + self._first_month).astype("datetime64[M]")
            return months.astype("datetime64[D]").astype(np.int64) * DAY
        return grid.days(numbers * grid.multiple) * DAY

    def wall_clock(self, stamps: NDArray[np.generic]) -> IntArray:
        """Return timestamps in ns: of days or longer on the clock of the zone, else in UTC."""
        if self.tz is None or self.grid.tick:
            return stamps.view(np.int64)
        local = pd.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(self.tz).tz_localize(None)
        ticks: IntArray = local.to_numpy("datetime64[ns]").view(np.int64)
        return ticks

    @property
    def _first_month(self) -> int:
        """Month, from January 1970 on, that begins the interval of months number 0."""
        if self.grid.base.endswith("E"):
            return self.grid.anchor - self.grid.months + 1
        return self.grid.anchor


def _midnight(day: str, tz: str) -> int:
    """Return how long after midnight in UTC a day begins in a zone, in ns."""
    return pd.Timestamp(day, tz=tz).as_unit("ns").value - pd.Timestamp(day).as_unit("ns").value
