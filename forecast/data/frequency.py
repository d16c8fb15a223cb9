"""Time as positions on a grid: the step between two timestamps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.grid import (
    DAY,
    TICKS,
    Grid,
    most_common,
    parse_grid,
)
from forecast.data.opening_hours import time_of_week, wall_clock_at
from forecast.errors import ConfigError, DataError

Stamps = NDArray[np.generic]

_REACH = 2**63 - 1  # of 64 bits
_WEEK = 7 * DAY
_WHOLE = re.compile(r"-?[0-9]{1,18}")  # of 64 bits

SAMPLE = 1_000_000
"""Rows from which a frequency is inferred; all are checked against it later."""


@lru_cache(maxsize=256)
def in_longest_unit(alias: str) -> Grid:
    """Return the steps of an alias in the longest unit that divides them, as `Grid` does."""
    return parse_grid(alias).in_longest_unit()


@dataclass(frozen=True)
class Frequency:
    """The step between two timestamps, and the phase of their grid.

    Attributes:
        alias: the step as pandas 3 writes it (`h`, `15min`, `D`, `B`, `W-SUN`, `ME`, `QE-DEC`), or
            a whole number as text for an integer index.
        is_integer: whether timestamps are an integer index.
        tz: time zone of the timestamps in the table; where it is set, panels have them in UTC.
        phase: remainder of every timestamp by the step (index units or ns); on a calendar grid the
            time of day in ns, plus one day for each unit of a multiple such as `2ME` by which the
            grid is shifted.
        closed: positions of the grid without it that are not counted, in order: public holidays of
            a trading calendar. None where every day counts.
        at_end: whether stamps name the end of their steps, which begin one step before.
    """

    alias: str
    is_integer: bool = False
    tz: str | None = None
    phase: int = 0
    closed: tuple[int, ...] | None = None
    at_end: bool = False

    def __post_init__(self) -> None:
        """Take closed days from a list as well, as JSON has them."""
        if self.closed is not None:
            object.__setattr__(self, "closed", tuple(self.closed))

    @classmethod
    def parse(cls, text: str, *, is_integer: bool = False, tz: str | None = None) -> Frequency:
        """Read a frequency as a person writes it; aliases older than pandas 3 are translated.

        Args:
            text: a pandas alias, or a whole number of at least 1 for an integer index.
            is_integer: whether the stamps are an integer index.
            tz: time zone of the stamps.

        Raises:
            ConfigError: not a regular frequency, a step below 1, or a zone that does not exist.
        """
        check_zone(tz)
        number = _WHOLE.fullmatch(text.strip())
        if is_integer and not number:
            raise ConfigError(
                f"`data.freq` is {text!r} but the index is whole numbers: give the step, such as "
                "'1'"
            )
        if number and int(text) < 1:
            raise ConfigError(f"`data.freq` is {text!r}; expected a step of at least 1")
        if number:
            return cls(str(int(text)), True, None)
        return cls(parse_grid(text).alias, False, tz)

    @property
    def _grid(self) -> Grid:
        return parse_grid(self.alias)

    @property
    def _step(self) -> int:
        """Step in index units or ns; 0 on a calendar grid, and with opening hours."""
        if self.is_integer:
            return int(self.alias)
        if self._grid.hours:
            return 0
        return self._grid.tick

    def positions(self, stamps: Stamps) -> IntArray:
        """Return the position of every timestamp on the grid.

        Args:
            stamps: (R,) datetime64[ns] or int64, on the grid (others are rounded down).

        Returns:
            (R,) int64; two neighbours in time differ by one.
        """
        positions = self._all_positions(stamps)
        if not self.closed:
            return positions
        return positions - np.searchsorted(self.closed, positions, side="right")

    def _all_positions(self, stamps: Stamps) -> IntArray:
        """Return positions on the grid with its closed days."""
        ticks = stamps.astype(np.int64, copy=False)
        if self._step == 1 and not self.phase:
            return ticks
        if self._step:
            return (ticks - self.phase) // self._step
        hours = self._grid.hours
        if hours:
            week, rest = time_of_week(wall_clock(ticks, self.tz))
            return week * len(hours) + np.searchsorted(hours, rest, side="right") - 1
        days = wall_clock(ticks, self.tz) // DAY
        return (self._grid.units(days) - self.phase // DAY) // self._grid.multiple

    def stamps(self, positions: IntArray) -> Stamps:
        """Return the timestamp at every position: the inverse of `positions`.

        A wall-clock time that a change of the clocks skips becomes the first moment after it; one
        that occurs twice becomes its first occurrence.

        Returns:
            (R,) int64 for an integer index, else datetime64[ns] (UTC where `tz` is set).

        Raises:
            DataError: 64 bits do not reach one of them.
        """
        positions = np.asarray(positions, dtype=np.int64)
        if self.closed:
            # of closed days, the positions that the others have before them
            before = np.array(self.closed) - np.arange(len(self.closed))
            positions = positions + np.searchsorted(before, positions, side="right")
        self._refuse_far(positions)
        if self._step:
            ticks = positions * self._step + self.phase
            if self.is_integer:
                return ticks
            return ticks.view("datetime64[ns]")
        wall = self._wall_clock_at(positions)
        if self.tz is None:
            return wall.view("datetime64[ns]")
        first = np.ones(len(wall), dtype=bool)
        local = pd.DatetimeIndex(wall.view("datetime64[ns]"))
        zoned = local.tz_localize(self.tz, ambiguous=first, nonexistent="shift_forward")
        return zoned.tz_convert(None).to_numpy(dtype="datetime64[ns]")

    def _refuse_far(self, positions: IntArray) -> None:
        """Raise where 64 bits do not reach a position; the arithmetic of arrays would not say."""
        if not positions.size:
            return
        ends = np.array([positions.min(), positions.max()])
        length = self._step
        rest = self.phase
        if not length:
            length = DAY
            rest = self.phase % DAY
            ends = self._days_at(ends)
        reach = _REACH
        if self.tz is not None or self._has_hours:
            reach -= _WEEK  # for the clock of the zone, and for the last hour of a week
        for end in ends:
            if abs(int(end) * length + rest) > reach:
                raise DataError(
                    "the steps leave the dates from 1677-09-22 to 2262-04-11, or the numbers of 64 "
                    "bits: correct the dates, or give a shorter `windows.horizon`"
                )

    def _days_at(self, positions: IntArray) -> IntArray:
        """Return the days since 1970 at positions of a calendar grid, or Mondays of their weeks."""
        grid = self._grid
        if grid.hours:
            return positions // len(grid.hours) * 7
        return grid.days(positions * grid.multiple + self.phase // DAY)

    def _wall_clock_at(self, positions: IntArray) -> IntArray:
        """Return ns of the wall clock at positions of a calendar grid or of opening hours."""
        hours = self._grid.hours
        if hours:
            week, place = np.divmod(positions, len(hours))
            return wall_clock_at(week, np.array(hours)[place])
        return self._days_at(positions) * DAY + self.phase % DAY

    def begins(self, stamps: Stamps) -> Stamps:
        """Return the first moment of the step of each timestamp.

        It is the timestamp itself, unless timestamps name the end of their steps (`at_end`): then
        it is one step before. The grids of weeks and of the ends of months name a last day anyway.
        """
        if not self.at_end or self.is_integer:
            return stamps
        grid = self._grid
        if grid.tick:
            return (stamps.astype(np.int64, copy=False) - grid.tick).view("datetime64[ns]")
        if grid.base == "W" or grid.base.endswith("E"):
            return stamps
        return self.stamps(self.positions(stamps) - 1)

    def on_grid(self, stamps: Stamps) -> NDArray[np.bool_]:
        """Return (R,) whether each timestamp is on the grid."""
        return np.asarray(self.stamps(self.positions(stamps)) == stamps)

    def local(self, stamps: Stamps) -> pd.DatetimeIndex:
        """Return timestamps in the zone of the table.

        Raises:
            DataError: the stamps are an integer index, which has no date.
        """
        if self.is_integer:
            raise DataError(
                "an integer index has no dates: leave out calendar features, or give timestamps"
            )
        index = pd.DatetimeIndex(stamps)
        if self.tz is None:
            return index
        return index.tz_localize("UTC").tz_convert(self.tz)

    def aligned_to(self, stamps: Stamps) -> Frequency:
        """Return this step in the longest unit that divides it, with the phase of most `stamps`.

        On Mondays `7D`, `168h` and `W-MON` are one frequency. Steps of 24 hours are days unless the
        clocks of the zone change in between and the stamps do not follow them.
        """
        ticks = _sample(stamps.astype(np.int64, copy=False))
        if self._has_hours:
            return self
        if self.is_integer or self._step % DAY:
            return replace(self, phase=_usual_phase(ticks % self._step))
        days, time_of_day = np.divmod(wall_clock(ticks, self.tz), DAY)
        if self._step and _share(ticks % DAY) > _share(time_of_day):
            return replace(self, phase=_usual_phase(ticks % self._step))
        grid = self._grid.in_longest_unit(days)
        shift = grid.units(days) % grid.multiple
        return replace(self, alias=grid.alias, phase=_usual_phase(shift * DAY + time_of_day))

    @property
    def season_length(self) -> int:
        """Steps of the usual season, as in the M4 competition: a day of hours, a year of months.

        Differences: days have a week of 7, weeks a year of 52, steps below a minute an hour. It is
        1 where the season is no whole number of steps, as with 36 hours or 30 days.
        """
        if self.is_integer:
            return 1
        grid = in_longest_unit(self.alias)
        if grid.hours:
            return self.most_per_day
        if grid.tick:
            if grid.tick < TICKS["min"]:
                return _whole(TICKS["h"], grid.tick)
            return _whole(DAY, grid.tick)
        if grid.months:
            return _whole(12, grid.months * grid.multiple)
        return _whole(grid.days_per_week or 52, grid.multiple)

    @property
    def steps_per_week(self) -> int | None:
        """Steps in a week; None where steps are longer than a day or do not divide a week."""
        if self.is_integer:
            return None
        grid = in_longest_unit(self.alias)
        if grid.hours:
            return len(grid.hours)
        if grid.tick and 7 * DAY % grid.tick == 0:
            return 7 * DAY // grid.tick
        if grid.tick or grid.multiple != 1:
            return None
        return grid.days_per_week or None

    @property
    def _has_hours(self) -> bool:
        return not self.is_integer and bool(self._grid.hours)

    @property
    def is_trading(self) -> bool:
        """Whether some days, or some hours, of each week are no steps."""
        return self.is_business or self._has_hours

    @property
    def most_per_day(self) -> int:
        """Steps of the day of the week that has most of them; 1 without opening hours."""
        if not self._has_hours:
            return 1
        return int(np.bincount(np.array(self._grid.hours) // DAY).max())

    @property
    def is_intraday(self) -> bool:
        """Whether steps are of fixed length below a day, and all of them count."""
        return not self.is_integer and 0 < self._step < DAY

    @property
    def is_business(self) -> bool:
        """Whether steps are single days of a week in which some days are missing, as with `B`."""
        return not self.is_integer and self._grid.base == "B" and self._grid.multiple == 1


def check_zone(tz: str | None) -> None:
    """Raise unless `tz` is None or the name of a time zone.

    Raises:
        ConfigError: no such time zone.
    """
    if tz is None:
        return
    try:
        pd.Timestamp(0, tz=tz)
    except (KeyError, ValueError, TypeError, IndexError, OSError) as error:
        raise ConfigError(
            f"tz is {tz[:40]!r}; expected the name of a time zone, such as Europe/Berlin or UTC"
        ) from error


def wall_clock(ticks: IntArray, tz: str | None) -> IntArray:
    """Turn UTC nanoseconds into nanoseconds of the wall clock in `tz`."""
    if tz is None:
        return ticks
    utc = pd.DatetimeIndex(ticks.view("datetime64[ns]")).tz_localize("UTC")
    wall: IntArray = (
        utc.tz_convert(tz).tz_localize(None).to_numpy(dtype="datetime64[ns]").view(np.int64)
    )
    return wall


def _sample(values: IntArray) -> IntArray:
    """Return every k-th value, at most `SAMPLE` of them."""
    return values[:: max(1, math.ceil(len(values) / SAMPLE))]


def _usual_phase(phases: IntArray) -> int:
    """Return the phase of most timestamps, 0 where none is that common, as with jitter."""
    if len(phases) and (phases == phases[0]).all():  # the usual case, without a sort
        return int(phases[0])
    phase = most_common(phases)
    if np.mean(phases == phase) > 1 / 2:
        return phase
    return 0


def _share(values: IntArray) -> float:
    """Return the share of the most common value."""
    return float(np.unique(values, return_counts=True)[1].max() / len(values))


def _whole(season: int, step: int) -> int:
    """Return the steps of a season, 1 where their number is not whole."""
    if season % step:
        return 1
    return season // step
