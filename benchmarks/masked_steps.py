"""A train step of the classifier on sequences of different lengths: ours beside stock Keras.

    python benchmarks/masked_steps.py [--rounds 9]

Three networks with the same weights, on the same batch: stock Keras with a mask, our layers in its
place with the same mask, and the network of `bigru_classifier`, which turns sequences round. They
take turns; processor time counts. Losses and gradients are compared before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecast.layers import recurrent
from forecast.layers.runtime import start_quietly
from forecast.models.bigru_classifier import (
    LOGITS,
    BiGRUClassifierConfig,
    SequenceShape,
    build_bigru_classifier,
)

STEPS_PER_TURN = 10
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """Sizes of a batch: sequences of `shortest` to `longest` steps, of `channels` numbers."""

    name: str
    batch: int
    shortest: int
    longest: int
    channels: int
    units: int
    classes: int


CASES = (
    Case("speakers", 16, 7, 29, 12, 32, 9),
    Case("sentences", 32, 3, 70, 64, 32, 2),
    Case("long and wide", 64, 20, 100, 64, 64, 2),
)


def stock(case: Case, module: Any) -> keras.Model:
    """Masked layers of a module with the pooling of Keras."""
    steps = keras.Input((case.longest, case.channels))
    mask = keras.Input((case.longest,), dtype="bool")
    layer = module.Bidirectional(module.GRU(case.units, return_sequences=True))
    pooled = keras.layers.GlobalAveragePooling1D()(layer(steps, mask=mask), mask=mask)
    return keras.Model([steps, mask], keras.layers.Dense(case.classes)(pooled))


def own(case: Case) -> keras.Model:
    """The network of the classifier, up to its logits."""
    config = BiGRUClassifierConfig(units=case.units, dropout=0.0, head_dropout=0.0)
    shape = SequenceShape(case.channels, (), (), case.classes, case.longest)
    model = build_bigru_classifier(config, shape)
    return keras.Model(model.inputs, model.get_layer(LOGITS).output)


def train_step(model: keras.Model, given: Any, truth: Any) -> Callable[[], tuple[Any, Any]]:
    """Return a traced step that gives the loss and the norm of the gradients."""
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step() -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            logits = model(given, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss, tf.linalg.global_norm(gradients)

    return step


def contenders(case: Case) -> dict[str, Callable[[], tuple[Any, Any]]]:
    """The train step of each network."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(case.shortest, case.longest + 1, case.batch).astype(np.int32)
    steps = draw.normal(size=(case.batch, case.longest, case.channels)).astype(np.float32)
    mask = np.arange(case.longest) < lengths[:, None]
    truth = tf.constant(draw.integers(0, case.classes, case.batch))
    theirs = stock(case, keras.layers)
    masked = stock(case, recurrent)
    ours = own(case)
    masked.set_weights(theirs.get_weights())
    wrapper, head = (layer for layer in theirs.layers if layer.weights)
    for direction in ("forward", "backward"):
        weights = getattr(wrapper, f"{direction}_layer").get_weights()
        ours.get_layer(f"encoder_0_{direction}").set_weights(weights)
    ours.get_layer(LOGITS).set_weights(head.get_weights())
    by_length = {"numbers": tf.constant(steps), "lengths": tf.constant(lengths)}
    by_mask = [tf.constant(steps), tf.constant(mask)]
    return {
        "Keras": train_step(theirs, by_mask, truth),
        "our layers, masked": train_step(masked, by_mask, truth),
        "classifier": train_step(ours, by_length, truth),
    }


def measure(case: Case, num_rounds: int) -> dict[str, float]:
    """Return the milliseconds of processor time of a step of each network."""
    steps = contenders(case)
    first = {name: np.array(step(), np.float64) for name, step in steps.items()}
    for name, result in first.items():
        error = np.abs(result / first["Keras"] - 1).max()
        if error > TOLERANCE:
            raise SystemExit(f"{case.name}: {name} differs from Keras by {error:.1e}")
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(num_rounds):
        for name, step in steps.items():
            begun = time.process_time()
            for _ in range(STEPS_PER_TURN):
                step()
            taken[name].append((time.process_time() - begun) / STEPS_PER_TURN * 1e3)
    return {name: median(times) for name, times in taken.items()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    start_quietly()
    print("| batch | Keras | our layers, masked | the classifier |")
    print("|---|---|---|---|")
    for case in CASES:
        found = measure(case, rounds)
        keras_time = found["Keras"]
        cells = [f"{keras_time:.1f} ms"]
        for name in ("our layers, masked", "classifier"):
            cells.append(f"{found[name]:.1f} ms, {keras_time / found[name]:.1f} x")
        sizes = f"{case.batch} sequences of {case.shortest} to {case.longest} steps"
        print(f"| {sizes}, {case.channels} channels, {case.units} units | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
