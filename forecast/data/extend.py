"""Panels made from panels: fewer series, or rows for the steps to be forecast."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.data.build import load_panel
from forecast.data.findings import listed
from forecast.data.frame import Source, TableFormat
from forecast.data.names import name_of, nearest_name
from forecast.data.panel import Columns, Panel
from forecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

IntArray = NDArray[np.int64]


def select_series(panel: Panel, keep: IntArray) -> Panel:
    """Return the panel with the numbered series only, in the order given.

    Args:
        panel: the series.
        keep: (N',) places in `panel.series_ids`.
    """
    return _part_of(panel, keep, panel.offsets[keep])


def last_rows(panel: Panel, steps: int) -> Panel:
    """Return the end of every series: `steps` rows, and those before them back to one with no missing value.

    What a policy for missing values makes of the last `steps` rows is the same as with all rows.

    Args:
        panel: the series.
        steps: rows wanted of each series; a shorter series is kept whole.
    """
    begin = panel.offsets[:-1]
    first = np.maximum(panel.offsets[1:] - steps, begin)
    if not np.isfinite(panel.values[first]).all():
        complete = np.isfinite(panel.values).all(axis=1)
        latest = np.maximum.accumulate(np.where(complete, np.arange(panel.num_rows), 0))
        first = np.maximum(latest[first], begin)
    return _part_of(panel, np.arange(panel.num_series), first)


def rows_before(panel: Panel, last: IntArray, *, most: int | None = None) -> Panel:
    """Return the start of every series, as if later rows had never been; a series with no row left is left out.

    Args:
        panel: the series.
        last: (N,) row of the panel that each series ends before.
        most: rows of each series that are kept, the latest ones; all of them if left out.
    """
    kept = np.flatnonzero(last > panel.offsets[:-1])
    first = panel.offsets[kept] if most is None else np.maximum(panel.offsets[kept], last[kept] - most)
    return _part_of(panel, kept, first, last[kept])


def _part_of(panel: Panel, series: IntArray, first: IntArray, last: IntArray | None = None) -> Panel:
    """The panel of some series (N',), each from its row `first` (N',) to before `last` (N',), its end if left out."""
    lengths = (panel.offsets[series + 1] if last is None else last) - first
    ends = np.cumsum(lengths)
    rows = np.repeat(first - (ends - lengths), lengths) + np.arange(int(lengths.sum()))
    return replace(
        panel,
        series_ids=panel.series_ids[series],
        offsets=np.concatenate([[0], ends]).astype(np.int64),
        timestamps=panel.timestamps[rows],
        positions=panel.positions[rows],
        values=np.ascontiguousarray(panel.values[rows]),
        static_values=panel.static_values[series],
    )


def read_known(panel: Panel, known: Source, *, table_format: TableFormat) -> Panel:
    """Read the known covariates of steps ahead.

    Args:
        panel: the history they go with.
        known: long frame, or its file, with the id, time and known columns.
        table_format: how a file is written down.

    Raises:
        DataError: a column is missing, a stamp does not fit the frequency, or a cell is not a finite number.
    """
    columns = panel.columns
    names = columns.known_covariates
    kept = Columns(
        id_col=columns.id_col,
        time_col=columns.time_col,
        target_cols=(),
        known_covariates=names,
        categorical=tuple(name for name in names if name in columns.categorical),
    )
    return load_panel(
        known,
        kept,
        table_format=replace(table_format, tz=table_format.tz or panel.freq.tz),
        freq=panel.freq.alias,
        gaps="skip",
        allow_missing=True,
    )


def append_future(panel: Panel, horizon: int, known: Panel | None = None, *, needed: int | None = None) -> Panel:
    """Return the panel with `horizon` more rows per series: targets missing, known covariates as given.

    Args:
        panel: the history; every series ends at its own cutoff.
        horizon: rows to append, in steps.
        known: covariates of the steps ahead, from `read_known`; rows beyond the horizon are ignored.
        needed: steps for which known covariates must be given, all if left out; they stay empty after that.

    Raises:
        DataError: a needed row of `known` is absent or empty.
    """
    old = np.arange(panel.num_rows) + panel.series_of_rows() * horizon
    rows = panel.num_rows + panel.num_series * horizon
    new = (panel.offsets[1:] + np.arange(panel.num_series) * horizon)[:, None] + np.arange(horizon)
    ahead = panel.positions[panel.offsets[1:] - 1][:, None] + np.arange(1, horizon + 1)
    positions = np.empty(rows, np.int64)
    positions[old], positions[new] = panel.positions, ahead
    stamps = np.empty(rows, panel.timestamps.dtype)
    stamps[old], stamps[new] = panel.timestamps, panel.freq.stamps(ahead.ravel()).reshape(ahead.shape)
    values = np.full((rows, panel.values.shape[1]), np.nan)
    values[old] = panel.values
    categories = panel.categories
    if panel.columns.known_covariates:
        needed = horizon if needed is None else needed
        first = len(panel.columns.dynamic) - len(panel.columns.known_covariates)
        given, categories = _known_rows(panel, known, ahead[:, :needed])
        values[new[:, :needed].ravel(), first:] = given
    return replace(
        panel,
        offsets=panel.offsets + np.arange(panel.num_series + 1) * horizon,
        timestamps=stamps,
        positions=positions,
        values=values,
        categories=categories,
    )


def future_frame(panel: Panel, horizon: int) -> pd.DataFrame:
    """Return the rows of known covariates a forecast needs, the covariates left empty to be filled in.

    Args:
        panel: the history.
        horizon: steps to forecast.

    Returns:
        Long frame: id, time, one empty column per known covariate.
    """
    import pandas as pd

    columns = panel.columns
    ahead = panel.positions[panel.offsets[1:] - 1][:, None] + np.arange(1, horizon + 1)
    frame = pd.DataFrame(
        {
            columns.id_col: np.repeat(panel.series_ids, horizon),
            columns.time_col: shown_stamps(panel, panel.freq.stamps(ahead.ravel())),
        }
    )
    for name in columns.known_covariates:
        frame[name] = pd.Series(np.nan, index=frame.index, dtype="object" if name in columns.categorical else "float64")
    return frame


def shown_stamps(panel: Panel, stamps: NDArray[np.generic]) -> NDArray[np.generic] | pd.DatetimeIndex:
    """Stamps as the table had them: in its time zone, or whole numbers."""
    return stamps if panel.freq.is_integer else panel.freq.local(stamps)


def _known_rows(
    panel: Panel, given: Panel | None, ahead: IntArray
) -> tuple[NDArray[np.float64], dict[str, tuple[str, ...]]]:
    """Find the covariates of each step ahead, and the categories they bring along."""
    names = panel.columns.known_covariates
    if given is None:
        raise DataError(
            f"no known covariates were given; the model needs {', '.join(names)} for {ahead.shape[1]} steps of "
            f"{len(ahead)} series: pass known= with the rows that make_future_frame() lists (on the command line, "
            "--known with those of --template)"
        )
    place = _find(given, panel, ahead)
    absent = np.flatnonzero((place < 0).ravel())
    if len(absent):
        raise DataError(
            f"known covariates lack {len(absent)} of {ahead.size} rows, first {_name(panel, ahead, absent[0])}"
            f"{_other_ids(given, panel, absent[0] // ahead.shape[1])}: "
            "pass known= with the rows that make_future_frame() lists (on the command line, --known with those of "
            "--template)"
        )
    values = given.values[place.ravel()]
    empty = np.argwhere(np.isnan(values))
    if len(empty):
        row, column = empty[0]
        raise DataError(
            f"known covariate {names[column]!r} is empty in {len(empty)} cells, first "
            f"{_name(panel, ahead, row)}: fill it in, a forecast cannot be made without it"
        )
    return _recode(values, given, panel)


def _find(given: Panel, panel: Panel, ahead: IntArray) -> IntArray:
    """(N, H) row of `given` that holds each step ahead, or -1."""
    number = {name_of(series_id): place for place, series_id in enumerate(given.series_ids)}
    series = np.array([number.get(name_of(series_id), -1) for series_id in panel.series_ids], np.int64)
    if given.num_series == 1 and panel.num_series == 1 and series[0] < 0:
        series[0] = 0  # one series needs no id
    positions = panel.freq.positions(given.timestamps)  # on the grid of the history, whatever the covariates' own
    low = min(int(positions.min()), int(ahead.min()))
    width = max(int(positions.max()), int(ahead.max())) - low + 1
    keys = given.series_of_rows() * width + (positions - low)
    wanted = series[:, None] * width + (ahead - low)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = (keys[place] == wanted) & (series[:, None] >= 0) & panel.freq.on_grid(given.timestamps)[place]
    return np.where(found, place, -1)


def _other_ids(given: Panel, panel: Panel, series: int) -> str:
    """Name the ids that are there where those of a series are not."""
    known = [name_of(series_id) for series_id in given.series_ids]
    name = name_of(panel.series_ids[series])
    if name in known:
        return ""
    return f"; the ids given are {listed(known, 5)}{nearest_name(name, known)}"


def _name(panel: Panel, ahead: IntArray, flat: int) -> str:
    series, step = np.unravel_index(int(flat), ahead.shape)
    stamp = shown_stamps(panel, panel.freq.stamps(ahead[series, step : step + 1]))[0]
    return f"series {panel.series_ids[series]!r} at {stamp}"


def _recode(
    values: NDArray[np.float64], given: Panel, panel: Panel
) -> tuple[NDArray[np.float64], dict[str, tuple[str, ...]]]:
    """Say categories in the panel's codes; words new to the panel get codes behind its own."""
    categories = dict(panel.categories)
    out = values.copy()
    for place, name in enumerate(panel.columns.known_covariates):
        if name in panel.columns.categorical:
            words = categories[name] + tuple(w for w in given.categories[name] if w not in categories[name])
            table = np.array([words.index(word) for word in given.categories[name]], np.float64)
            out[:, place] = table[values[:, place].astype(np.int64)]
            categories[name] = words
    return out, categories
