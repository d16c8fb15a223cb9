"""Whether labels name series: rows that follow one another in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecast.data.per_series.row_codes import IntCodes, num_combinations
from forecast.data.text.column_words import ID_WORDS, has_word

_FILLED = 0.2
"""Least share of the timestamps between the first and the last of a series that it has."""

_LONG = 20
"""Mean rows of a series with which a column that is called an id names events too."""


def are_series(time: IntCodes, series: IntCodes, names: Sequence[str]) -> bool:
    """Return whether the rows of each id follow one another, unlike those of any other label.

    A label such as the weather, or the customer of an order, is at a few timestamps here and there.

    Args:
        time: (R,) number of the timestamp of each row.
        series: (R,) number of the series of each row.
        names: the columns that name the series together.
    """
    if _share_of_spans(time, series) >= _FILLED:
        return True
    is_long = len(series) >= _LONG * (int(series.max(initial=0)) + 1)
    return is_long and all(has_word(name, ID_WORDS) for name in names)


def _share_of_spans(time: IntCodes, series: IntCodes) -> float:
    """Return the share of the timestamps from the first to the last of each series that it has.

    Args:
        time: (R,) number of the timestamp of each row, in the order of the table.
        series: (R,) number of the series of each row.
    """
    known = (time >= 0) & (series >= 0)
    if not known.any():
        return 0.0
    number = int(series.max()) + 1
    first = np.full(number, np.iinfo(np.int64).max)
    last = np.full(number, -1)
    np.minimum.at(first, series[known], time[known])
    np.maximum.at(last, series[known], time[known])
    present = last >= 0
    spans = last[present] - first[present] + 1
    return num_combinations([time, series])[1] / int(spans.sum())
