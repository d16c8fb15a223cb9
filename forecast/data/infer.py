"""The frequency of a table, inferred from its timestamps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.frequency import SAMPLE, Frequency, Stamps, wall_clock
from forecast.data.grid import (
    DAY,
    TICKS,
    business_grid,
    fixed_grid,
    most_common,
    open_weekdays,
    parse_grid,
)
from forecast.errors import DataError

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
    ticks = stamps[:SAMPLE].astype(np.int64)
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
    days, time_of_day = np.divmod(wall_clock(ticks, tz), DAY)
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
