"""Signs that people write around a number: `(123)`, `123-`, `12.3 p`, `12.5K`, `30 kW`."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.findings import FindingLog, counted

_DIGITS = r"\d[\d.,' ]*"
_MONEY = "[$€£¥]?"
_BRACKETS = rf"^({_MONEY}) ?\( ?({_MONEY} ?{_DIGITS}%?) ?\)(%?)$"
_MINUS_BEHIND = rf"^({_MONEY} ?{_DIGITS}) ?-$"
_NUMBER = r"[+-]?(?:[.,]\d|\d)[\d.,' ]*?(?:[eE][+-]?\d+)?"
_SUFFIX = r"[^\d\s.,'%$€£¥<>~-][^\d\s.,]{0,7}|\(\w{1,2}\)|\[\w{1,3}\]|\d\)"
_SUFFIXED = rf"^({_NUMBER})( ?)({_SUFFIX})$"

_FACTORS = {
    "K": 1e3,
    "k": 1e3,
    "M": 1e6,
    "mn": 1e6,
    "Mn": 1e6,
    "Mio": 1e6,
    "Mio.": 1e6,
    "B": 1e9,
    "bn": 1e9,
    "Bn": 1e9,
    "Mrd": 1e9,
    "Mrd.": 1e9,
    "T": 1e12,
}
"""Letters for thousands, millions, billions (10**9) and 10**12."""

_FLAG = re.compile(r"[bcdefinpruz]{1,3}|[PER]|[*\u2020\u2021^#]+|\(\w{1,2}\)|\[\w{1,3}\]|\d\)")
"""Marks of statistical offices, such as p for provisional, and of footnotes; never a unit."""

_SHOWN = 3


def without_signs(
    text: pa.ChunkedArray, name: str, log: FindingLog
) -> tuple[pa.ChunkedArray, np.ndarray | None]:
    """Write negative numbers with a minus in front, and leave out flags and units, with notes.

    Args:
        text: trimmed cells.
        name: of the column.
        log: gets the notes.

    Returns:
        The cells, and (R,) the factor by which each must be multiplied; None: 1 for all.
    """
    text = pc.replace_substring_regex(text, "^[\u2212\u2013] ?", "-")
    text = _negative(text, name, log)
    return _without_suffix(text, name, log)


def are_measured(text: pa.ChunkedArray) -> bool:
    """Return whether all cells are numbers followed by signs that `without_signs` leaves out.

    Args:
        text: trimmed cells, null where one is missing.
    """
    bare, _ = without_signs(text, "", FindingLog(strict=False))
    fits = pc.match_substring_regex(bare, rf"^{_NUMBER}$")
    return bool(pc.all(fits).as_py()) and text.null_count < len(text)


def _negative(text: pa.ChunkedArray, name: str, log: FindingLog) -> pa.ChunkedArray:
    """Write `(123)` and `123-` as `-123`."""
    for pattern, written in ((_BRACKETS, r"-\1\2\3"), (_MINUS_BEHIND, r"-\1")):
        found = pc.match_substring_regex(text, pattern).fill_null(False)
        number = pc.sum(found).as_py()
        if not number:
            continue
        first = text.filter(found)[0].as_py()
        text = pc.replace_substring_regex(text, pattern, written)
        message = f"{name} contains {first!r} and the like in {counted(number, 'cell')}: read as "
        log.note("negative_numbers", message + "negative numbers")
    return text


def _without_suffix(
    text: pa.ChunkedArray, name: str, log: FindingLog
) -> tuple[pa.ChunkedArray, np.ndarray | None]:
    """Leave out what follows the numbers, where it is a flag, a factor or one unit for all."""
    suffixed = pc.match_substring_regex(text, _SUFFIXED).fill_null(False)
    if not pc.any(suffixed).as_py():
        return text, None
    suffixes = pc.if_else(suffixed, pc.replace_substring_regex(text, _SUFFIXED, r"\3"), "")
    counts = Counter(
        {each["values"]: each["counts"] for each in pc.value_counts(suffixes).to_pylist()}
    )
    counts.pop("", None)
    bare = pc.if_else(suffixed, pc.replace_substring_regex(text, _SUFFIXED, r"\1"), text)
    first = text.filter(suffixed)[0].as_py()
    is_unit = len(counts) == 1 and counts.total() == len(text) - text.null_count
    if is_unit and (next(iter(counts)) not in _FACTORS or " " in first):
        unit = next(iter(counts))
        log.note("unit", f"{name} is in {unit}, such as {first!r}: read as a number")
        return bare, None
    if set(counts) <= set(_FACTORS):
        factors = {suffix: f"{_FACTORS[suffix]:,.0f}" for suffix in counts}
        shown = ", ".join(f"{suffix!r} as times {factor}" for suffix, factor in factors.items())
        log.note("factors", f"{name} contains {first!r} and the like: {shown}")
        by_suffix = {**_FACTORS, "": 1.0}
        words = suffixes.fill_null("").to_pylist()
        return bare, np.array([by_suffix[word] for word in words])
    if all(_FLAG.fullmatch(suffix) for suffix in counts):
        log.note("flags", f"{name}: flags after the numbers are left out: {_named(counts)}")
        return bare, None
    return text, None


def _named(counts: Counter[str]) -> str:
    """Write the most frequent suffixes with the number of their cells."""
    shown = [
        f"{word!r} in {counted(number, 'cell')}" for word, number in counts.most_common(_SHOWN)
    ]
    if len(counts) > _SHOWN:
        shown.append(f"{len(counts) - _SHOWN} more")
    return ", ".join(shown)
