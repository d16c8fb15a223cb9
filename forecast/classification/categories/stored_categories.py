"""A trained forecast of categories as a saved model and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from forecast.axes import FloatArray
from forecast.classification.categories.category_baselines import CategoryTables
from forecast.classification.categories.category_learning import category_maker
from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.categories.fitted_categories import FittedCategories
from forecast.classification.counts.ngrams import LONGEST
from forecast.classification.encoding import Encoding
from forecast.classification.evaluated import NETWORK
from forecast.classification.stored_classifier import (
    Arrays,
    golden_batch,
    graphs_of,
    mean_output,
    networks_in,
    weights_by_member,
)
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.golden import rebuild_checked
from forecast.forecasting.saved_kinds import CATEGORIES, require_kind
from forecast.section import section_from

GOLDEN_TOLERANCE = 1e-4
"""Of probabilities; other processors may round differently."""


def save_categories(fitted: FittedCategories, path: Path) -> None:
    """Write a trained forecast of categories to a folder, atomically.

    Raises:
        OutputError: the folder has files other than those of a saved model.
    """
    inputs = golden_batch(fitted.shape)
    golden: Arrays = {f"input/{name}": array for name, array in inputs.items()}
    golden["output"] = mean_output(fitted.networks, inputs)
    golden["mixed"] = _golden_mixture(fitted, golden["output"])
    encoding = fitted.encoding
    state: Arrays = {
        "encoding/mean": encoding.mean,
        "encoding/spread": encoding.spread,
        "encoding/masked": encoding.masked,
        **fitted.tables.to_state(),
    }
    weights = weights_by_member(fitted.networks)
    meta = {
        "kind": CATEGORIES,
        "classes": list(encoding.classes),
        # Pairs, since a mapping would be sorted.
        "vocabulary": [[name, list(words)] for name, words in encoding.vocabulary.items()],
        "widths": list(encoding.widths),
        "networks": graphs_of(fitted.networks),
        "weights": fitted.weights,
        "histories": list(fitted.histories),
    }
    config = fitted.settings.model_dump(mode="json")
    save_artifact(path, Artifact(config, meta, weights, state, golden))


def load_categories(path: Path) -> FittedCategories:
    """Rebuild a trained forecast of categories from a folder.

    Raises:
        ArtifactError: the folder is damaged, of another version, or of another kind.
    """
    artifact = load_artifact(path)
    require_kind(path, artifact, CATEGORIES)
    return rebuild_checked(path, artifact, _rebuilt, _golden_difference, GOLDEN_TOLERANCE)


def _golden_difference(fitted: FittedCategories, artifact: Artifact) -> float:
    """Return the largest difference from the stored probabilities."""
    inputs = {
        name.removeprefix("input/"): array
        for name, array in artifact.golden.items()
        if name.startswith("input/")
    }
    output: FloatArray = mean_output(fitted.networks, inputs)
    mixed = _golden_mixture(fitted, output)
    differences = [output - artifact.golden["output"], mixed - artifact.golden["mixed"]]
    return float(max(np.max(np.abs(difference)) for difference in differences))


def _golden_mixture(fitted: FittedCategories, network: FloatArray) -> FloatArray:
    """Return the (W, H, K) forecast from the networks' output and some contexts."""
    num_classes = len(fitted.encoding.classes)
    draw = np.random.default_rng(20140603)
    contexts = draw.integers(0, num_classes + 1, (len(network), LONGEST))
    tables = fitted.tables.mixed(contexts, fitted.table_weights)
    mixed: FloatArray = fitted.weights[NETWORK] * network + tables
    return mixed


def _rebuilt(artifact: Artifact) -> FittedCategories:
    """Return the fitted state of a saved model."""
    settings = section_from(CategorySettings, artifact.config)
    meta = artifact.meta
    state = artifact.state
    encoding = Encoding(
        classes=tuple(meta["classes"]),
        mean=state["encoding/mean"],
        spread=state["encoding/spread"],
        masked=state["encoding/masked"],
        change=None,
        vocabulary={name: tuple(words) for name, words in meta["vocabulary"]},
        widths=tuple(meta["widths"]),
    )
    tables = CategoryTables.from_state(len(encoding.classes), settings.windows.horizon, state)
    return FittedCategories(
        settings=settings,
        encoding=encoding,
        networks=networks_in(artifact, category_maker(settings, encoding.shape)),
        histories=tuple(meta["histories"]),
        tables=tables,
        weights={name: float(weight) for name, weight in meta["weights"].items()},
    )
