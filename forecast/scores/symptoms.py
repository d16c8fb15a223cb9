"""Forecasts that only look like forecasts: flat lines, copies of what came before, and leaps out of the history.

A network that has learned nothing often draws a level line, or repeats the last values, which in a
picture looks like the truth moved by some steps. Neither is wrong as such: a level line at the last
value is the best answer to a random walk. So what is found here is reported as a note, with the
share of the series it holds for, and is no error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import find_rows

FLAT = 0.1
"""Deviation inside a window, over that of what happened, up to which a forecast is called a flat
line.

The deviation of a forecast that makes the squared error least is the root of the share of the
variance it explains: with a tenth of the deviation it explains one hundredth.
"""


NEAR = 0.2
"""Mean distance of a forecast from a copy, over that of what happened, up to which it is called a
copy.

Its error is then at least four fifths of that of the copy, by the triangle inequality: it has
learned little else.
"""


MANY = 0.5
"""Share of the series from which on a note is made."""


COPIES = {"last_value": "the last value", "seasonal_naive": "the last season"}
"""Baselines that are copies, and what they repeat."""


LEAP = 1.5
"""Distance of a forecast from the last value, over the largest change of its history in as many
steps, from which on it is called a leap: a trend that goes on comes to 1, one that gets steeper to
somewhat more."""


ROUNDING = 1e-9


def find_symptoms(
    alias: str,
    actual: FloatArray,
    forecasts: Mapping[str, FloatArray],
    *,
    series: IntArray,
    positions: IntArray,
) -> tuple[str, ...]:
    """Say whether the forecasts of one model are copies of earlier values or, where they are not, flat lines.

    Args:
        alias: the model.
        actual: (W, H, D) what happened, NaN where nothing was measured.
        forecasts: (W, H, D) of every model; the baselines in `COPIES` are what `alias` is held
            against.
        series: (W,) number of each window's series.
        positions: (W,) place of each window's cutoff on the grid of time.

    Returns:
        One sentence, without its full stop, where half of the series or more show it.
    """
    made, horizon = forecasts[alias], actual.shape[1]
    copies = {
        words: forecasts[name]
        for name, words in COPIES.items()
        if name in forecasts and name != alias
    }
    if horizon > 1:
        copies[f"the last {horizon} values"] = last_values(actual, series, positions)
    for words, copy in copies.items():
        if many := _many(copy_ratios(actual, made, copy, series), NEAR):
            return (
                f"{alias} repeats {words} in {many}, with less than a fifth of the change that "
                f"followed; that is "
                "the best answer where all else is chance, as in a random walk, and elsewhere a "
                "sign that little was "
                "learned",
            )
    if many := _many(flat_ratios(actual, made, series), FLAT):
        return (
            f"{alias} draws a flat line in {many}, with less than a tenth of the variation of what "
            f"happened; that is "
            "the best answer where only the level can be known, and elsewhere a sign that little "
            "was learned",
        )
    return ()


def copy_ratios(
    actual: FloatArray, forecast: FloatArray, copy: FloatArray, series: IntArray
) -> FloatArray:
    """Mean distance of a forecast from a copy of earlier values, over the distance of what happened from it.

    Args:
        actual: (W, H, D), NaN where nothing was measured.
        forecast: (W, H, D).
        copy: (W, H, D), NaN where it is not known.
        series: (W,) number of each window's series.

    Returns:
        (S, D) for the S series that have a window, in order of their number: 0 for the copy itself,
        near 1 for a good forecast of what the copy misses; NaN where the copy was right throughout,
        or nothing can be compared.
    """
    known = ~np.isnan(actual) & ~np.isnan(copy)
    distance, needed = (
        np.where(known, np.abs(one - copy), 0.0).sum(axis=1) for one in (forecast, actual)
    )
    return _ratio(_by_series(distance, series), _by_series(needed, series))


def flat_ratios(actual: FloatArray, forecast: FloatArray, series: IntArray) -> FloatArray:
    """Deviation of a forecast inside its windows, over the deviation of what happened there.

    Args:
        actual: (W, H, D), NaN where nothing was measured; the forecast is not looked at there.
        forecast: (W, H, D).
        series: (W,) number of each window's series.

    Returns:
        (S, D) for the S series that have a window, in order of their number: 0 for a level line;
        NaN where nothing varies inside the windows.
    """
    known = ~np.isnan(actual)
    made, happened = (_by_series(_spread(one, known), series) for one in (forecast, actual))
    size = _by_series((np.where(known, actual, 0.0) ** 2).sum(axis=1), series)
    return np.sqrt(_ratio(made, np.where(happened > ROUNDING**2 * size, happened, 0.0)))


def last_values(actual: FloatArray, series: IntArray, positions: IntArray) -> FloatArray:
    """The H values up to each cutoff: what happened in the window of the same series H steps earlier, else NaN.

    Args:
        actual: (W, H, D).
        series: (W,).
        positions: (W,) place of each window's cutoff on the grid of time.

    Returns:
        (W, H, D).
    """
    horizon = actual.shape[1]
    earlier = find_rows(series, positions, series, positions - horizon)
    return np.where((earlier >= 0)[:, None, None], actual[earlier], np.nan)


def leap_notes(
    names: NDArray[np.object_],
    targets: Sequence[str],
    history: FloatArray,
    offsets: IntArray,
    forecast: FloatArray,
) -> tuple[str, ...]:
    """Name the series whose forecast leaves the range of its history by more than its own changes explain.

    Args:
        names: of the N series.
        targets: names of the D targets.
        history: (R, D) rows of all series, one series after another.
        offsets: (N + 1,) first row of each series, and R.
        forecast: (N, H, D) of the steps after each series.

    Returns:
        One sentence, without its full stop, where `leaps` finds any.
    """
    found = leaps(history, offsets, forecast)
    series = np.flatnonzero(found.any(axis=(1, 2)))
    if not len(series):
        return ()
    first = series[0]
    step, target = np.argwhere(found[first])[0]
    rows = history[offsets[first] : offsets[first + 1], target]
    which = f"{names[first]!r}, {targets[target]}" if len(targets) > 1 else f"{names[first]!r}"
    return (
        f"the forecast of {len(series):,} of {len(names):,} series leaves the range of its history "
        f"by more than the "
        f"changes of the history explain (first {which}, step {step + 1}: "
        f"{forecast[first, step, target]:.4g} after "
        f"values between {np.nanmin(rows):.4g} and {np.nanmax(rows):.4g}): look at it before you "
        f"use it",
    )


def leaps(history: FloatArray, offsets: IntArray, forecast: FloatArray) -> NDArray[np.bool_]:
    """Find the forecasts that lie outside the range of their history, and too far from its end.

    Too far is more than `LEAP` times the largest change of the history within as many steps, as a
    difference and, where all values are above 0, as a ratio too: neither a trend nor a growth that
    goes on is a leap. Steps beyond half of the rows are not looked at: the history holds too few
    changes over so many.

    Args:
        history: (R, D) rows of all series, NaN where nothing was measured.
        offsets: (N + 1,) first row of each series, and R.
        forecast: (N, H, D).

    Returns:
        (N, H, D).
    """
    lengths = np.diff(offsets)
    steps = np.arange(1, forecast.shape[1] + 1)
    series = np.repeat(np.arange(len(lengths)), lengths)
    low = np.full((len(lengths), 1, history.shape[1]), np.inf)
    high = -low
    np.fmin.at(low[:, 0], series, history)
    np.fmax.at(high[:, 0], series, history)
    found = ((forecast < low) | (forecast > high)) & (low <= high)
    found &= (steps <= lengths[:, None] // 2)[:, :, None]
    chosen = np.flatnonzero(found.any(axis=(1, 2)))
    if not len(chosen):
        return found
    rows = np.isin(series, chosen)
    values = history[rows]
    made = forecast[chosen]
    is_far = _is_far(values, series[rows], made)
    with np.errstate(invalid="ignore", divide="ignore"):  # a ratio counts where all is above 0
        is_far_as_ratio = _is_far(np.log(values), series[rows], np.log(made))
    found[chosen] &= is_far & (is_far_as_ratio | (low[chosen] <= 0))
    return found


def _is_far(values: FloatArray, series: IntArray, forecast: FloatArray) -> NDArray[np.bool_]:
    """(S, H, D) whether a forecast is further from the last value than `LEAP` times the largest change until then."""
    starts = np.flatnonzero(np.diff(series, prepend=-1))
    known = np.where(np.isfinite(values), np.arange(len(values))[:, None], -1)
    last = np.take_along_axis(values, np.maximum.reduceat(known, starts), axis=0)
    distance = np.abs(forecast - last[:, None])
    top = values.copy()  # largest of the rows from each row on, one row more in every round
    bottom = values.copy()
    far = np.ones(forecast.shape, bool)
    for step in range(1, min(forecast.shape[1], len(values) - 1) + 1):
        same = (series[step:] == series[:-step])[:, None]
        np.fmax(top[:-step], values[step:], out=top[:-step], where=same)
        np.fmin(bottom[:-step], values[step:], out=bottom[:-step], where=same)
        far[:, step - 1] = ~(distance[:, step - 1] <= LEAP * np.fmax.reduceat(top - bottom, starts))
    return far


def _spread(values: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """(W, D) sum of the squared distances from the mean of the window, over the steps that are known."""
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, values, 0.0).sum(axis=1) / count
    return np.where(known, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)


def _by_series(values: FloatArray, series: IntArray) -> FloatArray:
    """(S, D) sums of (W, D) over the windows of each series."""
    place = np.unique(series, return_inverse=True)[1]
    return np.stack([np.bincount(place, column) for column in values.T], axis=1)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def _many(ratios: FloatArray, limit: float) -> str:
    """How many of the series stay below a limit, in words; empty where they are too few to speak of."""
    found, judged = int((ratios <= limit).sum()), int(np.isfinite(ratios).sum())
    if not judged or found < MANY * judged:
        return ""
    return f"{found:,} of {judged:,} {'series' if ratios.shape[1] == 1 else 'pairs of series and target'}"
