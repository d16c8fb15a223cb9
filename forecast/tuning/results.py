"""What a search found: the table of trials, the best settings, and what is said about them."""

from __future__ import annotations

import csv
import io
import json
import statistics
from pathlib import Path
from typing import Any

from forecast.config import Experiment
from forecast.config_file import dump_experiment
from forecast.files import write_file
from forecast.tuning.records import COMPLETED, State, by_fold
from forecast.tuning.space import search_of, with_values

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
    about = ["trial", "status", search.objective, "worst_fold", *folds, "epochs", "seconds", "parameters"]
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
    row |= {path: value if isinstance(value, str) else json.dumps(value) for path, value in task.values.items()}
    return row | ({"training.epochs": task.epochs} if task.epochs is not None else {})


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


def trial_line(config: Experiment, state: State, number: int) -> str:
    """One line about a trial that has ended, such as `trial 7 of 20  MAE 2.314 (worst fold 2.402)  best  4 s`."""
    search, end = search_of(config), state.ends[number]
    score = state.score(number, search.objective)
    parts = [f"trial {number:>{len(str(search.max_trials))}} of {search.max_trials}"]
    if score is None:
        parts.append(f"{end.status}: {end.reason}")
    else:
        worst = max(by_fold(end.folds, search.objective))
        parts.append(f"{search.objective} {score:.4g} (worst fold {worst:.4g})")
        parts += [end.status] if end.status != COMPLETED else []
        parts += ["best"] if state.best(search.objective) == number else []
    parts.append(f"{sum(one.seconds for one in end.folds):.1f} s")
    parts.append(
        " ".join(f"{path.split('.')[-1]}={json.dumps(value)}" for path, value in state.tasks[number].values.items())
    )
    return "  ".join(parts)


def closing_lines(config: Experiment, state: State, folder: Path) -> list[str]:
    """What was found, whether it can be found again, and what it is worth on rows no trial has seen."""
    search = search_of(config)
    number = state.best(search.objective) or 0
    scores = by_fold(state.ends[number].folds, search.objective)
    counts = [
        f"{sum(end.status == one for end in state.ends.values())} {one}" for one in ("completed", "pruned", "failed")
    ]
    again = state.finals["again"]
    if again["reason"]:
        verdict = f"trained again it failed: {again['reason']}"
    else:
        verdict = "trained again " + ("every bit is the same" if again["same"] else "its scores differ")
    return [
        f"trials: {', '.join(counts)}",
        f"best: trial {number}, {search.objective} {statistics.fmean(scores):.4g} over {len(scores)} folds, "
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
        "the search beats the settings as written" if gain > 0 else "the search does not beat the settings as written"
    )
    others = [f"{other} {scores[name]:.4g}" for other, scores in best.items() if other != "model" and name in scores]
    beside = f"; best baseline: {others[0]}" if others else ""
    return f"{where} {what}: {name} {found:.4g} against {before:.4g} ({-gain:+.1f} %){beside}"
