"""A trained forecaster as an artifact and back: what is stored, under which name, and how it is rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from forecast.baselines.ridge import RidgeWindow
from forecast.errors import ArtifactError, ForecastError
from forecast.experiment.file import experiment_from
from forecast.experiment.settings import Experiment
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.fitted import Fitted
from forecast.intervals.conformal import Calibration
from forecast.models.network import make_network
from forecast.scores.history import History
from forecast.training.ensemble import build_ensemble
from forecast.transforms import TRANSFORMS, Chain, Transform
from forecast.windows.features import FeatureMap, FeatureSettings
from forecast.windows.index import WindowShape

if TYPE_CHECKING:
    import keras


Arrays = dict[str, NDArray[Any]]


GOLDEN_WINDOWS = 3


GOLDEN_TOLERANCE = 1e-4
"""Other processors may round differently; a wrong weight moves the golden output far more than
this."""


def save_fitted(fitted: Fitted, path: Path) -> None:
    """Write a trained state to a folder; a kill at any moment leaves the old version or the new one.

    Raises:
        OutputError: the folder holds something that is no saved model.
    """
    inputs = golden_inputs(fitted.shape)
    golden: Arrays = {f"input/{name}": array for name, array in inputs.items()}
    golden["output"] = fitted.predict(inputs)
    save_artifact(
        path,
        Artifact(
            config=fitted.config.model_dump(mode="json"),
            meta=_meta(fitted),
            weights=model_weights(fitted.model),
            state=_state(fitted),
            golden=golden,
        ),
    )


def load_fitted(path: Path) -> Fitted:
    """Rebuild a trained state from a folder.

    Raises:
        ArtifactError: the folder is damaged, incomplete, of another version, or does not reproduce
            its golden output.
    """
    artifact = load_artifact(path)
    try:
        fitted = _rebuild(artifact)
    except (ValidationError, ForecastError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(
            f"{path}: the parts of this saved model do not fit together ({error}): save it again "
            f"with this version"
        ) from error
    inputs = {
        name.removeprefix("input/"): array
        for name, array in artifact.golden.items()
        if name != "output"
    }
    difference = np.max(np.abs(fitted.predict(inputs) - artifact.golden["output"]))
    if not difference <= GOLDEN_TOLERANCE:
        raise ArtifactError(
            f"{path}/golden.safetensors: the rebuilt model is off its stored output by "
            f"{difference:.2g} "
            f"(at most {GOLDEN_TOLERANCE:g} expected): the model was saved by a version that "
            f"computes differently"
        )
    return fitted


def golden_inputs(shape: WindowShape) -> Arrays:
    """A few seeded windows with which a rebuilt model is compared."""
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


def model_weights(model: keras.Model) -> Arrays:
    """The trained variables by path; the states of random generators are left out."""
    return {f"{place:03d}/{one.path}": np.asarray(one) for place, one in enumerate(model.weights)}


def set_model_weights(model: keras.Model, weights: Mapping[str, NDArray[Any]]) -> None:
    """Put stored variables into a freshly built model.

    Raises:
        ArtifactError: a variable is missing, left over or of another shape.
    """
    expected = {name: array.shape for name, array in model_weights(model).items()}
    given = {name: array.shape for name, array in weights.items()}
    if expected != given:
        differing = sorted(set(expected.items()) ^ set(given.items()))[0]
        raise ArtifactError(
            f"weights.safetensors: {differing[0]} with shape {differing[1]} does not fit the config"
        )
    model.set_weights([weights[name] for name in expected])


def _meta(fitted: Fitted) -> dict[str, Any]:
    settings = fitted.feature_map.settings
    return {
        "shape": {
            name: list(size) if isinstance(size, tuple) else size
            for name, size in asdict(fitted.shape).items()
        },
        "freq": fitted.freq,
        "season_length": fitted.season_length,
        "series_ids": list(fitted.series_ids),
        "calendar": list(settings.calendar),
        "vocabulary": {name: list(words) for name, words in fitted.feature_map.vocabulary.items()},
        "ranges": {name: list(ends) for name, ends in fitted.feature_map.ranges.items()},
        "history": fitted.history.to_dict(),  # all that earlier versions read
        "histories": [
            [name, one.to_dict()] for name, one in fitted.histories.items()
        ],  # a mapping would be sorted
        "shares": fitted.shares,
    }


def _state(fitted: Fitted) -> Arrays:
    feature_map = fitted.feature_map
    groups: dict[str, Mapping[str, NDArray[Any]]] = {
        "target": feature_map.target.to_state(),
        "covariates": feature_map.covariates.to_state() if feature_map.covariates else {},
        "static": feature_map.static.to_state() if feature_map.static else {},
        "linear": fitted.linear.to_state(),
        "calibration": fitted.calibration.to_state() if fitted.calibration else {},
        "recent": fitted.recent.to_state() if fitted.recent else {},
        "series": {
            "is_constant": np.isfinite(fitted.constants),
            "constants": np.nan_to_num(fitted.constants),
            "has_range": np.isfinite(fitted.low),
            "low": np.nan_to_num(fitted.low),
            "high": np.nan_to_num(fitted.high),
            "seen_until": fitted.seen_until,
            "unit": fitted.unit,
        },
    }
    return {
        f"{group}/{name}": array
        for group, arrays in groups.items()
        for name, array in arrays.items()
    }


def _rebuild(artifact: Artifact) -> Fitted:
    config = experiment_from(artifact.config)
    meta, state = artifact.meta, artifact.state
    sizes: dict[str, Any] = {
        name: tuple(size) if isinstance(size, list) else size
        for name, size in meta["shape"].items()
    }
    shape = WindowShape(**sizes)
    model = build_ensemble(config, shape).model
    set_model_weights(model, artifact.weights)
    series = _group(state, "series")
    ids = np.empty(len(meta["series_ids"]), object)
    ids[:] = meta["series_ids"]
    return Fitted(
        config=config,
        model=model,
        predict=make_network(model, jit=config.training.jit),
        shape=shape,
        feature_map=_feature_map(config, meta, state),
        freq=meta["freq"],
        season_length=meta["season_length"],
        series_ids=ids,
        constants=np.where(series["is_constant"], series["constants"], np.nan),
        low=np.where(series["has_range"], series["low"], np.nan),
        high=np.where(series["has_range"], series["high"], np.nan),
        seen_until=series["seen_until"],
        unit=series["unit"] if "unit" in series else np.ones_like(series["low"]),
        calibration=_calibration(_group(state, "calibration")),
        recent=_calibration(_group(state, "recent")),
        linear=RidgeWindow.from_state(_group(state, "linear")),
        histories={
            name: History.from_dict(one)
            for name, one in meta.get("histories", [["network", meta["history"]]])
        },
        shares={str(name): float(share) for name, share in meta.get("shares", {}).items()},
    )


def _feature_map(config: Experiment, meta: Mapping[str, Any], state: Arrays) -> FeatureMap:
    settings = FeatureSettings(
        target=config.transforms.target,
        covariates=config.transforms.covariates,
        calendar=tuple(meta["calendar"]),
        missing=config.data.missing,
    )
    return FeatureMap(
        columns=config.data.columns,
        settings=settings,
        target=Chain.from_state(config.transforms.target, _group(state, "target")),
        covariates=_scaler(config.transforms.covariates, _group(state, "covariates")),
        static=_scaler(config.transforms.covariates, _group(state, "static")),
        vocabulary={name: tuple(words) for name, words in meta["vocabulary"].items()},
        ranges={
            name: (float(low), float(high)) for name, (low, high) in meta.get("ranges", {}).items()
        },
    )


def _calibration(state: Arrays) -> Calibration | None:
    return Calibration.from_state(state) if state else None


def _scaler(name: str, state: Arrays) -> Transform | None:
    return TRANSFORMS[name].from_state(state) if state else None


def _group(state: Mapping[str, NDArray[Any]], group: str) -> Arrays:
    prefix = f"{group}/"
    return {
        name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)
    }
