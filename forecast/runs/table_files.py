"""Tables that commands write for others to read: forecasts, and rows of known covariates to be filled in.

Nothing marks a CSV file as ours but its columns, so an earlier table is known by these.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.data.panel import Columns
from forecast.errors import DataError
from forecast.files.atomic import write_file
from forecast.scores.forecast import column_names

if TYPE_CHECKING:
    import pandas as pd


ENDINGS = (".csv", ".parquet")


def check_ending(path: str | Path) -> None:
    """Raise unless a table can be written under a name.

    Raises:
        DataError: it ends in something else.
    """
    ending = Path(path).suffix
    if ending not in ENDINGS:
        raise DataError(
            f"{path}: cannot write {ending or 'a file without an ending'!r}; name it .csv or "
            f".parquet"
        )


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a frame as CSV or parquet, by the ending of the name; a file there is replaced in one piece."""
    check_ending(path)
    if Path(path).suffix == ".csv":
        write_file(path, frame.to_csv(index=False).encode())
    else:
        write_file(path, frame.to_parquet(index=False))


def is_forecast(alias: str, columns: Columns, path: Path) -> bool:
    """Whether a file has the columns of a forecast, with intervals of any level.

    Args:
        alias: of the model.
        columns: of the table it was trained on.
        path: the file.
    """
    found = _columns_in(path)
    first = [columns.id_col, columns.time_col, "cutoff"]
    names = column_names(alias, columns.target_cols)
    interval = re.compile(
        "|".join(rf"{re.escape(name)}-((lo|hi)-[0-9.]+|median)" for name in names)
    )
    rest = found[len(first) :]
    is_known = all(name in names or interval.fullmatch(name) for name in rest)
    return found[: len(first)] == first and set(names) <= set(rest) and is_known


def is_template(columns: Columns, path: Path) -> bool:
    """Whether a file has the columns of the rows to be filled in, and nothing was filled in yet.

    Args:
        columns: of the table that was trained on.
        path: the file.
    """
    import pandas as pd

    to_fill = list(columns.known_covariates)
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype=str)
    except (OSError, ValueError):  # errors of pandas and Arrow among them
        return False
    if list(table.columns) != [columns.id_col, columns.time_col, *to_fill]:
        return False
    return bool(table[to_fill].isna().all(axis=None))


def _columns_in(path: Path) -> list[str]:
    """Columns of the table in a file; none where it is no table."""
    import pandas as pd
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        return [str(name) for name in pd.read_csv(path, nrows=0).columns]
    except (OSError, ValueError):  # errors of pandas and Arrow among them
        return []
