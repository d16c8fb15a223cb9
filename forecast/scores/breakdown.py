"""Strengths and weaknesses of a model: the scores of an evaluation by series, step or cutoff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd

from forecast.axes import FloatArray, IntArray
from forecast.data.per_series.keys import id_columns
from forecast.errors import ConfigError, check_kind
from forecast.scores.evaluation import BacktestResult
from forecast.scores.scoring import Scorable

By = Literal["series", "step", "cutoff", "overall"]


def scores_by(result: BacktestResult, by: By = "overall") -> pd.DataFrame:
    """Score every model in every series, at every step, at every cutoff, or over all of them.

    A score of a group is that of all its values at once, as in `BacktestResult.scores`, whose
    numbers are those of `overall`. Windows whose series has no scale are left out of MASE alone.

    Example:
        >>> import numpy as np
        >>> from forecast import BacktestResult, Columns, scores_by
        >>> from forecast.data.frequency import Frequency
        >>> cutoffs = np.arange(4)
        >>> forecast = np.array([1.0, 1.0, 3.0, 3.0]).reshape(4, 1, 1)
        >>> result = BacktestResult(
        ...     alias="gru",
        ...     baselines=(),
        ...     series_ids=np.array(["a", "b"], object),
        ...     series=np.array([0, 0, 1, 1]),
        ...     cutoffs=cutoffs,
        ...     stamps=cutoffs[:, None] + 1,
        ...     actual=np.zeros((4, 1, 1)),
        ...     forecasts={"gru": forecast},
        ...     scale=np.ones((4, 1)),
        ...     season_length=1,
        ...     columns=Columns(),
        ...     freq=Frequency.parse("1", is_integer=True),
        ... )
        >>> scores_by(result, "series")[["unique_id", "model", "windows", "MAE", "bias"]]
          unique_id model  windows  MAE  bias
        0         a   gru        2  1.0   1.0
        1         b   gru        2  3.0   3.0

    Args:
        result: an evaluation.
        by: `series`, `step`, `cutoff` or `overall`.

    Returns:
        One row per group and model: the group (the columns of the id, `step` counted from 1, or
        `cutoff`; none for `overall`), `model`, `windows`, and the scores of `SCORES`; NaN where a
        group has nothing to score, and for scores of quantiles where a model has none. Groups
        ascend, series stand in the order of the panel, models in that of the evaluation.

    Raises:
        ConfigError: `by` is none of the four.
    """
    check_kind("result", result, BacktestResult, "the result of evaluate()")
    check_kind("by", by, str, "a word such as 'series'")
    return _scores_by(result, by)


def error_by_cutoff(result: BacktestResult, most: int) -> pd.DataFrame:
    """Mean absolute error by cutoff as a table to draw.

    Args:
        result: an evaluation.
        most: rows of the table; of more cutoffs, neighbours are averaged.

    Returns:
        A column per model in the order of the evaluation; the index is the first cutoff of every
        row.
    """
    scores = _scores_by(result, "cutoff", only="MAE")
    table = scores.pivot(index="cutoff", columns="model", values="MAE")[list(result.forecasts)]
    count = min(len(table), most)
    row = np.arange(len(table)) * count // max(len(table), 1)
    return table.groupby(row).mean().set_axis(table.index[np.searchsorted(row, np.arange(count))])


def bias_by_step(result: BacktestResult, alias: str) -> FloatArray:
    """Mean of forecast - actual at every step of the horizon, over windows and targets.

    Args:
        result: an evaluation.
        alias: one of its models.

    Returns:
        (H,) in the unit of the data, NaN where nothing was measured.
    """
    steps = _by_step(result.scorable(alias), "bias")
    return np.asarray(steps["bias"])


def _scores_by(result: BacktestResult, by: By, only: str | None = None) -> pd.DataFrame:
    """Return the table of `scores_by`, of one score if `only` names it."""
    groups, group = _groups(result, by)
    windows = np.bincount(group, minlength=len(groups))
    if by == "step":
        windows = np.full(len(groups), len(group))

    scores = []
    for alias in result.forecasts:
        scorable = result.scorable(alias)
        if by == "step":
            scores.append(_by_step(scorable, only))
        else:
            scores.append(_by_group(scorable, group, len(groups), only))

    table = pd.DataFrame(
        {"model": list(result.forecasts) * len(groups), "windows": np.repeat(windows, len(scores))}
    )
    nothing = np.full(len(groups), np.nan)
    for name in dict.fromkeys(name for of_model in scores for name in of_model):
        of_models = [of_model.get(name, nothing) for of_model in scores]
        table[name] = np.stack(of_models, axis=1).ravel()
    if len(groups.columns):
        repeated = groups.loc[groups.index.repeat(len(scores))].reset_index(drop=True)
        table = pd.concat([repeated, table], axis=1)
    return table


def _groups(result: BacktestResult, by: By) -> tuple[pd.DataFrame, IntArray]:
    """One row per group with the columns that name it, and (W,) the group of every window."""
    if by == "series":
        present, group = np.unique(result.series, return_inverse=True)
        names = id_columns(result.columns, result.series_ids[present])
        return pd.DataFrame(names).infer_objects(), group
    if by == "cutoff":
        cutoffs, group = np.unique(result.cutoffs, return_inverse=True)
        stamps: Any = cutoffs
        if not result.freq.is_integer:
            stamps = result.freq.local(cutoffs)
        return pd.DataFrame({"cutoff": stamps}), group
    everything = np.zeros(len(result.series), np.int64)
    if by == "step":
        return pd.DataFrame({"step": np.arange(1, result.actual.shape[1] + 1)}), everything
    if by == "overall":
        return pd.DataFrame(index=range(1)), everything
    raise ConfigError(f"scores by {by!r}; expected 'series', 'step', 'cutoff' or 'overall'")


def _by_step(scorable: Scorable, only: str | None = None) -> dict[str, FloatArray]:
    """Return (H,) scores of each step."""
    steps_first = scorable.rearranged(lambda values: values.swapaxes(0, 1))  # (H, W, D)
    return steps_first.scores(axis=(1, 2), only=only)


def _by_group(
    scorable: Scorable, group: IntArray, num_groups: int, only: str | None
) -> dict[str, FloatArray]:
    """Return (G,) scores of each group of windows.

    Groups with equally many windows are scored at once: there are few different numbers.

    Args:
        scorable: forecasts of W windows.
        group: (W,) number of each window's group.
        num_groups: G.
        only: optional; the one score that is wanted.
    """
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=num_groups)
    starts = np.cumsum(sizes) - sizes
    scores: dict[str, FloatArray] = {}
    for size in np.unique(sizes):
        same = np.flatnonzero(sizes == size)
        windows = order[starts[same][:, None] + np.arange(size)]  # (groups, windows of each)
        stacked = scorable.rearranged(_rows(windows)).scores(axis=(1, 2, 3), only=only)
        for name, values in stacked.items():
            scores.setdefault(name, np.full(num_groups, np.nan))[same] = values
    return scores


def _rows(windows: IntArray) -> Callable[[FloatArray], FloatArray]:
    return lambda values: values[windows]
