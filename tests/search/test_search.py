"""Searches: the same table however they are run, gone on with as they were begun or not at all."""

from __future__ import annotations

import csv
import io
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from search.searches import SETTINGS, FakeRunner, experiment, hourly, results_of, search_in

from forecast.errors import ConfigError, OutputError, SearchError
from forecast.experiment.file import apply_overrides, experiment_from, load_experiment
from forecast.experiment.settings import Experiment
from forecast.search.journal import JOURNAL, open_journal
from forecast.search.oracles import make_oracle
from forecast.search.search import run_search
from forecast.search.start import begin, open_search
from forecast.search.state import FAILED, Outcome, Task
from forecast.search.trial import make_bench
from forecast.search.workers import Resources

ALGORITHMS = ("random", "grid", "hyperband", "bayesian")
QUICK_AND_PROOF = [*ALGORITHMS[:3], pytest.param("bayesian", marks=pytest.mark.proof)]
"""Two quick tests below run `bayesian` as well."""


class StoppedError(Exception):
    """Stands for a key press."""


def stop_at(number: int) -> Any:
    def before(task: Task) -> None:
        if task.number == number:
            raise StoppedError

    return before


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "trials.csv").read_text())))


@pytest.mark.parametrize("algorithm", QUICK_AND_PROOF)
def test_a_search_comes_out_the_same_however_it_is_run(algorithm: str, tmp_path: Path) -> None:
    config = experiment(algorithm=algorithm, max_trials=9, in_flight=3)
    search_in(tmp_path / "once", config)
    expected = results_of(tmp_path / "once")
    assert len(rows_of(tmp_path / "once")) == 9
    search_in(tmp_path / "three", config, workers=3)
    assert results_of(tmp_path / "three") == expected
    for number in (0, 3, 8):
        with pytest.raises(StoppedError):
            search_in(tmp_path / "broken", config, before=stop_at(number), workers=1 + number % 2)
    search_in(tmp_path / "broken", config)
    assert results_of(tmp_path / "broken") == expected
    search_in(
        tmp_path / "other", experiment(algorithm=algorithm, max_trials=9, in_flight=3, seed=1)
    )
    assert results_of(tmp_path / "other") != expected


@pytest.mark.parametrize("algorithm", QUICK_AND_PROOF)
def test_no_settings_are_tried_twice(algorithm: str, tmp_path: Path) -> None:
    search_in(tmp_path, experiment(algorithm=algorithm, max_trials=12))
    names = [
        *SETTINGS["search"]["space"],
        *(["training.epochs"] if algorithm == "hyperband" else []),
    ]
    tried = [tuple(row[name] for name in names) for row in rows_of(tmp_path)]
    assert len(set(tried)) == len(tried) == 12


def test_grid_takes_every_combination_in_order_and_ends(tmp_path: Path) -> None:
    space = {"model.cell": {"choice": ["gru", "rnn"]}, "model.num_layers": {"int": [1, 3]}}
    search_in(tmp_path, experiment(algorithm="grid", max_trials=50, space=space), workers=2)
    tried = [(row["model.cell"], row["model.num_layers"]) for row in rows_of(tmp_path)]
    assert tried == [(cell, number) for cell in ("gru", "rnn") for number in "123"]


def test_random_ends_where_every_combination_was_tried(tmp_path: Path) -> None:
    search_in(tmp_path, experiment(space={"model.cell": {"choice": ["gru", "rnn", "lstm"]}}))
    assert sorted(row["model.cell"] for row in rows_of(tmp_path)) == ["gru", "lstm", "rnn"]


def test_bayesian_and_hyperband_find_better_than_chance(tmp_path: Path) -> None:
    """The best of the fake trials is a learning rate of 0.01 with gru: 1 + 1/9."""
    best = {}
    for algorithm in ("random", "bayesian"):
        search_in(tmp_path / algorithm, experiment(algorithm=algorithm, max_trials=14, in_flight=1))
        best[algorithm] = min(float(row["MAE"]) for row in rows_of(tmp_path / algorithm))
    assert best["bayesian"] < 1 + 1 / 9 + 0.02
    assert best["bayesian"] < best["random"]
    search_in(tmp_path / "hyperband", experiment(algorithm="hyperband", max_trials=23, in_flight=1))
    epochs = [int(row["training.epochs"]) for row in rows_of(tmp_path / "hyperband")]
    assert epochs[:13] == [1] * 9 + [3] * 3 + [9], (
        "a bracket of Li et al. 2018, table 1, with R 9 and eta 3"
    )
    firsts = sorted(rows_of(tmp_path / "hyperband")[:9], key=lambda row: float(row["MAE"]))
    promoted = {row["training.learning_rate"] for row in rows_of(tmp_path / "hyperband")[9:12]}
    assert promoted == {row["training.learning_rate"] for row in firsts[:3]}


def test_conditions_are_kept(tmp_path: Path) -> None:
    space = {
        "training.optimizer": {"choice": ["adam", "adamw"]},
        "training.weight_decay": {"float": [0.01, 0.1], "when": {"training.optimizer": "adamw"}},
    }
    search_in(tmp_path, experiment(space=space, algorithm="bayesian", max_trials=10))
    rows = rows_of(tmp_path)
    assert {row["training.optimizer"] for row in rows} == {"adam", "adamw"}
    assert all(
        bool(row["training.weight_decay"]) == (row["training.optimizer"] == "adamw") for row in rows
    )


def test_the_best_settings_are_a_configuration_file(tmp_path: Path) -> None:
    said = search_in(tmp_path, experiment())
    best = min(rows_of(tmp_path), key=lambda row: float(row["MAE"]))
    config = load_experiment(tmp_path / "best.yaml")
    assert config.search is None
    assert str(config.training.learning_rate) == best["training.learning_rate"]
    assert config.model.cell == best["model.cell"]
    assert config.training.epochs == 9
    assert any("retrained: bitwise identical" in line for line in said)
    assert any(
        "test set, 17 unseen windows: the best settings beat those of the file: " in line
        for line in said
    )


def test_hopeless_trials_are_given_up(tmp_path: Path) -> None:
    search_in(tmp_path, experiment(pruning="median", max_trials=12, folds=3))
    rows = rows_of(tmp_path)
    pruned = [row for row in rows if row["status"] == "pruned"]
    assert 2 <= len(pruned) <= 8
    assert all(row["fold_3"] == "" and "above the median of" in row["reason"] for row in pruned)
    assert min(rows, key=lambda row: float(row["MAE"]))["status"] == "completed"


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.searches import FakeRunner

    real = FakeRunner.train_fold

    def train_fold(self: Any, task: Task, fold: int, execution: int) -> Any:
        if task.number == 2 or (task.number, fold) == (4, 1):
            raise ValueError("two\nlines")
        return real(self, task, fold, execution)

    monkeypatch.setattr(FakeRunner, "train_fold", train_fold)
    for algorithm in ALGORITHMS:
        search_in(tmp_path / algorithm, experiment(algorithm=algorithm))
        rows = rows_of(tmp_path / algorithm)
        assert [row["trial"] for row in rows if row["status"] == "failed"] == ["2", "4"]
        assert rows[2]["reason"] == "ValueError: two lines"
        assert rows[4]["fold_1"]
        assert not rows[4]["MAE"]


def test_a_search_in_which_all_fails_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.searches.run_trial", lambda *_, **__: Outcome(FAILED, "no memory"))
    with pytest.raises(
        SearchError, match="none of 8 trials has a score; the first failed because no memory"
    ):
        search_in(tmp_path, experiment())


def test_a_finished_search_has_nothing_left_to_do(tmp_path: Path) -> None:
    search_in(tmp_path, experiment())
    expected = results_of(tmp_path)
    size = (tmp_path / JOURNAL).stat().st_size
    (tmp_path / "trials.csv").unlink()
    search_in(tmp_path, experiment(), before=stop_at(0))
    assert results_of(tmp_path) == expected
    assert (tmp_path / JOURNAL).stat().st_size == size


def changed(*overrides: str) -> Experiment:
    return experiment_from(apply_overrides(SETTINGS, overrides))


EDITS: dict[str, tuple[Experiment, pd.DataFrame, str]] = {
    text.split("=")[0]: (changed(text), hourly(), words)
    for text, words in {
        "search.algorithm=bayesian": 'search.algorithm was "random" and is "bayesian"',
        "search.objective=RMSE": 'search.objective was "MAE" and is "RMSE"',
        "search.max_trials=9": "search.max_trials was 8 and is 9",
        "search.folds=3": "search.folds was 2 and is 3",
        "search.executions=2": "search.executions was 1 and is 2",
        "search.pruning=median": 'search.pruning was "none" and is "median"',
        "search.in_flight=3": "search.in_flight was 2 and is 3",
        "search.seed=7": "search.seed was 0 and is 7",
        "search.space={model.cell: {choice: [gru, lstm]}}": "search.space.model.cell.choice was",
        "model.units=5": "model.units was 4 and is 5",
        "training.loss=mse": 'training.loss was "mae" and is "mse"',
        "training.batch_size=31": "training.batch_size was 32 and is 31",
        "training.seed=1": "training.seed was 0 and is 1",
        "windows.context_length=11": "windows.context_length was 12 and is 11",
        "windows.horizon=5": "windows.horizon was 4 and is 5",
        "transforms.target=[]": "transforms.target was",
        "evaluation.test_size=21": "evaluation.test_size was 20 and is 21",
        "evaluation.purge=1": "evaluation.purge was 0 and is 1",
    }.items()
} | {
    "a value of the data": (
        changed(),
        hourly().assign(y=lambda table: table["y"].mask(table.index == 7, 1.0)),
        "the data was",
    ),
    "a row of the data": (changed(), hourly(201), "the data was 1 series, 200 rows"),
    "a stamp of the data": (
        changed(),
        hourly().assign(ds=lambda table: table["ds"] + pd.Timedelta("1h")),
        "the data was",
    ),
}


@pytest.fixture(scope="module")
def half_way(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search stopped in its third trial."""
    folder = tmp_path_factory.mktemp("half")
    with pytest.raises(StoppedError):
        search_in(folder, experiment(), before=stop_at(2))
    return folder


@pytest.mark.parametrize(("config", "table", "words"), EDITS.values(), ids=EDITS.keys())
def test_an_edit_is_refused_with_the_difference(
    config: Experiment, table: pd.DataFrame, words: str, half_way: Path
) -> None:
    before = (half_way / JOURNAL).read_bytes()
    with pytest.raises(SearchError) as found:
        search_in(half_way, config, table=table)
    assert f"cannot resume the search in {half_way}: " in str(found.value)
    assert words in str(found.value)
    assert "\n" not in str(found.value)
    assert (half_way / JOURNAL).read_bytes() == before


def test_there_are_twenty_edits() -> None:
    assert len(EDITS) >= 20


def test_another_version_is_refused(half_way: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "1.3.9" if name == "keras-tuner" else real(name)
    )
    with pytest.raises(
        SearchError, match=r"keras-tuner was 1\.4\.\d+ and is 1\.3\.9: undo the change"
    ):
        search_in(half_way, experiment())


def test_a_search_that_was_not_asked_for_is_left_alone(half_way: Path) -> None:
    with (
        open_journal(half_way / JOURNAL) as journal,
        pytest.raises(SearchError, match="resume it with resume=True"),
    ):
        begin(make_bench(experiment(), hourly(), half_way), journal, resume=False, say=print)


def test_another_search_is_replaced_only_if_told(half_way: Path, tmp_path: Path) -> None:
    (half_way / "notes.txt").write_text("mine")
    other = experiment(max_trials=3)
    before = (half_way / JOURNAL).read_bytes()
    with (
        open_journal(half_way / JOURNAL) as journal,
        pytest.raises(OutputError, match=r"search\.max_trials was .* replace it with replace=True"),
    ):
        begin(make_bench(other, hourly(), half_way), journal, resume=False, say=print)
    assert (half_way / JOURNAL).read_bytes() == before
    with open_journal(half_way / JOURNAL) as journal:
        bench = make_bench(other, hourly(), half_way)
        search = begin(bench, journal, resume=False, replace=True, say=print)
        run_search(search, [FakeRunner(bench)])
    search_in(tmp_path / "new", other)
    assert results_of(half_way) == results_of(tmp_path / "new")
    assert (half_way / "notes.txt").read_text() == "mine"


def test_a_finished_search_is_written_again_unasked(tmp_path: Path) -> None:
    config = experiment(max_trials=2)
    search_in(tmp_path, config)
    before = results_of(tmp_path)
    with open_journal(tmp_path / JOURNAL) as journal:
        bench = make_bench(config, hourly(), tmp_path)
        run_search(begin(bench, journal, resume=False, say=print), [FakeRunner(bench)])
    assert results_of(tmp_path) == before


@pytest.mark.parametrize("is_there", [False, True])
def test_a_search_without_a_result_leaves_nothing(is_there: bool, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    if is_there:
        folder.mkdir(parents=True)
    bench = make_bench(experiment(), hourly(), folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoppedError), open_search(folder) as journal:  # noqa: PT012
        begin(bench, journal, resume=False, say=print)
        raise StoppedError
    assert sorted(tmp_path.rglob("*")) == before


def test_a_journal_of_another_algorithm_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        search_in(tmp_path, experiment(), before=stop_at(2))
    with open_journal(tmp_path / JOURNAL) as journal:
        records = json.loads(json.dumps(journal.records))
    (tmp_path / JOURNAL).unlink()
    records[1]["proposal"]["training.learning_rate"] = 0.05
    with open_journal(tmp_path / JOURNAL) as journal:
        for record in records:
            journal.append(record)
    with pytest.raises(SearchError, match="trial 0 of the journal is not what random proposes"):
        search_in(tmp_path, experiment())


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    search = experiment(algorithm="bayesian").search
    assert search is not None
    with pytest.raises(
        ConfigError, match="needs sklearn: pip install 'bigru-forecast\\[bayesian\\]'"
    ):
        make_oracle(search, epochs=9, known={})


@pytest.mark.parametrize(("workers", "threads"), [(1, None), (2, 3), (4, 1), (9, 1)])
def test_the_cores_that_a_process_is_bound_to_are_divided_among_workers(
    monkeypatch: pytest.MonkeyPatch, workers: int, threads: int | None
) -> None:
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert Resources(workers).threads == threads
