"""Maps that are no part of the package: an entry in the table is all they need, from settings to a
saved model."""

# ruff: noqa: ARG002, ARG003 - a map need not read everything it is given

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.errors import ConfigError, DataError
from forecast.experiment.file import load_experiment, parse_experiment
from forecast.experiment.settings import (
    DataConfig,
    EvaluationConfig,
    Experiment,
    TrainingConfig,
    TransformConfig,
    TransformsConfig,
    WindowsConfig,
)
from forecast.forecasting.forecaster import Forecaster
from forecast.models.bigru import BiGRUConfig
from forecast.section import wording
from forecast.transforms import TRANSFORMS, Chain, Rows, Scaler, TransformKind
from forecast.transforms.scaling import Groups

HOURS = 96


@dataclass(frozen=True)
class Sqrt:
    """The square root of values that are not negative."""

    @classmethod
    def fit(cls, values: FloatArray, rows: Rows, *, num_series: int) -> Self:
        if (values < 0).any():
            raise DataError("sqrt needs values of at least 0")
        return cls()

    @property
    def lag(self) -> int:
        return 0

    @property
    def per_series(self) -> bool:
        return False

    def apply(self, values: FloatArray, rows: Rows) -> FloatArray:
        return np.sqrt(np.maximum(values, 0.0))

    def invert(self, forecast: FloatArray, *, series: IntArray, history: FloatArray) -> FloatArray:
        return np.square(forecast)

    def align(self, index: IntArray, fresh: Self | None) -> Self:
        return self

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        return {}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        return cls()


class Midrange(Scaler):
    """The middle between minimum and maximum to 0, both ends to 1 away from it."""

    @staticmethod
    def measure(groups: Groups) -> tuple[FloatArray, FloatArray]:
        return (groups.low + groups.high) / 2, (groups.high - groups.low) / 2


@pytest.fixture(autouse=True)
def foreign(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two entries more in the table, and settings described anew before and after."""
    monkeypatch.setitem(TRANSFORMS, "sqrt", TransformKind(Sqrt, must_come_first=True))
    monkeypatch.setitem(TRANSFORMS, "midrange", TransformKind(Midrange, is_scaler=True))
    wording.schema_of.cache_clear()
    yield
    wording.schema_of.cache_clear()


def wave(seed: int = 0) -> NDArray[np.float64]:
    """A daily wave around 5, with noise; float32 numbers, whose squares are exact in float64."""
    draw = np.random.default_rng(seed)
    values = 5 + np.sin(2 * np.pi * np.arange(HOURS) / 24) + 0.1 * draw.normal(size=HOURS)
    return values.astype(np.float32).astype(np.float64)


def table(**series: NDArray[np.float64]) -> pd.DataFrame:
    stamps = pd.date_range("2024-03-01", periods=HOURS, freq="h")
    frames = [
        pd.DataFrame({"unique_id": name, "ds": stamps, "y": values})
        for name, values in series.items()
    ]
    return pd.concat(frames, ignore_index=True)


def experiment(transforms: TransformsConfig, **changes: Any) -> Experiment:
    sections = {
        "windows": WindowsConfig(context_length=8, horizon=3),
        "model": BiGRUConfig(units=4, decoder="direct"),
        "training": TrainingConfig(epochs=1, batch_size=16, seed=3),
        "evaluation": EvaluationConfig(validation_size=12, test_size=12),
    }
    return Experiment(**sections, transforms=transforms, **changes)


def test_a_foreign_map_is_fitted_saved_and_loaded(tmp_path: Path) -> None:
    """Squares behind a square root train the network that their roots train without a map."""
    plain = Forecaster(experiment(TransformsConfig(target=()))).fit(table(a=wave(), b=wave(1)))
    roots = TransformsConfig(target=(TransformConfig(name="sqrt"),))
    squares = table(a=wave() ** 2, b=wave(1) ** 2)
    forecaster = Forecaster(experiment(roots)).fit(squares)

    values = forecaster.predict().values
    np.testing.assert_allclose(values, plain.predict().values ** 2, rtol=1e-12)
    forecaster.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.config.transforms.target[0].name == "sqrt"
    assert loaded.predict(squares).values.tobytes() == values.tobytes()
    with pytest.raises(DataError, match="sqrt needs values of at least 0"):
        Forecaster(experiment(roots)).fit(table(a=wave() - 10))


def test_a_foreign_scaler_serves_targets_and_covariates(tmp_path: Path) -> None:
    """A level and a unit of each series leave no trace, nor do those of a covariate."""
    maps = TransformsConfig(target=(TransformConfig(name="midrange"),), covariates="midrange")
    config = experiment(maps, data=DataConfig(past_covariates=("load",)))
    data = table(a=wave()).assign(load=wave(1))
    moved = table(a=4 * wave() + 8).assign(load=2 * wave(1) - 64)
    forecaster = Forecaster(config).fit(data)

    values = forecaster.predict().values
    np.testing.assert_allclose(Forecaster(config).fit(moved).predict().values, 4 * values + 8)
    forecaster.save(tmp_path / "model")
    assert Forecaster.load(tmp_path / "model").predict(data).values.tobytes() == values.tobytes()


def test_traits_decide_what_settings_allow() -> None:
    with pytest.raises(ConfigError, match="scope is read by the scalers only, not by 'sqrt'"):
        TransformConfig(name="sqrt", scope="global")
    with pytest.raises(ConfigError, match="lag is read by difference only, not by 'midrange'"):
        TransformConfig(name="midrange", lag=2)
    two = (TransformConfig(name="robust"), TransformConfig(name="midrange"))
    with pytest.raises(ConfigError, match="the scalers robust and midrange; expected one"):
        TransformsConfig(target=two)
    late = (TransformConfig(name="midrange"), TransformConfig(name="sqrt"))
    with pytest.raises(ConfigError, match=r"sqrt after midrange.*; expected sqrt first and once"):
        TransformsConfig(target=late)
    rows = Rows(np.zeros(3, np.int64), np.arange(3))
    with pytest.raises(ConfigError, match=r"midrange before sqrt, .*: put sqrt first"):
        Chain.fit(late, np.ones((3, 1)), rows, num_series=1)


@pytest.mark.parametrize("registered", [True, False], ids=["foreign", "own"])
def test_a_wrong_name_is_refused_with_the_names_of_the_table(
    registered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not registered:
        monkeypatch.delitem(TRANSFORMS, "sqrt")
        monkeypatch.delitem(TRANSFORMS, "midrange")
    *others, last = map(repr, TRANSFORMS)
    names = f"{', '.join(others)} or {last}"
    with pytest.raises(ConfigError, match=f'TransformConfig.name is "root"; expected {names}$'):
        TransformConfig(name="root")
    with pytest.raises(ConfigError, match=f'name is "root"; expected {names}'):
        parse_experiment("transforms: {target: [{name: root}]}")
    with pytest.raises(ConfigError, match=r"covariates is \"log1p\"; expected 'standard'.*'none'"):
        parse_experiment("transforms: {covariates: log1p}")
    with pytest.raises(ConfigError, match=rf"TransformConfig.name is \[\]; expected {names}$"):
        TransformConfig(name=[])  # type: ignore[arg-type]


def test_a_file_may_name_a_foreign_map(tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text("transforms: {target: [{name: sqrt}], covariates: midrange}")
    transforms = load_experiment(file).transforms
    assert transforms.target[0].name == "sqrt"
    assert transforms.covariates == "midrange"
