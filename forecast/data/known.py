"""Known covariates of the forecast steps: read, and appended to the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.findings import counted, listed
from forecast.data.load import load_panel
from forecast.data.names import name_of, nearest_name
from forecast.data.panel import Columns, Panel, find_rows, shown_stamps
from forecast.data.per_series.ended import EndedSeries, Reach, reach_of
from forecast.data.per_series.future import known_columns
from forecast.data.per_series.keys import id_columns
from forecast.data.read import Source, TableFormat
from forecast.data.regular.time_steps import RESULT_STEPS
from forecast.data.shown import stamp_at
from forecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def read_known(panel: Panel, known: Source, *, table_format: TableFormat) -> Panel:
    """Read the known covariates of forecast steps.

    Args:
        panel: the history.
        known: long frame, or its file, with the id, time and known columns.
        table_format: separator and other properties of a file.

    Raises:
        DataError: a column is missing, a timestamp does not fit the frequency, or a cell is not a
            finite number.
    """
    return load_panel(
        known,
        known_columns(panel.columns),
        table_format=table_format.model_copy(
            update={"tz": table_format.tz or panel.freq.tz, **RESULT_STEPS}
        ),
        freq=panel.freq.alias,
        gaps="skip",
        allow_missing=True,
    )


def append_future(
    panel: Panel,
    horizon: int,
    known: Panel | None = None,
    *,
    needed: int | IntArray | None = None,
) -> Panel:
    """Append `horizon` rows to every series, with missing targets and the known covariates.

    Args:
        panel: the history; every series ends at its cutoff.
        horizon: rows to append, in steps.
        known: covariates of the forecast steps, from `read_known`; rows beyond the horizon are
            ignored. A missing row is taken from the future rows of the table of the history.
        needed: steps for which known covariates are needed, of all series or (N,) of each; later
            ones stay empty. Default: all.

    Raises:
        DataError: a needed row is absent or empty.
    """
    old = np.arange(panel.num_rows) + panel.series_of_rows() * horizon
    rows = panel.num_rows + panel.num_series * horizon
    new = (panel.offsets[1:] + np.arange(panel.num_series) * horizon)[:, None] + np.arange(horizon)
    ahead = _steps_ahead(panel, horizon)
    positions = np.empty(rows, np.int64)
    positions[old] = panel.positions
    positions[new] = ahead
    stamps = np.empty(rows, panel.timestamps.dtype)
    stamps[old] = panel.timestamps
    stamps[new] = panel.freq.stamps(ahead.ravel()).reshape(ahead.shape)
    values = np.full((rows, panel.values.shape[1]), np.nan)
    values[old] = panel.values
    categories = panel.categories
    if panel.columns.known_covariates:
        if needed is None:
            needed = horizon
        first = len(panel.columns.dynamic) - len(panel.columns.known_covariates)
        wanted = np.arange(horizon) < np.broadcast_to(needed, len(ahead))[:, None]  # (N, H)
        given, categories = _known_rows(panel, known, ahead, wanted)
        values[new[wanted], first:] = given
    return replace(
        panel,
        offsets=panel.offsets + np.arange(panel.num_series + 1) * horizon,
        timestamps=stamps,
        positions=positions,
        values=values,
        categories=categories,
        future=None,
        weights=None,  # nothing is learned from these rows
    )


def covers(panel: Panel, horizon: int, ended: EndedSeries = "own_end") -> bool:
    """Return whether the table has all known covariates of the forecast steps.

    That is true where there are no known covariates.

    Args:
        panel: the history.
        horizon: steps ahead.
        ended: the setting `data.ended_series`.
    """
    if not panel.columns.known_covariates:
        return True
    reach = reach_of(panel, ended)
    panel = reach.panel
    if panel.future is None:
        return False
    ahead, wanted = _needed_steps(reach, horizon)
    place = _find(panel.future, panel, ahead)[wanted]
    return bool((place >= 0).all() and np.isfinite(panel.future.values[place]).all())


def future_frame(panel: Panel, horizon: int, ended: EndedSeries = "own_end") -> pd.DataFrame:
    """Return the rows of known covariates a forecast needs, to be filled in.

    They are empty, except for cells that the future rows of the table have.

    Args:
        panel: the history.
        horizon: steps to forecast.
        ended: the setting `data.ended_series`.

    Returns:
        Long frame: id, time, one column per known covariate.
    """
    import pandas as pd

    columns = panel.columns
    reach = reach_of(panel, ended)
    panel = reach.panel
    ahead, wanted = _needed_steps(reach, horizon)
    frame = pd.DataFrame(id_columns(columns, np.repeat(panel.series_ids, wanted.sum(axis=1))))
    frame[columns.time_col] = shown_stamps(panel, panel.freq.stamps(ahead[wanted]))
    for name in columns.known_covariates:
        cells = _cells_ahead(panel, name, ahead)[wanted.ravel()]
        frame[name] = pd.Series(cells, index=frame.index)
    return frame


def _needed_steps(reach: Reach, horizon: int) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return (N, H') positions after the end of each series, and which of them are needed."""
    steps = horizon + reach.furthest
    wanted = np.arange(steps) < (horizon + reach.skipped)[:, None]
    return _steps_ahead(reach.panel, steps), wanted


def _steps_ahead(panel: Panel, horizon: int) -> IntArray:
    """Return (N, H) positions after the end of each series."""
    return panel.positions[panel.offsets[1:] - 1][:, None] + np.arange(1, horizon + 1)


def _cells_ahead(
    panel: Panel, name: str, ahead: IntArray
) -> NDArray[np.float64] | NDArray[np.object_]:
    """Return (N x H,) cells of a known covariate in future rows, NaN where there are none.

    Categories are words.
    """
    cells = np.full(ahead.size, np.nan)
    words: tuple[str, ...] = ()
    if panel.future is not None:
        place = _find(panel.future, panel, ahead).ravel()
        cells[place >= 0] = panel.future.column(name)[place[place >= 0]]
        words = panel.future.categories.get(name, ())
    if name not in panel.columns.categorical:
        return cells
    return np.array([*words, np.nan], object)[np.where(np.isnan(cells), -1, cells).astype(np.int64)]


def _known_rows(
    panel: Panel, given: Panel | None, ahead: IntArray, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], dict[str, tuple[str, ...]]]:
    """Find the covariates of the wanted steps ahead, and the categories they bring along.

    Args:
        panel: the history.
        given: the covariates beside those of its future rows.
        ahead: (N, H) positions.
        wanted: (N, H) steps to find covariates for.

    Returns:
        A row for each wanted step, and the categories.
    """
    names = panel.columns.known_covariates
    categories = panel.categories
    sources = [source for source in (panel.future, given) if source is not None]
    if not sources:
        raise DataError(
            f"no known covariates were given; the model needs {', '.join(names)} for "
            f"{wanted.sum(axis=1).max()} steps of "
            f"{len(ahead)} series: give them with `known=`, "
            f"in the rows of `template=`"
        )
    place = np.flatnonzero(wanted)
    values = np.full((len(place), len(names)), np.nan)
    is_found = np.zeros(len(place), bool)
    for source in sources:  # given rows come last and replace those of the table
        rows = _find(source, panel, ahead)[wanted]
        here = rows >= 0
        is_found |= here
        values[here], categories = _recode(source, rows[here], panel.columns, categories)
    absent = np.flatnonzero(~is_found)
    if len(absent):
        raise DataError(
            f"known covariates are missing in {len(absent)} of {len(place)} rows, first "
            f"{_name(panel, ahead, place[absent[0]])}"
            f"{_other_ids(sources[-1], panel, place[absent[0]] // ahead.shape[1])}: "
            "give them with `known=`, in the rows of `template=`"
        )
    empty = np.argwhere(np.isnan(values))
    if len(empty):
        row, column = empty[0]
        raise DataError(
            f"known covariate {names[column]!r} is empty in {counted(len(empty), 'cell')}, first "
            f"{_name(panel, ahead, place[row])}: fill them in, a forecast needs them"
        )
    return values, dict(categories)


def _find(given: Panel, panel: Panel, ahead: IntArray) -> IntArray:
    """Return (N, H) rows of `given` for each forecast step, -1 where there is none."""
    number = {name_of(series_id): place for place, series_id in enumerate(given.series_ids)}
    series = np.array(
        [number.get(name_of(series_id), -1) for series_id in panel.series_ids], np.int64
    )
    if given.num_series == 1 and panel.num_series == 1 and series[0] < 0:
        series[0] = 0  # one series needs no id
    # on the grid of the history, whatever the grid of the covariates
    positions = panel.freq.positions(given.timestamps)
    rows = find_rows(given.series_of_rows(), positions, series[:, None], ahead)
    fits = (rows >= 0) & panel.freq.on_grid(given.timestamps)[rows]
    return np.where(fits, rows, -1)


def _other_ids(given: Panel, panel: Panel, series: int) -> str:
    """Write the given ids, where the id of a series is not among them."""
    known = [name_of(series_id) for series_id in given.series_ids]
    name = name_of(panel.series_ids[series])
    if name in known:
        return ""
    used = {name_of(series_id) for series_id in panel.series_ids}
    return f"; the ids given are {listed(known, 5)}{nearest_name(name, known, used)}"


def _name(panel: Panel, ahead: IntArray, flat: int) -> str:
    series, step = np.unravel_index(int(flat), ahead.shape)
    stamp = stamp_at(panel.freq, panel.freq.stamps(ahead[series, step : step + 1])[0])
    return f"series {panel.series_ids[series]!r} at {stamp}"


def _recode(
    given: Panel, rows: IntArray, columns: Columns, categories: Mapping[str, tuple[str, ...]]
) -> tuple[NDArray[np.float64], dict[str, tuple[str, ...]]]:
    """Return some rows of given covariates, with categories in the codes of the history.

    New categories get the next codes.
    """
    known = dict(categories)
    out = given.values[rows]
    for place, name in enumerate(columns.known_covariates):
        if name in columns.categorical:
            words = known[name] + tuple(
                word for word in given.categories[name] if word not in known[name]
            )
            table = np.array([words.index(word) for word in given.categories[name]], np.float64)
            filled = ~np.isnan(out[:, place])
            out[filled, place] = table[out[filled, place].astype(np.int64)]
            known[name] = words
    return out, known
