"""Settings as keyword arguments: the same as sections, and clear answers to wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

from forecast import (
    BiGRUConfig,
    DataConfig,
    Experiment,
    Forecaster,
    ForecastError,
    RangeConfig,
    SearchConfig,
    TrainingConfig,
    WindowsConfig,
)
from forecast.experiment.file import dump_experiment
from forecast.models import MODELS

SAME = {
    "short names": (
        {"horizon": 14, "target": "sales", "time": "date", "id": "shop", "known": ["price", "ad"]},
        Experiment(
            data=DataConfig(
                id_col="shop",
                time_col="date",
                target_cols=("sales",),
                known_covariates=("price", "ad"),
            ),
            windows=WindowsConfig(horizon=14),
        ),
    ),
    "long names": (
        {"horizon": 14, "target_cols": ("a", "b"), "time_col": "date", "missing": "mask"},
        Experiment(
            data=DataConfig(time_col="date", target_cols=("a", "b"), missing="mask"),
            windows=WindowsConfig(horizon=14),
        ),
    ),
    "another architecture": (
        {"model": "bigru", "units": 4, "epochs": 1},
        Experiment(model=BiGRUConfig(units=4), training=TrainingConfig(epochs=1)),
    ),
    "an architecture with settings": (
        {"model": BiGRUConfig(units=4), "num_layers": 2},
        Experiment(model=BiGRUConfig(units=4, num_layers=2)),
    ),
    "paths": (
        {"windows.stride": 2, "name": "shops"},
        Experiment(name="shops", windows=WindowsConfig(stride=2)),
    ),
    "numbers of NumPy": (
        {"horizon": np.int64(14), "learning_rate": np.float64(0.5)},
        Experiment(windows=WindowsConfig(horizon=14), training=TrainingConfig(learning_rate=0.5)),
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_keywords_are_the_settings_of_sections(case: str) -> None:
    given, expected = SAME[case]
    made = Forecaster(**given).config
    assert made == expected
    assert dump_experiment(made) == dump_experiment(expected)  # a copied file is as short


def test_keywords_replace_settings_of_a_config_and_nothing_else() -> None:
    search = SearchConfig(space={"model.units": RangeConfig(choice=[4, 8])})
    config = Experiment(
        model=BiGRUConfig(units=4), windows=WindowsConfig(horizon=7, stride=2), search=search
    )
    changed = Forecaster(config, horizon=14).config
    assert changed == config.model_copy(update={"windows": WindowsConfig(horizon=14, stride=2)})
    assert Forecaster(config).config is config
    assert Forecaster(config, model="bigru").config.model.units == 4
    assert Forecaster(config, model="segment_bigru").config.model == Experiment().model


def test_every_setting_of_one_section_has_its_name_as_keyword() -> None:
    for model, architecture in MODELS.items():
        for name in architecture.config.model_fields:
            if name != "name":
                value = getattr(architecture.config(), name)
                assert getattr(Forecaster(**{"model": model, name: value}).config.model, name)\
                    == value  # fmt: skip


WRONG = {
    "unknown": ({"horizont": 3}, "horizont is no setting (did you mean 'horizon'?)"),
    "of two sections": ({"stride": 2}, "pass **{'windows.stride': ...} or"),
    "twice": ({"time": "a", "time_col": "a"}, "time and time_col are the same setting"),
    "of another architecture": ({"model": "bigru", "segment_length": 4}, "is no setting"),
    "out of range": ({"horizon": 0}, "windows.horizon is 0; expected a whole number"),
    "wrong type": ({"target": 3}, "data.target_cols is 3; expected"),
    "no architecture": ({"model": "gru"}, "model.name is \"gru\"; expected 'bigru'"),
    "an object": ({"target": object()}, "data.target_cols"),
    "together": ({"gaps": "fill"}, "set missing to"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_keywords(case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(ForecastError) as error:
        Forecaster(**given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", ["sales.csv", 14, {}, DataConfig(), Experiment])
def test_a_config_of_another_type(given: object) -> None:
    with pytest.raises(ForecastError, match="expected an Experiment, or settings by name"):
        Forecaster(given)  # type: ignore[arg-type]
