"""How windows reach the network: in which batches, compiled or not, and how long one forecast
takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.experiment.settings import EvaluationConfig, Experiment, TrainingConfig, WindowsConfig
from forecast.forecasting import predict as prediction
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.predict import forecast_windows
from forecast.inference.forward import ForwardPass
from forecast.models import build_model
from forecast.models.bigru import BiGRUConfig
from forecast.models.keras_network import KerasNetwork
from forecast.transforms import Chain
from forecast.windows.features import FeatureMap
from forecast.windows.index import WindowShape

LENGTH, HORIZON = 12, 4


def hourly(num_series: int, rows: int = 150) -> pd.DataFrame:
    """Series `s0`, `s1`, ... with a daily wave at levels of their own."""
    draw = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(rows) / 24)
    series = [10 * place + wave + 0.1 * draw.normal(size=rows) for place in range(num_series)]
    stamps = pd.date_range("2024-03-01", periods=rows, freq="h")
    names = [f"s{place}" for place in range(num_series)]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(names, rows),
            "ds": np.tile(stamps, num_series),
            "y": np.concatenate(series),
        }
    )


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    """A forecaster of three series."""
    config = Experiment(
        windows=WindowsConfig(context_length=LENGTH, horizon=HORIZON),
        model=BiGRUConfig(units=6),
        training=TrainingConfig(epochs=1, batch_size=16, learning_rate=0.01),
        evaluation=EvaluationConfig(validation_size=12, test_size=40),
    )
    return Forecaster(config).fit(hourly(3))


def test_a_window_is_forecast_the_same_in_any_company(
    fitted: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = fitted._prepared
    windows, numbers = prepared.test, np.arange(20)[::-1]
    together = forecast_windows(fitted.fitted, prepared.panel, windows, numbers)[0]
    assert together.shape == (20, HORIZON, 1)
    for size in (1, 7, 64):
        monkeypatch.setattr(prediction, "WINDOWS_AT_ONCE", size)
        found = forecast_windows(fitted.fitted, prepared.panel, windows, numbers)[0]
        assert found.tobytes() == together.tobytes()


@pytest.mark.parametrize(
    ("settings", "shape", "widest", "largest"),
    [
        ({"units": 64}, WindowShape(96, 24), 96 * 128, 512),
        ({"units": 256, "decoder": "direct"}, WindowShape(720, 24), 720 * 512, 64),
        # additive attention holds tanh(q + k) of every pair of steps
        (
            {"units": 128, "decoder": "direct", "attention": "additive"},
            WindowShape(512, 512),
            512 * 512 * 128,
            1,
        ),
    ],
)
def test_batches_are_bound_by_the_widest_array_inside_the_network(
    settings: dict[str, Any], shape: WindowShape, widest: int, largest: int
) -> None:
    made = KerasNetwork(build_model(BiGRUConfig(**settings), shape))
    assert made.window_bytes == pytest.approx(32 * widest, rel=0.05)
    assert made.largest_batch == largest


def test_series_that_training_has_seen_are_forecast_without_fitting_anything(
    fitted: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = hourly(3)
    expected = fitted.predict(table).values
    monkeypatch.setattr(Chain, "fit", None)
    some = fitted.predict(table[table["unique_id"] != "s0"])
    assert list(some.series_ids) == ["s1", "s2"]
    np.testing.assert_allclose(some.values, expected[1:], rtol=1e-6)


def test_judging_the_training_table_is_judging_the_same_rows_given_anew(
    fitted: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = fitted.evaluate(hourly(3))
    monkeypatch.setattr(FeatureMap, "apply", None)  # what training read is kept
    kept = fitted.evaluate()
    for name, values in kept.forecasts.items():
        np.testing.assert_array_equal(values, given.forecasts[name])
    np.testing.assert_array_equal(kept.actual, given.actual)


def seconds_of(call: Callable[[], object], times: int) -> np.ndarray:
    """Wall time of each call."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


def test_one_forecast_takes_few_calls_besides_the_network(
    fitted: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call of a function takes a quarter of a microsecond or more, so these are milliseconds;
    unlike seconds, their number is the same on every machine."""
    table, answer = hourly(1, rows=200), np.zeros((1, HORIZON, 1), np.float32)
    monkeypatch.setattr(ForwardPass, "__call__", lambda *_: answer)
    fitted.predict(table)  # what is made once
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        fitted.predict(table)
    finally:
        sys.setprofile(None)
    assert calls < 3_600


@pytest.mark.slow
@pytest.mark.parametrize("covariates", [False, True])
def test_a_loaded_model_answers_in_less_than_five_milliseconds(
    tmp_path: Path, covariates: bool
) -> None:
    names = ["a", "b", "c"] if covariates else []
    table = hourly(1, rows=600).assign(
        **{name: np.random.default_rng(1).normal(size=600) for name in names}
    )
    config = Experiment.model_validate(
        {
            "data": {"past_covariates": names[:1], "known_covariates": names[1:]},
            "windows": {"context_length": 96, "horizon": 24},
            "model": {"name": "bigru", "units": 64, "num_layers": 2},
            "training": {"epochs": 1, "windows_per_epoch": 64},
        }
    )
    Forecaster(config).fit(table).save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    history, ahead = table.iloc[:200], table.iloc[200:224][["unique_id", "ds", *names[1:]]]
    known = ahead if covariates else None
    first = loaded.predict(history, known=known)
    later = seconds_of(lambda: loaded.predict(history, known=known), 200)
    assert np.median(later) < 0.005
    np.testing.assert_array_equal(loaded.predict(history, known=known).values, first.values)
