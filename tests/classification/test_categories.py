"""Forecasts of categories: windows, baselines, learning, saving, and the command line."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import CategoryForecaster, CategorySettings, Classifier, Forecaster, NextSymbol
from forecast.classification.categories.category_baselines import CategoryTables, contexts_of
from forecast.classification.categories.category_settings import (
    CategoryColumns,
    CategorySplit,
    CategoryWindows,
)
from forecast.classification.categories.category_windows import (
    UNKNOWN,
    CategoryIndex,
    all_windows,
    divide,
    last_windows,
)
from forecast.classification.counts.ngrams import NAMES
from forecast.classification.tables.sequence_table import read_sequences
from forecast.cli.entry import main
from forecast.errors import ArtifactError, ConfigError, DataError, NotFittedError

QUICK = {
    "windows": {"context_length": 6, "horizon": 2},
    "model": {"units": 8},
    "training": {"epochs": 25, "learning_rate": 0.03},
}


def cycle(num_series: int = 3, length: int = 80) -> pd.DataFrame:
    """A state that stays for two steps: the last state alone says little of the next one."""
    rows = []
    for number in range(num_series):
        for step in range(length):
            state = ["idle", "idle", "run", "run", "stop", "stop"][(step + number) % 6]
            rows.append({"id": f"press {number}", "step": step, "state": state, "load": step % 2})
    return pd.DataFrame(rows)


def markov(order: int, length: int, seed: int) -> np.ndarray:
    """States whose next one depends on the last few."""
    draw = np.random.default_rng(seed)
    chances = draw.dirichlet([0.3] * 4, size=(4,) * order)
    states = draw.integers(0, 4, order).tolist()
    while len(states) < length:
        states.append(int(draw.choice(4, p=chances[tuple(states[-order:])])))
    return np.array(["idle", "run", "stop", "wash"])[states]


@pytest.fixture(scope="module")
def fitted() -> CategoryForecaster:
    return CategoryForecaster(CategorySettings(**QUICK)).fit(cycle())


def test_it_learns_more_than_the_last_state_tells(fitted: CategoryForecaster) -> None:
    result = fitted.evaluate()
    scores = result.scores()
    assert scores.loc["bigru", "accuracy"] > 0.95
    assert scores.loc["after the last 1", "accuracy"] < 0.8
    assert scores.loc["after the last 2", "accuracy"] > 0.95
    assert scores.loc["bigru", "perplexity"] == pytest.approx(
        np.exp(scores.loc["bigru", "log loss"])
    )
    assert "cannot be told apart from the best baseline (after the last" in result.verdict()
    assert sum(fitted.fitted.weights.values()) == pytest.approx(1.0)
    assert list(result.by_step().index) == [1, 2]
    np.testing.assert_allclose(
        result.by_step()["bigru"].mean(), scores.loc["bigru", "accuracy"], atol=1e-12
    )
    assert result.confusion().to_numpy().sum() == result.truth.size


def test_forecasts_begin_after_the_last_row(fitted: CategoryForecaster) -> None:
    table = cycle(2, 40)
    forecast = fitted.predict(table)
    columns = ["id", "cutoff", "ahead", "bigru", "bigru-p-idle", "bigru-p-run", "bigru-p-stop"]
    assert list(forecast) == columns
    assert forecast["cutoff"].tolist() == [39] * 4
    assert forecast["ahead"].tolist() == [1, 2, 1, 2]
    np.testing.assert_allclose(forecast[columns[4:]].sum(axis=1), 1.0, atol=1e-6)
    assert forecast["bigru"].iloc[0] == ["idle", "idle", "run", "run", "stop", "stop"][40 % 6]
    short = fitted.predict(table[table["step"] >= 37])
    assert short["cutoff"].tolist() == [39] * 4


def test_no_window_spans_a_gap() -> None:
    table = cycle(2, 30)
    table = table[~((table["id"] == "press 0") & (table["step"] == 12))]
    sequences = read_sequences(table, CategoryColumns().as_sequences(), has_labels=False)
    windows = CategoryWindows(context_length=5, horizon=3)
    index = all_windows(sequences, windows)
    found = set()
    for start, length in zip(index.starts, index.lengths, strict=True):
        rows = np.arange(start, start + length + 3)
        assert (np.diff(sequences.steps[rows]) == 1).all()
        found.add(int(start + length - 1))
    # slow oracle: every row with 3 followers, all one step apart
    steps = sequences.steps
    ends = {29 - 1, 59 - 1}
    expected = {
        row
        for row in range(len(steps) - 3)
        if (np.diff(steps[row : row + 4]) == 1).all() and not set(range(row, row + 3)) & ends
    }
    assert found == expected
    assert last_windows(sequences, windows).cutoffs.tolist() == [28, 58]


def test_months_have_no_gaps_and_stamps_come_back() -> None:
    stamps = pd.date_range("2020-01-01", periods=24, freq="MS")
    table = pd.DataFrame({"id": 1, "ds": stamps, "state": ["a", "b"] * 12})
    sequences = read_sequences(table, CategoryColumns().as_sequences(), has_labels=False)
    assert len(all_windows(sequences, CategoryWindows(horizon=1)).starts) == 23
    quick = CategorySettings(**{**QUICK, "training": {"epochs": 1}})
    forecast = CategoryForecaster(quick).fit(table).predict(table)
    assert forecast["cutoff"].tolist() == [stamps[-1]] * 2


def test_windows_of_a_set_forecast_its_rows_only() -> None:
    sequences = read_sequences(cycle(2, 50), CategoryColumns().as_sequences(), has_labels=False)
    index = all_windows(sequences, CategoryWindows(context_length=4, horizon=3))
    sets = divide(sequences, index, 3, CategorySplit(test=0.2, validation=0.25))
    rows = {
        name: set(getattr(sets, name).ahead(3).reshape(-1) % 50)
        for name in ("train", "validation", "test")
    }
    assert rows["train"] == set(range(1, 30))
    assert rows["validation"] == set(range(30, 40))
    assert rows["test"] == set(range(40, 50))
    assert sets.is_training.sum() == 60


def test_tables_count_what_comes_some_steps_later() -> None:
    contexts = np.array([[3, 3, 0], [3, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1], [1, 1, 2]])
    ahead = np.array([[1, 2], [1, 0], [2, 0], [2, 1], [1, 1], [0, 0]])
    tables = CategoryTables.fit(contexts, ahead, 3)
    shares = tables.probabilities(np.array([[3, 3, 1], [3, 3, 3]]))  # 3 is none
    for step in range(2):
        counts = Counter(ahead[:, step].tolist())
        frequencies = np.array([counts[k] + 3 / 3 for k in range(3)]) / (6 + 3)
        np.testing.assert_allclose(shares["frequencies"][:, step], [frequencies] * 2)
        after = Counter(ahead[contexts[:, -1] == 1, step].tolist())
        expected = np.array([after[k] for k in range(3)]) + len(after) * frequencies
        np.testing.assert_allclose(shares["after the last 1"][0, step], expected / (3 + len(after)))
        stays = (np.sum(ahead[:, step] == contexts[:, -1]) + 1) / (6 + 2)
        assert shares["the last once more"][0, step, 1] == pytest.approx(stays)
    again = CategoryTables.from_state(3, 2, tables.to_state())
    weights = np.full(len(NAMES), 1 / len(NAMES))
    assert (again.mixed(contexts, weights) == tables.mixed(contexts, weights)).all()


def test_a_window_has_the_last_classes_that_it_reads() -> None:
    index = CategoryIndex(np.zeros(3, int), np.array([0, 2, 3]), np.array([1, 3, 3]))
    classes = np.array([0, 1, 2, UNKNOWN, 1, 0])
    found = contexts_of(index, classes, 3)
    assert found.tolist() == [[3, 3, 0], [2, 3, 1], [3, 1, 0]]


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("length", [200, 1000, 4000])
def test_it_is_not_behind_the_best_table_of_a_chain(order: int, length: int) -> None:
    """A table knows a chain as well as can be; the default is not worse by more than noise."""
    states = markov(order, length + 2000, seed=order)
    table = pd.DataFrame({"id": "a", "step": np.arange(len(states)), "state": states})
    forecaster = CategoryForecaster().fit(table[:length])
    losses = forecaster.evaluate(table[length:]).scores()["log loss"]
    best = losses.drop([name for name in ("bigru", "network") if name in losses]).min()
    assert losses["bigru"] < best + 0.02 + 10 / length


@pytest.mark.parametrize("states", [["on"] * 59 + ["off"], ["a", "b", "c"] * 20, ["a", "b"] * 30])
def test_constant_and_periodic_states(states: list[str]) -> None:
    table = pd.DataFrame({"id": "a", "step": range(60), "state": states})
    if states[0] == "on":
        table.loc[3, "state"] = "off"
    scores = CategoryForecaster(CategorySettings(**QUICK)).fit(table).evaluate().scores()
    assert scores.loc["bigru", "log loss"] < scores["log loss"].min() + 0.1


def test_rows_after_the_training_set_decide_nothing() -> None:
    table = cycle(2, 60)
    changed = table.copy()
    changed.loc[changed["step"] >= 50, ["state", "load"]] = ["idle", 9.0]
    settings = CategorySettings(
        **{**QUICK, "training": {"epochs": 2}}, split={"test": 0.2, "validation": 0.2}
    )
    early = table[table["step"] < 38]
    forecasts = [CategoryForecaster(settings).fit(each).predict(early) for each in (table, changed)]
    pd.testing.assert_frame_equal(*forecasts)


def test_a_category_that_training_did_not_have_is_left_out() -> None:
    table = cycle(2, 60)
    table.loc[table["step"] == 55, "state"] = "alarm"
    quick = CategorySettings(**{**QUICK, "training": {"epochs": 1}})
    forecaster = CategoryForecaster(quick).fit(table)
    assert "4 test windows" in forecaster.fitted.notes[0]
    assert forecaster.classes == ("idle", "run", "stop")
    assert len(forecaster.evaluate().truth) == 2 * (12 - 1) - 4
    with pytest.raises(DataError, match="training did not have 'alarm'"):
        forecaster.evaluate(table.assign(state="alarm"))


def test_it_is_saved_and_loaded_as_what_it_is(fitted: CategoryForecaster, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = CategoryForecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(cycle()), fitted.predict(cycle()))
    assert repr(loaded) == "CategoryForecaster('bigru', fitted on 3 categories)"
    for other in (Classifier, Forecaster, NextSymbol):
        with pytest.raises(ArtifactError, match="forecasts categories; expected one that"):
            other.load(tmp_path / "model")


def test_what_is_missing_is_said() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        CategoryForecaster().predict(cycle())
    quick = {**QUICK, "training": {"epochs": 1}}
    with pytest.raises(DataError, match="1 category; expected at least two"):
        CategoryForecaster(CategorySettings(**quick)).fit(cycle().assign(state="idle"))
    with pytest.raises(DataError, match="no window to learn from"):
        CategoryForecaster(CategorySettings(**quick)).fit(cycle(9, 2))
    with pytest.raises(ConfigError, match="a column has one role"):
        CategoryColumns(target_col="state", features=("state",))
    forecaster = CategoryForecaster(CategorySettings(**quick, split={"test": 0.0})).fit(cycle())
    with pytest.raises(ConfigError, match="there is no test set"):
        forecaster.evaluate()


@pytest.mark.proof
def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "states.csv"
    cycle(2, 40).to_csv(table, index=False)
    run = tmp_path / "run"
    quick = ["--set", "training.epochs=2", "--set", "model.units=4"]
    fit = ["categories", "fit", str(table), "--horizon", "2", "--context", "6", "--out", str(run)]
    assert main([*fit, *quick]) == 0
    for name in ("scores.csv", "by_step.csv", "confusion.csv", "forecasts.csv", "report.html"):
        assert (run / name).is_file(), name
    capsys.readouterr()
    assert main(["categories", "predict", str(run), str(table)]) == 0
    printed = pd.read_csv(io.StringIO(capsys.readouterr().out))
    expected = CategoryForecaster.load(run / "model").predict(str(table))
    pd.testing.assert_frame_equal(printed, expected, atol=1e-9)
    assert main(["categories", "evaluate", str(run), str(table)]) == 0
    assert "perplexity" in capsys.readouterr().out
    assert main([*fit, *quick, "--alias", "other"]) == 2
    assert "with other settings" in capsys.readouterr().err
    fit[-1] = str(tmp_path / "nothing")
    assert main([*fit, "--target", "stat"]) == 2
    assert "Pass --target state" in capsys.readouterr().err
