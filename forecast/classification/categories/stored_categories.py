"""A trained forecast of categories as a saved model and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from forecast.axes import FloatArray
from forecast.classification.categories.category_baselines import CategoryTables
from forecast.classification.categories.category_learning import category_maker
from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.categories.fitted_categories import FittedCategories
from forecast.classification.counts.ngrams import LONGEST
from forecast.classification.encoding import Encoding
from forecast.classification.evaluated import NETWORK
from forecast.classification.saved.sequence_meta import StoredCategories, stored_meta
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
    check_counts,
    check_golden_batch,
    check_names,
)
from forecast.classification.saved.stored_encoding import (
    encoding_in,
    encoding_meta,
    encoding_state,
)
from forecast.classification.saved.trial_sequences import made_up, trial_difference, trial_of
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.saved.golden import rebuild_checked
from forecast.forecasting.saved_kinds import CATEGORIES, require_kind
from forecast.section import section_from


def save_categories(fitted: FittedCategories, path: Path) -> None:
    """Write a trained forecast of categories to a folder, atomically.

    Raises:
        OutputError: the folder has files other than those of a saved model.
    """
    golden = golden_arrays(fitted.networks, fitted.shape)
    golden["mixed"] = _golden_mixture(fitted, golden["output"])
    encoding = fitted.encoding
    golden |= trial_of(fitted, _trial_table(fitted))
    weights = weights_by_member(fitted.networks)
    meta = {
        "kind": CATEGORIES,
        **encoding_meta(encoding),
        "networks": graphs_of(fitted.networks),
        "weights": fitted.weights,
        "histories": list(fitted.histories),
    }
    config = fitted.settings.model_dump(mode="json")
    state = _state(encoding, fitted.tables)
    save_artifact(path, Artifact(config, meta, weights, state, golden))


def _state(encoding: Encoding, tables: CategoryTables) -> Arrays:
    """Return the fitted arrays."""
    return encoding_state(encoding) | tables.to_state()


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
    golden = artifact.golden
    of_networks = network_difference(fitted.networks, golden)
    mixed = _golden_mixture(fitted, golden["output"])
    if mixed.shape != golden["mixed"].shape:
        raise ValueError(f"the mixture has the shape {mixed.shape}, not {golden['mixed'].shape}")
    of_mixture = float(np.max(np.abs(mixed - golden["mixed"])))
    of_trial = trial_difference(fitted, _trial_table(fitted), golden)
    return max(of_networks, of_mixture, of_trial)


def _trial_table(fitted: FittedCategories) -> dict[str, list[Any]]:
    """Return the columns of a table for the trial."""
    windows = fitted.settings.windows
    length = windows.context_length + windows.horizon
    return made_up(fitted.encoding, fitted.settings.data.as_sequences(), length)


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
    meta = stored_meta(StoredCategories, artifact.meta)
    settings = section_from(CategorySettings, artifact.config)
    state = artifact.state
    encoding = encoding_in(meta, state)
    horizon = settings.windows.horizon
    shape = replace(encoding.shape, length=settings.windows.context_length)
    check_golden_batch(artifact.golden, shape, GOLDEN_SEQUENCES)
    output = (GOLDEN_SEQUENCES, horizon, len(encoding.classes))
    check_array("the golden output", artifact.golden["output"], output, "float32")
    tables = CategoryTables.from_state(len(encoding.classes), horizon, state)
    for counts in tables.ahead:
        check_counts(counts)
    check_names(state, set(_state(encoding, tables)), "state.safetensors")
    make = category_maker(settings, encoding.shape)
    return FittedCategories(
        settings=settings,
        encoding=encoding,
        networks=networks_in(artifact, meta.networks, settings.training.seeds, make),
        histories=tuple(meta.histories),
        tables=tables,
        weights=meta.weights,
    )
