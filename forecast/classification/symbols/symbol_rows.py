"""Symbols as codes: read, split, and numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.classification.class_settings import SequenceColumns
from forecast.classification.symbols.symbol_settings import SymbolData
from forecast.classification.tables.sequence_roles import naming
from forecast.classification.tables.sequence_table import read_sequences
from forecast.classification.texts.documents import WORD, TextSettings
from forecast.data.formats.readers import Source
from forecast.data.text.textfile import read_whole_text
from forecast.errors import DataError

UNKNOWN = 0
"""Code of a symbol that the training symbols do not have."""

BOUNDARY = 1
"""Code before the first symbol of every sequence, and after the last."""

NUM_MARKS = 2
"""Codes that stand for no symbol of the table."""

NO_LIMIT = 1_000_000_000


@dataclass(frozen=True, eq=False)
class SymbolRows:
    """The symbols of some sequences, one after another.

    Attributes:
        symbols: (R,) text of each symbol.
        offsets: (N + 1,) rows of each sequence.
        ids: (N,) names of the sequences.
        notes: how the table was read, a sentence each.
    """

    symbols: NDArray[np.object_]
    offsets: IntArray
    ids: NDArray[np.object_]
    notes: tuple[str, ...] = ()

    def take(self, which: Sequence[int] | IntArray) -> SymbolRows:
        """Return some of the sequences."""
        parts = [self.symbols[self.offsets[n] : self.offsets[n + 1]] for n in which]
        lengths = [len(part) for part in parts]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        symbols = np.concatenate(parts) if parts else self.symbols[:0]
        return SymbolRows(symbols, offsets, self.ids[np.asarray(which, np.int64)])


def read_symbols(source: Source, data: SymbolData) -> SymbolRows:
    """Read the symbols of a text or a table.

    Args:
        source: a `.txt` file with one text, or a table as for `read_sequences`.
        data: where the symbols are.

    Raises:
        DataError: the file cannot be read, is empty, or lacks a column.
    """
    if isinstance(source, str | Path) and str(source).endswith(".txt"):
        return _read_text(Path(source), data)
    text = TextSettings(unit=data.unit, lower_case=data.lower_case, most_steps=NO_LIMIT)
    if data.text_col is not None:
        columns = SequenceColumns(**data.as_written, text_col=data.text_col)
    else:
        columns = SequenceColumns(
            **data.as_written,
            id_col=data.id_col,
            step_col=data.step_col,
            label_col=None,
            features=(),
            categorical=(data.symbol_col,),
        )
    with naming("symbol_col", "the symbols", data.symbol_col):
        sequences = read_sequences(source, columns, text, has_labels=False, may_be_one=True)
    (symbols,) = sequences.words.values()
    return SymbolRows(symbols, sequences.offsets, sequences.ids, sequences.notes)


def symbols_of(text: str, data: SymbolData) -> list[str]:
    """Return the symbols of a text."""
    if data.lower_case:
        text = text.lower()
    if data.unit == "characters":
        return list(text)
    return WORD.findall(text)


def _read_text(path: Path, data: SymbolData) -> SymbolRows:
    try:
        text = read_whole_text(path, data.encoding)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); expected a text file: check the path"
        ) from error
    found = symbols_of(text, data)
    if not found:
        raise DataError(f"{path}: is empty; expected a text")
    symbols = np.empty(len(found), dtype=object)
    symbols[:] = found
    return SymbolRows(symbols, np.array([0, len(found)]), np.array([path.name], dtype=object))


def split_symbols(rows: SymbolRows, share: float, seed: int) -> tuple[SymbolRows, SymbolRows]:
    """Return training and validation symbols; see `SymbolData.validation`.

    Raises:
        DataError: there are less than two symbols in one of them.
    """
    num_sequences = len(rows.ids)
    if num_sequences == 1:
        at = len(rows.symbols) - round(share * len(rows.symbols))
        parts = (slice(0, at), slice(at, None))
        split = [
            SymbolRows(rows.symbols[part], np.array([0, len(rows.symbols[part])]), rows.ids)
            for part in parts
        ]
    else:
        order = np.random.default_rng(seed).permutation(num_sequences)
        held_out = min(max(1, round(share * num_sequences)), num_sequences - 1)
        split = [rows.take(np.sort(order[held_out:])), rows.take(np.sort(order[:held_out]))]
    for name, part in zip(("training", "validation"), split, strict=True):
        if len(part.symbols) < 2:
            raise DataError(
                f"{len(part.symbols)} symbols are left for {name}; expected at least 2: give a "
                f"longer text, or another share in `data.validation`"
            )
    return split[0], split[1]


@dataclass(frozen=True, eq=False)
class Symbols:
    """The symbols that are told apart, in order of their codes from `NUM_MARKS` on."""

    names: tuple[str, ...]

    @classmethod
    def fit(cls, rows: SymbolRows, most: int) -> Symbols:
        """Take the most frequent symbols.

        Args:
            rows: the training symbols.
            most: number of symbols, at most.
        """
        names, counts = np.unique(rows.symbols.astype(str), return_counts=True)
        order = np.lexsort((names, -counts))[:most]
        return cls(tuple(str(name) for name in names[order] if name))

    @property
    def num_codes(self) -> int:
        """Number of codes V, the marks included."""
        return len(self.names) + NUM_MARKS

    def codes(self, symbols: NDArray[np.object_]) -> NDArray[np.int32]:
        """Return the code of each symbol."""
        place = {name: code for code, name in enumerate(self.names, start=NUM_MARKS)}
        given, places = np.unique(symbols.astype(str), return_inverse=True)
        found = np.array([place.get(str(name), UNKNOWN) for name in given], np.int32)
        return found[places]

    def stream(self, rows: SymbolRows) -> NDArray[np.int32]:
        """Return all codes one after another, with a boundary before, between and after sequences.

        A single text has none, since it is the piece of a longer one.
        """
        codes = self.codes(rows.symbols)
        if len(rows.ids) == 1:
            return codes
        parts: list[NDArray[np.int32]] = [np.array([BOUNDARY], np.int32)]
        for first, last in zip(rows.offsets[:-1], rows.offsets[1:], strict=True):
            parts += [codes[first:last], np.array([BOUNDARY], np.int32)]
        return np.concatenate(parts)
