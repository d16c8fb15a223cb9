"""The columns that tell the series of a table apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from forecast.data.per_series.row_codes import IntCodes, joint_codes, num_repeated
from forecast.data.per_series.spans import are_series
from forecast.data.roles.column_facts import Facts
from forecast.data.text.column_words import CALENDAR_WORDS, ID_WORDS, has_word, plain, rank

_FEW = 0.01
"""Share of rows with the series and time of another row that is a fault and no other series."""

_FEW_LEFT = 0.02
"""Share of the repeated timestamps that may still repeat in a series."""

_MOST_PARTS = 6
"""Columns that may name a series together, at most."""


def id_columns(time: IntCodes, facts: Mapping[str, Facts]) -> tuple[str, ...]:
    """Return the columns under which timestamps do not repeat; () where one series is enough.

    Args:
        time: (R,) number of the timestamp of each row.
        facts: of the columns that could name a series.
    """
    limit = _FEW * len(time)
    numbers = [each for each in facts.values() if each.kind != "text"]
    candidates = [each for each in facts.values() if _may_name(each)]
    if len(numbers) == 1 and not has_word(numbers[0].name, ID_WORDS):  # the target
        candidates = [each for each in candidates if each.kind == "text"]
    repeats = num_repeated([time])
    if repeats <= limit:
        return _named_outright(candidates)
    limit = min(limit, _FEW_LEFT * repeats)
    per_stamp = int(np.bincount(time[time >= 0]).max(initial=0))
    candidates = [each for each in candidates if not _is_measure(each, per_stamp)]
    candidates.sort(key=_likeliness)

    for each in candidates:
        if num_repeated([time, each.codes]) <= limit and are_series(time, each.codes, (each.name,)):
            return (each.name,)
    together = _together(time, candidates[:_MOST_PARTS], limit)
    if not together:
        return ()
    series = joint_codes([facts[name].codes for name in together])
    if not are_series(time, series, together):
        return ()
    return tuple(name for name in facts if name in together)


def _may_name(each: Facts) -> bool:
    """Return whether the cells of a column could name series: text or whole numbers that recur."""
    if each.kind != "text" and not each.is_whole:
        return False
    if each.is_whole and plain(each.name) in CALENDAR_WORDS:
        return False
    return 2 <= each.num_distinct <= len(each.column) / 2


def _named_outright(candidates: Sequence[Facts]) -> tuple[str, ...]:
    """Return the column that is called an id although no timestamp repeats; () if there is none."""
    named = [
        each.name
        for each in candidates
        if plain(each.name).endswith("id") and has_word(each.name, ID_WORDS)
    ]
    return tuple(named[:1])


def _is_measure(each: Facts, per_stamp: int) -> bool:
    """Return whether whole numbers have more values than there are series at any time.

    Args:
        each: the column.
        per_stamp: rows of the commonest timestamp.
    """
    if each.kind == "text" or has_word(each.name, ID_WORDS):
        return False
    return each.num_distinct > 2 * per_stamp


def _likeliness(each: Facts) -> tuple[int, bool]:
    """Return a key that sorts names of ids first, then text."""
    return rank(each.name, ID_WORDS), each.kind != "text"


def _together(time: IntCodes, candidates: Sequence[Facts], limit: float) -> tuple[str, ...]:
    """Return the fewest columns that name a series together; () where all of them do not."""

    def suffices(chosen: Sequence[Facts]) -> bool:
        if not chosen:
            return False
        return num_repeated([time, *(each.codes for each in chosen)]) <= limit

    chosen = list(candidates)
    if not suffices(chosen):
        return ()
    for each in reversed(candidates):
        fewer = [other for other in chosen if other is not each]
        if suffices(fewer):
            chosen = fewer
    return tuple(each.name for each in chosen)
