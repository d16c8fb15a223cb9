"""Time as positions on a grid: the step between two timestamps, given or inferred."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.grid import (
    DAY,
    TICKS,
    Grid,
    business_grid,
    fixed_grid,
    most_common,
    open_weekdays,
    parse_grid,
)
from forecast.errors import ConfigError, DataError

Stamps = NDArray[np.generic]

_SAMPLE = 1_000_000  # rows from which a frequency is inferred; all are checked against it later
_MONTH_RULES = ("MS", "ME", "BMS", "BME")
# so many equal steps are not months, quarters or years: at most three of these have equal length
_EVEN_STEPS = 4
_USUAL_SHARE = 0.9  # share of timestamps that must follow a calendar rule
_ROUND_STEPS = (
    1,
    5,
    10,
    15,
    20,
    30,
    60,
    120,
    180,
    240,
    360,
    480,
    720,
    1440,
)  # seconds, then minutes


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
    """

    alias: str
    is_integer: bool = False
    tz: str | None = None
    phase: int = 0
    closed: tuple[int, ...] | None = None

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
        number = text.strip().removeprefix("-").isdigit()
        if is_integer and not number:
            raise ConfigError(
                f"freq is {text!r} but the index is whole numbers: give the step, such as '1'"
            )
        if number and int(text) < 1:
            raise ConfigError(f"freq is {text!r}; expected a step of at least 1")
        if number:
            return cls(str(int(text)), True, None)
        return cls(parse_grid(text).alias, False, tz)

    @property
    def _grid(self) -> Grid:
        return parse_grid(self.alias)

    @property
    def _step(self) -> int:
        """Step in index units or ns; 0 on a calendar grid."""
        if self.is_integer:
            return int(self.alias)
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
        days = _wall_clock(ticks, self.tz) // DAY
        return (self._grid.units(days) - self.phase // DAY) // self._grid.multiple

    def stamps(self, positions: IntArray) -> Stamps:
        """Return the timestamp at every position: the inverse of `positions`.

        A wall-clock time that a change of the clocks skips becomes the first moment after it; one
        that occurs twice becomes its first occurrence.

        Returns:
            (R,) int64 for an integer index, else datetime64[ns] (UTC where `tz` is set).
        """
        positions = np.asarray(positions, dtype=np.int64)
        if self.closed:
            # of closed days, the positions that the others have before them
            before = np.array(self.closed) - np.arange(len(self.closed))
            positions = positions + np.searchsorted(before, positions, side="right")
        if self._step:
            ticks = positions * self._step + self.phase
            if self.is_integer:
                return ticks
            return ticks.view("datetime64[ns]")
        shift, time_of_day = divmod(self.phase, DAY)
        wall = self._grid.days(positions * self._grid.multiple + shift) * DAY + time_of_day
        if self.tz is None:
            return wall.view("datetime64[ns]")
        first = np.ones(len(wall), dtype=bool)
        local = pd.DatetimeIndex(wall.view("datetime64[ns]"))
        zoned = local.tz_localize(self.tz, ambiguous=first, nonexistent="shift_forward")
        return zoned.tz_convert(None).to_numpy(dtype="datetime64[ns]")

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
        if self.is_integer or self._step % DAY:
            return replace(self, phase=_usual_phase(ticks % self._step))
        days, time_of_day = np.divmod(_wall_clock(ticks, self.tz), DAY)
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
        grid = self._grid.in_longest_unit()
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
        grid = self._grid.in_longest_unit()
        if grid.tick and 7 * DAY % grid.tick == 0:
            return 7 * DAY // grid.tick
        if grid.tick or grid.multiple != 1:
            return None
        return grid.days_per_week or None

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
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(
            f"tz is {tz!r}; expected the name of a time zone, such as Europe/Berlin or UTC"
        ) from error


def infer_frequency(stamps: Stamps, offsets: IntArray, tz: str | None = None) -> Frequency:
    """Infer the step of most neighbours; a few gaps or stray timestamps do not change it.

    Args:
        stamps: (R,) datetime64[ns] (UTC where `tz` is given) or int64, in time order within each
            series.
        offsets: (N + 1,) the rows of series `i` are `offsets[i]:offsets[i + 1]`.
        tz: time zone of the stamps.

    Raises:
        DataError: no series has two different timestamps, or the step has no name.
    """
    is_integer = stamps.dtype.kind in "iu"
    ticks = stamps[:_SAMPLE].astype(np.int64)
    inside = np.ones(max(len(ticks) - 1, 0), dtype=bool)
    inside[offsets[(offsets > 0) & (offsets < len(ticks))] - 1] = False
    steps = np.diff(ticks)[inside]
    steps = steps[steps > 0]
    if not len(steps):
        raise DataError(
            "no series has two different timestamps, so their step cannot be inferred: give freq"
        )
    step = most_common(steps)
    if is_integer:
        return Frequency(str(step), True).aligned_to(stamps)
    longest = int(np.diff(np.minimum(offsets, len(ticks))).max())
    is_even = longest > _EVEN_STEPS and bool((steps == step).all())
    if step < 20 * TICKS["h"]:
        usual = np.mean(steps == step) > 0.5 or np.mean(steps % step == 0) > 0.5
        grid = fixed_grid(step if usual else _round_step(float(np.median(steps))))
        if grid.tick < DAY:
            return Frequency(grid.alias, False, tz).aligned_to(stamps)
    days, time_of_day = np.divmod(_wall_clock(ticks, tz), DAY)
    if is_even and (time_of_day != time_of_day[0]).any():
        return Frequency(fixed_grid(step).alias, False, tz).aligned_to(stamps)
    return Frequency(_calendar_alias(days, inside, is_even), False, tz).aligned_to(stamps)


def _calendar_alias(days: IntArray, inside: NDArray[np.bool_], is_even: bool) -> str:
    """Return the alias of a calendar grid, without the weekday of weeks and the month of years.

    Args:
        days: (R,) days since 1970-01-01.
        inside: (R - 1,) whether two neighbours belong to the same series.
        is_even: whether all steps are equal, and too many to be months.
    """
    steps = np.diff(days)[inside]
    step = 1
    if np.any(steps > 0):
        step = most_common(steps[steps > 0])
    weekday = (days + 3) % 7
    weekdays = open_weekdays(days, inside)
    if weekdays:
        return business_grid(weekdays).alias
    if step == 1:
        weekends = np.any((steps > 1) | (weekday[1:][inside] < weekday[:-1][inside]))
        return "B" if weekends and np.mean(weekday < 5) == 1.0 else "D"
    on_rule = {}  # share of days that follow each rule of months
    if step >= 28:
        on_rule = {rule: np.mean(_snap(days, rule) == days) for rule in _MONTH_RULES}
    rule = next((rule for rule in ("MS", "ME") if on_rule.get(rule) == 1), None)
    if rule is None:
        is_weekly = step % 7 == 0 and np.mean(weekday == weekday[0]) > _USUAL_SHARE
        if step == 7 or is_weekly:
            return f"{step}D"
        rule = next((rule for rule, share in on_rule.items() if share > _USUAL_SHARE), None)
    if rule is not None:
        months = np.diff(parse_grid(rule).units(days))[inside]
        return f"{most_common(months[months > 0])}{rule}"
    if step >= 28 and not is_even:
        raise DataError(
            f"timestamps are {step} days apart, on no fixed weekday and not on the first or last "
            f"(business) day of "
            "the month: move each timestamp to the first day of its period"
        )
    return f"{step}D"


def _snap(days: IntArray, rule: str) -> IntArray:
    """Return the day that a rule of months names, for the month of each day."""
    grid = parse_grid(rule)
    return grid.days(grid.units(days))


def _round_step(step: float) -> int:
    """Return the usual step nearest to one blurred by jitter, in ns."""
    usual = np.array(
        [*(s * TICKS["s"] for s in _ROUND_STEPS[:6]), *(m * TICKS["min"] for m in _ROUND_STEPS)]
    )
    return int(usual[np.argmin(np.abs(np.log(usual / step)))])


def _wall_clock(ticks: IntArray, tz: str | None) -> IntArray:
    """Turn UTC nanoseconds into nanoseconds of the wall clock in `tz`."""
    if tz is None:
        return ticks
    utc = pd.DatetimeIndex(ticks.view("datetime64[ns]")).tz_localize("UTC")
    wall: IntArray = (
        utc.tz_convert(tz).tz_localize(None).to_numpy(dtype="datetime64[ns]").view(np.int64)
    )
    return wall


def _sample(values: IntArray) -> IntArray:
    """Return every k-th value, at most `_SAMPLE` of them."""
    return values[:: max(1, math.ceil(len(values) / _SAMPLE))]


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
