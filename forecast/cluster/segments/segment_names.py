"""The value of a segment, any text, as the name of a folder."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

_OTHER = re.compile(r"[^A-Za-z0-9_-]+")

_DEVICE = re.compile(r"(?i)con|prn|aux|nul|com[0-9]|lpt[0-9]")
"""Names that Windows keeps for itself."""

_LONGEST = 60
"""Letters of the name without its hash: file systems allow 255 bytes with what is added to it."""

_DIGITS = 10
"""Digits of the hash, of 16 values each."""

_EMPTY = "segment"


def folder_names(values: Iterable[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the name of the folder of each segment.

    A name has letters, digits, `_` and `-` alone. Those of two values differ by more than the case
    of letters, since some file systems do not tell it.

    Args:
        values: of the segments, each once.
        known: names that were given before; they stay.
    """
    known = known or {}
    wanted = {value: _plain(value) for value in values}
    given = {value: known[value] for value in wanted if value in known}
    new = {value: name for value, name in wanted.items() if value not in given}
    taken = Counter(name.casefold() for name in (*new.values(), *known.values()))
    longer = {value: f"{name}-{_hash(value)}" for value, name in new.items()}
    others = {name.casefold() for name in longer.values()}
    for value, name in new.items():
        is_free = taken[name.casefold()] == 1 and name.casefold() not in others
        if is_free and name != _EMPTY and not _DEVICE.fullmatch(name):
            given[value] = name
        else:
            given[value] = longer[value]
    return {value: given[value] for value in wanted}


def _plain(value: str) -> str:
    """Return a value with plain letters alone; of different values it may be the same."""
    # letters with accents become two characters, of which the plain letter stays
    letters = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    return _OTHER.sub("_", letters).strip("_-")[:_LONGEST] or _EMPTY


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
