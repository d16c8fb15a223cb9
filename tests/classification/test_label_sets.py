"""Sequences with any number of labels: tables, scores, training, saving, and the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import Classification, Classifier, SequenceColumns
from forecast.classification.class_settings import ClassTraining
from forecast.classification.class_steps import StepSettings, make_steps
from forecast.classification.evaluated import ClassifierResult
from forecast.classification.label_sets.label_cells import joined, rarest
from forecast.classification.label_sets.set_result import LabelSetResult
from forecast.classification.label_sets.set_scores import SET_SCORES
from forecast.classification.learn import label_weights
from forecast.classification.regressions.ridge_classifier import RidgeClassifier
from forecast.classification.sequence_split import split_sequences
from forecast.classification.tables.sequence_table import read_sequences
from forecast.cli.entry import main
from forecast.errors import ConfigError, DataError
from forecast.layers.traced import mark_kind
from forecast.report.plots.classes import plot_labels
from forecast.search.class_trial import make_class_bench
from forecast.search.state import Task

QUICK = {"model": {"units": 6}, "training": {"epochs": 12, "seeds": 1, "learning_rate": 0.02}}


def tagged(num_sequences: int = 60, seed: int = 0) -> pd.DataFrame:
    """Sequences that rise or fall, calm or wild: `up` and `wild` are labels of their own."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(num_sequences):
        is_up, is_wild = draw.integers(0, 2, 2)
        length = int(draw.integers(6, 12))
        slope = np.linspace(-1, 1, length) * (1 if is_up else -1)
        noise = draw.normal(size=length) * (0.9 if is_wild else 0.1)
        names = [name for name, has in (("up", is_up), ("wild", is_wild)) if has]
        for step, value in enumerate(slope + noise):
            rows.append(
                {
                    "id": number,
                    "step": step,
                    "x": value,
                    "label": "|".join(names) or None,
                    "up": is_up,
                    "wild": is_wild,
                }
            )
    return pd.DataFrame(rows)


CELLS = {"label_separator": "|", "features": ("x",)}
COLUMNS = {"label_cols": ("up", "wild"), "features": ("x",)}


def test_both_forms_of_labels_are_the_same() -> None:
    table = tagged(20)
    of_cells = read_sequences(table, SequenceColumns(**CELLS)).labels
    of_columns = read_sequences(table, SequenceColumns(**COLUMNS)).labels
    assert of_cells.tolist() == of_columns.tolist()
    assert joined(["b", "a", "", "a"]) == joined(["a", "b"])
    spaced = table.replace({"label": {"up|wild": " wild | up "}})
    again = read_sequences(spaced, SequenceColumns(**CELLS)).labels
    assert again.tolist() == of_cells.tolist()


def test_the_rarest_label_divides_the_sets() -> None:
    names = np.array([joined(["a", "b"]), joined(["a"]), joined(["a"]), ""], dtype=object)
    assert rarest(names).tolist() == ["b", "a", "a", ""]
    sequences = read_sequences(tagged(200), SequenceColumns(**CELLS))
    test = split_sequences(sequences, Classification().split).test
    for name in ("up", "wild"):
        share = np.mean([name in label for label in sequences.labels])
        in_test = np.mean([name in label for label in sequences.labels[test]])
        assert abs(share - in_test) < 0.1


def test_scores_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(3)
    truth = draw.integers(0, 2, (60, 5))
    truth[:, 4] = draw.random(60) < 0.1
    given = np.clip(0.6 * truth + 0.5 * draw.random((60, 5)) - 0.05, 0.01, 0.99)
    predicted = (given >= 0.5).astype(int)
    expected = {
        "subset accuracy": metrics.accuracy_score(truth, predicted),
        "macro F1": metrics.f1_score(truth, predicted, average="macro"),
        "micro F1": metrics.f1_score(truth, predicted, average="micro"),
        "ROC AUC": metrics.roc_auc_score(truth, given, average="macro"),
        "Hamming loss": metrics.hamming_loss(truth, predicted),
        "log loss": np.mean(
            [metrics.log_loss(truth[:, label], given[:, label]) for label in range(5)]
        ),
        "Brier": np.mean(
            [metrics.brier_score_loss(truth[:, label], given[:, label]) for label in range(5)]
        ),
    }
    assert expected.keys() == SET_SCORES.keys()
    for name, score in SET_SCORES.items():
        assert score.function(given, truth) == pytest.approx(expected[name]), name


def test_ridge_without_a_row_is_a_fit_without_it() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(40, 3))
    truth = (features[:, :2] + 0.3 * draw.normal(size=(40, 2)) > 0).astype(np.int64)
    ridge, held_out = RidgeClassifier.fit(features, truth, 2)
    given = ridge.probabilities(features)
    assert given.shape == (40, 2)
    assert np.mean((given >= 0.5) == (truth > 0)) > 0.85
    assert np.mean((held_out >= 0.5) == (truth > 0)) > 0.8
    # probabilities of labels do not share a sum
    assert np.ptp(given.sum(axis=1)) > 0.5


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    return Classifier(Classification(data=CELLS, **QUICK)).fit(tagged(60))


def test_each_label_has_its_own_probability(fitted: Classifier) -> None:
    result = fitted.evaluate(tagged(120, seed=9))
    assert isinstance(result, LabelSetResult)
    scores = result.scores()
    assert scores.loc["bigru", "Hamming loss"] < 0.5 * scores.loc["class frequencies"].iloc[4]
    assert result.verdict().startswith("bigru is better") or "told apart" in result.verdict()
    by_label = result.by_label()
    assert by_label.loc["up", "recall"] > 0.8
    assert by_label["sequences"].tolist() == result.truth.sum(axis=0).tolist()

    predicted = fitted.predict(tagged(30, seed=4).drop(columns="label"))
    assert list(predicted) == ["id", "bigru", "bigru-p-up", "bigru-p-wild"]
    for row in predicted.itertuples(index=False):
        names = [name for name, share in zip(("up", "wild"), row[2:], strict=True) if share >= 0.5]
        assert row[1] == "|".join(names)


def test_it_is_saved_and_loaded(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    table = tagged(10, seed=4)
    loaded = Classifier.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(table), fitted.predict(table))


def test_one_label_of_each_is_not_several() -> None:
    table = tagged(30)
    table["label"] = np.where(table["up"] > 0, "up", "down")
    config = Classification(data={"features": ("x",)}, **QUICK)
    assert isinstance(Classifier(config).fit(table).evaluate(), ClassifierResult)


def test_a_search_scores_label_sets(tmp_path: Path) -> None:
    search = {"objective": "Hamming loss", "space": {"model.units": {"choice": [3, 4]}}}
    config = Classification(data=COLUMNS, model={"units": 4}, training={"epochs": 1}, search=search)
    score = make_class_bench(config, tagged(30), tmp_path).train_fold(Task(0, {}, {}), 0, 0)
    assert score.scores["subset error"] == pytest.approx(1 - score.scores["subset accuracy"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"label_cols": ("up",), "label_col": "state"}, "label_col names 'state', and label_cols"),
        ({"label_cols": ("up",), "label_separator": "|"}, "expected one of them"),
        ({"label_cols": ("up",), "features": ("up",)}, "a column has one role"),
    ],
)
def test_settings_that_contradict_each_other(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SequenceColumns(**data)


def test_found_and_missed_labels_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(2)
    truth = draw.integers(0, 2, (50, 3))
    given = draw.random((50, 3))
    ids = np.arange(50).astype(object)
    counts = LabelSetResult(ids, ("a", "b", "c"), truth, {"bigru": given}).counts()
    tables = metrics.multilabel_confusion_matrix(truth, given >= 0.5)
    assert counts["found"].tolist() == tables[:, 1, 1].tolist()
    assert counts["missed"].tolist() == tables[:, 1, 0].tolist()
    assert counts["wrongly given"].tolist() == tables[:, 0, 1].tolist()
    bars = plot_labels(counts).axes[0].containers
    assert [[bar.get_width() for bar in of_one] for of_one in bars] == counts.T.to_numpy().tolist()


def test_balanced_weights_are_those_of_scikit_learn_for_each_label() -> None:
    weights_of = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    draw = np.random.default_rng(0)
    truth = (draw.random((60, 3)) < np.array([0.1, 0.5, 0.8])).astype(np.int64)
    truth = np.concatenate([truth, np.ones((60, 1), np.int64)], axis=1)  # one that all have
    balanced = ClassTraining(class_weights="balanced")
    found = label_weights(truth, balanced)
    assert found is not None
    for label in range(3):
        expected = weights_of("balanced", classes=np.array([0, 1]), y=truth[:, label])
        np.testing.assert_allclose(found[label], expected)
    assert found[3] == (1.0, 1.0)
    assert label_weights(truth, ClassTraining()) is None


def test_a_rare_label_is_found_more_often_with_balanced_weights() -> None:
    """The loss of a step is the weighted one, and more sequences get the rare label."""
    import keras

    draw = np.random.default_rng(0)
    values = draw.normal(size=(400, 1)).astype(np.float32)
    truth = (values[:, :1] + draw.normal(size=(400, 1)) > 1.8).astype(np.float32)
    weights = label_weights(truth.astype(np.int64), ClassTraining(class_weights="balanced"))
    given = {}
    for name, of_labels in {"none": None, "balanced": weights}.items():
        inputs = keras.Input((1,), name="x")
        model = keras.Model([inputs], keras.layers.Dense(1, kernel_initializer="zeros")(inputs))
        mark_kind(model, ("test of label weights",))
        settings = StepSettings(0.1, 200, 1.0, label_weights=of_labels)
        steps = make_steps(model, settings, has_label_sets=True)
        first = float(steps.learn({"x": values}, truth, np.ones(400, np.float32)))
        for _ in range(199):
            steps.learn({"x": values}, truth, np.ones(400, np.float32))
        given[name] = (model([values]).numpy() > 0).sum()
        assert first == pytest.approx(np.log(2), abs=1e-6)  # the mean of the weights is 1
    assert given["balanced"] > 3 * given["none"]
    found = 1 / (1 + np.exp(-model([values]).numpy()))  # with equal weights of both, half is likely
    of_each = [found[truth == having].mean() for having in (0, 1)]
    assert np.mean(of_each) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("data", "change", "message"),
    [
        (COLUMNS, {"up": 2}, r"column 'up' of `?label_cols`? has '2'; expected 0 and 1"),
        (COLUMNS, {"up": None}, "column 'up' is empty"),
        (CELLS, {"label": None}, "training sequences have no label: expected at least two"),
        (CELLS, {"label": "up"}, "have the label 'up'"),
    ],
)
def test_bad_labels_are_one_line(
    data: dict[str, object], change: dict[str, object], message: str
) -> None:
    config = Classification(data=data, split={"test": 0.0}, **QUICK)
    with pytest.raises(DataError, match=message) as caught:
        Classifier(config).fit(tagged(60).assign(**change))
    assert "\n" not in str(caught.value)


def test_an_unseen_label_is_named(fitted: Classifier) -> None:
    with pytest.raises(DataError, match="label 'new' is in none of the training sequences"):
        fitted.evaluate(tagged(4).assign(label="up|new"))


@pytest.mark.proof
def test_the_command_line_has_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "tags.csv"
    tagged(40).drop(columns="label").to_csv(table, index=False)
    out = tmp_path / "run"
    quick = ["--set", "training.epochs=2", "--set", "training.seeds=1", "--set", "model.units=4"]
    command = ["classify", "fit", str(table), "--labels", "up,wild", "--out", str(out), *quick]
    assert main(command) == 0
    assert "share of labels that are right" in capsys.readouterr().out
    assert pd.read_csv(out / "labels.csv", index_col="label").index.tolist() == ["up", "wild"]
    assert not (out / "confusion.csv").exists()
    assert (out / "labels.png").is_file()
    assert "up" in (out / "report.html").read_text("utf-8")
    assert main(["classify", "evaluate", str(out), str(table)]) == 0
    assert "Hamming loss" in capsys.readouterr().out
