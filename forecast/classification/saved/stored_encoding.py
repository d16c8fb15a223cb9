"""The encoding of sequences as values and arrays of a saved model, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.classification.encoding import Encoding
from forecast.classification.saved.sequence_meta import StoredEncoding
from forecast.classification.saved.stored_arrays import check_encoding


def encoding_meta(encoding: Encoding) -> dict[str, Any]:
    """Return the values of an encoding beside its arrays."""
    return {
        "classes": list(encoding.classes),
        # Pairs, since a mapping would be sorted.
        "vocabulary": [[name, list(words)] for name, words in encoding.vocabulary.items()],
        "widths": list(encoding.widths),
    }


def encoding_state(encoding: Encoding) -> dict[str, NDArray[Any]]:
    """Return the arrays of an encoding."""
    state: dict[str, NDArray[Any]] = {
        "encoding/mean": encoding.mean,
        "encoding/spread": encoding.spread,
        "encoding/masked": encoding.masked,
    }
    if encoding.change is not None:
        state["encoding/change"] = encoding.change
    return state


def encoding_in(
    meta: StoredEncoding,
    state: Mapping[str, NDArray[Any]],
    *,
    change: FloatArray | None = None,
    has_label_sets: bool = False,
) -> Encoding:
    """Return a stored encoding, checked.

    Args:
        meta: its values.
        state: its arrays.
        change: as in `Encoding`; a forecast of categories has none.
        has_label_sets: as in `Encoding`.

    Raises:
        ValueError: something in it cannot be.
    """
    encoding = Encoding(
        classes=tuple(meta.classes),
        mean=state["encoding/mean"],
        spread=state["encoding/spread"],
        masked=state["encoding/masked"],
        change=change,
        vocabulary={name: tuple(words) for name, words in meta.vocabulary},
        widths=tuple(meta.widths),
        has_label_sets=has_label_sets,
    )
    check_encoding(encoding)
    return encoding
