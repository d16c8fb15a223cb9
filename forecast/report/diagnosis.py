"""Sections on errors, residuals, training and the coverage of intervals."""

from __future__ import annotations

import math
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
from forecast.scores.residuals import SIGNS, autocorrelation, comparable_residuals, cutoff_step

MAX_DASHED = 40
"""Points of a line up to which its dashes are visible."""

MAX_LAGS = 48


def errors_section(record: RunRecord, result: BacktestResult) -> str:
    """Return the mean absolute error by step and by cutoff."""
    return _by_step(record, result) + _by_cutoff(record, result)


def residuals_section(result: BacktestResult) -> str:
    """Return the distribution, autocorrelation and bias of the errors of the evaluated model."""
    residuals, are_scaled = comparable_residuals(result)
    words = "residual (actual - forecast)"
    note = f"<p>Signs: {escape(SIGNS)}, above 0 where forecasts are too high.</p>"
    if are_scaled:
        words += " / seasonal error of the series"
        note += (
            "<p>Each residual is divided by the mean change of its series over a season (the scale "
            "of MASE), so that series of different size can be shown together.</p>"
        )
    charts = [_histogram(residuals, words), _correlation(residuals, result), _bias(result)]
    return note + "".join(charts)


def loss_section(histories: Mapping[str, History]) -> str:
    """Return the losses by epoch, of one network or of all of an ensemble."""
    if len(histories) == 1:
        return _one_network(*histories.values())
    return _several_networks(histories)


def coverage_section(coverage: pd.DataFrame) -> str:
    """Return the share of actual values that the intervals cover, by step and level.

    Args:
        coverage: `step`, `level` in %, and `covered`, `low` and `high` as shares.
    """
    lines = []
    bands = []
    for number_of_level, (level, rows) in enumerate(coverage.groupby("level")):
        steps = rows["step"].to_numpy(np.float64)
        covered = 100 * rows["covered"].to_numpy(np.float64)
        low = 100 * rows["low"].to_numpy(np.float64)
        high = 100 * rows["high"].to_numpy(np.float64)
        look = f"model dash-{number_of_level % 3}"
        lines.append(Line(f"{level:g} % interval", look, steps, covered))
        name = "95 % band if the intervals are right"
        bands.append(Band(name, "chance", steps, low, high, listed=number_of_level == 0))
    chart = Chart(
        title="Share of actual values inside the intervals, by step of the horizon",
        x_title="step",
        y_title="coverage, % of actual values",
        lines=lines,
        bands=bands,
        ticks=step_ticks(int(coverage["step"].max())),
    )
    return (
        "<p>If the intervals are right, their coverage is in the grey band for 95 % of samples. A "
        f"line outside it is higher or lower than chance explains.</p>{draw_chart(chart)}"
    )


def _one_network(history: History) -> str:
    num_epochs = len(history.loss)
    epochs = np.arange(1.0, num_epochs + 1)
    lines = [Line("training", "actual", epochs, np.array(history.loss))]
    if history.val_loss:
        validated = epochs[: len(history.val_loss)]
        lines.append(Line("validation", "model", validated, np.array(history.val_loss)))
    best = ""
    if num_epochs:
        best = f"The weights of epoch {history.best_epoch} of {num_epochs} were kept."
    chart = Chart(
        title=f"Loss by epoch. {best}",
        x_title="epoch",
        y_title="loss on the transformed scale",
        lines=lines,
        ticks=step_ticks(num_epochs),
    )
    return f"<p>{best} Training took {sum(history.seconds):,.0f} s.</p>{draw_chart(chart)}"


def _several_networks(histories: Mapping[str, History]) -> str:
    """Return a table of the networks, and a chart for each kind of loss."""
    validation = {
        name: np.array(history.val_loss) for name, history in histories.items() if history.val_loss
    }
    training = {name: np.array(history.loss) for name, history in histories.items()}
    best = {name: history.best_epoch for name, history in histories.items()}
    charts = ""
    if validation:
        charts += _losses_of_several("validation", validation, best)
    if training:
        charts += _losses_of_several("training", training, best)
    words = (
        f"{len(histories)} networks, the one with the largest weight first. A ring marks the epoch "
        "whose weights were kept."
    )
    return f"<p>{words}</p>{_table_of_networks(histories)}{charts}"


def _losses_of_several(kind: str, losses: Mapping[str, FloatArray], best: Mapping[str, int]) -> str:
    """Return a line for each network, with a ring at the epoch whose weights were kept."""
    lines = []
    rings = []
    for index, (name, loss) in enumerate(losses.items()):
        look = f"tone-{index % NUM_TONES} dash-{index // NUM_TONES}"
        lines.append(Line(name, look, np.arange(1.0, len(loss) + 1), loss))
        if 1 <= best[name] <= len(loss):
            rings.append((float(best[name]), float(loss[best[name] - 1]), look))
    chart = Chart(
        title=f"{kind.capitalize()} loss by epoch of {len(losses)} networks",
        x_title="epoch",
        y_title=f"{kind} loss on the transformed scale",
        lines=lines,
        rings=rings,
        ticks=step_ticks(max(map(len, losses.values()))),
    )
    return draw_chart(chart)


def _table_of_networks(histories: Mapping[str, History]) -> str:
    columns = ("Network", "Kept", "Epochs", "Validation loss", "Seconds")
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    rows = ""
    for name, history in histories.items():
        loss = "-"
        if 1 <= history.best_epoch <= len(history.val_loss):
            loss = number(history.val_loss[history.best_epoch - 1])
        seconds = f"{sum(history.seconds):,.0f}"
        cells = "".join(
            f"<td>{cell}</td>" for cell in (history.best_epoch, len(history.loss), loss, seconds)
        )
        rows += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Table of networks"><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
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
        y_range=(0.0, _highest(record, result, errors)),
    )
    return draw_chart(chart)


def _by_cutoff(record: RunRecord, result: BacktestResult) -> str:
    table = error_by_cutoff(result, MAX_CUTOFFS)
    errors = {name: table[name].to_numpy(np.float64) for name in result.forecasts}
    positions = np.arange(len(table), dtype=np.float64)
    labels = [str(cutoff).removesuffix(" 00:00:00") for cutoff in table.index]
    ticked = evenly_spaced(len(table), 5)
    chart = Chart(
        title="Mean absolute error of the model and the baselines by cutoff",
        x_title="cutoff",
        y_title="mean absolute error by cutoff",
        lines=_lines(record, result, errors, positions),
        ticks=[(float(index), labels[index].split(" ")[0]) for index in ticked],
        readings=list(zip(positions.tolist(), labels, strict=True)),
        y_range=(0.0, _highest(record, result, errors)),
    )
    num_cutoffs = len(np.unique(result.cutoffs))
    merged = math.ceil(num_cutoffs / len(table))
    if merged == 1:
        return draw_chart(chart)
    words = f"{num_cutoffs:,} cutoffs; each point is the mean of up to {merged} neighbours."
    return f"{draw_chart(chart)}<p>{words}</p>"


def _best_baseline(record: RunRecord) -> str | None:
    return record.scores.best_baseline if record.scores else None


def _lines(
    record: RunRecord, result: BacktestResult, errors: dict[str, FloatArray], x: FloatArray
) -> list[Line]:
    """Return a line per model: baselines below, the best of them stronger, the model on top."""
    best = _best_baseline(record)
    others = [name for name in result.forecasts if name != result.alias]
    looks = {**baseline_looks(others, best), result.alias: "model"}
    order = sorted(errors, key=lambda name: (name == result.alias, name == best))  # stable
    dense = " dense" * (len(x) > MAX_DASHED)
    return [Line(name, looks[name] + dense, x, errors[name]) for name in order]


def _highest(record: RunRecord, result: BacktestResult, errors: dict[str, FloatArray]) -> float:
    """Return the upper end of the axis of errors."""
    return highest_error(errors, (result.alias, _best_baseline(record)))


def _histogram(residuals: FloatArray, words: str) -> str:
    finite = residuals[np.isfinite(residuals)]
    if not len(finite):
        return "<p>There are no actual values in these windows.</p>"
    mean = float(finite.mean())
    deviation = float(finite.std())
    spread = deviation or abs(mean) or 1.0
    reach = HISTOGRAM_SPREADS * spread
    edges = np.linspace(mean - reach, mean + reach, 41)
    counts, _ = np.histogram(finite, edges)
    beyond = len(finite) - int(counts.sum())
    title = f"Histogram of {len(finite):,} residuals, mean {mean:.3g}"
    chart = Chart(
        title=f"{title}, standard deviation {deviation:.3g}",
        x_title=words,
        y_title="residuals, % of all",
        bars=(edges, 100.0 * counts / len(finite)),
    )
    return draw_chart(chart) + (
        f"<p>{len(finite):,} residuals: mean {mean:+.3g}, standard deviation "
        f"{deviation:.3g}; {beyond:,} lie "
        f"more than {HISTOGRAM_SPREADS:g} standard deviations from the mean and are not drawn.</p>"
    )


def _correlation(residuals: FloatArray, result: BacktestResult) -> str:
    longest = int(np.bincount(result.series).max(initial=0))
    positions = result.freq.positions(result.cutoffs)
    num_lags = max(min(MAX_LAGS, longest // 3), 1)
    values, count = autocorrelation(residuals[:, 0], result.series, positions, num_lags)
    step = cutoff_step(result.series, positions)
    if step is None and longest > 1:
        return (
            "<p>The windows are not neighbours, so no autocorrelation of the residuals is "
            "shown.</p>"
        )
    if step is None or not np.isfinite(values).any():
        return ""
    lags = step * np.arange(1.0, len(values) + 1)
    band = 1.96 / np.sqrt(max(count, 1))  # 95 % of the values of white noise are inside
    outside = int(np.sum(np.abs(values[np.isfinite(values)]) > band))
    title = "Autocorrelation of the first step's residuals"
    edges = np.array([0.0, lags[-1] + step])
    chart = Chart(
        title=f"{title}; {outside} of {len(lags)} lags are outside the 95 % band of white noise",
        x_title="lag in steps of time",
        y_title="autocorrelation of the residuals of the first step",
        bands=[
            Band("95 % band of white noise", "chance", edges, np.full(2, -band), np.full(2, band))
        ],
        stems=(lags, values),
    )
    return draw_chart(chart)


def _bias(result: BacktestResult) -> str:
    """Return the bias of the model by step, in the unit of the data."""
    bias = bias_by_step(result, result.alias)
    steps = np.arange(1.0, len(bias) + 1)
    zero = Line("no bias", "zero", np.array([1.0, max(len(bias), 1.0)]), np.zeros(2), listed=False)
    chart = Chart(
        title="Bias = mean(forecast - actual) by step of the horizon",
        x_title="step",
        y_title="bias = mean(forecast - actual) by step of the horizon",
        lines=[zero, Line(result.alias, "model", steps, bias)],
        ticks=step_ticks(len(steps)),
    )
    return draw_chart(chart)
