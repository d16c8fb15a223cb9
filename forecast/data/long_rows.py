"""A panel as the rows of a long table, and back; two tables of one kind as one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.data.findings import counted
from forecast.data.load import Request, load_requested
from forecast.data.names import name_of
from forecast.data.panel import Columns, Panel, shown_stamps
from forecast.data.per_series.keys import id_columns
from forecast.data.read import Source, TableFormat
from forecast.data.regular.time_steps import RESULT_STEPS
from forecast.data.shown import stamp_at
from forecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = "columns"
"""Attribute of stored rows with the roles of their columns."""

_OF_THE_FILE = (
    {"separator", "decimal", "thousands", "bounds", "encoding", "sheet", "time_format"}
    | RESULT_STEPS.keys()
) & TableFormat.model_fields.keys()
"""Settings that tell how a file is read; rows that were read once need none of them."""


@dataclass(frozen=True, eq=False)
class Joined:
    """A table with newer rows.

    Attributes:
        panel: all rows.
        num_new: rows that the older table did not have.
        notes: what was repeated, revised or left out, one sentence each.
    """

    panel: Panel
    num_new: int
    notes: tuple[str, ...]


def rows_of_panel(panel: Panel) -> pd.DataFrame:
    """Return the rows of a panel as a long table, its future rows among them.

    Args:
        panel: the series.

    Returns:
        Ids, time, and every column of the panel, categories as words.
    """
    import pandas as pd

    columns = panel.columns
    series = panel.series_of_rows()
    frame = pd.DataFrame(id_columns(columns, panel.series_ids[series]))
    frame[columns.time_col] = shown_stamps(panel, panel.timestamps)
    for name in columns.dynamic:
        frame[name] = cells(panel, name, panel.column(name))
    if panel.weights is not None:
        frame[columns.weight_col] = panel.weights
    if panel.future is not None:
        frame = pd.concat([frame, _future_rows(panel, panel.future)], ignore_index=True)
    static = {
        name_of(each): panel.static_values[number] for number, each in enumerate(panel.series_ids)
    }
    ids = ids_of(frame, panel)
    for number, name in enumerate(columns.static_covariates):
        if name not in columns.id_cols:
            values = np.array([static[name_of(each)][number] for each in ids], np.float64)
            frame[name] = cells(panel, name, values)
    frame = frame.infer_objects()
    frame.attrs[COLUMNS] = columns.model_dump(mode="json")  # parquet files keep it
    return frame


def columns_of_rows(rows: pd.DataFrame, otherwise: Columns) -> Columns:
    """Return the roles of the columns of stored rows, which are long whatever the table was.

    Args:
        rows: that `rows_of_panel` returned.
        otherwise: the roles where the rows do not say.
    """
    stored = rows.attrs.get(COLUMNS)
    if stored is None:
        return otherwise
    return Columns.model_validate(stored)


def panel_of_rows(rows: Source, columns: Columns, freq: str, request: Request) -> Panel:
    """Read rows that `rows_of_panel` returned.

    Args:
        rows: the table, or its file.
        columns: their roles.
        freq: the frequency of the stamps.
        request: the settings with which the user's tables are read.
    """
    defaults = TableFormat()
    plain = {name: getattr(defaults, name) for name in _OF_THE_FILE}
    plain |= {"layout": "long", "missing_codes": ()}
    settings = replace(
        request,
        columns=columns,
        table_format=request.table_format.model_copy(update=plain),
        freq=freq,
        gaps="skip",
        allow_missing=True,
    )
    return load_requested(rows, settings)


def join_panels(older: Panel, newer: Panel, request: Request) -> Joined:
    """Join a table with newer rows; where both have a value, that of the newer one counts.

    Args:
        older: the rows so far.
        newer: the rows to take in.
        request: the settings with which tables are read; only with its `gaps` set to fill or skip
            may rows be missing between the two.

    Raises:
        DataError: the newer table has no new row, or rows between the two are missing.
    """
    if older.freq.alias != newer.freq.alias:
        raise DataError(
            f"the newer rows are in steps of {newer.freq.alias!r} and those of the run in steps of "
            f"{older.freq.alias!r}: give rows in steps of {older.freq.alias!r}"
        )
    if request.gaps == "refuse":
        _refuse_gap(older, newer)
    keys = [*older.columns.id_cols, older.columns.time_col]
    old_rows = rows_of_panel(older).set_index(keys)
    new_rows = rows_of_panel(newer).set_index(keys)
    targets = list(older.columns.target_cols)
    was_known = old_rows[targets].notna().any(axis=1)
    is_known = new_rows[targets].notna().any(axis=1)
    num_new = len(new_rows.index[is_known].difference(old_rows.index[was_known]))
    if not num_new:
        raise DataError(
            f"the newer table has no row that the run does not have, which ends at "
            f"{stamp_at(older.freq, older.timestamps.max())}: give rows after that"
        )
    rows = new_rows.combine_first(old_rows)[list(old_rows)].reset_index()
    # values that were categories or dates keep their type
    merged = panel_of_rows(rows, older.columns, older.freq.alias, request)
    return Joined(merged, num_new, _notes(older, newer, old_rows, new_rows))


def _refuse_gap(older: Panel, newer: Panel) -> None:
    """Raise where rows are missing between the end of a series and its newer rows."""
    end_of = {
        name_of(each): older.positions[older.offsets[number + 1] - 1]
        for number, each in enumerate(older.series_ids)
    }
    for number, each in enumerate(newer.series_ids):
        end = end_of.get(name_of(each))
        own = newer.positions[newer.offsets[number] : newer.offsets[number + 1]]
        if end is None or not len(own):
            continue
        later = own[own > end]
        if len(later) and later[0] > end + 1:
            first = newer.freq.stamps(later[:1])[0]
            missing = counted(int(later[0] - end - 1), "step")
            raise DataError(
                f"the newer rows of series {each!r} begin at {stamp_at(newer.freq, first)}, and "
                f"{missing} before that are missing: those of the run end at "
                f"{stamp_at(older.freq, older.freq.stamps(np.array([end]))[0])}; give the rows "
                f"between too"
            )


def _notes(
    older: Panel, newer: Panel, old_rows: pd.DataFrame, new_rows: pd.DataFrame
) -> tuple[str, ...]:
    """Return sentences on repeated and revised rows, on new series and on those without rows."""
    notes = []
    both = new_rows.index.intersection(old_rows.index)
    if len(both):
        mine = old_rows.loc[both]
        given = new_rows.loc[both, list(mine)]
        revised = ((mine != given) & mine.notna() & given.notna()).any(axis=1)
        num_revised = int(revised.sum())
        notes.append(f"{counted(len(both), 'row')} were in the run already")
        if num_revised:
            first = both[np.flatnonzero(revised)[0]]
            notes[-1] += (
                f", {num_revised:,} of them with other values (first: "
                f"{', '.join(map(str, np.atleast_1d(np.asarray(first, object))))}); the newer ones "
                f"count"
            )
    known = {name_of(each) for each in older.series_ids}
    given_ids = {name_of(each) for each in newer.series_ids}
    added = sorted(given_ids - known)
    if added:
        notes.append(f"{len(added):,} series are new (first: {added[0]!r})")
    missing = sorted(known - given_ids)
    if missing:
        notes.append(f"{len(missing):,} series have no newer rows (first: {missing[0]!r})")
    return tuple(notes)


def ids_of(frame: pd.DataFrame, panel: Panel) -> list[Any]:
    """Return the id of the series of each row of a long table."""
    from forecast.data.per_series.keys import ids_in

    return list(ids_in(frame, panel.columns))


def _future_rows(panel: Panel, future: Panel) -> pd.DataFrame:
    """Return the rows of known covariates after the last target; other columns are empty."""
    import pandas as pd

    frame = pd.DataFrame(id_columns(panel.columns, future.series_ids[future.series_of_rows()]))
    frame[panel.columns.time_col] = shown_stamps(future, future.timestamps)
    for name in panel.columns.known_covariates:
        frame[name] = cells(future, name, future.column(name))
    return frame


def cells(panel: Panel, name: str, values: NDArray[np.float64]) -> NDArray[Any]:
    """Return the values of a column as in a table: words for the codes of categories."""
    if name not in panel.columns.categorical:
        return values
    words = np.array([*panel.categories[name], None], object)
    codes = np.where(np.isnan(values), -1, values).astype(np.int64)  # -1 is the last word: None
    return words[codes]
