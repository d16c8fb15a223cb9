"""Which settings matter: how much of the order of the scores each explains by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def explained(table: pd.DataFrame, objective: str, paths: Sequence[str]) -> dict[str, float]:
    """Return the share of the variance of the scores' ranks that each setting explains by itself, less chance.

    Values of a setting are groups, numbers with more than five of them five groups of equal size. The share is
    epsilon squared (Kelley 1935): (between - (k - 1) within / (n - k)) / total, at least 0.

    Args:
        table: of the trials.
        objective: the score.
        paths: columns of the settings.
    """
    scored = table[table[objective].notna()]
    ranks: NDArray[np.float64] = np.asarray(scored[objective].rank(), np.float64)
    return {path: _epsilon_squared(ranks, _groups(scored[path])) for path in paths}


def _epsilon_squared(values: NDArray[np.float64], group: NDArray[np.int64]) -> float:
    total, number = float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0, len(set(group.tolist()))
    if number < 2 or len(values) <= number or total == 0:
        return 0.0
    count = np.bincount(group)
    means = np.bincount(group, values) / np.maximum(count, 1)
    between = float((count * (means - values.mean()) ** 2).sum())
    return max(0.0, (between - (number - 1) * (total - between) / (len(values) - number)) / total)


def _groups(column: pd.Series) -> NDArray[np.int64]:
    """A number for each value, or for each fifth of the numbers where there are many; empty cells are a group."""
    if column.nunique() > 5 and pd.api.types.is_numeric_dtype(column):
        return pd.qcut(column.rank(method="first"), 5, labels=False).fillna(5).to_numpy(np.int64)
    return pd.factorize(column.astype(str))[0].astype(np.int64)
