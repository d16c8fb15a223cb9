"""Where and how the model errs, how it learned, and what its intervals held."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd

from forecast.axes import FloatArray, evenly_spaced
from forecast.report.chart import (
    NUM_TONES,
    Band,
    Chart,
    Line,
    baseline_looks,
    draw_chart,
    number,
    step_ticks,
)
from forecast.report.plots.cutoffs import MAX_CUTOFFS
from forecast.report.plots.step_errors import HISTOGRAM_SPREADS, highest_error
from forecast.report.record import RunRecord
from forecast.scores.breakdown import bias_by_step, error_by_cutoff, scores_by
from forecast.scores.evaluation import BacktestResult
from forecast.scores.history import History
from forecast.scores.residuals import autocorrelation, comparable_residuals, cutoff_step

MAX_DASHED = 40
"""Points of a line whose dashes can be seen."""

MAX_LAGS = 48


def errors_section(record: RunRecord, result: BacktestResult) -> str:
    """Return the mean absolute error by step and by cutoff."""
    return _by_step(record, result) + _by_cutoff(record, result)


def residuals_section(result: BacktestResult) -> str:
    """Return the distribution, autocorrelation and bias of the errors of the judged model."""
    residuals, several = comparable_residuals(result)
    words = "actual minus forecast" + ", in seasonal errors of the series" * several
    note = (
        "<p>Each residual is divided by the usual change of its series over a season (the scale of "
        "MASE), so that "
        "series of different size can be shown together.</p>"
    )
    return (
        (note if several else "")
        + _histogram(residuals, words)
        + _correlation(residuals, result)
        + _bias(result)
    )


def loss_section(histories: Mapping[str, History]) -> str:
    """Return the losses by epoch, of one network or of all of a blend."""
    return (
        _one_network(*histories.values()) if len(histories) == 1 else _several_networks(histories)
    )


def _one_network(history: History) -> str:
    epochs = np.arange(1.0, len(history.loss) + 1)
    lines = [Line("training", "actual", epochs, np.array(history.loss))]
    if history.val_loss:
        lines.append(
            Line("validation", "model", epochs[: len(history.val_loss)], np.array(history.val_loss))
        )
    kept = (
        f"The weights of epoch {history.best_epoch} of {len(epochs)} were kept."
        if len(epochs)
        else ""
    )
    chart = Chart(
        title=f"Loss by epoch. {kept}",
        x_title="epoch",
        y_title="loss, on the scale the network sees",
        lines=lines,
        ticks=step_ticks(len(epochs)),
    )
    return f"<p>{kept} Training took {sum(history.seconds):,.0f} s.</p>{draw_chart(chart)}"


def _several_networks(histories: Mapping[str, History]) -> str:
    """A table of the networks, and a chart for each kind of loss with a ring at the epoch that was kept."""
    losses = {
        "validation": {
            name: np.array(one.val_loss) for name, one in histories.items() if one.val_loss
        }
    }
    losses["training"] = {name: np.array(one.loss) for name, one in histories.items()}
    best = {name: one.best_epoch for name, one in histories.items()}
    charts = [_losses_of_several(kind, lines, best) for kind, lines in losses.items() if lines]
    words = (
        f"{len(histories)} networks, the one with the largest weight first. A ring marks the epoch "
        f"whose weights were "
        "kept."
    )
    return f"<p>{words}</p>{_table_of_networks(histories)}{''.join(charts)}"


def _losses_of_several(kind: str, losses: Mapping[str, FloatArray], best: Mapping[str, int]) -> str:
    looks = {
        name: f"tone-{place % NUM_TONES} dash-{place // NUM_TONES}"
        for place, name in enumerate(losses)
    }
    lines = [
        Line(name, looks[name], np.arange(1.0, len(line) + 1), line)
        for name, line in losses.items()
    ]
    chart = Chart(
        title=f"{kind.capitalize()} loss by epoch of {len(losses)} networks",
        x_title="epoch",
        y_title=f"{kind} loss, on the scale the networks see",
        lines=lines,
        rings=[
            (float(best[name]), float(line[best[name] - 1]), looks[name])
            for name, line in losses.items()
            if 1 <= best[name] <= len(line)
        ],
        ticks=step_ticks(max(map(len, losses.values()))),
    )
    return draw_chart(chart)


def _table_of_networks(histories: Mapping[str, History]) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("Network", "Kept", "Epochs", "Validation loss", "Seconds")
    )
    rows = []
    for name, one in histories.items():
        judged = (
            number(one.val_loss[one.best_epoch - 1])
            if 1 <= one.best_epoch <= len(one.val_loss)
            else "-"
        )
        cells = (str(one.best_epoch), str(len(one.loss)), judged, f"{sum(one.seconds):,.0f}")
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        )
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Table of networks"><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def coverage_section(coverage: pd.DataFrame) -> str:
    """Return the share of actual values that the intervals cover, by step and level."""
    lines, bands = [], []
    for place, (level, rows) in enumerate(coverage.groupby("level")):
        steps = rows["step"].to_numpy(np.float64)
        covered, low, high = (
            100 * rows[name].to_numpy(np.float64) for name in ("covered", "low", "high")
        )
        lines.append(Line(f"{level:g} % interval", f"model dash-{place % 3}", steps, covered))
        bands.append(
            Band("where chance alone would put it", "chance", steps, low, high, listed=not place)
        )
    title = "Share of the measured values inside the intervals, by step of the horizon"
    chart = Chart(
        title=title,
        x_title="step",
        y_title="values inside, %",
        lines=lines,
        bands=bands,
        ticks=step_ticks(int(coverage["step"].max())),
    )
    return (
        "<p>A line that leaves its grey band covers fewer or more values than it should, "
        "by more than chance explains.</p>" + draw_chart(chart)
    )


def _by_step(record: RunRecord, result: BacktestResult) -> str:
    table = scores_by(result, "step").pivot(index="step", columns="model", values="MAE")
    errors = {name: table[name].to_numpy(np.float64) for name in result.forecasts}
    chart = Chart(
        title="Mean absolute error of the model and the baselines by step of the horizon",
        x_title="step",
        y_title="mean absolute error by step of the horizon",
        lines=_lines(record, result, errors, table.index.to_numpy(np.float64)),
        ticks=step_ticks(len(table)),
        y_range=(0.0, _contenders(record, result, errors)),
    )
    return draw_chart(chart)


def _by_cutoff(record: RunRecord, result: BacktestResult) -> str:
    table, count = error_by_cutoff(result, MAX_CUTOFFS), len(np.unique(result.cutoffs))
    errors = {name: table[name].to_numpy(np.float64) for name in result.forecasts}
    places = np.arange(len(table), dtype=np.float64)
    labels = [str(cutoff).removesuffix(" 00:00:00") for cutoff in table.index]
    ticks = [(float(one), labels[one].split(" ")[0]) for one in evenly_spaced(len(table), 5)]
    most = -(-count // len(table))
    merged = (
        f"<p>{count:,} cutoffs; each point is the mean of up to {most} neighbours.</p>"
        if most > 1
        else ""
    )
    chart = Chart(
        title="Mean absolute error of the model and the baselines by cutoff",
        x_title="cutoff",
        y_title="mean absolute error by cutoff",
        lines=_lines(record, result, errors, places),
        ticks=ticks,
        readings=list(zip(places.tolist(), labels, strict=True)),
        y_range=(0.0, _contenders(record, result, errors)),
    )
    return draw_chart(chart) + merged


def _lines(
    record: RunRecord, result: BacktestResult, errors: dict[str, FloatArray], x: FloatArray
) -> list[Line]:
    """Baselines below, the best of them stronger, the model on top."""
    best = record.scores.best_baseline if record.scores else None
    others = [name for name in errors if name not in (result.alias, best)]
    order = [*others, *([best] if best else []), result.alias]
    looks = {**baseline_looks(result, best), result.alias: "model"}
    dense = " dense" * (len(x) > MAX_DASHED)
    return [Line(name, looks[name] + dense, x, errors[name]) for name in order]


def _contenders(record: RunRecord, result: BacktestResult, errors: dict[str, FloatArray]) -> float:
    """The top of the axis."""
    return highest_error(
        errors, (result.alias, record.scores.best_baseline if record.scores else None)
    )


def _histogram(residuals: FloatArray, words: str) -> str:
    finite = residuals[np.isfinite(residuals)]
    if not len(finite):
        return "<p>Nothing was measured in these windows.</p>"
    mean, spread = float(finite.mean()), float(finite.std()) or abs(float(finite.mean())) or 1.0
    edges = np.linspace(mean - HISTOGRAM_SPREADS * spread, mean + HISTOGRAM_SPREADS * spread, 41)
    counts, _ = np.histogram(finite, edges)
    beyond = len(finite) - int(counts.sum())
    title = f"Histogram of {len(finite):,} residuals, mean {mean:.3g}, standard deviation {float(finite.std()):.3g}"
    chart = Chart(
        title=title,
        x_title=words,
        y_title="residuals, % of all",
        bars=(edges, 100.0 * counts / len(finite)),
    )
    return draw_chart(chart) + (
        f"<p>{len(finite):,} residuals: mean {mean:+.3g}, standard deviation "
        f"{float(finite.std()):.3g}; {beyond:,} lie "
        f"more than {HISTOGRAM_SPREADS:g} deviations from the mean, outside the picture.</p>"
    )


def _correlation(residuals: FloatArray, result: BacktestResult) -> str:
    longest, positions = (
        int(np.bincount(result.series).max(initial=0)),
        result.freq.positions(result.cutoffs),
    )
    num_lags = max(min(MAX_LAGS, longest // 3), 1)
    values, count = autocorrelation(residuals[:, 0], result.series, positions, num_lags)
    step = cutoff_step(result.series, positions)
    if step is None or not np.isfinite(values).any():
        words = "<p>The windows are not neighbours, so no autocorrelation of the residuals is shown.</p>"
        return words if step is None and longest > 1 else ""
    lags, band = step * np.arange(1.0, len(values) + 1), 1.96 / np.sqrt(max(count, 1))
    outside = int(np.sum(np.abs(values[np.isfinite(values)]) > band))
    title = f"Autocorrelation of the first step's residuals; {outside} of {len(lags)} lags leave the 95 % band of noise"
    edges = np.array([0.0, lags[-1] + step])
    chart = Chart(
        title=title,
        x_title="lag in steps of time",
        y_title="autocorrelation of the residuals of the first step",
        bands=[Band("95 % band of noise", "chance", edges, np.full(2, -band), np.full(2, band))],
        stems=(lags, values),
    )
    return draw_chart(chart)


def _bias(result: BacktestResult) -> str:
    """Mean of forecast minus actual by step, of the model and in the unit of the data."""
    bias = bias_by_step(result, result.alias)
    steps = np.arange(1.0, len(bias) + 1)
    zero = Line("no bias", "zero", np.array([1.0, max(len(bias), 1.0)]), np.zeros(2), listed=False)
    chart = Chart(
        title="Bias, the mean of forecast minus actual, by step of the horizon",
        x_title="step",
        y_title="bias (forecast minus actual) by step of the horizon",
        lines=[zero, Line(result.alias, "model", steps, bias)],
        ticks=step_ticks(len(steps)),
    )
    return draw_chart(chart)
