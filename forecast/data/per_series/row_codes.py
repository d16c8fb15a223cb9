"""Distinct values and combinations of columns, as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

IntCodes = NDArray[np.int64]

_DENSE = 16
"""Possible combinations per row up to which a table of all of them is the fastest way to count."""

_LARGEST = 2**62


def codes_of(column: pa.ChunkedArray) -> IntCodes:
    """Return (R,) the number of the distinct value of each cell; -1 where it is missing."""
    kind = column.type
    if pa.types.is_floating(kind):
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_dictionary(kind):
        whole = column.unify_dictionaries().combine_chunks()
    else:
        whole = column.combine_chunks().dictionary_encode()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.combine_chunks()
    indices = whole.indices
    if indices.null_count:
        indices = indices.fill_null(-1)
    codes: IntCodes = indices.to_numpy(zero_copy_only=False).astype(np.int64)
    if not pa.types.is_dictionary(kind):
        return codes
    present = codes >= 0  # a dictionary may list words that do not occur
    numbers = np.cumsum(np.bincount(codes[present], minlength=1) > 0) - 1
    return np.where(present, numbers[codes], -1)


def joint_codes(parts: Sequence[IntCodes]) -> IntCodes:
    """Return (R,) the number of each distinct combination; -1 where a part is missing.

    Args:
        parts: codes of several columns, at least one.
    """
    if len(parts) == 1:
        return parts[0]
    keys = _keys(parts)[0]
    present = keys >= 0
    codes = np.full(len(keys), -1, np.int64)
    codes[present] = pd.factorize(keys[present])[0]
    return codes


def num_combinations(parts: Sequence[IntCodes]) -> tuple[int, int]:
    """Return the number of rows in which no part is missing, and of distinct combinations there.

    Args:
        parts: codes of several columns, at least one.
    """
    keys, size = _keys(parts)
    keys = keys[keys >= 0]
    if size > _DENSE * len(keys):
        return len(keys), len(pd.unique(keys))
    seen = np.zeros(size, dtype=bool)
    seen[keys] = True
    return len(keys), int(seen.sum())


def _keys(parts: Sequence[IntCodes]) -> tuple[IntCodes, int]:
    """Return (R,) a number for each combination, -1 where a part is missing, and their range."""
    keys = parts[0]
    missing = keys < 0
    size = int(keys.max(initial=-1)) + 1
    for codes in parts[1:]:
        width = int(codes.max(initial=-1)) + 1
        if size * width > _LARGEST:
            keys = pd.factorize(keys)[0].astype(np.int64)
            size = int(keys.max(initial=-1)) + 1
        missing = missing | (codes < 0)
        keys = keys * width + codes
        size *= width
    return np.where(missing, -1, keys), size


def num_repeated(parts: Sequence[IntCodes]) -> int:
    """Return the number of rows whose combination occurred before.

    Args:
        parts: codes of several columns, at least one.
    """
    rows, distinct = num_combinations(parts)
    return rows - distinct


def determines(finer: IntCodes, coarser: IntCodes) -> bool:
    """Return whether rows equal in the one are equal in the other.

    Args:
        finer: (R,) codes of one column.
        coarser: (R,) codes of another one.
    """
    known = coarser >= 0
    finer = finer[known]
    return num_combinations([finer]) == num_combinations([finer, coarser[known]])
