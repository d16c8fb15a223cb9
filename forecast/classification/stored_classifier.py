"""A trained classifier as a saved model and back."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.classification.bag_of_words import BagOfWords
from forecast.classification.class_baselines import ClassBaselines
from forecast.classification.class_settings import Classification
from forecast.classification.encoding import Encoding
from forecast.classification.fitted_classifier import FittedClassifier
from forecast.classification.ridge_classifier import RidgeClassifier
from forecast.errors import ArtifactError
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.golden import rebuild_checked
from forecast.forecasting.kinds import CLASSIFIER, require_kind
from forecast.models.bigru_classifier import SequenceShape, build_bigru_classifier
from forecast.section import section_from

if TYPE_CHECKING:
    import keras

Arrays = dict[str, NDArray[Any]]

GOLDEN_SEQUENCES = 3

GOLDEN_TOLERANCE = 1e-4
"""Other processors may round differently; a wrong weight moves the probabilities far more."""


def save_classifier(fitted: FittedClassifier, path: Path) -> None:
    """Write a trained classifier to a folder, atomically.

    Raises:
        OutputError: the folder has files other than those of a saved model.
    """
    shape = replace(fitted.encoding.shape, length=fitted.length)
    inputs = golden_batch(shape)
    golden: Arrays = {f"input/{name}": array for name, array in inputs.items()}
    golden["output"] = mean_output(fitted.models, inputs)
    encoding = fitted.encoding
    baselines = fitted.baselines
    ridge = baselines.ridge
    state: Arrays = {
        "encoding/mean": encoding.mean,
        "encoding/spread": encoding.spread,
        "encoding/masked": encoding.masked,
        "frequencies": baselines.frequencies,
        "ridge/mean": ridge.mean,
        "ridge/spread": ridge.spread,
        "ridge/weights": ridge.weights,
        "ridge/sharpness": np.array(ridge.sharpness),
    }
    terms: list[str] = []
    if baselines.words is not None:
        state["words/rarity"] = baselines.words.rarity
        terms = baselines.words.terms.tolist()
    weights = {
        f"{member:02d}/{number:03d}/{variable.path}": np.asarray(variable)
        for member, model in enumerate(fitted.models)
        for number, variable in enumerate(model.weights)
    }
    meta = {
        "kind": CLASSIFIER,
        "length": fitted.length,
        "classes": list(encoding.classes),
        # Pairs, since a mapping would be sorted.
        "vocabulary": [[name, list(words)] for name, words in encoding.vocabulary.items()],
        "widths": list(encoding.widths),
        "terms": terms,
        "network_weight": fitted.network_weight,
        "histories": list(fitted.histories),
    }
    config = fitted.config.model_dump(mode="json")
    save_artifact(path, Artifact(config, meta, weights, state, golden))


def load_classifier(path: Path) -> FittedClassifier:
    """Rebuild a trained classifier from a folder.

    Raises:
        ArtifactError: the folder is damaged, of another version, or of another kind.
    """
    artifact = load_artifact(path)
    require_kind(path, artifact, CLASSIFIER)
    return rebuild_checked(path, artifact, _rebuilt, _golden_difference, GOLDEN_TOLERANCE)


def _golden_difference(fitted: FittedClassifier, artifact: Artifact) -> float:
    """Return the largest difference from the stored probabilities of the golden sequences."""
    inputs = {
        name.removeprefix("input/"): array
        for name, array in artifact.golden.items()
        if name != "output"
    }
    return float(np.max(np.abs(mean_output(fitted.models, inputs) - artifact.golden["output"])))


def golden_batch(shape: SequenceShape) -> Arrays:
    """Return a few seeded random sequences, for which a rebuilt model must give the same output."""
    draw = np.random.default_rng(20140603)
    assert shape.length is not None
    lengths = draw.integers(1, shape.length + 1, GOLDEN_SEQUENCES).astype(np.int32)
    batch: Arrays = {"lengths": lengths}
    if shape.num_numbers:
        size = (GOLDEN_SEQUENCES, shape.length, shape.num_numbers)
        batch["numbers"] = draw.normal(size=size).astype(np.float32)
    if shape.num_codes:
        size = (GOLDEN_SEQUENCES, shape.length, len(shape.num_codes))
        batch["codes"] = draw.integers(0, shape.num_codes, size=size).astype(np.int32)
    return batch


def mean_output(models: tuple[keras.Model, ...], inputs: Arrays) -> NDArray[Any]:
    """Return the mean output of some networks."""
    outputs = [np.asarray(model(inputs, training=False)) for model in models]
    return np.mean(outputs, axis=0)


def _rebuilt(artifact: Artifact) -> FittedClassifier:
    """Return the fitted state of a saved model."""
    config = section_from(Classification, artifact.config)
    meta = artifact.meta
    state = artifact.state
    encoding = Encoding(
        classes=tuple(meta["classes"]),
        mean=state["encoding/mean"],
        spread=state["encoding/spread"],
        masked=state["encoding/masked"],
        vocabulary={name: tuple(words) for name, words in meta["vocabulary"]},
        widths=tuple(meta["widths"]),
        has_label_sets=config.data.has_label_sets,
    )
    length = int(meta["length"])
    shape = replace(encoding.shape, length=length)
    models = tuple(
        _network(config, shape, member, artifact.weights)
        for member in range(int(config.training.seeds))
    )
    ridge = RidgeClassifier(
        mean=state["ridge/mean"],
        spread=state["ridge/spread"],
        weights=state["ridge/weights"],
        sharpness=float(state["ridge/sharpness"]),
        has_label_sets=encoding.has_label_sets,
    )
    words = None
    if "words/rarity" in state:
        words = BagOfWords(np.array(meta["terms"], dtype=str), state["words/rarity"])
    return FittedClassifier(
        config=config,
        encoding=encoding,
        length=length,
        models=models,
        histories=tuple(meta["histories"]),
        baselines=ClassBaselines(state["frequencies"], ridge, words),
        network_weight=float(meta["network_weight"]),
    )


def _network(
    config: Classification, shape: SequenceShape, member: int, weights: Arrays
) -> keras.Model:
    """Return a network with its stored weights.

    Raises:
        ArtifactError: a weight is missing, unknown or of another shape.
    """
    from forecast.layers.runtime import build_apart

    model = build_apart(partial(build_bigru_classifier, config.model, shape), seed=0)
    expected = {
        f"{member:02d}/{number:03d}/{variable.path}": tuple(variable.shape)
        for number, variable in enumerate(model.weights)
    }
    given = {
        name: array.shape for name, array in weights.items() if name.startswith(f"{member:02d}/")
    }
    if expected != given:
        name, size = sorted(set(expected.items()) ^ set(given.items()))[0]
        raise ArtifactError(
            f"weights.safetensors: {name} with shape {size} does not fit the config: save the "
            f"model again"
        )
    model.set_weights([weights[name] for name in expected])
    return model
