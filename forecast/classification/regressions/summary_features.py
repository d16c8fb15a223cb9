"""Summary statistics of sequences, which a baseline reads in their place."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray
from forecast.classification.encoding import EncodedRows


def summaries(rows: EncodedRows, num_codes: tuple[int, ...]) -> FloatArray:
    """Return (N, F) summary statistics of each sequence.

    Of each channel of numbers: mean, deviation, least, largest, first and last value, slope over
    the steps, mean absolute change, correlation of neighbours; of each category its share of the
    steps; and the length.

    Args:
        rows: the encoded rows.
        num_codes: codes of each categorical column.
    """
    starts = rows.offsets[:-1]
    lengths = rows.lengths
    series = np.repeat(np.arange(len(lengths)), lengths)
    values = rows.numbers.astype(np.float64)

    def mean_of(per_row: FloatArray) -> FloatArray:
        return np.add.reduceat(per_row, starts, axis=0) / lengths[:, None]

    mean = mean_of(values)
    centred = values - mean[series]
    variance = mean_of(centred**2)
    first = values[starts]
    last = values[rows.offsets[1:] - 1]

    steps = (np.arange(len(values)) - starts[series])[:, None] / np.maximum(1, lengths[series] - 1)[
        :, None
    ]
    steps = steps - mean_of(steps)[series]
    slope = mean_of(centred * steps) / np.maximum(1e-12, mean_of(steps**2))

    changes = np.zeros_like(values)
    neighbours = np.zeros_like(values)
    if len(values) > 1:
        changes[1:] = np.abs(np.diff(values, axis=0))
        neighbours[1:] = centred[1:] * centred[:-1]
    changes[starts] = 0.0  # not from one sequence to the next
    neighbours[starts] = 0.0
    correlation = mean_of(neighbours) / np.maximum(1e-12, variance)

    parts = [
        mean,
        np.sqrt(variance),
        np.minimum.reduceat(values, starts, axis=0),
        np.maximum.reduceat(values, starts, axis=0),
        first,
        last,
        slope,
        mean_of(changes),
        correlation,
        lengths[:, None].astype(np.float64),
    ]
    for column, count in enumerate(num_codes):
        is_word = rows.codes[:, column, None] == np.arange(count)
        parts.append(mean_of(is_word.astype(np.float64)))
    return np.concatenate(parts, axis=1)
