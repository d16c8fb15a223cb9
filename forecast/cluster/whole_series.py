"""Whether the files of a folder have whole series, found out from their forecasts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.data.names import name_of
from forecast.errors import DataError
from forecast.forecasting.forecaster import Forecaster

_BYTES = 8
"""Of the hash of a name: among a million names, two are alike by chance once in 37 million."""


def id_columns(forecaster: Forecaster) -> list[str]:
    """Return the columns of ids in the forecasts of a model."""
    return list(forecaster.fitted.feature_map.columns.id_cols)


def series_in(path: Path, ids: Sequence[str]) -> list[str]:
    """Return the name of each series in a file of forecasts.

    Args:
        path: a CSV or parquet file.
        ids: columns of ids.
    """
    if path.suffix == ".csv":
        frame = pd.read_csv(path, usecols=list(ids), dtype=str, keep_default_na=False)
    else:
        frame = pd.read_parquet(path, columns=list(ids))
    rows = frame[list(ids)].drop_duplicates().itertuples(index=False, name=None)
    return [name_of(row if len(row) > 1 else row[0]) for row in rows]


def hashes_of(names: Sequence[str]) -> bytes:
    """Return the hashes of some names, one after the other."""
    return b"".join(hashlib.blake2b(name.encode(), digest_size=_BYTES).digest() for name in names)


def refuse_divided(hashes: Mapping[Path, bytes], ids: Sequence[str]) -> None:
    """Raise if a series is in two files.

    Args:
        hashes: those of the series in each file of forecasts.
        ids: columns of ids.

    Raises:
        DataError: as above.
    """
    together = np.frombuffer(b"".join(hashes.values()), np.uint64)
    distinct, counts = np.unique(together, return_counts=True)
    if len(distinct) == len(together):
        return
    twice = distinct[counts > 1]
    shared = [
        path
        for path, content in hashes.items()
        if np.isin(twice[0], np.frombuffer(content, np.uint64))
    ]
    first, second = shared[:2]
    names = sorted(set(series_in(first, ids)) & set(series_in(second, ids)))
    raise DataError(
        f"series {names[0]!r} and {len(twice) - 1:,} more are in several parts, such as "
        f"{first.stem} and {second.stem}, and have a forecast from the rows of each: put all rows "
        f"of a series into one file, as forecast split does, and name a new folder with `output=`"
    )
