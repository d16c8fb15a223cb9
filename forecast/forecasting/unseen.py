"""What a forecast reads that training has not seen, or that lies far outside it: one sentence each."""

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
"""Relative difference up to which a value is the constant of training."""


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
    """Name the categories and the numbers among covariates that training has seen nothing like.

    Args:
        feature_map: knows the categories and the ranges of training.
        panel: the series.
        values: (R, C) its values with missing ones filled as the model reads them.
        rows: which of them are read.
    """
    columns = panel.columns
    notes: list[str | None] = []
    for name in (*columns.past_covariates, *columns.known_covariates, *columns.static_covariates):
        cells, series = _cells_read(name, panel, values, rows)
        if name in columns.categorical:
            words = panel.categories[name]
            counts = np.bincount(cells.astype(np.int64), minlength=len(words))
            notes.append(
                _category_note(
                    name, dict(zip(words, counts, strict=True)), feature_map.vocabulary[name]
                )
            )
        elif name in feature_map.ranges:
            far = _far(cells, feature_map.ranges[name])
            owners = panel.series_ids[series[far]]
            notes.append(
                _range_note(name, cells[far], owners, feature_map.ranges[name], len(cells))
            )
    return tuple(note for note in notes if note is not None)


def _covered(first: IntArray, last: IntArray, num_rows: int) -> IntArray:
    """Rows from any `first` (W,) to before its `last` (W,), each once."""
    edges = np.bincount(first, minlength=num_rows + 1) - np.bincount(last, minlength=num_rows + 1)
    return np.flatnonzero(np.cumsum(edges) > 0)


def _cells_read(
    name: str, panel: Panel, values: FloatArray, rows: RowsRead
) -> tuple[FloatArray, IntArray]:
    """Values of a covariate that are read, missing ones left out, and the series of each."""
    columns = panel.columns
    if name in columns.static_covariates:
        series = np.arange(panel.num_series)
        cells = panel.static_values[:, columns.static_covariates.index(name)]
    else:
        ahead = rows.ahead if name in columns.known_covariates else rows.ahead[:0]
        read = np.concatenate([rows.context, ahead])
        series = panel.series_at(read)
        cells = values[read, columns.dynamic.index(name)]
    present = np.isfinite(cells)
    return cells[present], series[present]


def _category_note(name: str, counts: Mapping[str, int], vocabulary: Collection[str]) -> str | None:
    """Name the categories that training has not seen, with the nearest it has.

    Args:
        name: of the column.
        counts: how often each category is read.
        vocabulary: the categories of training.
    """
    known = {name_of(word): word for word in vocabulary}
    found = [word for word, count in counts.items() if count and name_of(word) not in known]
    if not found:
        return None
    new, cells = sum(counts[word] for word in found), int(sum(counts.values()))
    named = _with_nearest(found, tuple(known.values()))
    subject = (
        f"{len(found)} categories of {name!r} were"
        if len(found) > 1
        else f"category {named} of {name!r} was"
    )
    several = f": {named}" if len(found) > 1 else ""
    seen = (
        ""
        if "did you mean" in named
        else f"; training has seen {listed(sorted(known.values()), SHOWN)}"
    )
    return (
        f"{subject} not seen in training{several}, in {new:,} of {counted(cells, 'value')}{seen}: "
        "the model has not learned what that means"
    )


def _far(cells: FloatArray, seen: tuple[float, float]) -> NDArray[np.bool_]:
    """Tell the values far outside those of training; where training had one value, all others."""
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
    """Say where a number lies far outside the training values, or changes that never changed there.

    Args:
        name: of the column.
        far: the values that `_far` tells.
        owners: the series of each.
        seen: smallest and largest value of training.
        num_read: values that are read in all.
    """
    if not len(far):
        return None
    low, high = seen
    where = f"in {len(far):,} of {counted(num_read, 'value')}, first {far[0]:.6g} in series {owners[0]!r}"
    if low == high:
        return f"{name!r} was {low:.6g} throughout training and differs {where}: the model has not learned what it does"
    return (
        f"{name!r} lies far outside its training values ({low:.6g} to {high:.6g}) {where}: "
        "the forecast is an extrapolation; check the unit, or train again on recent rows"
    )


def new_series_note(
    series_ids: NDArray[np.object_], known: NDArray[np.object_], lengths: IntArray | None
) -> str:
    """Name the series that training has not seen, with the nearest it has.

    Args:
        series_ids: (N,) the new series.
        known: the series of training.
        lengths: (N,) rows that the scale of each new series comes from; None where it is that of
            all series.
    """
    named = _with_nearest([name_of(one) for one in series_ids], [name_of(one) for one in known])
    if len(series_ids) > 1:
        scale = (
            ""
            if lengths is None
            else f"; their scales come from the rows given ({_span(lengths)} each)"
        )
        return f"{len(series_ids):,} series were not seen in training: {named}{scale}"
    scale = (
        ""
        if lengths is None
        else f"; its scale comes from the {counted(int(lengths[0]), 'row')} given"
    )
    return f"1 series was not seen in training: {named}{scale}"


def _span(lengths: IntArray) -> str:
    low, high = int(lengths.min()), int(lengths.max())
    return str(low) if low == high else f"{low} to {high}"


def _with_nearest(names: Sequence[str], known: Collection[str]) -> str:
    """Write the first of some names, each with the known one it may be meant for."""
    shown = ", ".join(f"{name!r}{nearest_name(name, known)}" for name in names[:SHOWN])
    return shown + and_more(len(names))
