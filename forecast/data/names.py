"""The name of an id or a category, the same whatever table it comes from.

Series and categories are compared by `name_of`. The name of a value depends on this value alone,
not on the other values of its column, nor on whether the column came from a frame, a text file,
parquet or Arrow.
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Collection, Container, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from forecast.errors import nearest

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,39}")
_WHOLE_FLOAT = re.compile(r"(-?[0-9]{1,40})\.0")
_STAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]{1,9})?)?"
)
_MAY_LOOK_LIKE_ANOTHER = re.compile(r"[^!-~ ]|^ | $|  ")
_NO_WIDTH = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_LARGEST = 2**63
_MANY = 10_000
"""Number of known names above which only other spellings are suggested: comparing a name with each
of them for similarity takes too long."""


def name_of(value: object) -> str:
    """Return the name of an id or a category as text.

    - Text is its own name, spaces, case and leading zeros included: `01` is not `1`, `1.10` not
      `1.1`. Three forms that programs write for a value of another type are that value: `True`,
      `TRUE` and `true`; `1.0`, a whole number that stood beside a missing one; `2024-05-01
      00:00:00`, a day written as a timestamp.
    - True and False are `true` and `false`.
    - Whole numbers, also as floats or decimals, are their digits: 1 and 1.0 are `1`.
    - Other numbers are the shortest text that gives the same number: 0.5 is `0.5`.
    - Days are `2024-05-01`, other timestamps `2024-05-01 12:30:00`.
    - A tuple, the id that several columns give, is the line of CSV with the names of its values.

    Args:
        value: text, a number, a bool, a date or timestamp without a time zone, or a tuple of these;
            never a missing value.
    """
    if isinstance(value, tuple):
        return join_names([name_of(part) for part in value])
    if isinstance(value, str):
        return _name_of_text(value)
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, date):  # datetime is a subclass of date
        return _name_of_text(value.isoformat())
    if isinstance(value, float | np.floating | Decimal):
        return _name_of_number(value)
    return str(value)


def _name_of_text(text: str) -> str:
    lowered = text.lower()
    if lowered in ("true", "false"):
        return lowered
    whole = _WHOLE_FLOAT.fullmatch(text)
    if whole and _WHOLE.fullmatch(whole[1]):
        return whole[1]
    stamp = _STAMP.fullmatch(text)
    if stamp:
        return _name_of_stamp(*stamp.groups())
    return text


def _name_of_stamp(day: str, minute: str, second: str | None) -> str:
    """Write a timestamp without trailing zeros: of the fraction of a second, or the whole time."""
    second = second or ":00"
    if "." in second:
        second = second.rstrip("0").rstrip(".")
    if minute + second == "00:00:00":
        return day
    return f"{day} {minute}{second}"


def _name_of_number(value: float | np.floating[Any] | Decimal) -> str:
    if math.isfinite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)


def names_that_look_alike(names: Collection[str]) -> list[list[str]]:
    """Return the groups of different names that a reader sees no difference between.

    Such differ in how a letter is written, `é` or `e` with an accent, in spaces, or in characters
    without a width.
    """
    if not any(map(_MAY_LOOK_LIKE_ANOTHER.search, names)):  # as a rule: no loop over all
        return []

    by_look: dict[str, list[str]] = {}
    for name in names:
        look = name
        if _MAY_LOOK_LIKE_ANOTHER.search(name):
            look = " ".join(_NO_WIDTH.sub("", unicodedata.normalize("NFC", name)).split())
        by_look.setdefault(look, []).append(name)
    return [group for group in by_look.values() if len(group) > 1]


def sorted_names(names: Iterable[str]) -> list[str]:
    """Sort names: by size where all are whole numbers, else as text."""
    names = list(names)
    if all(map(_WHOLE.fullmatch, names)):
        return sorted(names, key=int)
    return sorted(names)


def as_numbers(names: Sequence[str]) -> list[int] | None:
    """Return names as whole numbers of 64 bits, or None where one of them is not such a number."""
    if not all(map(_WHOLE.fullmatch, names)):
        return None
    numbers = [int(name) for name in names]
    if not all(-_LARGEST <= number < _LARGEST for number in numbers):
        return None
    return numbers


def nearest_name(name: str, known: Collection[str], used: Container[str] = ()) -> str:
    """Return ` (did you mean 'x'?)` with the known name closest to a given one, or "".

    A name that differs in spelling alone comes first.

    Args:
        name: the given name.
        known: the existing names.
        used: names that are given beside it, and so are not meant by it unless they differ in
            spelling alone.
    """
    plain = _plain(name)
    for known_name in known:
        if _plain(known_name) == plain:
            return f" (did you mean {known_name!r}?)"
    if len(known) > _MANY:
        return ""
    return nearest(name, [known_name for known_name in known if known_name not in used])


def _plain(name: str) -> str:
    """Return a name without case, outer spaces and the spelling of a number."""
    text = name.strip().casefold()
    try:
        return str(float(text))
    except ValueError:
        return text


def join_names(names: Sequence[str]) -> str:
    """Write names as one line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().removesuffix("\n")


def split_names(text: str) -> list[str]:
    """Read the names that `join_names` wrote; spaces after a comma are left out."""
    return next(csv.reader(text.splitlines(keepends=True), skipinitialspace=True), [text])
