"""Forecasts that only look like forecasts: flat lines, and copies of what came before.

A network that has learned nothing often draws a level line, or repeats the last values, which in a picture looks like
the truth moved by some steps. Neither is wrong as such: a level line at the last value is the best answer to a random
walk. So what is found here is reported as a note, with the share of the series it holds for, and is no error.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from forecast.metrics import Array

IntArray = NDArray[np.int64]

FLAT = 0.1
"""Deviation inside a window, over that of what happened, up to which a forecast is called a flat line.

The deviation of a forecast that makes the squared error least is the root of the share of the variance it explains:
with a tenth of the deviation it explains one hundredth.
"""

NEAR = 0.2
"""Mean distance of a forecast from a copy, over that of what happened, up to which it is called a copy.

Its error is then at least four fifths of that of the copy, by the triangle inequality: it has learned little else.
"""

MANY = 0.5
"""Share of the series from which on a note is made."""

COPIES = {"last_value": "the last value", "seasonal_naive": "the last season"}
"""Baselines that are copies, and what they repeat."""

ROUNDING = 1e-9


def find_symptoms(
    alias: str, actual: Array, forecasts: Mapping[str, Array], *, series: IntArray, positions: IntArray
) -> tuple[str, ...]:
    """Say whether the forecasts of one model are copies of earlier values or, where they are not, flat lines.

    Args:
        alias: the model.
        actual: (W, H, D) what happened, NaN where nothing was measured.
        forecasts: (W, H, D) of every model; the baselines in `COPIES` are what `alias` is held against.
        series: (W,) number of each window's series.
        positions: (W,) place of each window's cutoff on the grid of time.

    Returns:
        One sentence, without its full stop, where half of the series or more show it.
    """
    made, horizon = forecasts[alias], actual.shape[1]
    copies = {words: forecasts[name] for name, words in COPIES.items() if name in forecasts and name != alias}
    if horizon > 1:
        copies[f"the last {horizon} values"] = last_values(actual, series, positions)
    for words, copy in copies.items():
        if many := _many(copy_ratios(actual, made, copy, series), NEAR):
            return (
                f"{alias} repeats {words} in {many}, with less than a fifth of the change that followed; that is "
                "the best answer where all else is chance, as in a random walk, and elsewhere a sign that little was "
                "learned",
            )
    if many := _many(flat_ratios(actual, made, series), FLAT):
        return (
            f"{alias} draws a flat line in {many}, with less than a tenth of the variation of what happened; that is "
            "the best answer where only the level can be known, and elsewhere a sign that little was learned",
        )
    return ()


def copy_ratios(actual: Array, forecast: Array, copy: Array, series: IntArray) -> Array:
    """Mean distance of a forecast from a copy of earlier values, over the distance of what happened from it.

    Args:
        actual: (W, H, D), NaN where nothing was measured.
        forecast: (W, H, D).
        copy: (W, H, D), NaN where it is not known.
        series: (W,) number of each window's series.

    Returns:
        (S, D) for the S series that have a window, in order of their number: 0 for the copy itself, near 1 for a good
        forecast of what the copy misses; NaN where the copy was right throughout, or nothing can be compared.
    """
    known = ~np.isnan(actual) & ~np.isnan(copy)
    distance, needed = (np.where(known, np.abs(one - copy), 0.0).sum(axis=1) for one in (forecast, actual))
    return _ratio(_by_series(distance, series), _by_series(needed, series))


def flat_ratios(actual: Array, forecast: Array, series: IntArray) -> Array:
    """Deviation of a forecast inside its windows, over the deviation of what happened there.

    Args:
        actual: (W, H, D), NaN where nothing was measured; the forecast is not looked at there.
        forecast: (W, H, D).
        series: (W,) number of each window's series.

    Returns:
        (S, D) for the S series that have a window, in order of their number: 0 for a level line; NaN where nothing
        varies inside the windows.
    """
    known = ~np.isnan(actual)
    made, happened = (_by_series(_spread(one, known), series) for one in (forecast, actual))
    size = _by_series((np.where(known, actual, 0.0) ** 2).sum(axis=1), series)
    return np.sqrt(_ratio(made, np.where(happened > ROUNDING**2 * size, happened, 0.0)))


def last_values(actual: Array, series: IntArray, positions: IntArray) -> Array:
    """The H values up to each cutoff: what happened in the window of the same series H steps earlier, else NaN.

    Args:
        actual: (W, H, D).
        series: (W,).
        positions: (W,) place of each window's cutoff on the grid of time.

    Returns:
        (W, H, D).
    """
    horizon = actual.shape[1]
    if not len(actual):
        return actual
    first = positions.min() - horizon
    key = series * (int(positions.max() - first) + 1) + (positions - first)
    order = np.argsort(key)
    place = order[np.minimum(np.searchsorted(key, key - horizon, sorter=order), len(key) - 1)]
    return np.where((key[place] == key - horizon)[:, None, None], actual[place], np.nan)


def _spread(values: Array, known: NDArray[np.bool_]) -> Array:
    """(W, D) sum of the squared distances from the mean of the window, over the steps that are known."""
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, values, 0.0).sum(axis=1) / count
    return np.where(known, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)


def _by_series(values: Array, series: IntArray) -> Array:
    """(S, D) sums of (W, D) over the windows of each series."""
    place = np.unique(series, return_inverse=True)[1]
    return np.stack([np.bincount(place, column) for column in values.T], axis=1)


def _ratio(above: Array, below: Array) -> Array:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def _many(ratios: Array, limit: float) -> str:
    """How many of the series stay below a limit, in words; empty where they are too few to speak of."""
    found, judged = int((ratios <= limit).sum()), int(np.isfinite(ratios).sum())
    if not judged or found < MANY * judged:
        return ""
    return f"{found:,} of {judged:,} {'series' if ratios.shape[1] == 1 else 'pairs of series and target'}"
