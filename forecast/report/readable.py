"""Numbers and dates as a reader wants them: few digits, no exponents, days with their weekday."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.data.frequency import Frequency

MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NO_VALUE = "-"

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

LARGE_UNITS = ((1e12, " tn"), (1e9, " bn"), (1e6, " mn"))
"""Units of large numbers and the words behind them, as the Financial Times writes them."""

LEAST_LARGE = 1e7
"""Size from which numbers are written in `LARGE_UNITS`."""

MOST_WRITTEN_OUT = 1e15
LEAST_WRITTEN_OUT = 1e-4
"""Sizes between which numbers are written without an exponent."""

SIZE_DIGITS = 4
SPREAD_DIGITS = 2
"""Significant digits of the largest number, and of the distance between lowest and highest."""


class Style(NamedTuple):
    """The way in which the numbers of a table are written.

    Attributes:
        decimals: digits after the point; None where a power of ten is needed.
        divisor: the unit, such as 1e9.
        unit: its name behind each number.
    """

    decimals: int | None
    divisor: float = 1.0
    unit: str = ""


def number_style(values: FloatArray) -> Style:
    """Return the style with the fewest digits that tell some numbers apart.

    Args:
        values: any shape; NaN is left out.
    """
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max(initial=0.0))
    if largest == 0.0:
        return Style(0)
    if not LEAST_WRITTEN_OUT <= largest < MOST_WRITTEN_OUT:
        return Style(None)
    divisor, unit = _unit_of(largest)
    decimals = SIZE_DIGITS - 1 - floor(log10(largest / divisor))
    spread = float(finite.max() - finite.min())
    if spread > 1e-9 * largest:
        decimals = max(decimals, SPREAD_DIGITS - 1 - floor(log10(spread / divisor)))
    # numbers that need fewer, such as whole ones, have fewer
    decimals = min(max(decimals, 0), _needed_decimals(finite / divisor))
    return Style(decimals, divisor, unit)


def number_words(value: float, style: Style) -> str:
    """Return a number with a minus sign, commas between thousands and its unit.

    Args:
        value: the number; NaN is `-`.
        style: as of `number_style`.
    """
    if not np.isfinite(value):
        return NO_VALUE
    if style.decimals is None:
        return _with_power(value, SIZE_DIGITS)
    words = f"{value / style.divisor:,.{style.decimals}f}"
    if float(words.replace(",", "")) == 0.0:  # a zero has no minus
        words = words.removeprefix("-")
    return words.replace("-", MINUS) + style.unit


def tick_words(values: Sequence[float]) -> list[str]:
    """Return the numbers at the ticks of an axis, all in one unit and with equal decimals.

    Args:
        values: evenly spaced numbers.
    """
    numbers = np.asarray(values, np.float64)
    largest = float(np.abs(numbers).max(initial=0.0))
    if largest and not LEAST_WRITTEN_OUT <= largest < MOST_WRITTEN_OUT:
        return [_with_power(value) for value in numbers.tolist()]
    divisor, unit = _unit_of(largest)
    style = Style(_needed_decimals(numbers / divisor), divisor, unit)
    return [number_words(value, style) for value in numbers.tolist()]


def _unit_of(largest: float) -> tuple[float, str]:
    """Return the unit of numbers up to some size: 1 where they can be written out."""
    if largest < LEAST_LARGE:
        return 1.0, ""
    return next((size, words) for size, words in LARGE_UNITS if largest >= size)


def _with_power(value: float, digits: int = 0) -> str:
    """Return a very large or small number with a power of ten.

    Args:
        value: the number.
        digits: significant digits; 0: as few as it has, four at most.
    """
    if value == 0.0:
        return "0"
    factor, power = f"{value:.{(digits or SIZE_DIGITS) - 1}e}".split("e")
    if not digits:
        factor = factor.rstrip("0").rstrip(".")
    return f"{factor.replace('-', MINUS)}{TIMES}10{str(int(power)).translate(RAISED)}"


def _needed_decimals(numbers: FloatArray) -> int:
    """Return the fewest decimals that write all of some round numbers exactly."""
    size = float(np.abs(numbers).max(initial=0.0))
    for decimals in range(12):
        if np.allclose(numbers, numbers.round(decimals), rtol=0.0, atol=1e-9 * (size or 1.0)):
            return decimals
    return 12


def stamp_words(
    stamps: NDArray[np.generic], freq: Frequency, *, weekday: bool = False
) -> list[str]:
    """Return stamps as short as their frequency allows: `2024`, `Mar 2024`, `2024-03-01 14:00`.

    Args:
        stamps: (R,) as in a panel.
        freq: their frequency.
        weekday: whether days begin with the day of the week.
    """
    if freq.is_integer:
        return [str(stamp) for stamp in stamps.tolist()]
    local = freq.local(stamps)
    if len(local) and (local != local.normalize()).any():
        style = "%Y-%m-%d %H:%M:%S" if (local.second != 0).any() else "%Y-%m-%d %H:%M"
        return local.strftime(style).tolist()
    rule = freq.alias.lstrip("0123456789").split("-")[0]
    if rule in ("YS", "YE", "BYS", "BYE") and (local.month.isin([1, 12])).all():
        return [str(year) for year in local.year]
    if rule in ("MS", "ME", "BMS", "BME", "QS", "QE", "BQS", "BQE", "YS", "YE", "BYS", "BYE"):
        return [month_words(stamp) for stamp in local]
    words = local.strftime("%Y-%m-%d").tolist()
    if not weekday:
        return words
    return [f"{WEEKDAYS[day]} {text}" for day, text in zip(local.day_of_week, words, strict=True)]


def month_words(stamp: pd.Timestamp) -> str:
    """Return the month of a stamp, such as `Mar 2024`."""
    return f"{MONTHS[stamp.month - 1]} {stamp.year}"
