"""Notes about inputs of a forecast that training has not seen, or that lie far outside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.findings import SHOWN, and_more, counted, listed
from forecast.data.names import name_of, nearest_name
from forecast.data.panel import Panel
from forecast.windows.features import FeatureMap
from forecast.windows.index import WindowIndex

DRIFT_RANGES = 10.0
"""Values further outside those of training than this many times their range are reported."""


SAME = 1e-9
"""Relative difference up to which a value equals the constant of training."""


@dataclass(frozen=True, eq=False)
class RowsRead:
    """The rows of a panel that forecasts read.

    Attributes:
        context: rows of contexts, where past and known covariates are read.
        ahead: rows of forecast steps, where known covariates are read.
    """

    context: IntArray
    ahead: IntArray

    @classmethod
    def of(cls, index: WindowIndex, num_rows: int) -> RowsRead:
        """Return the rows of all windows, each once.

        Args:
            index: the windows.
            num_rows: rows of their panel.
        """
        first = index.locate(np.arange(len(index)))[1]
        cutoff = first + index.context_length
        return cls(
            _covered(first, cutoff, num_rows), _covered(cutoff, cutoff + index.horizon, num_rows)
        )


def covariate_notes(
    feature_map: FeatureMap, panel: Panel, values: FloatArray, rows: RowsRead
) -> tuple[str, ...]:
    """Return notes about categories and numbers of covariates that are unlike those of training.

    Args:
        feature_map: the categories and the ranges of training.
        panel: the series.
        values: (R, C) its values, with missing values filled as for the model.
        rows: the rows that forecasts read.
    """
    columns = panel.columns
    notes = []
    for name in (*columns.past_covariates, *columns.known_covariates, *columns.static_covariates):
        cells, series = _cells_read(name, panel, values, rows)
        if name in columns.categorical:
            words = panel.categories[name]
            counts = np.bincount(cells.astype(np.int64), minlength=len(words))
            count_of = dict(zip(words, counts, strict=True))
            notes.append(_category_note(name, count_of, feature_map.vocabulary[name]))
        elif name in feature_map.ranges:
            seen = feature_map.ranges[name]
            is_far = _is_far(cells, seen)
            owners = panel.series_ids[series[is_far]]
            notes.append(_range_note(name, cells[is_far], owners, seen, len(cells)))
    return tuple(note for note in notes if note is not None)


def _covered(first: IntArray, last: IntArray, num_rows: int) -> IntArray:
    """Return the rows from any `first` (W,) to before its `last` (W,), each once."""
    edges = np.bincount(first, minlength=num_rows + 1) - np.bincount(last, minlength=num_rows + 1)
    return np.flatnonzero(np.cumsum(edges) > 0)


def _cells_read(
    name: str, panel: Panel, values: FloatArray, rows: RowsRead
) -> tuple[FloatArray, IntArray]:
    """Return the values of a covariate that are read and not missing, and the series of each."""
    columns = panel.columns
    if name in columns.static_covariates:
        series: IntArray = np.arange(panel.num_series)
        cells = panel.static_values[:, columns.static_covariates.index(name)]
    else:
        read = rows.context
        if name in columns.known_covariates:
            read = np.concatenate([rows.context, rows.ahead])
        series = panel.series_at(read)
        cells = values[read, columns.dynamic.index(name)]
    present = np.isfinite(cells)
    return cells[present], series[present]


def _category_note(name: str, counts: Mapping[str, int], vocabulary: Collection[str]) -> str | None:
    """Return a note about the categories that training has not seen, with the nearest known ones.

    Args:
        name: of the column.
        counts: how often each category is read.
        vocabulary: the categories of training.
    """
    known = {name_of(word): word for word in vocabulary}
    new = [word for word, count in counts.items() if count and name_of(word) not in known]
    if not new:
        return None
    num_new = sum(counts[word] for word in new)
    cells = counted(int(sum(counts.values())), "value")
    named = _with_nearest(new, tuple(known.values()))

    text = f"category {named} of {name!r} was not seen in training"
    if len(new) > 1:
        text = f"{len(new)} categories of {name!r} were not seen in training: {named}"
    text += f", in {num_new:,} of {cells}"
    if "did you mean" not in named:
        text += f"; training has seen {listed(sorted(known.values()), SHOWN)}"
    return f"{text}: the model has not learned what that means"


def _is_far(cells: FloatArray, seen: tuple[float, float]) -> NDArray[np.bool_]:
    """Return which values lie far outside those of training, or differ from its only value."""
    low, high = seen
    if low == high:
        return ~np.isclose(cells, low, rtol=SAME, atol=0)
    reach = DRIFT_RANGES * (high - low)
    return (cells > high + reach) | (cells < low - reach)


def _range_note(
    name: str,
    far: FloatArray,
    owners: NDArray[np.object_],
    seen: tuple[float, float],
    num_read: int,
) -> str | None:
    """Return a note about numbers far outside the training values, or unlike their only value.

    Args:
        name: of the column.
        far: the values that lie far outside.
        owners: the series of each.
        seen: smallest and largest value of training.
        num_read: values that are read in all.
    """
    if not len(far):
        return None
    low, high = seen
    read = counted(num_read, "value")
    where = f"in {len(far):,} of {read}, first {far[0]:.6g} in series {owners[0]!r}"
    if low == high:
        return (
            f"{name!r} was {low:.6g} throughout training and differs {where}: the model has not "
            f"learned what it does"
        )
    return (
        f"{name!r} lies far outside its training values ({low:.6g} to {high:.6g}) {where}: "
        "the forecast is an extrapolation; check the unit, or train again on recent rows"
    )


def new_series_note(
    series_ids: NDArray[np.object_],
    known: NDArray[np.object_],
    lengths: IntArray | None,
    given: NDArray[np.object_],
) -> str:
    """Return a note about the series that training has not seen, with the nearest known ones.

    Args:
        series_ids: (N,) the new series.
        known: the series of training.
        lengths: (N,) rows that the scale of each new series comes from; None where it is that of
            all series.
        given: all series, new or not.
    """
    names = [name_of(series_id) for series_id in series_ids]
    used = {name_of(series_id) for series_id in given}
    named = _with_nearest(names, [name_of(series_id) for series_id in known], used)
    if len(names) == 1:
        note = f"1 series was not seen in training: {named}"
        if lengths is None:
            return note
        return f"{note}; its scale comes from the {counted(int(lengths[0]), 'row')} given"

    note = f"{len(names):,} series were not seen in training: {named}"
    if lengths is None:
        return note
    return f"{note}; their scales come from the rows given ({_span(lengths)} each)"


def _span(lengths: IntArray) -> str:
    low = int(lengths.min())
    high = int(lengths.max())
    if low == high:
        return str(low)
    return f"{low} to {high}"


def _with_nearest(names: Sequence[str], known: Collection[str], used: Collection[str] = ()) -> str:
    """Return the first of some names, each with the known name that it may stand for.

    Args:
        names: the new names.
        known: the names of training.
        used: those of them that are given too.
    """
    shown = ", ".join(f"{name!r}{nearest_name(name, known, used)}" for name in names[:SHOWN])
    return shown + and_more(len(names))
