"""Where and how a model errs: by step of the horizon, as a bias, and as a distribution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from forecast.axes import FloatArray
from forecast.data.findings import counted
from forecast.report.plots.style import (
    ACCENT,
    INK,
    MODEL,
    MUTED,
    PANEL_TITLE,
    colours_of,
    dress,
    label_ends,
    new_figure,
    set_ticks_in_steps,
    write_finding,
)
from forecast.scores.breakdown import bias_by_step
from forecast.scores.evaluation import BacktestResult
from forecast.scores.metrics import mae
from forecast.scores.residuals import autocorrelation, comparable_residuals, cutoff_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


FAR_OUT = 4.0
"""Lines higher than this many times the largest error of the model and the best baseline leave the
picture."""


MAX_LAGS = 72


HISTOGRAM_SPREADS = 4.0


NO_NEIGHBOURS = "no autocorrelation: the windows are not neighbours"


def plot_error_by_step(result: BacktestResult, *, unit: str = "") -> Figure:
    """Draw the mean absolute error of model and baselines for every step of the horizon.

    Args:
        result: an evaluation.
        unit: of the targets, for the axis.
    """
    errors = {
        name: mae(result.actual, made, axis=(0, 2)) for name, made in result.forecasts.items()
    }
    best = result.scores().best_baseline
    figure = new_figure((8.6, 4.4))
    write_finding(figure, _step_finding(result.alias, best, errors))
    axes = figure.add_subplot()
    steps = np.arange(1, result.actual.shape[1] + 1)
    colours = {**colours_of([name for name in errors if name != result.alias]), result.alias: MODEL}
    for name, error in errors.items():
        line = axes.plot(steps, error, color=colours[name], linewidth=1.4, label=name)[0]
        line.set(marker="o" if len(steps) <= 14 else "", markersize=4)
        if name == result.alias:
            line.set(linewidth=2.6, zorder=4)
    axes.set_ylim(0.0, highest_error(errors, (result.alias, best)))
    dress(axes, x="step of the horizon", y=f"mean absolute error{f' [{unit}]' if unit else ''}")
    edge = 0.012 * (len(steps) - 1) or 0.5
    axes.set_xlim(1 - edge, len(steps) + edge)
    set_ticks_in_steps(axes, len(steps), result.season_length)
    ends = [(name, float(error[-1]), colours[name]) for name, error in errors.items()]
    label_ends(axes, steps[-1], [end for end in ends if np.isfinite(end[1])], bold=result.alias)
    return figure


def plot_bias_by_step(result: BacktestResult, *, unit: str = "") -> Figure:
    """Draw the bias, the mean of forecast minus actual, of the model and the best baseline for every step.

    Args:
        result: an evaluation.
        unit: of the targets, for the axis.
    """
    names = [name for name in (result.scores().best_baseline, result.alias) if name]
    bias = {name: bias_by_step(result, name) for name in names}
    figure = new_figure((8.6, 4.4))
    write_finding(figure, _bias_finding(result.alias, bias[result.alias], unit))
    axes = figure.add_subplot()
    steps = np.arange(1, result.actual.shape[1] + 1)
    colours = {**colours_of(names[:-1]), result.alias: MODEL}
    axes.axhline(0.0, color=MUTED, linewidth=0.9)
    for name, one in bias.items():
        line = axes.plot(
            steps,
            one,
            color=colours[name],
            label=name,
            linewidth=1.4 + 1.2 * (name == result.alias),
        )[0]
        line.set(marker="o" if len(steps) <= 14 else "", markersize=4)
    dress(
        axes, x="step of the horizon", y=f"mean of forecast - actual{f' [{unit}]' if unit else ''}"
    )
    edge = 0.012 * (len(steps) - 1) or 0.5
    axes.set_xlim(1 - edge, len(steps) + edge)
    set_ticks_in_steps(axes, len(steps), result.season_length)
    ends = [(name, float(one[-1]), colours[name]) for name, one in bias.items()]
    label_ends(axes, steps[-1], [end for end in ends if np.isfinite(end[1])], bold=result.alias)
    return figure


def plot_residuals(result: BacktestResult, *, unit: str = "") -> Figure:
    """Draw the distribution of the judged model's residuals, and the autocorrelation of its one-step residuals.

    The second picture is left out where the windows of no series are neighbours; where a series has
    several, words in the first one say so.

    Of several series or targets each residual is divided by the `seasonal_error` of its series
    first.

    Args:
        result: an evaluation.
        unit: of the target, for the axis.
    """
    residuals, several = comparable_residuals(result)
    label = (
        "residual / seasonal error of its series"
        if several
        else f"actual - forecast{f' [{unit}]' if unit else ''}"
    )
    positions = result.freq.positions(result.cutoffs)
    correlation, count = autocorrelation(
        residuals[:, 0], result.series, positions, _num_lags(result)
    )
    step = cutoff_step(result.series, positions)
    pictures = 2 if np.isfinite(correlation).any() else 1
    figure = new_figure((6.0 + 2.0 * pictures, 4.2))
    write_finding(
        figure, _residual_finding(result.alias, residuals, "seasonal errors" if several else unit)
    )
    axes = figure.subplots(1, pictures, squeeze=False)[0]
    apart = step is None and len(result.series) > len(np.unique(result.series))
    _draw_histogram(
        axes[0], residuals[np.isfinite(residuals)], label, NO_NEIGHBOURS if apart else ""
    )
    if pictures > 1:
        _draw_correlation(axes[1], correlation, (step or 1, count), result.season_length)
    return figure


def highest_error(errors: Mapping[str, FloatArray], contenders: Iterable[str | None]) -> float:
    """Where an axis of errors ends, so that one hopeless line does not press the others flat.

    Args:
        errors: of every model.
        contenders: the judged model and the best baseline, if there is one.
    """
    peaks = {
        name: float(np.max(error, where=np.isfinite(error), initial=0.0))
        for name, error in errors.items()
    }
    return (
        min(1.06 * max(peaks.values()), FAR_OUT * max(peaks[name] for name in contenders if name))
        or 1.0
    )


def _step_finding(alias: str, best: str | None, errors: dict[str, FloatArray]) -> str:
    steps = len(errors[alias])
    if best is None:
        return f"{alias}: error by step of the horizon"
    ahead = int(np.sum(errors[alias] < errors[best]))
    return f"{alias} is ahead of the best baseline ({best}) at {ahead} of {counted(steps, 'step')}"


def _bias_finding(alias: str, bias: FloatArray, unit: str) -> str:
    steps = int(np.isfinite(bias).sum())
    if not steps:
        return f"{alias}: nothing was measured in these windows"
    high, mean = int(np.sum(bias > 0)), float(np.nanmean(bias))
    side, count = ("high", high) if mean > 0 else ("low", int(np.sum(bias < 0)))
    size = f"{abs(mean):.3g}{f' {unit}' if unit else ''}"
    return f"{alias} forecasts are too {side} at {count} of {counted(steps, 'step')}, by {size} over all"


def _num_lags(result: BacktestResult) -> int:
    longest = int(np.bincount(result.series).max(initial=0))
    return max(min(3 * max(result.season_length, 8), MAX_LAGS, longest // 3), 1)


def _deviation(values: FloatArray) -> float:
    """Standard deviation; 0 where the values differ by rounding only."""
    spread = float(values.std())
    return spread if spread > 1e-9 * float(np.abs(values).max()) else 0.0


def _residual_finding(alias: str, residuals: FloatArray, unit: str) -> str:
    finite = residuals[np.isfinite(residuals)]
    if not len(finite):
        return f"{alias}: nothing was measured in these windows"
    bias, spread = -float(finite.mean()), _deviation(finite)
    if abs(bias) <= 0.05 * spread:
        return f"{alias} has next to no bias: {bias:+.2g}{f' {unit}' if unit else ''}"
    size = f"{abs(bias):.3g}{f' {unit}' if unit else ''}"
    return f"{alias} forecasts are {size} too {'high' if bias > 0 else 'low'} on average"


def _draw_histogram(axes: Axes, residuals: FloatArray, label: str, note: str) -> None:
    """Draw the density of the residuals, those far out counted in words, with a normal curve of equal spread."""
    dress(axes, x=label)
    axes.set_yticks([])
    axes.grid(visible=False)
    if not len(residuals):
        return
    mean, deviation = float(residuals.mean()), _deviation(residuals)
    spread = deviation or abs(mean) or 1.0
    edge = HISTOGRAM_SPREADS * spread
    bins = np.linspace(mean - edge, mean + edge, int(np.clip(np.sqrt(len(residuals)), 9, 60)) + 1)
    counts, _ = np.histogram(residuals, bins)
    density = counts / (len(residuals) * np.diff(bins))
    axes.bar(
        bins[:-1],
        density,
        np.diff(bins),
        align="edge",
        color=MODEL,
        alpha=0.35,
        edgecolor="white",
        linewidth=0.6,
    )
    grid = np.linspace(bins[0], bins[-1], 200)
    normal = np.exp(-0.5 * ((grid - mean) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    axes.plot(grid, normal, color=INK, linewidth=1.2)
    axes.axvline(0.0, color=MUTED, linewidth=0.9)
    axes.axvline(mean, color=ACCENT, linewidth=1.6, linestyle=(0, (4, 2)))
    axes.set_ylim(0, 1.18 * max(density.max(), normal.max()))
    axes.set_title(
        f"{len(residuals):,} residuals, standard deviation {deviation:.3g}", **PANEL_TITLE
    )
    beyond = len(residuals) - int(counts.sum())
    words = [(f"mean residual {mean:+.3g}", ACCENT), ("normal curve of equal spread", INK)]
    words += [(f"{beyond:,} beyond ±{HISTOGRAM_SPREADS:g} deviations", MUTED)] * (beyond > 0)
    _write_words(axes, words + [(note, MUTED)] * bool(note))


def _write_words(axes: Axes, words: list[tuple[str, str]]) -> None:
    """Write lines of text and their colours into the upper right corner."""
    for line, (text, colour) in enumerate(words):
        axes.text(
            0.985,
            0.96 - 0.065 * line,
            text,
            transform=axes.transAxes,
            ha="right",
            fontsize=8.5,
            color=colour,
        )


def _draw_correlation(
    axes: Axes, correlation: FloatArray, sizes: tuple[int, int], season_length: int
) -> None:
    """Stems of the autocorrelation over the band that 95 % of the values of white noise stay in.

    `sizes` are the steps between neighbouring cutoffs and the number of residuals.
    """
    step, count = sizes
    lags = step * np.arange(1, len(correlation) + 1)
    band = 1.96 / np.sqrt(max(count, 1))
    known = np.isfinite(correlation)
    outside = int(np.sum(np.abs(correlation[known]) > band))
    words = f"One-step residuals: {outside} of {known.sum()} lags outside the 95 % band"
    axes.set_title(words, **PANEL_TITLE)
    dress(axes, x="lag in steps of time", y="autocorrelation")
    axes.axhspan(-band, band, color=MUTED, alpha=0.16, linewidth=0)
    axes.axhline(0.0, color="#bdbdbd", linewidth=0.9)
    axes.vlines(lags[known], 0.0, correlation[known], color=MODEL, linewidth=1.6)
    axes.plot(lags[known], correlation[known], "o", color=MODEL, markersize=3.2)
    axes.set_xlim(0.0, lags[-1] + step)
    axes.set_ylim(
        min(1.15 * correlation[known].min(), -1.6 * band),
        max(1.15 * correlation[known].max(), 1.6 * band),
    )
    set_ticks_in_steps(axes, lags[-1], season_length)
