"""Files of a search: the table of trials, the best settings, figures and TensorBoard logs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.axes import FloatArray, IntArray
from forecast.experiment.file import dump_settings
from forecast.experiment.search_settings import SearchConfig
from forecast.files.atomic import write_file
from forecast.report.plots import (
    plot_cost,
    plot_importance,
    plot_parallel,
    plot_progress,
    save_figure,
)
from forecast.search.kinds import Searched, kind_of
from forecast.search.space import search_of, with_values
from forecast.search.state import State, Task, by_fold

TABLE = "trials.csv"
BEST_FILE = "best.yaml"
FIGURES = ("progress", "parallel", "importance", "cost")
RESULTS = (TABLE, BEST_FILE, *(f"{name}.png" for name in FIGURES))
"""Files of the results of a search."""


_EPOCHS = "training.epochs"
"""A setting that hyperband assigns to each trial, beside those that are searched."""


_MAX_GROUPS = 5
"""Groups that the numbers of one setting are divided into to compute its importance."""


def write_results(folder: Path, config: Searched, state: State) -> None:
    """Write the table of trials and, once a trial is completed, the best settings."""
    write_file(folder / TABLE, _table_text(config, state).encode())
    if state.best(search_of(config).objective) is not None:
        write_file(folder / BEST_FILE, _best_text(config, state).encode())


def _table_text(config: Searched, state: State) -> str:
    """Return CSV with one row per trial that has ended, in order of their numbers."""
    rows = [_trial_row(config, state, number) for number in sorted(state.ends)]
    out = io.StringIO()
    writer = csv.DictWriter(out, _columns_of(config), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _columns_of(config: Searched) -> list[str]:
    """Return the columns of the table: facts of the trial, a score per fold, the values."""
    search = search_of(config)
    folds = [f"fold_{number}" for number in range(1, search.folds + 1)]
    scores = [search.objective, "worst_fold", *folds]
    costs = ["epochs", "seconds", "parameters"]
    return ["trial", "status", *scores, *costs, *_paths_of(search), "reason"]


def _paths_of(search: SearchConfig) -> list[str]:
    """Return the settings that differ between trials."""
    if search.algorithm == "hyperband":
        return [*search.space, _EPOCHS]
    return list(search.space)


def _values_of(task: Task) -> dict[str, Any]:
    """Return the settings of a trial, the epochs that hyperband assigned among them."""
    if task.epochs is None:
        return task.values
    return task.values | {_EPOCHS: task.epochs}


def _trial_row(config: Searched, state: State, number: int) -> dict[str, Any]:
    """Return the row of one trial; missing cells are empty."""
    search = search_of(config)
    end = state.ends[number]
    row: dict[str, Any] = {
        "trial": number,
        "status": end.status,
        search.objective: "",
        "worst_fold": "",
        "epochs": sum(fold.epochs for fold in end.folds),
        "seconds": f"{sum(fold.seconds for fold in end.folds):.1f}",
        "parameters": max((fold.parameters for fold in end.folds), default=""),
        "reason": end.reason,
    }

    score = state.score(number, search.objective)
    if score is not None:
        row[search.objective] = repr(score)
    scores = by_fold(end.folds, search.objective)
    if scores:
        row["worst_fold"] = repr(max(scores))
    for fold, fold_score in enumerate(scores, 1):
        row[f"fold_{fold}"] = repr(fold_score)

    for path, value in _values_of(state.tasks[number]).items():
        row[path] = value
        if not isinstance(value, str):
            row[path] = json.dumps(value)
    return row


def draw_trials(folder: Path, config: Searched) -> None:
    """Draw the figures of a search from its table."""
    search = search_of(config)
    table = pd.read_csv(folder / TABLE)
    paths = _paths_of(search)
    shares = explained(table, search.objective, paths)
    figures = {
        "progress": plot_progress(table, search.objective),
        "parallel": plot_parallel(table, search.objective, paths),
        "importance": plot_importance(shares, search.objective),
        "cost": plot_cost(table, search.objective),
    }
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")


def best_settings(config: Searched, state: State) -> dict[str, Any]:
    """Return the values of the best trial, the epochs that hyperband assigned among them."""
    number = state.best(search_of(config).objective) or 0
    return _values_of(state.tasks[number])


def _best_text(config: Searched, state: State) -> str:
    """Return the experiment with the best settings, as a configuration file."""
    search = search_of(config)
    number = state.best(search.objective) or 0
    score = state.score(number, search.objective)
    head = (
        f"# Trial {number}, the best of {len(state.ends)}: {search.objective} "
        f"{score:.6g}, the mean of {search.folds} folds.\n"
        f"#\n#   {kind_of(config).fit} --config best.yaml\n"
    )
    return head + dump_settings(with_values(config, best_settings(config, state)))


def write_hparams(folder: str | Path, config: Searched, state: State) -> None:
    """Write a TensorBoard event file for every trial with a score: its values and its scores.

    Args:
        folder: parent of one folder per trial.
        config: the experiment with its search.
        state: of the search.
    """
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    objective = search_of(config).objective
    for number, end in sorted(state.ends.items()):
        score = state.score(number, objective)
        if score is None:
            continue
        task = state.tasks[number]
        values = {path: _plain(value) for path, value in task.values.items()}
        worst = max(by_fold(end.folds, objective))

        writer = tf.summary.create_file_writer(str(Path(folder) / task.name))
        with writer.as_default():
            api.hparams(values, trial_id=task.name)
            tf.summary.scalar(objective, score, step=0)
            tf.summary.scalar(f"{objective} of the worst fold", worst, step=0)
        writer.close()


def _plain(value: Any) -> Any:
    """Return numbers, texts and booleans as they are, all else as JSON."""
    if isinstance(value, bool | int | float | str):
        return value
    return json.dumps(value)


def explained(table: pd.DataFrame, objective: str, paths: Sequence[str]) -> dict[str, float]:
    """Return the share of the variance of score ranks that each setting explains alone.

    The values of a setting are groups; more than five numbers are divided into five groups of equal
    size. The share is epsilon squared, which subtracts what chance explains (Kelley 1935):
    (between - (k - 1) within / (n - k)) / total, at least 0.

    Args:
        table: of the trials.
        objective: the score.
        paths: columns of the settings.
    """
    scored = table[table[objective].notna()]
    ranks: FloatArray = np.asarray(scored[objective].rank(), np.float64)
    return {path: _epsilon_squared(ranks, _groups(scored[path])) for path in paths}


def _epsilon_squared(values: FloatArray, group: IntArray) -> float:
    num_groups = len(set(group.tolist()))
    if num_groups < 2 or len(values) <= num_groups:
        return 0.0
    total = float(((values - values.mean()) ** 2).sum())
    if total == 0:
        return 0.0

    count = np.bincount(group)
    means = np.bincount(group, values) / np.maximum(count, 1)
    between = float((count * (means - values.mean()) ** 2).sum())
    within = (total - between) / (len(values) - num_groups)
    return max(0.0, (between - (num_groups - 1) * within) / total)


def _groups(column: pd.Series) -> IntArray:
    """Return the group number of each value; empty cells are one group."""
    if column.nunique() > _MAX_GROUPS and pd.api.types.is_numeric_dtype(column):
        ranks = column.rank(method="first")
        groups = pd.qcut(ranks, _MAX_GROUPS, labels=False)
        return groups.fillna(_MAX_GROUPS).to_numpy(np.int64)
    return pd.factorize(column.astype(str))[0].astype(np.int64)
