"""Settings: their cross-checks, and for every setting another valid value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from forecast.errors import ConfigError
from forecast.experiment.settings import (
    Experiment,
    TrainingConfig,
    TransformConfig,
    WindowsConfig,
)

ALTERNATIVES: dict[str, Any] = {
    "name": "other",
    "data.source": "table.csv",
    "data.layout": "wide",
    "data.id_col": "series",
    "data.time_col": "time",
    "data.target_cols": ["y", "z"],
    "data.past_covariates": ["a"],
    "data.known_covariates": ["a"],
    "data.static_covariates": ["a"],
    "data.categorical": ["a"],
    "data.weight_col": "a",
    "data.freq": "D",
    "data.tz": "Europe/Berlin",
    "data.time_format": "%d/%m/%Y",
    "data.separator": ";",
    "data.decimal": ",",
    "data.encoding": "latin-1",
    "data.sheet": "second",
    "data.thousands": ",",
    "data.bounds": "half",
    "data.missing_codes": [-999],
    "data.gaps": "skip",
    "data.stamps": "end",
    "data.trading_days": False,
    "data.aggregate": "mean",
    "data.resample": "2h",
    "data.empty_intervals": "missing",
    "data.partial_intervals": "keep",
    "data.missing": "interpolate",
    "data.empty_series": "leave_out",
    "data.short_series": "skip",
    "data.ended_series": "common_end",
    "data.calendar": ["weekday"],
    "data.holidays": ["US"],
    "data.season_length": 5,
    "windows.horizon": 3,
    "windows.context_length": 11,
    "windows.stride": 2,
    "transforms.target": [{"name": "min_max"}],
    "transforms.target[].name": "robust",
    "transforms.target[].scope": "global",
    "transforms.target[].lag": 2,
    "transforms.covariates": "min_max",
    "model.name": "bigru",
    "model.cell": "lstm",
    "model.bidirectional": False,
    "model.num_layers": 2,
    "model.units": 8,
    "model.dropout": 0.5,
    "model.recurrent_dropout": 0.5,
    "model.l2": 0.1,
    "model.decoder": "direct",
    "model.attention": "dot",
    "model.instance_norm": "standard",
    "model.segment_length": 3,
    "model.channels": "joint",
    "training.point": "median",
    "training.loss": "mae",
    "training.loss_reads": "quantiles",
    "training.quantile_levels": [0.25, 0.5, 0.75],
    "training.optimizer": "sgd",
    "training.learning_rate": 0.1,
    "training.schedule": "cosine",
    "training.weight_decay": 0.5,
    "training.gradient_clip": 1e-3,
    "training.epochs": 2,
    "training.budget": 0.001,
    "training.batch_size": 8,
    "training.windows_per_epoch": 16,
    "training.patience": 1,
    "training.refit": True,
    "training.jit": "on",
    "training.precision": "bfloat16",
    "training.strategy": "mirrored",
    "training.update": "fine_tune",
    "training.seed": 1,
    "ensemble.seeds": 2,
    "ensemble.context_lengths": [5, 8],
    "ensemble.linear": "member",
    "ensemble.simple": ["ets"],
    "evaluation.validation_size": 7,
    "evaluation.test_size": 7,
    "evaluation.calibration_size": 7,
    "evaluation.purge": 3,
    "evaluation.split_by": "series",
    "evaluation.stride": 2,
    "evaluation.metrics": ["own_functions:median_error"],
    "backtest.num_windows": 3,
    "backtest.step": 4,
    "backtest.refit": 2,
    "backtest.history": 40,
    "backtest.models": ["last_value"],
    "search.algorithm": "grid",
    "search.objective": "RMSE",
    "search.max_trials": 3,
    "search.space": {"training.gradient_clip": {"choice": [0.25, 0.75, 2.5]}},
    "search.space{}.choice": [1, 2, 3],
    "search.space{}.int": [1, 9],
    "search.space{}.float": [1, 9],
    "search.space{}.step": 1.5,
    "search.space{}.log": True,
    "search.space{}.when": {"model.cell": "rnn"},
    "search.folds": 1,
    "search.executions": 2,
    "search.pruning": "median",
    "search.in_flight": 1,
    "search.seed": 1,
}
"""A valid value of every setting that is not its default; `[]` stands for the first entry of a
list, `{}` for the entry of `training.gradient_clip`."""

SEARCH: dict[str, Any] = {"search.max_trials": 7, "search.space{}.float": [0.5, 3.0]}
"""What a search cannot do without."""

COMPANIONS: dict[str, dict[str, Any]] = {
    "model.decoder": {"model.name": "bigru"},
    "data.categorical": {"data.past_covariates": ["a"]},
    "transforms.target[].lag": {"transforms.target[].name": "difference"},
    "training.quantile_levels": {"training.loss": "quantile"},
    "training.loss_reads": {"training.loss": "own_functions:either"},
    "training.weight_decay": {"training.optimizer": "adamw"},
    **{path: SEARCH for path in ALTERNATIVES if path.startswith("search.")},
    "search.space{}.choice": {"search.space{}.choice": [1, 2]},
    "search.space{}.int": {"search.space{}.int": [1, 3]},
    "search.space{}.when": {"search.space": {"model.cell": {"choice": ["rnn", "gru"]}}, **SEARCH},
}
"""What must be set besides for a setting to be read: in both experiments of a comparison."""


def with_settings(settings: dict[str, Any]) -> Experiment:
    """Make an experiment of settings by path."""
    nested: dict[str, Any] = {}
    for path, value in copy.deepcopy(settings).items():
        section = nested
        *parents, name = path.split(".")
        for parent in parents:
            if parent.endswith("{}"):
                section = section.setdefault(parent[:-2], {}).setdefault(
                    "training.gradient_clip", {}
                )
            elif parent.endswith("[]"):
                section = section.setdefault(parent[:-2], [{"name": "standard"}])[0]
            else:
                section = section.setdefault(parent, {})
        section[name] = value
    return Experiment.model_validate(nested)


def variants(path: str) -> tuple[Experiment, Experiment]:
    """Return two experiments that differ in one setting and are both valid."""
    companions = COMPANIONS.get(path, {})
    return with_settings(companions), with_settings({**companions, path: ALTERNATIVES[path]})


def suffix_of(annotation: Any) -> str:
    """What stands for an entry of a list or mapping of sections."""
    origins = {get_origin(annotation), *(get_origin(one) for one in get_args(annotation))}
    return "{}" if dict in origins else "[]" if tuple in origins else ""


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for one in get_args(annotation) for section in sections_in(one)]


def walk(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every setting below a section, from the annotations."""
    for name, field in section.model_fields.items():
        inner = sections_in(field.annotation)
        suffix = suffix_of(field.annotation)
        if not inner or suffix:
            yield prefix + name
        for one in inner:
            yield from walk(one, f"{prefix}{name}{suffix}.")


def settings_of(section: type[BaseModel]) -> list[str]:
    """Every path once; the architectures of a model share most of theirs."""
    return sorted(set(walk(section)))


def test_alternatives_name_every_setting_and_no_other() -> None:
    assert sorted(ALTERNATIVES) == settings_of(Experiment)
    assert set(COMPANIONS) <= set(ALTERNATIVES)


@pytest.mark.parametrize(
    "path", [path for path, value in ALTERNATIVES.items() if value is not None]
)
def test_alternatives_are_valid_and_differ(path: str) -> None:
    base, changed = variants(path)
    assert base != changed


def test_every_setting_is_explained() -> None:
    def sections(section: type[BaseModel]) -> Iterator[type[BaseModel]]:
        yield section
        for field in section.model_fields.values():
            for inner in sections_in(field.annotation):
                yield from sections(inner)

    bare = [
        f"{one.__name__}.{name}"
        for one in sections(Experiment)
        for name, f in one.model_fields.items()
        if not f.description
    ]
    assert bare == []


REFUSED = {
    "a fill that refuses": ({"data.gaps": "fill"}, "set missing to"),
    "wide with a covariate": (
        {"data.layout": "wide", "data.known_covariates": ["a"]},
        "layout: wide",
    ),
    "wide with an id column": ({"data.layout": "wide", "data.id_col": "a"}, "layout: wide"),
    "a category that is no covariate": ({"data.categorical": ["a"]}, "none of the covariates"),
    "the target as a category": ({"data.categorical": ["y"]}, "none of the covariates"),
    "a target that is also past": (
        {"data.target_cols": ["y"], "data.past_covariates": ["y"]},
        "a column has one role",
    ),
    "a weight that is a covariate": (
        {"data.past_covariates": ["a"], "data.weight_col": "a"},
        "a column has one role",
    ),
    "known and past": (
        {"data.past_covariates": ["a"], "data.known_covariates": ["a"]},
        "a column has one role",
    ),
    "time as target": (
        {"data.time_col": "ds", "data.target_cols": ["ds"]},
        "a column has one role",
    ),
    "id as target": (
        {"data.id_col": "unique_id", "data.target_cols": ["unique_id"]},
        "a column has one role",
    ),
    "id as past covariate": (
        {"data.id_col": "unique_id", "data.past_covariates": ["unique_id"]},
        "a column has one role",
    ),
    "a target twice": ({"data.target_cols": ["y", "y"]}, "each column once"),
    "a category twice": (
        {"data.known_covariates": ["a"], "data.categorical": ["a", "a"]},
        "each column once",
    ),
    "no target": ({"data.target_cols": []}, "at least 1 item"),
    "separator of parquet": ({"data.source": "a.parquet", "data.separator": ";"}, "no CSV file"),
    "encoding of a data set": (
        {"data.source": "dataset:a", "data.encoding": "latin-1"},
        "no CSV file",
    ),
    "comma twice": ({"data.separator": ",", "data.decimal": ","}, "two different characters"),
    "a horizon too far": ({"windows.horizon": 100_001}, "less than or equal to 100000"),
    "a context too long": ({"windows.context_length": 100_001}, "less than or equal to 100000"),
    "an empty horizon": ({"windows.horizon": 0}, "greater than or equal to 1"),
    "a lag without difference": ({"transforms.target[].lag": 2}, "read by difference only"),
    "log1p after a scaler": (
        {"transforms.target": [{"name": "standard"}, {"name": "log1p"}]},
        "log1p first",
    ),
    "log1p after a difference": (
        {"transforms.target": [{"name": "difference"}, {"name": "log1p"}]},
        "log1p first",
    ),
    "two scalers": (
        {"transforms.target": [{"name": "standard"}, {"name": "robust"}]},
        "one at most",
    ),
    "scope without a scaler": (
        {"transforms.target[].name": "log1p", "transforms.target[].scope": "global"},
        "read by the scalers only",
    ),
    "units for two layers": ({"model.units": [8, 8]}, "one per layer"),
    "levels without their loss": ({"training.quantile_levels": [0.2, 0.5]}, "loss: quantile"),
    "quantiles for a loss of this package": ({"training.loss_reads": "quantiles"}, "one's own"),
    "levels without a median": (
        {"training.loss": "quantile", "training.quantile_levels": [0.1, 0.9]},
        "0.5 among them",
    ),
    "levels that descend": (
        {"training.loss": "quantile", "training.quantile_levels": [0.9, 0.5]},
        "ascending",
    ),
    "decay without adamw": ({"training.weight_decay": 0.1}, "set optimizer: adamw"),
    "an infinite clip": ({"training.gradient_clip": float("inf")}, "finite"),
    "nothing left to train on": (
        {"evaluation.validation_size": 0.5, "evaluation.test_size": 0.5},
        "for training",
    ),
    "a context twice": ({"ensemble.context_lengths": [5, 5]}, "each length once"),
    "contexts shorter than the window": (
        {"ensemble.context_lengths": [5, 8], "windows.context_length": 9},
        "the longest of them",
    ),
    "a blend without validation": (
        {"ensemble.seeds": 2, "evaluation.validation_size": 0, "training.patience": None},
        "nothing to choose their weights on",
    ),
    "a linear map with quantiles": (
        {"ensemble.linear": "member", "training.loss": "quantile"},
        "has no quantiles",
    ),
    "patience without validation": ({"evaluation.validation_size": 0}, "nothing to stop on"),
    "an unknown key": ({"model.unit": 3}, "Extra inputs"),
}


@pytest.mark.parametrize(("settings", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_senseless_combinations_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        with_settings(settings)


ACCEPTED = {
    "a fill": {"data.gaps": "fill", "data.missing": "mask"},
    "an embedding of the id": {
        "data.static_covariates": ["unique_id"],
        "data.categorical": ["unique_id"],
    },
    "wide with named series": {"data.layout": "wide", "data.target_cols": ["a", "b"]},
    "a European CSV": {"data.separator": ";", "data.decimal": ",", "data.encoding": "latin-1"},
    "the longest horizon": {"windows.horizon": 100_000},
    "log1p, then a difference, then a scaler": {
        "transforms.target": [
            {"name": "log1p"},
            {"name": "difference", "lag": 12},
            {"name": "standard"},
        ]
    },
    "nothing done to the target": {"transforms.target": []},
    "no early stopping": {"training.patience": None, "evaluation.validation_size": 0},
    "sizes in steps": {"evaluation.validation_size": 10, "evaluation.test_size": 0.99},
    "an old pandas alias": {"data.freq": "H"},
    "no calendar": {"data.calendar": []},
    "contexts up to that of the window": {
        "ensemble.context_lengths": [5, 9],
        "windows.context_length": 9,
    },
}


@pytest.mark.parametrize("settings", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_sensible_combinations_are_accepted(settings: dict[str, Any]) -> None:
    with_settings(settings)


def test_a_whole_number_as_frequency_is_text() -> None:
    assert with_settings({"data.freq": 2}).data.freq == "2"
    with pytest.raises(ValidationError, match="valid string"):
        with_settings({"data.freq": True})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Experiment().model.units = 3  # type: ignore[misc]


IN_PYTHON: dict[str, tuple[Callable[[], object], str]] = {
    "out of range": (
        lambda: WindowsConfig(horizon=0),
        "WindowsConfig.horizon is 0; expected a whole number from 1 to 100000",
    ),
    "unknown": (
        lambda: WindowsConfig(horizn=3),  # type: ignore[call-arg]
        "WindowsConfig.horizn is no setting; did you mean 'horizon'?",
    ),
    "of another section": (
        lambda: Experiment(horizon=3),  # type: ignore[call-arg]
        "Experiment.horizon is no setting; did you mean 'windows.horizon'?",
    ),
    "a number or auto": (
        lambda: TrainingConfig(epochs="many"),  # type: ignore[arg-type]
        "TrainingConfig.epochs is \"many\"; expected a whole number from 1 to 1000000000 or 'auto'",
    ),
    "nested": (
        lambda: Experiment(windows={"horizon": 0}),  # type: ignore[arg-type]
        "Experiment.windows.horizon is 0; expected a whole number from 1 to 100000",
    ),
    "missing": (
        TransformConfig,
        "TransformConfig.name is missing; expected 'standard', 'min_max', 'robust', 'mean_abs', "
        "'log1p' or 'difference'",
    ),
    "no model": (
        lambda: Experiment(model=TransformConfig(name="standard")),  # type: ignore[arg-type]
        "Experiment.model.name is \"standard\"; expected 'bigru' or 'segment_bigru'",
    ),
    "a check of two settings": (
        lambda: TrainingConfig(weight_decay=0.1),
        "TrainingConfig.weight_decay is read by adamw only, not by 'adam': set optimizer: adamw",
    ),
    "two errors": (
        lambda: WindowsConfig(horizon=0, stride=0),
        "WindowsConfig.horizon is 0; expected a whole number from 1 to 100000 (and 1 more)",
    ),
}


@pytest.mark.parametrize(("make", "message"), IN_PYTHON.values(), ids=IN_PYTHON.keys())
def test_an_error_in_python_is_one_line(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value) == message
