"""`Classifier` from a table to labels and back from a saved model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from labelled import reviews, waves

from forecast import Classification, Classifier, Forecaster
from forecast.classification.fitted_classifier import network_weight
from forecast.errors import ArtifactError, ConfigError, DataError, NotFittedError
from forecast.forecasting.artifact import load_artifact, save_artifact

QUICK = {"model": {"units": 8}, "training": {"epochs": 12, "seeds": 1, "learning_rate": 0.02}}


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    return Classifier(Classification(**QUICK)).fit(waves(60))


def test_it_learns_what_can_be_learned(fitted: Classifier) -> None:
    result = fitted.evaluate(waves(200, seed=9))
    scores = result.scores()
    assert scores.loc["bigru", "accuracy"] > 0.95
    assert scores.loc["class frequencies", "accuracy"] == 0.5
    counts = result.confusion()
    assert counts.to_numpy().sum() == 200
    assert counts.loc["up", "up"] == np.sum(
        (result.probabilities["bigru"].argmax(axis=1) == 1) & (result.truth == 1)
    )


def test_predictions_are_probabilities_of_every_class(fitted: Classifier) -> None:
    table = waves(10, seed=4)
    predicted = fitted.predict(table.drop(columns="label"))
    assert list(predicted) == ["id", "bigru", "bigru-p-down", "bigru-p-up"]
    assert predicted["id"].tolist() == sorted(table["id"].unique())
    shares = predicted[["bigru-p-down", "bigru-p-up"]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-6)
    larger = np.where(shares[:, 1] > shares[:, 0], "up", "down")
    assert (predicted["bigru"] == larger).all()


def test_a_prediction_does_not_depend_on_the_other_sequences(fitted: Classifier) -> None:
    table = waves(12, seed=4, longest=30)
    together = fitted.predict(table).set_index("id")["bigru-p-up"]
    for name, group in table.groupby("id"):
        alone = fitted.predict(group)["bigru-p-up"].iloc[0]
        assert np.isclose(alone, together[name], atol=1e-5)


def test_saved_and_loaded_it_predicts_the_same(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    table = waves(10, seed=4)
    pd.testing.assert_frame_equal(loaded.predict(table), fitted.predict(table))
    assert loaded.fitted.config == fitted.fitted.config
    assert repr(loaded) == "Classifier('bigru', fitted on 2 classes)"


def test_a_damaged_model_is_refused(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    weights = tmp_path / "model" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"weights\.safetensors"):
        Classifier.load(tmp_path / "model")


def test_a_bag_of_words_is_saved_and_loaded(tmp_path: Path) -> None:
    config = Classification(data={"text_col": "text"}, **QUICK)
    fitted = Classifier(config).fit(reviews(40))
    fitted.save(tmp_path / "model")
    table = reviews(10, seed=4)
    loaded = Classifier.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(table), fitted.predict(table))
    assert list(loaded.fitted.weights) == ["network", "logistic on words"]

    artifact = load_artifact(tmp_path / "model")
    state = dict(artifact.state)
    state["ridge/weights"] = state.pop("logistic/weights")  # as earlier versions wrote it
    save_artifact(tmp_path / "older", replace(artifact, state=state))
    with pytest.raises(ArtifactError, match=r"older: .* ridge regression.*: fit it again"):
        Classifier.load(tmp_path / "older")


def test_a_classifier_is_no_forecaster(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    with pytest.raises(ArtifactError) as caught:
        Forecaster.load(tmp_path / "model")
    assert "classifies" in str(caught.value)


def test_labels_of_the_test_set_decide_nothing() -> None:
    table = waves(30)
    table["part"] = np.where(table["id"] < "run 020", "train", "test")
    changed = table.copy()
    is_test = changed["part"] == "test"
    changed.loc[is_test, "label"] = "down"
    settings = Classification(data={"split_col": "part"}, **QUICK)
    predicted = [Classifier(settings).fit(each).predict(table) for each in (table, changed)]
    pd.testing.assert_frame_equal(*predicted)


def test_documents_are_told_apart_by_their_words() -> None:
    settings = Classification(
        data={"text_col": "text"},
        model={"units": 8},
        training={"epochs": 15, "seeds": 1, "learning_rate": 0.02},
    )
    classifier = Classifier(settings).fit(reviews(80))
    result = classifier.evaluate(reviews(60, seed=5))
    assert result.scores().loc["bigru", "accuracy"] > 0.95
    predicted = classifier.predict(pd.DataFrame({"text": ["the film was great", "", "unheard"]}))
    assert predicted["document"].tolist() == [0, 1, 2]
    assert predicted["bigru"].iloc[0] == "1"


def test_an_unseen_label_is_named(fitted: Classifier) -> None:
    table = waves(4).replace({"label": {"up": "sideways"}})
    with pytest.raises(DataError, match="label 'sideways' is in none of the training sequences"):
        fitted.evaluate(table)


def test_one_label_is_refused() -> None:
    with pytest.raises(DataError, match="have the label 'a': expected at least two labels"):
        Classifier(Classification(**QUICK)).fit(waves(6).assign(label="a"))


def test_nothing_is_predicted_before_fit() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        Classifier().predict(waves(4))


def test_without_a_test_set_a_table_is_needed() -> None:
    settings = Classification(split={"test": 0.0}, **QUICK)
    classifier = Classifier(settings).fit(waves(10))
    with pytest.raises(ConfigError, match="there is no test set"):
        classifier.evaluate()


def test_settings_survive_json() -> None:
    settings = Classification(**QUICK)
    again = Classification.model_validate_json(json.dumps(settings.model_dump(mode="json")))
    assert again == settings


def test_pretrained_vectors_are_where_training_begins(tmp_path: Path) -> None:
    words = ["great", "awful", "film", "unused"]
    vectors = np.random.default_rng(0).normal(size=(4, 7)).round(4)
    lines = [f"{len(words)} 7"]
    lines += [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, vectors, strict=True)]
    file = tmp_path / "vectors.txt"
    file.write_text("\n".join(lines))
    settings = Classification(
        data={"text_col": "text"},
        text={"vectors": str(file), "train_vectors": False},
        model={"units": 4},
        training={"epochs": 1, "seeds": 1},
    )
    classifier = Classifier(settings).fit(reviews(30))
    fitted = classifier.fitted
    (known,) = fitted.encoding.vocabulary.values()
    matrix = fitted.models[0].get_layer("embedding_0").get_weights()[0]
    assert matrix.shape == (len(known) + 1, 7)
    covered = f"3 of {len(known)} words have a vector ({3 / len(known):.0%})"
    assert f"{file}: {covered}" in classifier.notes
    found = [matrix[1 + known.index(word)] for word in words[:3]]
    # all by one factor, and not trained
    ratios = np.array(found) / vectors[:3]
    np.testing.assert_allclose(ratios, ratios[0, 0], rtol=1e-4)


def test_the_network_keeps_the_weight_that_it_deserves() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 2, 400)
    sure = np.where(np.eye(2)[truth] > 0, 0.9, 0.1)
    guess = np.full((400, 2), 0.5)
    assert network_weight(sure, guess, truth) == 1.0
    assert network_weight(guess, sure, truth) < 0.1
    # as good as each other, and both nearly perfect: nothing speaks against the network
    assert network_weight(sure, sure + 1e-4 * (np.eye(2)[truth] - 0.5), truth) == 1.0
    # a little less sure: of few sequences that may be chance, of many it is not
    right = draw.dirichlet([1.0, 1.0], 8000)
    of_right = (draw.random(8000) < right[:, 1]).astype(np.int64)
    worse = right**0.75
    worse = worse / worse.sum(axis=1, keepdims=True)
    assert network_weight(worse[:40], right[:40], of_right[:40]) == 1.0
    assert network_weight(worse, right, of_right) < 0.7
    # each right where the other is not: the mean of both is better than either
    half = np.arange(400) < 200
    first = np.where(half[:, None], sure, guess)
    second = np.where(half[:, None], guess, sure)
    assert 0.3 < network_weight(first, second, truth) < 0.75
