"""Where a model is good and where it is not: the scores of an evaluation by series, step or cutoff."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.errors import ConfigError
from forecast.scores.evaluation import BacktestResult
from forecast.scores.metrics import mae, mase, mse, smape
from forecast.scores.verdict import SCORE_NAMES

By = Literal["series", "step", "cutoff", "overall"]


POINT_METRICS = {"MSE": mse, "MAE": mae, "sMAPE": smape}
"""Scores that are means over values, by their name in the table; RMSE is the root of one, MASE
needs a scale."""


def scores_by(result: BacktestResult, by: By = "overall") -> pd.DataFrame:
    """Score every model in every series, at every step of the horizon, at every cutoff, or over all of them.

    Every measured value of a group counts alike, as in `BacktestResult.scores`, whose numbers are
    those of `overall`. Windows whose series has no scale are left out of MASE alone.

    Args:
        result: an evaluation.
        by: `series`, `step`, `cutoff` or `overall`.

    Returns:
        One row per group and model: the group (the column of ids, `step` counted from 1, or
        `cutoff`; none for `overall`), `model`, `windows`, and the scores; NaN where a group has
        nothing to score. Groups ascend, series stand in the order of the panel, models in that of
        the evaluation.

    Raises:
        ConfigError: `by` is none of the four.
    """
    groups, place = _groups(result, by)
    if by == "step":
        scores = [_step_scores(result, forecast) for forecast in result.forecasts.values()]
        windows = np.full(len(groups), len(place))
    else:
        scores = [
            _group_scores(result, forecast, place, len(groups))
            for forecast in result.forecasts.values()
        ]
        windows = np.bincount(place, minlength=len(groups))
    num_models = len(scores)
    table = pd.DataFrame(
        {"model": list(result.forecasts) * len(groups), "windows": np.repeat(windows, num_models)}
    )
    for name in SCORE_NAMES:
        table[name] = np.stack([one[name] for one in scores], axis=1).ravel()
    if by != "overall":
        table.insert(0, groups.name, groups.repeat(num_models))
    return table


def error_by_cutoff(result: BacktestResult, most: int) -> pd.DataFrame:
    """Mean absolute error by cutoff as a table to draw.

    Args:
        result: an evaluation.
        most: rows of the table; of more cutoffs, neighbours are averaged.

    Returns:
        A column per model in the order of the evaluation; the index is the first cutoff of every
        row.
    """
    table = scores_by(result, "cutoff").pivot(index="cutoff", columns="model", values="MAE")[
        list(result.forecasts)
    ]
    count = min(len(table), most)
    row = np.arange(len(table)) * count // max(len(table), 1)
    return table.groupby(row).mean().set_axis(table.index[np.searchsorted(row, np.arange(count))])


def bias_by_step(result: BacktestResult, alias: str) -> FloatArray:
    """Mean of forecast minus actual at every step of the horizon, over windows and targets.

    Args:
        result: an evaluation.
        alias: one of its models.

    Returns:
        (H,) in the unit of the data, NaN where nothing was measured.
    """
    errors = result.forecasts[alias] - result.actual
    count = np.isfinite(errors).sum(axis=(0, 2))
    return np.where(count > 0, np.nansum(errors, axis=(0, 2)) / np.maximum(count, 1), np.nan)


def _groups(result: BacktestResult, by: By) -> tuple[pd.Index[Any], NDArray[np.int64]]:
    """Name of every group, and the group of every window."""
    if by == "series":
        present, place = np.unique(result.series, return_inverse=True)
        return pd.Index(result.series_ids[present], name=result.columns.id_col), place
    if by == "cutoff":
        stamps, place = np.unique(result.cutoffs, return_inverse=True)
        return pd.Index(
            stamps if result.freq.is_integer else result.freq.local(stamps), name="cutoff"
        ), place
    if by in ("step", "overall"):
        count = result.actual.shape[1] if by == "step" else 1
        return pd.RangeIndex(1, count + 1, name=by), np.zeros(len(result.series), np.int64)
    raise ConfigError(f"scores by {by!r}; expected 'series', 'step', 'cutoff' or 'overall'")


def _step_scores(result: BacktestResult, forecast: FloatArray) -> dict[str, FloatArray]:
    """(H,) scores of each step."""
    actual, across = result.actual, (0, 2)
    found = {name: metric(actual, forecast, axis=across) for name, metric in POINT_METRICS.items()}
    return _with_root({**found, "MASE": mase(actual, forecast, result.scale, axis=across)})


def _group_scores(
    result: BacktestResult, forecast: FloatArray, place: NDArray[np.int64], count: int
) -> dict[str, FloatArray]:
    """(G,) scores of each group of windows: the means of the windows, weighed by their measured values."""
    actual, inside = result.actual, (1, 2)
    measured = ~np.isnan(actual)
    scaled = (np.isfinite(result.scale) & (result.scale > 0))[:, None]
    num_measured, num_scaled = measured.sum(axis=inside), (measured & scaled).sum(axis=inside)

    def pooled(means: FloatArray, weights: NDArray[np.int64]) -> FloatArray:
        total = np.bincount(place, np.where(weights > 0, means, 0.0) * weights, count)
        weight = np.bincount(place, weights, count)
        return np.where(weight > 0, total / np.maximum(weight, 1), np.nan)

    found = {
        name: pooled(metric(actual, forecast, axis=inside), num_measured)
        for name, metric in POINT_METRICS.items()
    }
    return _with_root(
        {**found, "MASE": pooled(mase(actual, forecast, result.scale, axis=inside), num_scaled)}
    )


def _with_root(scores: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return {**scores, "RMSE": np.sqrt(scores["MSE"])}
