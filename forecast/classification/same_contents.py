"""Sequences that are there twice: the same document, the same recording."""

from __future__ import annotations

import hashlib

import numpy as np

from forecast.axes import IntArray
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.data.findings import BadTableError, Change, counted, listed


def contents_of(sequences: Sequences) -> IntArray:
    """Return (N,) a number for each sequence, the same for those with equal rows, from 0.

    Numbers are in the order of the first sequence of each.
    """
    digests = [_digest(sequences, number) for number in range(sequences.num_sequences)]
    place: dict[bytes, int] = {}
    return np.array([place.setdefault(digest, len(place)) for digest in digests], np.int64)


def _digest(sequences: Sequences, number: int) -> bytes:
    rows = slice(int(sequences.offsets[number]), int(sequences.offsets[number + 1]))
    state = hashlib.sha256(sequences.numbers[rows].tobytes())
    for words in sequences.words.values():
        state.update("\x1f".join(map(str, words[rows])).encode())
    return state.digest()


def twice_in_sets(sequences: Sequences, sets: dict[str, IntArray]) -> tuple[str, ...]:
    """Say which sets have sequences that another set has too.

    Args:
        sequences: all sequences.
        sets: numbers of the sequences in each set by its name, those to learn from first.

    Returns:
        A sentence for each pair of sets that share some.
    """
    contents = contents_of(sequences)
    named = list(sets.items())
    found = []
    for place, (first, earlier) in enumerate(named):
        for second, later in named[place + 1 :]:
            known = set(contents[earlier].tolist())
            again = [number for number in later if contents[number] in known]
            if again:
                ids = listed([str(sequences.ids[number]) for number in again], shown=3)
                what = "document" if sequences.columns.text_col is not None else "sequence"
                found.append(
                    f"{counted(len(again), what)} of the {second} set "
                    f"{'is' if len(again) == 1 else 'are'} in the {first} set too: {ids}"
                )
    return tuple(found)


def refuse_repeated(sequences: Sequences, sets: dict[str, IntArray]) -> None:
    """Raise where a set has sequences that another set has too; arguments as in `twice_in_sets`.

    Raises:
        BadTableError: always then: what was learned by heart would count as found out.
    """
    found = twice_in_sets(sequences, sets)
    if found:
        raise BadTableError(
            "repeated_in_sets",
            "; ".join(found),
            "put equal ones into one set",
            (Change({"split.repeated": "allow"}, "to judge on them all the same"),),
        )
