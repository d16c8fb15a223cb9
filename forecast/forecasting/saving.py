"""A fitted state as a saved model and back: names of the stored values, and how to rebuild."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.seasonal_ridge import SeasonalRidge
from forecast.baselines.smoothing import Smoothing
from forecast.data.per_series.keys import as_ids
from forecast.experiment.file import experiment_from
from forecast.experiment.named_functions import refuse_absent
from forecast.experiment.settings import Experiment
from forecast.files.tensors import checked
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.fitted import Fitted
from forecast.forecasting.saved.golden import rebuild_checked
from forecast.forecasting.saved.stored_meta import (
    GOLDEN_WINDOWS,
    StoredMeta,
    check_shape_of_files,
)
from forecast.forecasting.saved.trial_forecast import check_trial, trial_of
from forecast.forecasting.saved_kinds import FORECASTER, require_kind
from forecast.forecasting.series_facts import SeriesFacts
from forecast.inference.forward import ForwardPass
from forecast.inference.graph import Graph
from forecast.inference.layer_forms import UnknownFormError
from forecast.intervals.conformal import Calibration
from forecast.intervals.trajectories import Trajectories
from forecast.layers.runtime import start_quietly
from forecast.models.keras_network import KerasNetwork, Network, network_of, warn_of_keras
from forecast.scores.history import History
from forecast.section import decided
from forecast.training.ensemble import keras_model
from forecast.training.fitted_network import TrainingRecord
from forecast.transforms import TRANSFORMS, Chain, Transform
from forecast.windows.features import FeatureMap, FeatureSettings
from forecast.windows.index import WindowShape

Arrays = dict[str, NDArray[Any]]


GOLDEN_TOLERANCE = 1e-4
"""Other processors may round differently; a wrong weight moves the golden output far more than
this."""


def save_fitted(fitted: Fitted, path: Path) -> None:
    """Write a fitted state to a folder, atomically: a kill leaves the old version or the new one.

    Raises:
        OutputError: the folder has files other than those of a saved model.
    """
    inputs = golden_inputs(fitted.shape)
    golden: Arrays = {f"input/{name}": array for name, array in inputs.items()}
    golden["output"] = fitted.network(inputs)
    golden |= trial_of(fitted)
    save_artifact(
        path,
        Artifact(
            config=fitted.config.model_dump(mode="json"),
            meta=_meta(fitted),
            weights=dict(fitted.network.weights),
            state=_state(fitted),
            golden=golden,
        ),
    )


def load_fitted(path: Path) -> Fitted:
    """Rebuild a fitted state from a folder, and let it forecast.

    Raises:
        ArtifactError: the folder is damaged, incomplete, of another version, or does not reproduce
            its golden output; or it names a function of one's own that is absent.
    """
    artifact = load_artifact(path)
    require_kind(path, artifact, FORECASTER)
    fitted = rebuild_checked(path, artifact, _rebuild, _golden_difference, GOLDEN_TOLERANCE)
    refuse_absent(fitted.config)
    return fitted


def _golden_difference(fitted: Fitted, artifact: Artifact) -> float:
    """Return the largest difference between the output for the golden windows and the stored one.

    Raises:
        ValueError: they have other shapes.
    """
    stored = artifact.golden["output"]
    output = run_metered(fitted.network, golden_inputs_in(artifact))
    if output.shape != stored.shape:
        raise ValueError(f"the network returns {output.shape}, stored are {stored.shape}")
    difference = float(np.max(np.abs(output - stored)))
    if difference <= GOLDEN_TOLERANCE:
        check_trial(fitted, artifact.golden)
    return difference


def golden_inputs_in(artifact: Artifact) -> Arrays:
    """Return the stored golden windows."""
    return {
        name.removeprefix("input/"): array
        for name, array in artifact.golden.items()
        if name.startswith("input/")
    }


def run_metered(network: Network, inputs: Arrays) -> NDArray[Any]:
    """Run a network that was read from a file, with its memory and work counted beforehand."""
    if isinstance(network, ForwardPass):
        return network.metered(inputs)[0]
    return network(inputs)


def golden_inputs(shape: WindowShape) -> Arrays:
    """Return a few seeded random windows, for which a rebuilt model must give the stored output."""
    draw = np.random.default_rng(20140603)
    sizes = {
        "past": (shape.context_length, shape.num_past),
        "known": (shape.horizon, shape.num_known),
        "static": (shape.num_static,),
    }
    inputs: Arrays = {
        name: draw.normal(size=(GOLDEN_WINDOWS, *size)).astype(np.float32)
        for name, size in sizes.items()
        if size[-1]
    }
    codes = {
        "past_categories": (shape.past_categories, (shape.context_length,)),
        "known_categories": (shape.known_categories, (shape.horizon,)),
        "static_categories": (shape.static_categories, ()),
    }
    for name, (counts, steps) in codes.items():
        if counts:
            inputs[name] = draw.integers(
                0, counts, size=(GOLDEN_WINDOWS, *steps, len(counts))
            ).astype(np.int32)
    return inputs


def _meta(fitted: Fitted) -> dict[str, Any]:
    """Return what is stored as JSON beside the config."""
    settings = fitted.feature_map.settings
    shape = asdict(fitted.shape)
    histories = fitted.training.histories
    graph = fitted.network.graph
    return {
        "network": graph and graph.model_dump(mode="json"),
        "shape": {name: _to_json(size) for name, size in shape.items()},
        "freq": fitted.freq,
        "season_length": fitted.season_length,
        "series_ids": [_to_json(series_id) for series_id in fitted.series.ids],
        "calendar": list(settings.calendar),
        "vocabulary": {name: list(words) for name, words in fitted.feature_map.vocabulary.items()},
        "ranges": {name: list(ends) for name, ends in fitted.feature_map.ranges.items()},
        # Earlier versions read this one alone.
        "history": fitted.history.to_dict(),
        # Pairs, since a mapping would be sorted.
        "histories": [[name, history.to_dict()] for name, history in histories.items()],
        "shares": fitted.training.weights,
        "weights": [[name, weight] for name, weight in fitted.weights.items()],
    }


def _to_json(value: Any) -> Any:
    """Return a size of `WindowShape` or an id as JSON has it: a list in place of a tuple."""
    if isinstance(value, tuple):
        return list(value)
    return value


def _state(fitted: Fitted) -> Arrays:
    """Return the fitted arrays as `group/name`; an optional group that is None is not stored."""
    feature_map = fitted.feature_map
    groups = {
        "target": feature_map.target,
        "covariates": feature_map.covariates,
        "static": feature_map.static,
        "linear": fitted.linear,
        "smoothing": fitted.smoothing,
        "seasonal": fitted.seasonal,
        "calibration": fitted.calibration,
        "recent": fitted.recent,
        "trajectories": fitted.trajectories,
        "series": fitted.series,
    }
    state: Arrays = {}
    for group, part in groups.items():
        if part is not None:
            state |= {f"{group}/{name}": array for name, array in part.to_state().items()}
    return state


def _rebuild(artifact: Artifact) -> Fitted:
    """Return the fitted state of a saved model."""
    config = experiment_from(artifact.config)
    text = json.dumps(artifact.meta)
    meta = checked(StoredMeta.model_validate_json, text, "config.json: meta")
    state = artifact.state
    shape = meta.shape.window_shape()
    check_shape_of_files(config, shape, artifact.golden)
    make_model = cache(partial(keras_model, config, shape, artifact.weights))
    return Fitted(
        config=config,
        network=_network(artifact, make_model),
        make_model=make_model,
        shape=shape,
        feature_map=_feature_map(config, meta, state),
        freq=meta.freq,
        season_length=meta.season_length,
        series=SeriesFacts.from_state(as_ids(meta.series_ids), _group(state, "series")),
        calibration=_calibration(_group(state, "calibration")),
        recent=_calibration(_group(state, "recent")),
        linear=RidgeWindow.from_state(_group(state, "linear")),
        smoothing=_smoothing(_group(state, "smoothing")),
        training=_training_record(meta),
        weights=dict(meta.weights),
        seasonal=_seasonal(_group(state, "seasonal")),
        trajectories=_trajectories(_group(state, "trajectories")),
    )


def _network(artifact: Artifact, make_model: Callable[[], Any]) -> Network:
    """Return the network of a saved model, run by Keras only where it has to be.

    Models of earlier versions have no graph: Keras builds them, and their graph is read from that.

    Raises:
        ArtifactError: the weights do not fit the graph.
    """
    document = artifact.meta.get("network")
    if document is None:
        start_quietly()
        network = network_of(make_model())
        if isinstance(network, KerasNetwork):
            warn_of_keras(network.reason)
        return network
    graph = checked(Graph.model_validate, document, "config.json: network")
    graph.check_weights(artifact.weights)
    try:
        return ForwardPass(graph, artifact.weights).prepare()
    except UnknownFormError as error:
        start_quietly()
        warn_of_keras(f"{error}")
        return KerasNetwork(make_model(), graph)


def _training_record(meta: StoredMeta) -> TrainingRecord:
    histories = meta.histories
    if histories is None:  # of a model of an earlier version
        histories = [("network", meta.history)]
    return TrainingRecord(
        histories={name: History.from_dict(each.model_dump()) for name, each in histories},
        weights=meta.shares,
    )


def _feature_map(config: Experiment, meta: StoredMeta, state: Arrays) -> FeatureMap:
    settings = FeatureSettings(
        target=decided(config.transforms.target, "transforms.target"),
        covariates=config.transforms.covariates,
        calendar=tuple(meta.calendar),
        missing=config.data.missing,
    )
    return FeatureMap(
        columns=config.data.columns.of_series(config.data.layout),
        settings=settings,
        target=Chain.from_state(settings.target, _group(state, "target")),
        covariates=_scaler(config.transforms.covariates, _group(state, "covariates")),
        static=_scaler(config.transforms.covariates, _group(state, "static")),
        vocabulary={name: tuple(words) for name, words in meta.vocabulary.items()},
        ranges=meta.ranges,
    )


def _calibration(state: Arrays) -> Calibration | None:
    if not state:
        return None
    return Calibration.from_state(state)


def _trajectories(state: Arrays) -> Trajectories | None:
    if not state:
        return None
    return Trajectories.from_state(state)


def _smoothing(state: Arrays) -> Smoothing | None:
    if not state:
        return None
    return Smoothing.from_state(state)


def _seasonal(state: Arrays) -> SeasonalRidge | None:
    if not state:
        return None
    return SeasonalRidge.from_state(state)


def _scaler(name: str, state: Arrays) -> Transform | None:
    if not state:
        return None
    return TRANSFORMS[name].transform.from_state(state)


def _group(state: Mapping[str, NDArray[Any]], group: str) -> Arrays:
    """Return the arrays of a group by name."""
    prefix = f"{group}/"
    return {
        name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)
    }
