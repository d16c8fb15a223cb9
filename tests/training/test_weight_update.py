"""The update in one operation is that of Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.layers.machine import core_count
from forecast.layers.native import operations
from forecast.layers.native.library import compiled_loops
from forecast.training.weight_update import BAD_GRADIENT, BAD_WEIGHT, SOUND, fused_update

pytestmark = pytest.mark.skipif(operations() is None, reason="no C++ compiler here")

SHAPES = ((7, 33), (33,), (1,), (3, 5, 2))
LARGE = ((700, 500), (3,))
"""More than a part, and enough for several threads."""


def pair(make: Any, shapes: Any = SHAPES) -> list[tuple[Any, list[Any]]]:
    """Twice the same optimizer with the same weights."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype("float32") for shape in shapes]
    made = []
    for _ in range(2):
        weights = [keras.Variable(values) for values in start]
        optimizer = make()
        optimizer.build(weights)
        made.append((optimizer, weights))
    return made


def schedule() -> Any:
    return keras.optimizers.schedules.CosineDecay(0.05, 30, alpha=0.01)


OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(0.02),
    "clipped": lambda: keras.optimizers.Adam(0.02, global_clipnorm=0.3),
    "with a schedule": lambda: keras.optimizers.Adam(schedule(), global_clipnorm=100.0),
    "AdamW": lambda: keras.optimizers.AdamW(schedule(), weight_decay=0.1, global_clipnorm=1.0),
    "of other constants": lambda: keras.optimizers.Adam(0.02, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equal_to_keras(name: str) -> None:
    """Within 1e-7 of the largest number of an array, after each of 20 steps; where gradients are
    not clipped, and the rate is a constant, the same bits."""
    make = OPTIMIZERS[name]
    allowed = 0.0 if name in ("Adam", "of other constants") else 1e-7
    (theirs, their_weights), (ours, our_weights) = pair(make)
    update = fused_update(ours, our_weights)
    assert update is not None
    step = tf.function(update, autograph=False)
    rng = np.random.default_rng(1)
    for number in range(20):
        gradients = [tf.constant(rng.normal(size=shape), tf.float32) for shape in SHAPES]
        theirs.apply(gradients, their_weights)
        outcome, norm = step(gradients, tf.constant(1.0))
        assert int(outcome) == SOUND
        np.testing.assert_allclose(norm, tf.linalg.global_norm(gradients), rtol=2e-7)
        assert int(ours.iterations) == number + 1
        for expected, found in zip(
            [*their_weights, *theirs.variables], [*our_weights, *ours.variables], strict=True
        ):
            scale = max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(found, expected, rtol=0, atol=allowed * scale)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["loss", "gradient"])
def test_nothing_changes_where_loss_or_gradient_is_not_finite(place: str, bad: float) -> None:
    _, (optimizer, weights) = pair(OPTIMIZERS["AdamW"])
    update = fused_update(optimizer, weights)
    assert update is not None
    gradients = [np.ones(shape, np.float32) for shape in SHAPES]
    update([tf.constant(one) for one in gradients], tf.constant(1.0))
    before = [np.array(one) for one in (*weights, *optimizer.variables)]
    loss = bad if place == "loss" else 1.0
    if place == "gradient":
        gradients[1][32] = bad
    outcome, _ = update([tf.constant(one) for one in gradients], tf.constant(loss, tf.float32))
    assert int(outcome) == BAD_GRADIENT
    for one, other in zip(before, (*weights, *optimizer.variables), strict=True):
        np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("shapes", [SHAPES, LARGE], ids=["small", "large"])
def test_a_weight_that_is_not_finite(shapes: Any) -> None:
    _, (optimizer, weights) = pair(OPTIMIZERS["Adam"], shapes)
    update = fused_update(optimizer, weights)
    assert update is not None
    values = np.array(weights[0])
    values.flat[-1] = np.inf
    weights[0].assign(values)
    gradients = [tf.ones(shape) for shape in shapes]
    assert int(update(gradients, tf.constant(1.0))[0]) == BAD_WEIGHT


def test_bits_do_not_depend_on_the_threads() -> None:
    loops = compiled_loops()
    assert loops is not None
    found = []
    for threads in (1, 2, 3, 8):
        loops.set_threads(threads)
        _, (optimizer, weights) = pair(OPTIMIZERS["clipped"], LARGE)
        update = fused_update(optimizer, weights)
        assert update is not None
        rng = np.random.default_rng(1)
        for _ in range(3):
            update([tf.constant(rng.normal(size=one), tf.float32) for one in LARGE], 1.0)
        found.append([np.array(one).tobytes() for one in (*weights, *optimizer.variables)])
    loops.set_threads(core_count())
    assert found[1:] == found[:1] * 3


def test_what_only_keras_can_do() -> None:
    for make in (
        lambda: keras.optimizers.SGD(0.1),
        lambda: keras.optimizers.Adam(0.1, amsgrad=True),
        lambda: keras.optimizers.Nadam(0.1),
    ):
        _, (optimizer, weights) = pair(make)
        assert fused_update(optimizer, weights) is None
    weights = [keras.Variable(np.ones(3), dtype="float64")]
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build(weights)
    assert fused_update(optimizer, weights) is None
