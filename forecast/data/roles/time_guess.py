"""The columns that could be the time of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.dates.date_formats import find_format
from forecast.data.dates.number_dates import are_years
from forecast.data.dates.stamp_text import parse
from forecast.data.dates.time_parts import parts_of, proposed_names
from forecast.data.findings import BadTableError
from forecast.data.names import join_names
from forecast.data.panel import NO_TIME
from forecast.data.per_series.row_codes import IntCodes, joint_codes, num_repeated
from forecast.data.roles.column_facts import Facts, could_be_dates
from forecast.data.text.column_words import (
    ID_WORDS,
    INDEX_WORDS,
    LATER_WORDS,
    TIME_WORDS,
    YEAR_WORDS,
    has_word,
    plain,
    rank,
)
from forecast.errors import ConfigError

_MOST_STEPS = 0.99
"""Share of steps forward; the clocks of one of two columns may go back."""

_MIDNIGHT = re.compile(r"[ T]00:00(:00)?([.]0+)?")


def time_choices(facts: Mapping[str, Facts]) -> list[str]:
    """Return the columns that could be the time, the likeliest first; `none` where no column is.

    Several columns with the parts of the time are one choice, as `date,time`. Of columns that tell
    the same time, in other words or more coarsely, one is kept.

    Args:
        facts: of the columns without a role.
    """
    dates = [each for each in facts.values() if each.kind == "time" and not each.is_constant]
    dates.sort(
        key=lambda each: (
            has_word(each.name, LATER_WORDS),
            rank(each.name, TIME_WORDS),
            -each.num_distinct,
        )
    )
    if dates:
        kept = _finest(dates)
        choices = [_with_clock(each, facts) for each in kept]
        if choices == [kept[0].name]:
            return [*_with_hours(kept[0], facts), *choices]
        return choices
    parts = proposed_names(list(facts))
    if parts and all(facts[name].kind in ("number", "text", "flag") for name in parts):
        return [join_names(parts)]
    numbers = [each for each in facts.values() if _is_index(each)]
    if not numbers:
        return [NO_TIME]
    numbers.sort(key=lambda each: rank(each.name, TIME_WORDS))
    return [numbers[0].name]


def _finest(dates: list[Facts]) -> list[Facts]:
    """Return the columns that tell different times; of those that tell the same, the finest."""
    kept: list[Facts] = []
    for each in sorted(dates, key=lambda each: -each.num_distinct):
        if not any(_follows(other, each) for other in kept):
            kept.append(each)
    return [each for each in dates if each in kept]


def _follows(finer: Facts, coarser: Facts) -> bool:
    """Return whether the times of one column grow with those of another, and repeat with them."""
    if not coarser.follows(finer.codes):
        return False
    first = _ticks(finer)
    second = _ticks(coarser)
    if first is None or second is None:
        return False
    known = (finer.codes >= 0) & (coarser.codes >= 0)
    order = np.argsort(first[known], kind="stable")
    steps = np.diff(second[known][order])
    return bool(np.mean(steps >= 0) >= _MOST_STEPS)


def _ticks(date: Facts) -> NDArray[np.int64] | None:
    """Return (R,) the times of a column as numbers; None where they can be read in two ways."""
    column = date.column
    if not pa.types.is_timestamp(column.type):
        text = column.cast(pa.string())
        try:
            column = parse(text, find_format(text, date.name)[0])
        except (BadTableError, ConfigError):
            return None
    whole = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    ticks: NDArray[np.int64] = whole.fill_null(0).to_numpy()
    return ticks


def is_falling(each: Facts) -> bool:
    """Return whether the first row of a column of times or numbers comes after the last."""
    if each.kind == "number":
        numbers = each.column.drop_null()
        return len(numbers) > 1 and bool(pc.less(numbers[-1], numbers[0]).as_py())
    ticks = _ticks(each)
    return ticks is not None and len(ticks) > 1 and bool(ticks[-1] < ticks[0])


def _with_clock(date: Facts, facts: Mapping[str, Facts]) -> str:
    """Return a column of dates, together with that of the time of day where there is one."""
    clocks = [each.name for each in facts.values() if each.kind == "clock" and not each.is_constant]
    parts = proposed_names(list(facts), date.name)
    if not parts and len(clocks) == 1:
        parts = (date.name, clocks[0])
    if not parts or _has_time_of_day(date):
        return date.name
    if any(facts[name].is_constant for name in parts):
        return date.name
    return join_names(parts)


def _with_hours(date: Facts, facts: Mapping[str, Facts]) -> list[str]:
    """Return the dates together with numbers that could be hours or name series, if there are any.

    Such numbers have another name than hours usually have, so it is asked which they are.
    """
    if _has_time_of_day(date):
        return []
    return [
        join_names([date.name, each.name])
        for each in facts.values()
        if each.is_hour()
        and not has_word(each.name, ID_WORDS)
        and not num_repeated([date.codes, each.codes])
        and num_repeated([date.codes])
    ][:1]


def _has_time_of_day(date: Facts) -> bool:
    """Return whether the cells of a column of dates have a time of day."""
    sample = date.column.slice(0, 1000).drop_null().cast("string").to_pylist()
    return any(":" in _MIDNIGHT.sub("", cell) for cell in sample)


def _is_index(each: Facts) -> bool:
    """Return whether numbers are the time: by their name, or because they look like dates."""
    if each.kind != "number" or each.is_constant:
        return False
    if plain(each.name) in INDEX_WORDS and (each.is_whole or are_years(each.column)):
        return each.is_sorted or plain(each.name) in YEAR_WORDS
    if not plain(each.name) and each.counts_rows and are_years(each.column.cast(pa.float64())):
        return True  # an index of years that was saved without a name
    return could_be_dates(each) and (each.is_sorted or has_word(each.name, TIME_WORDS))


def time_codes(time_col: str, facts: Mapping[str, Facts]) -> IntCodes | None:
    """Return (R,) the number of the time of each row; None where rows are only counted.

    Args:
        time_col: one of `time_choices`, or a column that a person named.
        facts: of the columns.
    """
    names = parts_of(time_col, tuple(facts))
    if not set(names) <= set(facts):
        return None
    return joint_codes([facts[name].codes for name in names])
