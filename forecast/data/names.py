"""The one name of an id or a category, whatever table it comes from.

Series and categories are told apart and found again by `name_of`. Every value is named by itself:
which other values stand in its column, and whether that column came from a frame, a text file,
parquet or Arrow, changes nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
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
_LARGEST = 2**63
_MANY = 10_000
"""Known names above which only other spellings are suggested, as measuring how much two names are
alike takes time."""


def name_of(value: object) -> str:
    """Return the text under which an id or a category is known.

    - Text is its own name, spaces, case and leading zeros included: `01` is not `1`, `1.10` not
      `1.1`. Three forms that programs write for a value of another type are that value: `True`,
      `TRUE` and `true`; `1.0`, a whole number that stood beside a missing one; `2024-05-01
      00:00:00`, a day written as a stamp.
    - True and False are `true` and `false`.
    - Whole numbers, also as floats or decimals, are their digits: 1 and 1.0 are `1`.
    - Other numbers are the shortest text that gives the same number: 0.5 is `0.5`.
    - Days are `2024-05-01`, other stamps `2024-05-01 12:30:00`.

    Args:
        value: text, a number, a bool, or a date or stamp without a time zone; never a missing
            value.
    """
    if isinstance(value, str):
        return _name_of_text(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, date):  # stamps are dates too
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
    return _name_of_stamp(*stamp.groups()) if stamp else text


def _name_of_stamp(day: str, minute: str, second: str | None) -> str:
    """Write a stamp without what is zero at its end: the fraction of a second, or the whole time."""
    second = second or ":00"
    if "." in second:
        second = second.rstrip("0").rstrip(".")
    return day if minute + second == "00:00:00" else f"{day} {minute}{second}"


def _name_of_number(value: float | np.floating[Any] | Decimal) -> str:
    if math.isfinite(value) and value == int(value):
        return str(int(value))
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def sorted_names(names: Iterable[str]) -> list[str]:
    """Put names in order: whole numbers by size where all names are such, else as text."""
    found = list(names)
    return sorted(found, key=int) if all(map(_WHOLE.fullmatch, found)) else sorted(found)


def as_numbers(names: Sequence[str]) -> list[int] | None:
    """Return names as whole numbers of 64 bits, or None where one of them is none."""
    if not all(map(_WHOLE.fullmatch, names)):
        return None
    numbers = [int(name) for name in names]
    return numbers if all(-_LARGEST <= number < _LARGEST for number in numbers) else None


def nearest_name(name: str, known: Collection[str]) -> str:
    """Return ` (did you mean 'x'?)`: the known name that differs in spelling only, else the one most alike, else "".

    Args:
        name: what was given.
        known: the names there are.
    """
    same = [one for one in known if _plain(one) == _plain(name)]
    if same:
        return f" (did you mean {same[0]!r}?)"
    return nearest(name, known) if len(known) <= _MANY else ""


def _plain(name: str) -> str:
    """What is left of a name without case, outer spaces, and the way a number is written."""
    text = name.strip().casefold()
    try:
        return str(float(text))
    except ValueError:
        return text
