"""Losses equal a double loop over the cells, refuse what Keras would broadcast, and skip what was
not measured."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from forecast.errors import ConfigError, ShapeError
from forecast.training.losses import make_cell_losses

LEVELS = (0.1, 0.5, 0.7)


def mean_loss(name: str, levels: tuple[float, ...], target: Any, forecast: Any) -> Any:
    cells, measured = make_cell_losses(name, quantile_levels=levels)(target, forecast)
    assert cells.shape == measured.shape == target.shape
    return tf.reduce_sum(cells) / tf.maximum(tf.reduce_sum(measured), 1.0)


def slow_loss(name: str, target: NDArray[np.float64], forecast: NDArray[np.float64]) -> float:
    """One cell at a time, from the definitions."""
    losses = []
    for place in itertools.product(*map(range, target.shape)):
        error = target[place] - forecast[place]
        if np.isnan(target[place]):
            continue
        if name == "quantile":
            losses.append(
                sum(q * e if e >= 0 else (q - 1) * e for q, e in zip(LEVELS, error, strict=True))
                / 3
            )
        elif name == "huber":
            losses.append(error**2 / 2 if abs(error) <= 1 else abs(error) - 0.5)
        else:
            losses.append(error**2 if name == "mse" else abs(error))
    return float(np.mean(losses)) if losses else 0.0


def example(name: str, missing: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    generator = np.random.default_rng(5)
    target, width = generator.normal(0, 2, (4, 3, 2)), (len(LEVELS),) if name == "quantile" else ()
    target[generator.random(target.shape) < missing] = np.nan
    return target, generator.normal(0, 2, (4, 3, 2, *width))


@pytest.mark.parametrize("missing", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("name", ["mse", "mae", "huber", "quantile"])
def test_equals_the_double_loop(name: str, missing: float) -> None:
    target, forecast = example(name, missing)
    loss = mean_loss(name, LEVELS, tf.constant(target), tf.constant(forecast))
    assert float(loss) == pytest.approx(slow_loss(name, target, forecast), rel=1e-14)


@pytest.mark.parametrize("missing", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("name", ["mse", "mae", "huber", "quantile"])
def test_gradient_is_finite_and_zero_where_missing(name: str, missing: float) -> None:
    target, forecast = example(name, missing)
    variable = tf.Variable(forecast)
    with tf.GradientTape() as tape:
        loss = mean_loss(name, LEVELS, tf.constant(target), variable)
    gradient = tape.gradient(loss, variable).numpy()
    assert np.isfinite(gradient).all()
    known = ~np.isnan(target)
    assert (gradient[~known] == 0).all()
    assert (gradient[known] != 0).all()


@pytest.mark.parametrize(
    ("target", "forecast"),
    [((4, 3, 2), (4, 3, 1)), ((4, 4, 1), (4, 4)), ((4, 2), (3, 4, 2)), ((1, 3, 2), (4, 3, 2))],
)
def test_shapes_that_would_broadcast_are_refused(
    target: tuple[int, ...], forecast: tuple[int, ...]
) -> None:
    assert (np.zeros(target) - np.zeros(forecast)).size
    with pytest.raises(ShapeError, match=r"forecasts have shape .* expected"):
        mean_loss("mse", (), tf.zeros(target), tf.zeros(forecast))


def test_quantile_forecast_needs_one_number_per_level() -> None:
    with pytest.raises(ShapeError, match=r"expected \(4, 3, 2, 3\)"):
        mean_loss("quantile", LEVELS, tf.zeros((4, 3, 2)), tf.zeros((4, 3, 2, 2)))


def test_pinball_is_least_at_the_empirical_quantile() -> None:
    sample = np.random.default_rng(0).exponential(size=1001)
    target = tf.constant(sample.reshape(-1, 1, 1))
    at = [
        float(mean_loss("quantile", (0.9,), target, tf.fill((1001, 1, 1, 1), q)))
        for q in np.quantile(sample, [0.85, 0.9, 0.95])
    ]
    assert at[1] < min(at[0], at[2])


def test_equals_keras_where_nothing_is_missing() -> None:
    target, forecast = (tf.constant(one) for one in example("mse", 0.0))
    for name, theirs in (("mse", keras.losses.MeanSquaredError()), ("huber", keras.losses.Huber())):
        assert float(mean_loss(name, (), target, forecast)) == pytest.approx(
            float(theirs(target, forecast)), rel=1e-6
        )


def test_settings_are_checked() -> None:
    with pytest.raises(
        ConfigError, match=r"loss is 'rmse'; expected one of mse, mae, huber, quantile"
    ):
        make_cell_losses("rmse")
    with pytest.raises(ConfigError, match="no quantile_levels"):
        make_cell_losses("quantile")
