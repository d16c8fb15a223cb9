"""What a search found: the table of trials, the best settings, and what is said about them."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.experiment.file import dump_experiment
from forecast.experiment.settings import Experiment
from forecast.files.atomic import write_file
from forecast.report.plots import (
    plot_cost,
    plot_importance,
    plot_parallel,
    plot_progress,
    save_figure,
)
from forecast.search.journal import COMPLETED, State, by_fold
from forecast.search.space import search_of, with_values

TABLE, BEST_FILE = "trials.csv", "best.yaml"


def write_results(folder: Path, config: Experiment, state: State) -> None:
    """Write the table of trials and, once a trial is completed, the best settings."""
    write_file(folder / TABLE, table_text(config, state).encode())
    if state.best(search_of(config).objective) is not None:
        write_file(folder / BEST_FILE, best_text(config, state).encode())


def table_text(config: Experiment, state: State) -> str:
    """One row per trial that ended, in order of their numbers, as CSV."""
    rows = [trial_row(config, state, number) for number in sorted(state.ends)]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns_of(config), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def columns_of(config: Experiment) -> list[str]:
    """Names of the columns of the table: about the trial, a score per fold, a value per range."""
    search = search_of(config)
    folds = [f"fold_{place + 1}" for place in range(search.folds)]
    about = [
        "trial",
        "status",
        search.objective,
        "worst_fold",
        *folds,
        "epochs",
        "seconds",
        "parameters",
    ]
    epochs = ["training.epochs"] if search.algorithm == "hyperband" else []
    return [*about, *search.space, *epochs, "reason"]


def trial_row(config: Experiment, state: State, number: int) -> dict[str, Any]:
    """The row of one trial; cells that say nothing are empty."""
    search, end, task = search_of(config), state.ends[number], state.tasks[number]
    scores = by_fold(end.folds, search.objective)
    score = state.score(number, search.objective)
    row: dict[str, Any] = {
        "trial": number,
        "status": end.status,
        search.objective: "" if score is None else repr(score),
        "worst_fold": repr(max(scores)) if scores else "",
        "epochs": sum(one.epochs for one in end.folds),
        "seconds": f"{sum(one.seconds for one in end.folds):.1f}",
        "parameters": max((one.parameters for one in end.folds), default=""),
        "reason": end.reason,
    }
    row |= {f"fold_{place}": repr(one) for place, one in enumerate(scores, 1)}
    row |= {
        path: value if isinstance(value, str) else json.dumps(value)
        for path, value in task.values.items()
    }
    return row | ({"training.epochs": task.epochs} if task.epochs is not None else {})


def draw_trials(folder: Path, config: Experiment) -> None:
    """Draw the pictures of a search from its table."""
    search, table = search_of(config), pd.read_csv(folder / TABLE)
    paths = [*search.space, *(["training.epochs"] if search.algorithm == "hyperband" else [])]
    figures = {
        "progress": plot_progress(table, search.objective),
        "parallel": plot_parallel(table, search.objective, paths),
        "importance": plot_importance(explained(table, search.objective, paths), search.objective),
        "cost": plot_cost(table, search.objective),
    }
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")


def best_settings(config: Experiment, state: State) -> dict[str, Any]:
    """Values of the best trial; with hyperband its epochs as well."""
    task = state.tasks[state.best(search_of(config).objective) or 0]
    return task.values | ({"training.epochs": task.epochs} if task.epochs is not None else {})


def best_text(config: Experiment, state: State) -> str:
    """The experiment with the best settings, as a configuration file."""
    search = search_of(config)
    number = state.best(search.objective) or 0
    head = (
        f"# Trial {number}, the best of {len(state.ends)}: {search.objective} "
        f"{state.score(number, search.objective):.6g}, the mean of {search.folds} folds.\n"
        "#\n#   forecast fit --config best.yaml\n"
    )
    return head + dump_experiment(with_values(config, best_settings(config, state)))


def heading(config: Experiment) -> str:
    """The head of the table whose rows `trial_line` makes."""
    search = search_of(config)
    names = "  ".join(path.split(".")[-1] for path in search.space)
    return f"{'trial':>11}  {search.objective:>9}  {'worst':>9}  {'best':>9}  {'time':>7}  {'left':>7}  {names}"


def trial_line(config: Experiment, state: State, number: int, *, left: float) -> str:
    """One line about a trial that has ended.

    Args:
        config: the experiment with its search.
        state: what is known so far.
        number: of the trial.
        left: seconds that the rest will take.

    Returns:
        Such as `  8 of   20      2.314      2.402      2.251    4.1 s    1 min  32  2  0.1
        0.0012`: how many are done, the objective, that of the worst fold, the best so far, the time
        of the trial, the time left, the values.
    """
    search, end = search_of(config), state.ends[number]
    score, best = state.score(number, search.objective), state.best(search.objective)
    lowest = None if best is None else state.score(best, search.objective)
    scores = [
        score,
        max(by_fold(end.folds, search.objective), default=None) if score is not None else None,
        lowest,
    ]
    shown = [f"{'-' if one is None else f'{one:.4g}':>9}" for one in scores]
    taken = f"{sum(one.seconds for one in end.folds):.1f} s"
    ahead = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
    values = "  ".join(json.dumps(state.tasks[number].values.get(path)) for path in search.space)
    mark = "  *" if best == number else ""
    why = f"  {end.status}: {end.reason}" if end.status != COMPLETED else mark
    return f"{len(state.ends):>4} of {search.max_trials:>3}  {'  '.join(shown)}  {taken:>7}  {ahead:>7}  {values}{why}"


def closing_lines(config: Experiment, state: State, folder: Path) -> list[str]:
    """What was found, whether it can be found again, and what it is worth on rows no trial has seen."""
    search = search_of(config)
    number = state.best(search.objective) or 0
    scores = by_fold(state.ends[number].folds, search.objective)
    counts = [
        f"{sum(end.status == one for end in state.ends.values())} {one}"
        for one in ("completed", "pruned", "failed")
    ]
    again = state.finals["again"]
    if again["reason"]:
        verdict = f"trained again it failed: {again['reason']}"
    else:
        verdict = "trained again " + (
            "every bit is the same" if again["same"] else "its scores differ"
        )
    return [
        f"trials: {', '.join(counts)}",
        f"best: trial {number}, {search.objective} {statistics.fmean(scores):.4g} over "
        f"{len(scores)} folds, "
        f"{max(scores):.4g} on the worst; {verdict}",
        test_line(config, state),
        f"wrote {folder}: {TABLE}, {BEST_FILE} (forecast fit --config {folder / BEST_FILE})",
    ]


def test_line(config: Experiment, state: State) -> str:
    """Say whether the best settings beat those written on the untouched test part."""
    name = search_of(config).objective
    if "best" not in state.finals:
        return "no test part (evaluation.test_size: 0): whether this is better on new rows was not judged"
    best, written = state.finals["best"]["scores"], state.finals["written"]["scores"]
    found, before = best["model"].get(name), written["model"].get(name)
    where = f"on the {state.finals['best']['windows']:,} untouched test windows"
    if not found or not before:
        return f"{where} {name} cannot be worked out"
    gain = 100 * (1 - found / before)
    what = (
        "the search beats the settings as written"
        if gain > 0
        else "the search does not beat the settings as written"
    )
    others = [
        f"{other} {scores[name]:.4g}"
        for other, scores in best.items()
        if other != "model" and name in scores
    ]
    beside = f"; best baseline: {others[0]}" if others else ""
    return f"{where} {what}: {name} {found:.4g} against {before:.4g} ({-gain:+.1f} %){beside}"


def write_hparams(folder: str | Path, config: Experiment, state: State) -> None:
    """Write an event file for every trial with a score: its values, the objective and that of the worst fold.

    Args:
        folder: where they go, a folder for each trial.
        config: the experiment with its search.
        state: the trials.
    """
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    search = search_of(config)
    for number, end in sorted(state.ends.items()):
        score = state.score(number, search.objective)
        if score is None:
            continue
        name = state.tasks[number].name
        writer = tf.summary.create_file_writer(str(Path(folder) / name))
        with writer.as_default():
            api.hparams(
                {path: _plain(one) for path, one in state.tasks[number].values.items()},
                trial_id=name,
            )
            tf.summary.scalar(search.objective, score, step=0)
            tf.summary.scalar(
                f"{search.objective} of the worst fold",
                max(by_fold(end.folds, search.objective)),
                step=0,
            )
        writer.close()


def _plain(value: Any) -> Any:
    """Numbers, texts and truth values as they are, all else as JSON."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def explained(table: pd.DataFrame, objective: str, paths: Sequence[str]) -> dict[str, float]:
    """Return the share of the variance of the scores' ranks that each setting explains by itself, less chance.

    Values of a setting are groups, numbers with more than five of them five groups of equal size.
    The share is epsilon squared (Kelley 1935): (between - (k - 1) within / (n - k)) / total, at
    least 0.

    Args:
        table: of the trials.
        objective: the score.
        paths: columns of the settings.
    """
    scored = table[table[objective].notna()]
    ranks: NDArray[np.float64] = np.asarray(scored[objective].rank(), np.float64)
    return {path: _epsilon_squared(ranks, _groups(scored[path])) for path in paths}


def _epsilon_squared(values: NDArray[np.float64], group: NDArray[np.int64]) -> float:
    total, number = (
        float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0,
        len(set(group.tolist())),
    )
    if number < 2 or len(values) <= number or total == 0:
        return 0.0
    count = np.bincount(group)
    means = np.bincount(group, values) / np.maximum(count, 1)
    between = float((count * (means - values.mean()) ** 2).sum())
    return max(0.0, (between - (number - 1) * (total - between) / (len(values) - number)) / total)


def _groups(column: pd.Series) -> NDArray[np.int64]:
    """A number for each value, or for each fifth of the numbers where there are many; empty cells are a group."""
    if column.nunique() > 5 and pd.api.types.is_numeric_dtype(column):
        return pd.qcut(column.rank(method="first"), 5, labels=False).fillna(5).to_numpy(np.int64)
    return pd.factorize(column.astype(str))[0].astype(np.int64)
