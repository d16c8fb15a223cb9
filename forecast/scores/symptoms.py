"""Symptoms of forecasts: flat lines, copies of earlier values, and leaps out of the history.

A network that has learned nothing often draws a level line, or repeats the last values, which in a
figure looks like the actual values moved by some steps. Neither is wrong as such: a level line at
the last value is the best forecast of a random walk. So a symptom is reported as a note, with the
share of the series that show it, and is no error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import find_rows

FLAT = 0.1
"""Deviation inside a window, over that of the actual values, up to which a forecast is called a
flat line.

The deviation of a forecast that minimises the squared error is the root of the share of the
variance it explains: with a tenth of the deviation it explains one hundredth.
"""


NEAR = 0.2
"""Mean distance of a forecast from a copy, over that of the actual values, up to which it is called
a copy.

Its error is then at least four fifths of that of the copy, by the triangle inequality: it has
learned little else.
"""


MANY = 0.5
"""Share of the series from which on a note is written."""


COPIES = {"last_value": "the last value", "seasonal_naive": "the last season"}
"""Baselines that are copies, and what they repeat."""


LEAP = 1.5
"""Distance of a forecast from the last value, over the largest change of its history in as many
steps, from which on it is called a leap: 1 for a trend that continues, somewhat more for one that
gets steeper."""


ROUNDING = 1e-9


def find_symptoms(
    alias: str,
    actual: FloatArray,
    forecasts: Mapping[str, FloatArray],
    *,
    series: IntArray,
    positions: IntArray,
) -> tuple[str, ...]:
    """Check whether the forecasts of a model are copies of earlier values or, else, flat lines.

    Args:
        alias: the model.
        actual: (W, H, D), NaN where nothing was measured.
        forecasts: (W, H, D) of every model; `alias` is compared with the baselines in `COPIES`.
        series: (W,) number of each window's series.
        positions: (W,) position of each window's cutoff on the time grid, in steps.

    Returns:
        One sentence, without its full stop, where half of the series or more show it.
    """
    forecast = forecasts[alias]
    horizon = actual.shape[1]
    copies = {}
    for name, words in COPIES.items():
        if name in forecasts and name != alias:
            copies[words] = forecasts[name]
    if horizon > 1:
        copies[f"the last {horizon} values"] = last_values(actual, series, positions)

    for words, copy in copies.items():
        if many := _many(copy_ratios(actual, forecast, copy, series), NEAR):
            return (
                f"{alias} repeats {words} in {many}, with less than a fifth of the change that "
                f"followed; that is the best answer where all else is chance, as in a random walk, "
                f"and elsewhere a sign that little was learned",
            )
    if many := _many(flat_ratios(actual, forecast, series), FLAT):
        return (
            f"{alias} draws a flat line in {many}, with less than a tenth of the variation of the "
            f"actual values; that is the best answer where only the level can be known, and "
            f"elsewhere a sign that little was learned",
        )
    return ()


def copy_ratios(
    actual: FloatArray, forecast: FloatArray, copy: FloatArray, series: IntArray
) -> FloatArray:
    """Mean distance of a forecast from a copy, over the distance of the actual values from it.

    Args:
        actual: (W, H, D), NaN where nothing was measured.
        forecast: (W, H, D).
        copy: (W, H, D) earlier values, NaN where they are not known.
        series: (W,) number of each window's series.

    Returns:
        (S, D) for the S series that have a window, in order of their number: 0 for the copy itself,
        near 1 for a good forecast of what the copy misses; NaN where the copy was right throughout,
        or nothing can be compared.
    """
    known = ~np.isnan(actual) & ~np.isnan(copy)
    of_forecast = np.where(known, np.abs(forecast - copy), 0.0).sum(axis=1)
    of_actual = np.where(known, np.abs(actual - copy), 0.0).sum(axis=1)
    return _ratio(_by_series(of_forecast, series), _by_series(of_actual, series))


def flat_ratios(actual: FloatArray, forecast: FloatArray, series: IntArray) -> FloatArray:
    """Deviation of a forecast inside its windows, over the deviation of the actual values there.

    Args:
        actual: (W, H, D), NaN where nothing was measured; the forecast is not read there.
        forecast: (W, H, D).
        series: (W,) number of each window's series.

    Returns:
        (S, D) for the S series that have a window, in order of their number: 0 for a level line;
        NaN where nothing varies inside the windows.
    """
    known = ~np.isnan(actual)
    of_forecast = _by_series(_spread(forecast, known), series)
    of_actual = _by_series(_spread(actual, known), series)
    size = _by_series((np.where(known, actual, 0.0) ** 2).sum(axis=1), series)
    # a deviation of rounding errors is none
    of_actual = np.where(of_actual > ROUNDING**2 * size, of_actual, 0.0)
    return np.sqrt(_ratio(of_forecast, of_actual))


def last_values(actual: FloatArray, series: IntArray, positions: IntArray) -> FloatArray:
    """Return the H values up to each cutoff, NaN where they are not known.

    They are the actual values of the window of the same series H steps earlier.

    Args:
        actual: (W, H, D).
        series: (W,) number of each window's series.
        positions: (W,) position of each window's cutoff on the time grid, in steps.

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
    """Name the series whose forecast leaps out of the range of its history.

    Args:
        names: of the N series.
        targets: names of the D targets.
        history: (R, D) rows of all series, one series after another.
        offsets: (N + 1,) first row of each series, and R.
        forecast: (N, H, D) of the steps after each series.

    Returns:
        One sentence, without its full stop, where `leaps` finds any.
    """
    is_leap = leaps(history, offsets, forecast)
    series = np.flatnonzero(is_leap.any(axis=(1, 2)))
    if not len(series):
        return ()
    first = series[0]
    step, target = np.argwhere(is_leap[first])[0]
    rows = history[offsets[first] : offsets[first + 1], target]
    which = repr(names[first])
    if len(targets) > 1:
        which += f", {targets[target]}"
    return (
        f"the forecast of {len(series):,} of {len(names):,} series leaves the range of its history "
        f"by more than the changes of the history explain (first {which}, step {step + 1}: "
        f"{forecast[first, step, target]:.4g} after values between {np.nanmin(rows):.4g} and "
        f"{np.nanmax(rows):.4g}): look at it before you use it",
    )


def leaps(history: FloatArray, offsets: IntArray, forecast: FloatArray) -> NDArray[np.bool_]:
    """Find the forecasts that lie outside the range of their history, and too far from its end.

    Too far is more than `LEAP` times the largest change of the history within as many steps, as a
    difference and, where all values are above 0, as a ratio too: neither a trend nor growth that
    continues is a leap. Steps beyond half of the rows are not checked: the history has too few
    changes over that many steps.

    Args:
        history: (R, D) rows of all series, NaN where nothing was measured.
        offsets: (N + 1,) first row of each series, and R.
        forecast: (N, H, D).

    Returns:
        (N, H, D) whether each value is a leap.
    """
    lengths = np.diff(offsets)
    steps = np.arange(1, forecast.shape[1] + 1)
    series = np.repeat(np.arange(len(lengths)), lengths)
    low = np.full((len(lengths), 1, history.shape[1]), np.inf)
    high = -low
    np.fmin.at(low[:, 0], series, history)
    np.fmax.at(high[:, 0], series, history)
    is_leap = ((forecast < low) | (forecast > high)) & (low <= high)
    is_leap &= (steps <= lengths[:, None] // 2)[:, :, None]
    suspects = np.flatnonzero(is_leap.any(axis=(1, 2)))
    if not len(suspects):
        return is_leap
    steps_read = 1 + int(np.flatnonzero(is_leap.any(axis=(0, 2)))[-1])  # later ones are no leaps
    is_suspect = np.zeros(len(lengths), bool)
    is_suspect[suspects] = True
    rows = is_suspect[series]
    is_leap[suspects, :steps_read] &= _are_far(
        history[rows], series[rows], forecast[suspects, :steps_read], low[suspects] > 0
    )
    return is_leap


def _are_far(
    values: FloatArray, series: IntArray, forecast: FloatArray, is_above: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return (S, H, D) whether forecasts are too far from the last value, as a ratio too.

    Args:
        values: (R, D) rows of the S series.
        series: (R,) of each row, ascending.
        forecast: (S, H, D).
        is_above: (S, 1, D) whether all values are above 0, so that a ratio counts.
    """
    is_far = _is_far(values, series, forecast)
    if not (is_far & is_above).any():
        return is_far
    with np.errstate(invalid="ignore", divide="ignore"):
        is_far_as_ratio = _is_far(np.log(values), series, np.log(forecast))
    return is_far & (is_far_as_ratio | ~is_above)


def _is_far(values: FloatArray, series: IntArray, forecast: FloatArray) -> NDArray[np.bool_]:
    """(S, H, D) whether a forecast is too far from the last value, for the changes until then."""
    starts = np.flatnonzero(np.diff(series, prepend=-1))
    known = np.where(np.isfinite(values), np.arange(len(values))[:, None], -1)
    last = np.take_along_axis(values, np.maximum.reduceat(known, starts), axis=0)
    distance = np.abs(forecast - last[:, None])
    top = values.copy()  # largest of the rows from each row on, one row more in every round
    bottom = values.copy()
    far = np.ones(forecast.shape, bool)
    for step in range(1, min(forecast.shape[1], len(values) - 1) + 1):
        same: NDArray[np.bool_] | bool = True
        if len(starts) > 1:
            same = (series[step:] == series[:-step])[:, None]
        np.fmax(top[:-step], values[step:], out=top[:-step], where=same)
        np.fmin(bottom[:-step], values[step:], out=bottom[:-step], where=same)
        far[:, step - 1] = ~(distance[:, step - 1] <= LEAP * np.fmax.reduceat(top - bottom, starts))
    return far


def _spread(values: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """(W, D) sum of squared distances from the mean of the window, over the known steps."""
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, values, 0.0).sum(axis=1) / count
    return np.where(known, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)


def _by_series(values: FloatArray, series: IntArray) -> FloatArray:
    """(S, D) sums of (W, D) over the windows of each series."""
    number = np.unique(series, return_inverse=True)[1]
    return np.stack([np.bincount(number, column) for column in values.T], axis=1)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def _many(ratios: FloatArray, limit: float) -> str:
    """Return the share of the series below a limit, in words; empty where they are too few."""
    num_below = int((ratios <= limit).sum())
    num_known = int(np.isfinite(ratios).sum())
    if not num_known or num_below < MANY * num_known:
        return ""
    noun = "series"
    if ratios.shape[1] > 1:
        noun = "pairs of series and target"
    return f"{num_below:,} of {num_known:,} {noun}"
