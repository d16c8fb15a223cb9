"""A trained classifier as a saved model and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.classification.class_baselines import ClassBaselines
from forecast.classification.class_settings import Classification
from forecast.classification.encoding import Encoding
from forecast.classification.fitted_classifier import FittedClassifier
from forecast.classification.learn import network_maker
from forecast.classification.regressions.bag_of_words import BagOfWords
from forecast.classification.regressions.kernel_features import KernelFeatures
from forecast.classification.regressions.logistic_classifier import LogisticClassifier
from forecast.classification.regressions.ridge_classifier import RidgeClassifier
from forecast.errors import ArtifactError
from forecast.files.tensors import checked
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.golden import rebuild_checked
from forecast.forecasting.saved_kinds import CLASSIFIER, require_kind
from forecast.inference.graph import Graph
from forecast.models.bigru_classifier import SequenceShape
from forecast.models.sequence_network import SequenceNetwork
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
    golden["output"] = mean_output(fitted.networks, inputs)
    encoding = fitted.encoding
    baselines = fitted.baselines
    state: Arrays = {
        "encoding/mean": encoding.mean,
        "encoding/spread": encoding.spread,
        "encoding/masked": encoding.masked,
        "frequencies": baselines.frequencies,
        **_regression_state(baselines.regression),
    }
    if encoding.change is not None:
        state["encoding/change"] = encoding.change
    if baselines.kernels is not None:
        state["kernels/dilations"] = baselines.kernels.dilations
        state["kernels/channels"] = baselines.kernels.channels
        state["kernels/thresholds"] = baselines.kernels.thresholds
    terms: list[str] = []
    if baselines.words is not None:
        state["words/rarity"] = baselines.words.rarity
        terms = baselines.words.terms.tolist()
    meta = {
        "kind": CLASSIFIER,
        "length": fitted.length,
        "classes": list(encoding.classes),
        # Pairs, since a mapping would be sorted.
        "vocabulary": [[name, list(words)] for name, words in encoding.vocabulary.items()],
        "widths": list(encoding.widths),
        "terms": terms,
        "networks": graphs_of(fitted.networks),
        "network_weight": fitted.network_weight,
        "network_power": fitted.network_power,
        "histories": list(fitted.histories),
    }
    config = fitted.config.model_dump(mode="json")
    weights = weights_by_member(fitted.networks)
    save_artifact(path, Artifact(config, meta, weights, state, golden))


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
    """Return the largest difference from the stored probabilities of the golden sequences."""
    inputs = {
        name.removeprefix("input/"): array
        for name, array in artifact.golden.items()
        if name != "output"
    }
    return float(np.max(np.abs(mean_output(fitted.networks, inputs) - artifact.golden["output"])))


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


def mean_output(networks: tuple[SequenceNetwork, ...], inputs: Arrays) -> NDArray[Any]:
    """Return the mean output of some networks."""
    mean: NDArray[Any] = np.mean([network(inputs) for network in networks], axis=0)
    return mean


def graphs_of(networks: tuple[SequenceNetwork, ...]) -> list[Any]:
    """Return the operations of some networks in plain types, None where Keras alone knows them."""
    return [network.graph and network.graph.model_dump(mode="json") for network in networks]


def weights_by_member(networks: tuple[SequenceNetwork, ...]) -> Arrays:
    """Return the weights of some networks by member and name."""
    return {
        f"{member:02d}/{name}": array
        for member, network in enumerate(networks)
        for name, array in network.weights.items()
    }


def networks_in(
    artifact: Artifact, make: Callable[[int], keras.Model]
) -> tuple[SequenceNetwork, ...]:
    """Return the networks of a saved model.

    Args:
        artifact: with the graphs of `graphs_of` and the weights of `weights_by_member`.
        make: builds such a network in Keras for a number of steps.

    Raises:
        ArtifactError: a weight is missing, unknown or of another shape.
    """
    networks = []
    for member, document in enumerate(artifact.meta["networks"]):
        prefix = f"{member:02d}/"
        weights = {
            name.removeprefix(prefix): array
            for name, array in artifact.weights.items()
            if name.startswith(prefix)
        }
        graph = None
        if document is not None:
            graph = checked(Graph.model_validate, document, "config.json: networks")
            graph.check_weights(weights)
        networks.append(SequenceNetwork(graph, weights, make))
    return tuple(networks)


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
        change=state.get("encoding/change"),
        vocabulary={name: tuple(words) for name, words in meta["vocabulary"]},
        widths=tuple(meta["widths"]),
        has_label_sets=config.data.has_label_sets,
    )
    regression = _regression_in(state, has_label_sets=encoding.has_label_sets)
    words = None
    if "words/rarity" in state:
        words = BagOfWords(np.array(meta["terms"], dtype=str), state["words/rarity"])
    kernels = None
    if "kernels/dilations" in state:
        kernels = KernelFeatures(
            dilations=state["kernels/dilations"],
            channels=state["kernels/channels"],
            thresholds=state["kernels/thresholds"],
        )
    return FittedClassifier(
        config=config,
        encoding=encoding,
        length=int(meta["length"]),
        networks=networks_in(artifact, network_maker(config, encoding.shape)),
        histories=tuple(meta["histories"]),
        baselines=ClassBaselines(state["frequencies"], regression, words, kernels),
        network_weight=float(meta["network_weight"]),
        network_power=float(meta["network_power"]),
    )
