"""Errors and bias by step of the horizon, and the distribution of the residuals.

Signs are fixed: a residual is actual - forecast, the bias is mean(forecast - actual).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.report.plots.style import (
    ACCENT,
    INK,
    LIGHT,
    MODEL,
    MUTED,
    PANEL_TITLE,
    colours_of,
    dress,
    in_unit,
    label_ends,
    marker_of,
    new_figure,
    set_ticks_in_steps,
    subject_of,
    write_finding,
)
from forecast.scores.breakdown import bias_by_step
from forecast.scores.evaluation import BacktestResult
from forecast.scores.metrics import mae
from forecast.scores.residuals import SIGNS, autocorrelation, comparable_residuals, cutoff_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


FAR_OUT = 4.0
"""Lines are cut above this multiple of the largest error of model and best baseline."""

MAX_LAGS = 72
"""Lags of the autocorrelation at most."""

HISTOGRAM_SPREADS = 4.0
"""Standard deviations from the mean to either end of the histogram."""

NO_NEIGHBOURS = "no autocorrelation: the windows are not neighbours"


def plot_error_by_step(result: BacktestResult, *, unit: str = "", subject: str = "") -> Figure:
    """Draw the mean absolute error of model and baselines for every step of the horizon.

    Args:
        result: an evaluation.
        unit: of the targets, for the axis.
        subject: of the title, such as `sales, sales.csv`; default: the names of the targets.
    """
    alias = result.alias
    errors = {
        name: mae(result.actual, forecast, axis=(0, 2))
        for name, forecast in result.forecasts.items()
    }
    best = result.scores().best_baseline
    colours = colours_of([name for name in errors if name != alias])
    colours[alias] = MODEL
    figure = new_figure((8.6, 4.4))
    write_finding(figure, _step_finding(alias, best, errors), subject_of(result, subject))
    axes = figure.add_subplot()
    _draw_steps(axes, errors, colours, alias)
    axes.set_ylim(0.0, highest_error(errors, (alias, best)))
    dress(axes, x="step of the horizon", y=in_unit("mean absolute error", unit))
    _label_steps(axes, errors, colours, result)
    return figure


def plot_bias_by_step(result: BacktestResult, *, unit: str = "", subject: str = "") -> Figure:
    """Draw the bias of the model and the best baseline for every step of the horizon.

    The bias is mean(forecast - actual): positive where forecasts are too high.

    Args:
        result: an evaluation.
        unit: of the targets, for the axis.
        subject: of the title, such as `sales, sales.csv`; default: the names of the targets.
    """
    alias = result.alias
    best = result.scores().best_baseline
    bias = {name: bias_by_step(result, name) for name in (best, alias) if name}
    colours = colours_of([name for name in bias if name != alias])
    colours[alias] = MODEL
    figure = new_figure((8.6, 4.4))
    write_finding(figure, _bias_finding(bias[alias], unit), subject_of(result, subject))
    axes = figure.add_subplot()
    axes.axhline(0.0, color=MUTED, linewidth=0.9)
    _draw_steps(axes, bias, colours, alias)
    dress(axes, x="step of the horizon", y=in_unit("bias: mean(forecast - actual)", unit))
    _label_steps(axes, bias, colours, result)
    return figure


def _draw_steps(
    axes: Axes, values: Mapping[str, FloatArray], colours: Mapping[str, str], alias: str
) -> None:
    """Draw a line per model over the steps of the horizon, that of the evaluated model on top."""
    for name, line_values in values.items():
        steps = np.arange(1, len(line_values) + 1)
        line = axes.plot(steps, line_values, color=colours[name], linewidth=1.4, label=name)[0]
        line.set(marker=marker_of(len(steps)), markersize=4)
        if name == alias:
            line.set(linewidth=2.6, zorder=4)


def _label_steps(
    axes: Axes, values: Mapping[str, FloatArray], colours: Mapping[str, str], result: BacktestResult
) -> None:
    """Set the limits and ticks of the steps, and name the lines at their right ends."""
    num_steps = result.actual.shape[1]
    edge = 0.012 * (num_steps - 1) or 0.5
    axes.set_xlim(1 - edge, num_steps + edge)
    set_ticks_in_steps(axes, num_steps, result.season_length)
    ends = [(name, float(line[-1]), colours[name]) for name, line in values.items()]
    ends = [end for end in ends if np.isfinite(end[1])]
    label_ends(axes, num_steps, ends, bold=result.alias)


def plot_residuals(result: BacktestResult, *, unit: str = "", subject: str = "") -> Figure:
    """Draw the distribution of the residuals, and the autocorrelation of those of the first step.

    A residual is actual - forecast; of several series or targets each is divided by the seasonal
    error of its series. The second panel is missing where the windows of no series are neighbours;
    a note in the first explains why.

    Args:
        result: an evaluation.
        unit: of the target, for the axis.
        subject: of the title, such as `sales, sales.csv`; default: the names of the targets.
    """
    residuals, are_scaled = comparable_residuals(result)
    label = in_unit("residual", unit)
    if are_scaled:
        label = "residual / seasonal error of its series"
        unit = "seasonal errors"
    label += f"\n{SIGNS}"
    positions = result.freq.positions(result.cutoffs)
    num_lags = _num_lags(result)
    correlation, count = autocorrelation(residuals[:, 0], result.series, positions, num_lags)
    step = cutoff_step(result.series, positions)
    note = ""
    if step is None and len(result.series) > len(np.unique(result.series)):
        note = NO_NEIGHBOURS

    num_panels = 2 if np.isfinite(correlation).any() else 1
    figure = new_figure((6.0 + 2.0 * num_panels, 4.2))
    write_finding(figure, _residual_finding(residuals, unit), subject_of(result, subject))
    panels = figure.subplots(1, num_panels, squeeze=False)[0]
    _draw_histogram(panels[0], residuals[np.isfinite(residuals)], label, note)
    if num_panels > 1:
        lags = (step or 1) * np.arange(1, num_lags + 1)
        _draw_correlation(panels[1], lags, correlation, count)
        set_ticks_in_steps(panels[1], lags[-1], result.season_length)
    return figure


def highest_error(errors: Mapping[str, FloatArray], contenders: Iterable[str | None]) -> float:
    """Return the upper end of an axis of errors, so that one bad line does not flatten the others.

    Args:
        errors: those of every model.
        contenders: the evaluated model and the best baseline, if there is one.
    """
    peaks = {
        name: float(np.max(error, where=np.isfinite(error), initial=0.0))
        for name, error in errors.items()
    }
    highest = max(peaks[name] for name in contenders if name)
    return min(1.06 * max(peaks.values()), FAR_OUT * highest) or 1.0


def _step_finding(alias: str, best: str | None, errors: Mapping[str, FloatArray]) -> str:
    if best is None:
        return "error by step of the horizon"
    num_steps = len(errors[alias])
    ahead = int(np.sum(errors[alias] < errors[best]))
    steps = f"{num_steps} step{'s' * (num_steps > 1)}"
    return f"the model is ahead of the best baseline ({best}) at {ahead} of {steps}"


def _size(value: float, unit: str) -> str:
    return f"{abs(value):.3g} {unit}".rstrip()


def _bias_finding(bias: FloatArray, unit: str) -> str:
    num_steps = int(np.isfinite(bias).sum())
    if not num_steps:
        return "there are no actual values in these windows"
    mean = float(np.nanmean(bias))
    side = "low"
    count = int(np.sum(bias < 0))
    if mean > 0:
        side = "high"
        count = int(np.sum(bias > 0))
    steps = f"{num_steps} step{'s' * (num_steps > 1)}"
    return f"forecasts are too {side} at {count} of {steps}, by {_size(mean, unit)} over all"


def _num_lags(result: BacktestResult) -> int:
    longest = int(np.bincount(result.series).max(initial=0))
    return max(min(3 * max(result.season_length, 8), MAX_LAGS, longest // 3), 1)


def _deviation(values: FloatArray) -> float:
    """Return the standard deviation; 0 where the values differ by rounding only."""
    deviation = float(values.std())
    if deviation <= 1e-9 * float(np.abs(values).max()):
        return 0.0
    return deviation


def _residual_finding(residuals: FloatArray, unit: str) -> str:
    finite = residuals[np.isfinite(residuals)]
    if not len(finite):
        return "there are no actual values in these windows"
    bias = -float(finite.mean())  # a residual is actual - forecast, a bias forecast - actual
    if abs(bias) <= 0.05 * _deviation(finite):
        return (
            f"forecasts have next to no bias: mean(forecast - actual) = {bias:+.2g} {unit}".rstrip()
        )
    side = "high" if bias > 0 else "low"
    return f"forecasts are {_size(bias, unit)} too {side} on average"


def _draw_histogram(axes: Axes, residuals: FloatArray, label: str, note: str) -> None:
    """Draw the density of the residuals, with a normal curve of equal spread.

    Those far out are counted in words.
    """
    dress(axes, x=label)
    axes.set_yticks([])
    axes.grid(visible=False)
    if not len(residuals):
        return
    mean = float(residuals.mean())
    deviation = _deviation(residuals)
    spread = deviation or abs(mean) or 1.0
    reach = HISTOGRAM_SPREADS * spread
    num_bins = int(np.clip(np.sqrt(len(residuals)), 9, 60))
    bins = np.linspace(mean - reach, mean + reach, num_bins + 1)
    counts, _ = np.histogram(residuals, bins)
    density = counts / (len(residuals) * np.diff(bins))
    bars = axes.bar(bins[:-1], density, np.diff(bins), align="edge", color=MODEL, alpha=0.35)
    for bar in bars:
        bar.set(edgecolor="white", linewidth=0.6)
    grid = np.linspace(bins[0], bins[-1], 200)
    normal = np.exp(-0.5 * ((grid - mean) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    axes.plot(grid, normal, color=INK, linewidth=1.2)
    axes.axvline(0.0, color=MUTED, linewidth=0.9)
    axes.axvline(mean, color=ACCENT, linewidth=1.6, linestyle=(0, (4, 2)))
    axes.set_ylim(0, 1.18 * max(density.max(), normal.max()))
    title = f"{len(residuals):,} residuals, standard deviation {deviation:.3g}"
    axes.set_title(title, **PANEL_TITLE)

    words = [(f"mean residual {mean:+.3g}", ACCENT), ("normal curve of equal spread", INK)]
    beyond = len(residuals) - int(counts.sum())
    if beyond:
        words.append((f"{beyond:,} beyond ±{HISTOGRAM_SPREADS:g} standard deviations", MUTED))
    if note:
        words.append((note, MUTED))
    for line, (text, colour) in enumerate(words):
        height = 0.96 - 0.065 * line
        written = axes.text(0.985, height, text, transform=axes.transAxes, color=colour)
        written.set(fontsize=8.5, ha="right")


def _draw_correlation(axes: Axes, lags: IntArray, correlation: FloatArray, count: int) -> None:
    """Draw stems of the autocorrelation over the band that 95 % of white noise stays in.

    Args:
        axes: to draw on.
        lags: (K,) in steps of time, evenly spaced.
        correlation: (K,) NaN where there are no pairs.
        count: number of residuals.
    """
    band = 1.96 / np.sqrt(max(count, 1))
    is_known = np.isfinite(correlation)
    known = correlation[is_known]
    outside = int(np.sum(np.abs(known) > band))
    words = f"One-step residuals: {outside} of {len(known)} lags outside the 95 % band"
    axes.set_title(words, **PANEL_TITLE)
    dress(axes, x="lag in steps of time", y="autocorrelation")
    axes.axhspan(-band, band, color=MUTED, alpha=0.16, linewidth=0)
    axes.axhline(0.0, color=LIGHT, linewidth=0.9)
    axes.vlines(lags[is_known], 0.0, known, color=MODEL, linewidth=1.6)
    axes.plot(lags[is_known], known, "o", color=MODEL, markersize=3.2)
    axes.set_xlim(0.0, lags[-1] + lags[0])
    axes.set_ylim(min(1.15 * known.min(), -1.6 * band), max(1.15 * known.max(), 1.6 * band))
