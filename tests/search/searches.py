"""Searches without training: the score of a trial is a formula of its values.

A training takes two epochs, keeps a checkpoint after each, and notes in a log what it does, so that
what was lost or done twice can be counted.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.experiment.file import experiment_from
from forecast.experiment.settings import Experiment
from forecast.files.atomic import write_file
from forecast.search.journal import JOURNAL, open_journal
from forecast.search.search import run_search
from forecast.search.start import begin
from forecast.search.state import FoldScore, Outcome, Task, derived_seed
from forecast.search.trial import Bench, OnScore, checkpoint_of, make_bench, run_trial

EPOCHS = 2
LOG = "log.txt"
SETTINGS: dict[str, Any] = {
    "name": "small",
    "windows": {"context_length": 12, "horizon": 4},
    "model": {"name": "bigru", "units": 4},
    "training": {"loss": "mae", "epochs": 9, "batch_size": 32},
    "transforms": {"target": [{"name": "standard"}]},
    "evaluation": {"validation_size": 20, "test_size": 20},
    "search": {
        "max_trials": 8,
        "in_flight": 2,
        "space": {
            "model.cell": {"choice": ["gru", "rnn"]},
            "training.learning_rate": {"float": [1e-4, 1e-1], "log": True},
        },
    },
}


def experiment(**search: Any) -> Experiment:
    """An experiment with other settings of the search."""
    return experiment_from({**SETTINGS, "search": {**SETTINGS["search"], **search}})


def hourly(rows: int = 200) -> pd.DataFrame:
    """A noisy daily season."""
    hour = np.arange(rows)
    noise = np.random.default_rng(0).normal(0, 1, rows)
    stamps = pd.date_range("2025-03-01", periods=rows, freq="h")
    return pd.DataFrame(
        {"unique_id": "a", "ds": stamps, "y": (50 + 10 * np.sin(hour / 4) + noise).round(2)}
    )


def error_of(values: dict[str, Any], epochs: int, seed: int) -> float:
    """Return the score of a trial: best at rate 0.01, better with more epochs, never equal."""
    rate = values.get("training.learning_rate", 1e-3)
    away = abs(math.log10(rate) + 2) + (values.get("model.cell") == "rnn")
    return 1.0 + away + 1.0 / epochs + seed / 2**40


class FakeRunner:
    """Stands for a process that trains."""

    def __init__(self, bench: Bench, before: Callable[[Task], None] | None = None) -> None:
        self.bench = bench
        self.before = before

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        if self.before is not None:
            self.before(task)
        return run_trial(
            self.bench.config, task, done, train_fold=self.train_fold, on_score=on_score
        )

    def train_fold(self, task: Task, fold: int, execution: int) -> FoldScore:
        seed = derived_seed(self.bench.config.search.seed, "trial", task.number, fold, execution)
        self._train(f"{task.name}-{fold}-{execution}")
        score = error_of(task.values, task.epochs or 9, seed)
        return FoldScore(
            fold, execution, {"MAE": score, "RMSE": 2 / score}, task.epochs or 9, 0.1, 100
        )

    def final(self, name: str, values: dict[str, Any]) -> dict[str, Any]:
        self._train(name)
        scores = {"MAE": error_of(values, 9, 0)}
        return {"scores": {"model": scores, "linear": {"MAE": 2.0}}, "windows": 17}

    def _train(self, name: str) -> None:
        """Go on from the last epoch; the checkpoint holds their number and what came of them."""
        path = checkpoint_of(self.bench.folder, name)
        state = [0, name]
        if path.exists():
            state = json.loads(path.read_bytes())
            assert state == [state[0], digest(name, state[0])], "the checkpoint of something else"
        self._note(f"{name} from {state[0]}")
        while state[0] < EPOCHS:
            state = [state[0] + 1, digest(name, state[0] + 1)]
            write_file(path, json.dumps(state).encode())

    def _note(self, line: str) -> None:
        descriptor = os.open(self.bench.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        REAL_WRITE(descriptor, f"{line}\n".encode())
        os.close(descriptor)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


REAL_WRITE = os.write


def digest(name: str, epochs: int) -> str:
    """Return the state of a fake training after some epochs."""
    for _ in range(epochs):
        name = hashlib.sha256(name.encode()).hexdigest()
    return name


def search_in(
    folder: Path, config: Experiment, *, workers: int = 1, table: Any = None, **options: Any
) -> list[str]:
    """Search in a folder, from the start or from where it was left; what was said."""
    said: list[str] = []
    bench = make_bench(config, hourly() if table is None else table, folder)
    with open_journal(folder / JOURNAL) as journal:
        search = begin(bench, journal, resume=True, say=said.append)
        run_search(search, [FakeRunner(bench, **options) for _ in range(workers)])
    return said


def results_of(folder: Path) -> tuple[str, ...]:
    """Return all results that do not depend on the clock: table, best settings, final scores."""
    rows = list(csv.DictReader(io.StringIO((folder / "trials.csv").read_text())))
    with open_journal(folder / JOURNAL) as journal:
        finals = sorted(
            json.dumps(record) for record in journal.records if record["event"] == "final"
        )
    table = [
        json.dumps({name: cell for name, cell in row.items() if name != "seconds"}) for row in rows
    ]
    return (*table, (folder / "best.yaml").read_text(), *finals)


def begun_again(folder: Path) -> list[str]:
    """Trainings that were begun after their score was recorded."""
    with open_journal(folder / JOURNAL) as journal:
        scores = [
            record["score"] | {"number": record["number"]}
            for record in journal.records
            if record["event"] == "fold"
        ]
    names = Counter(
        f"{score['number']:04d}-{score['fold']}-{score['execution']}" for score in scores
    )
    return [name for name, count in names.items() if count > 1]
