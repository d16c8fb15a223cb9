"""Printed lines of a search: one per trial while it runs, and the result at the end."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from forecast.data.findings import counted
from forecast.search.bench import AnyBench
from forecast.search.kinds import Searched, kind_of
from forecast.search.results import BEST_FILE, TABLE
from forecast.search.space import search_of
from forecast.search.state import (
    BEST,
    COMPLETED,
    FAILED,
    PRUNED,
    RETRAINED,
    WRITTEN,
    State,
    by_fold,
)

_LARGEST_CHANGE = 1000.0
"""Change in percent up to which it is told: beyond, one of the two is nearly 0."""


def opening(bench: AnyBench) -> list[str]:
    """Describe a search before its first trial: the table, the settings and the trials."""
    search = search_of(bench.config)
    return [
        bench.table_line(),
        f"search: {', '.join(search.space)}; {counted(search.max_trials, 'trial')} at most, each "
        f"trained on {counted(search.folds, 'fold')}",
    ]


def fold_line(config: Searched, state: State) -> str:
    """Return the progress of the first trials, before one of them has ended."""
    search = search_of(config)
    number = max(state.tasks, default=0)
    num_trained = len(state.folds.get(number, ()))
    return (
        f"trial {number + 1} of {search.max_trials}: {num_trained} of "
        f"{search.folds * search.executions} trainings done"
    )


def heading(config: Searched) -> str:
    """Return the head of the table whose rows `trial_line` returns."""
    search = search_of(config)
    names = "  ".join(path.split(".")[-1] for path in search.space)
    scores = f"{search.objective:>9}  {'worst':>9}  {'best':>9}"
    return f"{'trial':>11}  {scores}  {'time':>7}  {'left':>7}  {names}"


def trial_line(config: Searched, state: State, number: int, *, left: float) -> str:
    """Return one line about a trial that has ended.

    Args:
        config: the experiment with its search.
        state: of the search.
        number: of the trial.
        left: estimated seconds to the end of the search.

    Returns:
        Such as `  8 of   20      2.314      2.402      2.251    4.1 s    1 min  32  2  0.1
        0.0012`: trials that have ended, the objective, that on the worst fold, the best so far, the
        time of the trial, the time left, the values.
    """
    search = search_of(config)
    end = state.ends[number]
    best = state.best(search.objective)
    score = state.score(number, search.objective)
    worst = None
    lowest = None
    if score is not None:
        worst = max(by_fold(end.folds, search.objective), default=None)
    if best is not None:
        lowest = state.score(best, search.objective)

    count = f"{len(state.ends):>4} of {search.max_trials:>3}"
    scores = "  ".join(_cell(value) for value in (score, worst, lowest))
    seconds = f"{sum(fold.seconds for fold in end.folds):.1f} s"
    values = "  ".join(json.dumps(state.tasks[number].values.get(path)) for path in search.space)
    line = f"{count}  {scores}  {seconds:>7}  {_time_left(left):>7}  {values}"

    if end.status != COMPLETED:
        return f"{line}  {end.status}: {end.reason}"
    if number == best:
        return f"{line}  *"
    return line


def _cell(score: float | None) -> str:
    if score is None:
        return f"{'-':>9}"
    return f"{score:>9.4g}"


def _time_left(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def closing_lines(config: Searched, state: State, folder: Path) -> list[str]:
    """Return the best trial, whether it is repeatable, and its score on the test set."""
    search = search_of(config)
    number = state.best(search.objective) or 0
    scores = by_fold(state.ends[number].folds, search.objective)
    statuses = Counter(end.status for end in state.ends.values())
    counts = [f"{statuses[status]} {status}" for status in (COMPLETED, PRUNED, FAILED)]
    return [
        f"trials: {', '.join(counts)}",
        f"best: trial {number}, {search.objective} {statistics.fmean(scores):.4g} over "
        f"{len(scores)} folds, {max(scores):.4g} on the worst; {_retrained(state)}",
        _test_line(config, state),
        f"wrote {folder}: {TABLE}, {BEST_FILE} "
        f"({kind_of(config).fit} --config {folder / BEST_FILE})",
    ]


def _retrained(state: State) -> str:
    """Return whether the best trial came out the same when it was trained again."""
    result = state.finals[RETRAINED]
    if result["reason"]:
        return f"retrained: failed: {result['reason']}"
    if result["same"]:
        return "retrained: bitwise identical"
    return "retrained: other scores"


def _test_line(config: Searched, state: State) -> str:
    """Return whether the best settings beat those of the file on the test set."""
    objective = search_of(config).objective
    kind = kind_of(config)
    if BEST not in state.finals:
        return (
            f"no test set ({kind.no_test_set}): the best settings were not evaluated on unseen "
            f"{kind.judged}"
        )

    best = state.finals[BEST]["scores"]
    before = state.finals[WRITTEN]["scores"]["model"].get(objective)
    after = best["model"].get(objective)
    windows = f"test set, {state.finals['best']['windows']:,} unseen {kind.judged}"
    if not after or not before:
        return f"{windows}: {objective} is not defined"

    verdict = "the best settings beat those of the file"
    if after >= before:
        verdict = "the best settings do not beat those of the file"
    change = 100 * (after / before - 1)
    line = f"{windows}: {verdict}: {objective} {after:.4g}, was {before:.4g}"
    if abs(change) < _LARGEST_CHANGE:
        line += f" ({change:+.1f} %)"
    line += _biases(best["model"], state.finals[WRITTEN]["scores"]["model"])

    baselines = [name for name in best if name != "model" and objective in best[name]]
    if baselines:
        line += f"; best baseline: {baselines[0]} {best[baselines[0]][objective]:.4g}"
    return line


def _biases(best: Mapping[str, float], written: Mapping[str, float]) -> str:
    """Return the bias of both settings, which an objective may hide."""
    if "bias" not in best or "bias" not in written:  # a search of an earlier version
        return ""
    return f", bias {best['bias']:+.4g}, was {written['bias']:+.4g}"
