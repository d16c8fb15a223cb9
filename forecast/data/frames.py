"""Reader of pandas frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from forecast.data.findings import BadTableError, listed
from forecast.data.opened import Cells, Opened, Written
from forecast.data.panel import Columns


def open_frame(frame: pd.DataFrame, columns: Columns, _written: Written) -> Opened:
    """Open a data frame; columns of plain numbers are not copied."""
    given = frame.columns.tolist()
    names = tuple(map(str, given))
    if columns.time_col not in names and isinstance(
        frame.index, pd.DatetimeIndex | pd.PeriodIndex | pd.MultiIndex
    ):
        index_names = listed(str(name) for name in frame.index.names)
        raise BadTableError(
            "index",
            f"there is no column {columns.time_col!r}; the index contains {index_names}",
            "call reset_index()",
        )
    labels = dict(zip(names, given, strict=True))

    def read(wanted: list[str]) -> Cells:
        return {name: _from_series(frame[labels[name]], name, columns.id_col) for name in wanted}

    return Opened(names, read)


def _from_series(series: pd.Series, name: str, id_col: str) -> pa.ChunkedArray:
    """Turn a column of a frame into an arrow column.

    Mixed objects become text; in the id column they are an error.
    """
    kind = series.dtype
    if kind.kind == "c":
        raise _complex_error(name)
    if isinstance(kind, pd.PeriodDtype):
        raise BadTableError(
            "periods", f"column {name!r} contains periods", "convert them: .dt.to_timestamp()"
        )
    if isinstance(kind, np.dtype) and kind.kind in "iufb":
        return pa.chunked_array([pa.array(series.to_numpy())])
    try:
        column = pa.Array.from_pandas(series)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        OverflowError,
    ) as error:
        if name == id_col:
            raise BadTableError(
                "mixed_ids", f"column {name!r} mixes types", "cast it to text or whole numbers"
            ) from error
        column = pa.array([_as_text(value, name) for value in series], pa.string())
    if isinstance(column, pa.ChunkedArray):
        return column
    return pa.chunked_array([column])


def _as_text(value: Any, name: str) -> str | None:
    """Write one object of a mixed column as text; a missing value is None."""
    if isinstance(value, complex | np.complexfloating):
        raise _complex_error(name)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return str(value)


def _complex_error(name: str) -> BadTableError:
    return BadTableError(
        "complex_numbers",
        f"column {name!r} contains complex numbers",
        "take the real part or the absolute value",
    )
