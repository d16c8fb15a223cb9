"""Trials on real networks: no leakage between folds, scores equal to `fit`, watched processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from search.searches import SETTINGS, hourly

from forecast import Forecaster
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.experiment.file import (
    apply_overrides,
    dump_experiment,
    experiment_from,
    load_experiment,
)
from forecast.experiment.prepare import prepare_panel
from forecast.experiment.settings import Experiment
from forecast.runs.run import fit_run
from forecast.search.journal import JOURNAL, open_journal
from forecast.search.processes import Limits, LocalProcesses
from forecast.search.search import present, run_search
from forecast.search.space import with_values
from forecast.search.start import begin
from forecast.search.state import COMPLETED, FAILED, FoldScore, Task, derived_seed
from forecast.search.trial import Bench, make_bench
from forecast.search.workers import BenchArguments, Resources, TrialRunner, make_runners
from forecast.training.voice import Voice

TINY = [
    "model={name: bigru, units: 3, cell: rnn, bidirectional: false, decoder: direct}",
    "training={loss: mae, epochs: 2, batch_size: 64, patience: null}",
    "search.space={training.learning_rate: {choice: [0.03, 0.01, 0.001]}}",
    "search.max_trials=2",
]


def tiny(*overrides: str) -> Experiment:
    return experiment_from(apply_overrides(SETTINGS, [*TINY, *overrides]))


class InThisProcess:
    """A runner without a worker process."""

    def __init__(self, bench: Bench) -> None:
        self.run = bench.run
        self.final = bench.final

    def stop(self) -> None:
        """Stop nothing."""

    def close(self) -> None:
        """Free nothing."""


def stamps_of(panel: Panel) -> list[pd.Timestamp]:
    return [pd.Timestamp(stamp) for stamp in panel.timestamps]


def test_folds_lie_one_after_another_before_the_test_part(tmp_path: Path) -> None:
    """200 rows: 20 for the test, 3 left out, folds of 20 that end at rows 177, 157 and 137."""
    table = hourly()
    bench = make_bench(tiny("search.folds=3", "evaluation.purge=3"), table, tmp_path)
    ends = [stamps_of(panel)[-1] for panel in bench.folds.panels]
    assert ends == [table["ds"][row - 1] for row in (137, 157, 177)]
    prepared = prepare_panel(bench.folds.experiment(bench.config), bench.folds.panels[0])
    split = prepared.split
    assert (split.train.first[0], split.train.last[0]) == (0, 137 - 20 - 3 - 20 - 3)
    assert (split.validation.first[0], split.validation.last[0]) == (
        137 - 20 - 3 - 20,
        137 - 20 - 3,
    )
    assert (split.test.first[0], split.test.last[0]) == (137 - 20, 137)


def test_series_of_unequal_length_keep_their_own_ends_or_the_common_one(tmp_path: Path) -> None:
    table = pd.concat(
        [hourly(), hourly(150).assign(unique_id="b"), hourly(200).assign(unique_id="c")[185:]]
    )
    for way, ends in (("time", {"a": 180, "b": 150}), ("series", {"a": 180, "b": 130})):
        config = tiny("search.folds=1", f"evaluation.split_by={way}", "data.short_series=skip")
        panel = make_bench(config, table, tmp_path).folds.panels[0]
        lengths = dict(zip(panel.series_ids, panel.lengths, strict=True))
        assert {name: lengths[name] for name in ends} == ends, way


def test_what_happens_in_the_test_part_changes_nothing_in_a_trial(tmp_path: Path) -> None:
    table = hourly()
    later = table.assign(y=table["y"].where(table.index < 180, 1e6 + table.index))
    scores = []
    for number, rows in enumerate((table, later)):
        bench = make_bench(tiny(), rows, tmp_path / str(number))
        scores.append(bench.train_fold(Task(0, {}, {}), 1, 0).scores)
    assert scores[0] == scores[1]


def test_a_fold_scores_what_a_fit_on_a_shorter_table_does(tmp_path: Path) -> None:
    bench = make_bench(tiny("search.seed=5"), hourly(), tmp_path)
    task = Task(3, {}, {"training.learning_rate": 0.03}, epochs=3)
    score = bench.train_fold(task, 0, 1)
    settings = [
        "training.learning_rate=0.03",
        "training.epochs=3",
        f"training.seed={derived_seed(5, 'trial', 3, 0, 1)}",
    ]
    by_hand = Forecaster(tiny(*settings)).fit(hourly()[:160])
    assert score.scores["MAE"] == by_hand.evaluate().scores().values["small"]["MAE"]
    assert score.parameters == by_hand.fitted.model.count_params()
    assert score.epochs == 3


@pytest.mark.proof
def test_no_trial_is_refitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default a fit refits this architecture; a trial has the scores from before."""
    model = "model={name: segment_bigru, units: 4, segment_length: 4}"
    training = "training={loss: mae, schedule: constant, epochs: 2, batch_size: 64}"
    usual = [model, training, "ensemble={seeds: 1, linear: none, simple: []}"]
    usual += ["evaluation.split_by=time"]
    config = tiny(*usual)
    bench = make_bench(config, hourly(), tmp_path)
    seed = derived_seed(config.search.seed if config.search else 0, "trial", 0, 0, 0)
    by_hand = Forecaster(tiny(*usual, f"training.seed={seed}")).fit(hourly()[:160])
    assert by_hand._prepared is not None
    assert by_hand._prepared.config.training.refit
    expected = by_hand.evaluate().scores().values["small"]["MAE"]
    monkeypatch.setattr("forecast.forecasting.fit_stages.refit_network", None)
    assert bench.train_fold(Task(0, {}, {}), 0, 0).scores["MAE"] == expected
    assert bench.final("best", {})["windows"] > 0
    written = dump_experiment(with_values(config, {}))
    assert "refit" not in written
    assert "schedule: constant" in written
    assert "refit: true" in dump_experiment(with_values(tiny(*usual, "training.refit=true"), {}))


def test_a_table_too_short_for_its_folds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"search\.folds is 12 with 20 steps each, which leaves no row"
    ):
        make_bench(tiny("search.folds=12"), hourly(), tmp_path)
    with pytest.raises(DataError, match="leave no row to learn from"):
        make_bench(tiny("search.folds=9"), hourly(), tmp_path).check_folds()


def test_a_training_goes_on_from_its_last_epoch(tmp_path: Path) -> None:
    whole = make_bench(tiny(), hourly(), tmp_path / "whole").train_fold(
        Task(0, {}, {}, epochs=4), 0, 0
    )
    epochs: list[Any] = []

    def stop(event: Any) -> None:
        if getattr(event, "val_loss", None) is not None and hasattr(event, "is_best"):
            epochs.append(event.epoch)
            if len(epochs) == 3:
                raise KeyboardInterrupt

    bench = make_bench(tiny(), hourly(), tmp_path / "broken", stop)
    with pytest.raises(KeyboardInterrupt):
        bench.train_fold(Task(0, {}, {}, epochs=4), 0, 0)
    score = bench.train_fold(Task(0, {}, {}, epochs=4), 0, 0)
    assert epochs == [1, 2, 3, 3, 4]
    assert score.scores == whole.scores


@pytest.mark.proof
def test_the_best_settings_give_fit_the_score_of_the_search(tmp_path: Path) -> None:
    hourly().to_csv(tmp_path / "table.csv", index=False)
    config = tiny(f"data.source={tmp_path / 'table.csv'}", "search.max_trials=1", "search.folds=1")
    said: list[str] = []
    bench = make_bench(config, None, tmp_path / "search")
    with open_journal(tmp_path / "search" / JOURNAL) as journal:
        search = begin(bench, journal, resume=False, say=said.append)
        run_search(search, [InThisProcess(bench)])
        present(search, None)
        records = [record for record in journal.records if record["event"] == "final"]
        finals = {record["name"]: record["result"] for record in records}
    assert "retrained: bitwise identical" in " ".join(said)
    assert finals["again"]["same"]
    fit_run(
        load_experiment(tmp_path / "search" / "best.yaml"),
        out=tmp_path / "run",
        voice=Voice(said.append),
    )
    scores = pd.read_json(tmp_path / "run" / "scores.json", typ="series")["values"]["small"]
    assert scores["MAE"] == pytest.approx(finals["best"]["scores"]["model"]["MAE"], rel=1e-12)
    assert sorted(path.name for path in (tmp_path / "search").iterdir()) == sorted(
        [
            "best.yaml",
            JOURNAL,
            "trials.csv",
            "progress.png",
            "parallel.png",
            "importance.png",
            "cost.png",
        ]
    )


ENDLESS = Task(0, {}, {}, epochs=1_000_000)


def test_a_trial_over_its_time_is_ended_with_its_process(tmp_path: Path) -> None:
    arguments = BenchArguments(tiny(), hourly(), tmp_path)
    (runner,) = make_runners(LocalProcesses(), arguments, Resources(timeout=1))
    try:
        outcome = runner.run(ENDLESS, (), lambda _: None)
    finally:
        runner.close()
    assert outcome.status == FAILED
    assert outcome.reason == "took longer than the 1 s of --trial-timeout"


@pytest.mark.proof
@pytest.mark.timeout(400)
def test_processes_are_watched_and_replaced(tmp_path: Path) -> None:
    """One runner: a trial killed twice, one killed once, one over its time, one over its memory."""
    config = tiny()
    arguments = BenchArguments(config, hourly(), tmp_path)
    (runner,) = make_runners(LocalProcesses(), arguments, Resources())
    try:
        threading.Thread(target=kill_when_busy, args=(runner, tmp_path, 0, 2), daemon=True).start()
        killed = runner.run(ENDLESS, (), lambda _: None)
        assert killed.status == FAILED
        assert (
            killed.reason
            == "its process was ended by SIGKILL, as by a system that is out of memory"
        )
        done = [FoldScore(0, 0, {"MAE": 1.5}, 2, 0.1, 3)]
        told: list[FoldScore] = []
        threading.Thread(target=kill_when_busy, args=(runner, tmp_path, 1, 1), daemon=True).start()
        well = runner.run(Task(1, {}, {}, epochs=150), done, told.append)
        assert well.status == COMPLETED
        assert [score.fold for score in well.folds] == [0, 1]
        assert [score.fold for score in told] == [1]
        here = make_bench(config, hourly(), tmp_path / "here").train_fold(
            Task(1, {}, {}, epochs=150), 1, 0
        )
        assert told[0].scores == here.scores, (
            "a trial is the same in any process, and in two of them"
        )
        runner.worker.limits = Limits(timeout=1)
        assert (
            runner.run(ENDLESS, (), told.append).reason
            == "took longer than the 1 s of --trial-timeout"
        )
        runner.worker.limits = Limits(memory=20)
        assert (
            "MiB, more than the 20 of --trial-memory" in runner.run(ENDLESS, (), told.append).reason
        )
    finally:
        runner.close()


def kill_when_busy(runner: TrialRunner, folder: Path, trial: int, times: int) -> None:
    """Kill the process of a trial after a checkpoint, and the next one while it starts."""
    before = written(folder, trial)
    dead = None
    while written(folder, trial) == before:
        time.sleep(0.01)
    for _ in range(times):
        while (process := runner.worker._process) in (None, dead) or process.pid is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        dead = process


def written(folder: Path, trial: int) -> list[int]:
    """When the checkpoints of a trial were written."""
    return [
        path.stat().st_mtime_ns
        for path in sorted(folder.glob(f"training/{trial:04d}-*.checkpoint"))
    ]


ORPHAN = """
import multiprocessing, os, sys, time
from forecast.search.lost_parent import watch_parent
def work(parent):
    watch_parent(parent, lambda: os._exit(1))
    time.sleep(60)
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=work, args=(os.getpid(),))
    child.start()
    print(child.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(ORPHAN)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, tmp_path / "parent.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = Path(f"/proc/{int(parent.stdout.readline())}")
        assert child.exists()
        parent.kill()
    until = time.monotonic() + 30
    while (
        child.exists()
        and "Z" not in (child / "stat").read_text().split()[2]
        and time.monotonic() < until
    ):
        time.sleep(0.05)
    assert time.monotonic() < until
