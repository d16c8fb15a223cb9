"""A trained classifier as a saved model and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from forecast.classification.class_baselines import ClassBaselines
from forecast.classification.class_settings import Classification
from forecast.classification.encoding import Encoding
from forecast.classification.fitted_classifier import FittedClassifier
from forecast.classification.learn import network_maker
from forecast.classification.regressions.bag_of_words import BagOfWords, as_terms
from forecast.classification.regressions.kernel_features import KernelFeatures
from forecast.classification.regressions.logistic_classifier import LogisticClassifier
from forecast.classification.regressions.ridge_classifier import RidgeClassifier
from forecast.classification.saved.sequence_meta import StoredClassifier, stored_meta
from forecast.classification.saved.sequence_networks import (
    GOLDEN_SEQUENCES,
    GOLDEN_TOLERANCE,
    Arrays,
    golden_arrays,
    graphs_of,
    network_difference,
    networks_in,
    weights_by_member,
)
from forecast.classification.saved.stored_arrays import (
    check_array,
    check_baselines,
    check_golden_batch,
    check_names,
)
from forecast.classification.saved.stored_encoding import (
    encoding_in,
    encoding_meta,
    encoding_state,
)
from forecast.classification.saved.trial_sequences import made_up, trial_difference, trial_of
from forecast.errors import ArtifactError
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.saved.golden import rebuild_checked
from forecast.forecasting.saved_kinds import CLASSIFIER, require_kind
from forecast.section import section_from


def save_classifier(fitted: FittedClassifier, path: Path) -> None:
    """Write a trained classifier to a folder, atomically.

    Raises:
        OutputError: the folder has files other than those of a saved model.
    """
    shape = replace(fitted.encoding.shape, length=fitted.length)
    golden = golden_arrays(fitted.networks, shape) | trial_of(fitted, _trial_table(fitted))
    encoding = fitted.encoding
    terms: list[str] = []
    if fitted.baselines.words is not None:
        terms = fitted.baselines.words.terms.tolist()
    meta = {
        "kind": CLASSIFIER,
        "length": fitted.length,
        **encoding_meta(encoding),
        "terms": terms,
        "networks": graphs_of(fitted.networks),
        "network_weight": fitted.network_weight,
        "network_power": fitted.network_power,
        "histories": list(fitted.histories),
    }
    config = fitted.config.model_dump(mode="json")
    weights = weights_by_member(fitted.networks)
    state = _state(encoding, fitted.baselines)
    save_artifact(path, Artifact(config, meta, weights, state, golden))


def _state(encoding: Encoding, baselines: ClassBaselines) -> Arrays:
    """Return the fitted arrays."""
    state: Arrays = {
        **encoding_state(encoding),
        "frequencies": baselines.frequencies,
        **_regression_state(baselines.regression),
    }
    if baselines.kernels is not None:
        state["kernels/dilations"] = baselines.kernels.dilations
        state["kernels/channels"] = baselines.kernels.channels
        state["kernels/thresholds"] = baselines.kernels.thresholds
    if baselines.words is not None:
        state["words/rarity"] = baselines.words.rarity
    return state


def load_classifier(path: Path) -> FittedClassifier:
    """Rebuild a trained classifier from a folder.

    Raises:
        ArtifactError: the folder is damaged, of another version, or of another kind.
    """
    artifact = load_artifact(path)
    require_kind(path, artifact, CLASSIFIER)
    if {"words/rarity", "ridge/weights"} <= artifact.state.keys():
        raise ArtifactError(
            f"{path}: this classifier reads texts by a ridge regression, as earlier versions did; "
            f"expected a logistic regression: fit it again"
        )
    return rebuild_checked(path, artifact, _rebuilt, _golden_difference, GOLDEN_TOLERANCE)


def _regression_state(regression: RidgeClassifier | LogisticClassifier) -> Arrays:
    """Return the arrays of the regression."""
    if isinstance(regression, LogisticClassifier):
        return {"logistic/weights": regression.weights}
    return {
        "ridge/mean": regression.mean,
        "ridge/spread": regression.spread,
        "ridge/weights": regression.weights,
        "ridge/sharpness": np.array(regression.sharpness),
    }


def _regression_in(state: Arrays, *, has_label_sets: bool) -> RidgeClassifier | LogisticClassifier:
    """Return the regression of a saved model."""
    if "logistic/weights" in state:
        return LogisticClassifier(state["logistic/weights"], has_label_sets)
    return RidgeClassifier(
        mean=state["ridge/mean"],
        spread=state["ridge/spread"],
        weights=state["ridge/weights"],
        sharpness=float(state["ridge/sharpness"]),
        has_label_sets=has_label_sets,
    )


def _golden_difference(fitted: FittedClassifier, artifact: Artifact) -> float:
    """Return the largest difference from the stored probabilities, or from the stored trial."""
    golden = artifact.golden
    difference = network_difference(fitted.networks, golden)
    return max(difference, trial_difference(fitted, _trial_table(fitted), golden))


def _trial_table(fitted: FittedClassifier) -> dict[str, list[Any]]:
    """Return the columns of a table for the trial."""
    config = fitted.config
    return made_up(fitted.encoding, config.data, fitted.length, config.text)


def _rebuilt(artifact: Artifact) -> FittedClassifier:
    """Return the fitted state of a saved model."""
    meta = stored_meta(StoredClassifier, artifact.meta)
    state = artifact.state
    config = section_from(Classification, artifact.config)
    encoding = encoding_in(
        meta,
        state,
        change=state.get("encoding/change"),
        has_label_sets=config.data.has_label_sets,
    )
    shape = replace(encoding.shape, length=meta.length)
    check_golden_batch(artifact.golden, shape, GOLDEN_SEQUENCES)
    output = artifact.golden["output"]
    check_array("the golden output", output, (GOLDEN_SEQUENCES, shape.num_classes), "float32")
    baselines = _baselines_in(state, meta.terms, encoding)
    check_baselines(baselines, encoding, meta.length)
    check_names(state, set(_state(encoding, baselines)), "state.safetensors")
    make = network_maker(config, encoding.shape)
    return FittedClassifier(
        config=config,
        encoding=encoding,
        length=meta.length,
        networks=networks_in(artifact, meta.networks, config.training.seeds, make),
        histories=tuple(meta.histories),
        baselines=baselines,
        network_weight=meta.network_weight,
        network_power=meta.network_power,
    )


def _baselines_in(state: Arrays, terms: list[str], encoding: Encoding) -> ClassBaselines:
    """Return the classifiers to beat of a saved model."""
    regression = _regression_in(state, has_label_sets=encoding.has_label_sets)
    words = None
    if "words/rarity" in state:
        words = BagOfWords(as_terms(terms), state["words/rarity"])
    elif terms:
        raise ValueError("there are terms, and no regression reads them")
    kernels = None
    if "kernels/dilations" in state:
        kernels = KernelFeatures(
            dilations=state["kernels/dilations"],
            channels=state["kernels/channels"],
            thresholds=state["kernels/thresholds"],
        )
    return ClassBaselines(state["frequencies"], regression, words, kernels)
