"""A table whose values after a cutoff can be changed, column by column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.errors import ConfigError, nearest

Rows = NDArray[np.bool_]
"""(R,) mask of rows."""


CHANGES = ("missing", "+1e6", "-1e6", "mirrored", "shuffled")
"""Changes of later values: missing, one number, themselves times -1e6, those of other later rows.

The mirror reverses the order of series and rows, which no constant does.
"""


_SHARES = (0.5, 0.7, 0.9)
"""Default cutoffs, as shares of the stamps."""


@dataclass(frozen=True, eq=False)
class ChangeableTable:
    """A table whose later values can be changed.

    Attributes:
        frame: numbers as float64, so that any of them can go missing without another type.
        id_col: column of series ids; None where there is one series.
        time_col: column of stamps.
        known: number of steps after a cutoff for which a column is known, None for ever.
    """

    frame: pd.DataFrame
    id_col: str | None
    time_col: str
    known: Mapping[str, int | None]

    @classmethod
    def of(
        cls, frame: pd.DataFrame, id_col: str, time_col: str, known: Mapping[str, int | None]
    ) -> ChangeableTable:
        """Convert the numbers of a table to float64, and check its columns.

        Raises:
            ConfigError: a column is missing, or no column is left to change.
        """
        for name in (time_col, *known):
            if name not in frame:
                raise ConfigError(
                    f"the table has no column {name!r}{nearest(name, map(str, frame.columns))}"
                )
        out = frame.reset_index(drop=True)
        for name in out.columns.difference([id_col, time_col]):
            if pd.api.types.is_numeric_dtype(out[name]):
                out[name] = out[name].astype("float64")
            elif not pd.api.types.is_datetime64_any_dtype(out[name]):
                out[name] = out[name].astype("object")

        ids = None
        if id_col in out:
            ids = id_col
        table = cls(out, ids, time_col, known)
        if not table.columns:
            raise ConfigError(
                "every column of the table is known for ever, so none can leak: leave at least one "
                "out of `known`"
            )
        return table

    @property
    def columns(self) -> list[str]:
        """Columns whose values are changed."""
        fixed = [name for name, steps in self.known.items() if steps is None]
        fixed += [self.time_col]
        if self.id_col is not None:
            fixed += [self.id_col]
        return [name for name in self.frame.columns if name not in fixed]

    def usual_cutoffs(self) -> list[Any]:
        """Return cutoffs that leave a half, three tenths and a tenth of the stamps."""
        stamps = self.frame[self.time_col].drop_duplicates().sort_values().tolist()
        return [stamps[int(share * (len(stamps) - 1))] for share in _SHARES]

    def later(self, cutoff: Any) -> dict[str, Rows]:
        """Return (R,) for each column the rows that are unknown at a cutoff."""
        after = self._after(cutoff)
        if not after.any():
            raise ConfigError(f"cutoff {named(cutoff)} has no row after it: name an earlier one")

        ids = np.zeros(after.sum())
        if self.id_col is not None:
            ids = self.frame[self.id_col][after].to_numpy()
        steps = np.zeros(len(after))  # from the cutoff, in each series
        stamps = self.frame[self.time_col][after]
        steps[after] = stamps.groupby(ids).rank(method="dense").to_numpy()
        return {name: after & (steps > (self.known.get(name) or 0)) for name in self.columns}

    def _after(self, cutoff: Any) -> Rows:
        """Return (R,) the rows after a cutoff."""
        stamps = self.frame[self.time_col]
        limit = cutoff
        if isinstance(cutoff, Mapping):
            if self.id_col is None:
                raise ConfigError(
                    "cutoffs name series, and the table has no column of ids: give one stamp for "
                    "each"
                )
            limit = self.frame[self.id_col].map(cutoff)
        try:
            return (stamps > limit).to_numpy()
        except TypeError as error:
            raise ConfigError(
                f"cutoff {named(cutoff)!r} cannot be compared with the {stamps.dtype} stamps of "
                f"{self.time_col!r}: turn the column into dates with pandas.to_datetime"
            ) from error

    def changed(self, rows: Mapping[str, Rows], change: str) -> pd.DataFrame:
        """Return a copy with other values in some rows of some columns.

        Args:
            rows: (R,) mask for each column to change.
            change: one of `CHANGES`.
        """
        out = self.frame.copy()
        for name, mask in rows.items():
            out.loc[mask, name] = _changed_values(out.loc[mask, name], change)
        return out


def _changed_values(values: pd.Series[Any], change: str) -> Any:
    """Return changed values of a column; dates move by a day, text becomes another word."""
    is_date = pd.api.types.is_datetime64_any_dtype(values)
    if change == "shuffled":
        return values.iloc[np.random.default_rng(0).permutation(len(values))].array
    if change == "missing":
        return pd.NaT if is_date else None
    if is_date:
        days = 1 if change == "+1e6" else -1
        return values + pd.Timedelta(days=days)
    if not pd.api.types.is_numeric_dtype(values):
        return change
    if change == "mirrored":
        return -1e6 * values
    return float(change)


def named(cutoff: Any) -> str:
    """Return the name of a cutoff in reports: its stamp, or the span of those of all series."""
    if not isinstance(cutoff, Mapping):
        return str(cutoff)
    stamps = sorted(set(cutoff.values()))
    if len(stamps) == 1:
        return str(stamps[0])
    return f"{stamps[0]} to {stamps[-1]}"
