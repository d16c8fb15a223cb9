"""One train step and one inference step of two bidirectional GRU layers on Keras.

    python step_keras.py --layers stock|ours --xla on|off --threads 2

Answers requests on standard input; see `wire.serve` and `steps.measure`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np
import tensorflow as tf
import wire


def build_model(layers: str, case: list[int]) -> keras.Model:
    """Two bidirectional layers that return sequences, and one dense number from the last step.

    Args:
        layers: `stock` for those of Keras, `ours` for those of `forecast.layers.recurrent`.
        case: batch, steps, features, units.
    """
    gru, both = keras.layers.GRU, keras.layers.Bidirectional
    if layers == "ours":
        from forecast.layers import recurrent

        gru, both = recurrent.GRU, getattr(recurrent, "Bidirectional", both)
    _, steps, features, units = case
    inputs = outputs = keras.Input((steps, features))
    for _ in range(2):
        outputs = both(gru(units, return_sequences=True))(outputs)
    return keras.Model(inputs, keras.layers.Dense(1)(outputs[:, -1]))


def compile_steps(
    model: keras.Model, layers: str, *, xla: bool, rounded: bool = False
) -> dict[str, Callable[..., Any]]:
    """The whole train step, optimizer included, and the inference step, each as one function.

    Ours are traced as training traces them, with products in bfloat16 where they are `rounded`.
    """
    optimizer, weights = keras.optimizers.Adam(), model.trainable_variables
    optimizer.build(weights)
    compiled, cluster = clusters() if layers == "ours" else (nullcontext, lambda function: function)
    update = fused(optimizer, weights) if layers == "ours" else None

    def apply(*slopes: Any) -> None:
        optimizer.apply(slopes, weights)

    def train(inputs: Any, target: Any) -> Any:
        with compiled():
            with rounding(rounded):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(tf.square(model(inputs, training=True) - target))
                slopes = tape.gradient(loss, [weight.value for weight in weights])
            if update is not None:
                update(slopes, loss)
            else:
                cluster(apply)(*slopes)
        return loss

    def forward(inputs: Any, target: Any) -> Any:
        del target  # taken so that both are called alike
        with compiled():
            return model(inputs, training=False)[0, 0]

    traced = {"train": train, "forward": forward}
    return {
        name: tf.function(function, jit_compile=xla, autograph=False)
        for name, function in traced.items()
    }


def rounding(wanted: bool) -> Any:
    """Return a block that is traced with products in bfloat16."""
    if not wanted:
        return nullcontext()
    from forecast.layers.precision import refuse_without_processor, rounded_products

    refuse_without_processor()
    return rounded_products(wanted)


def fused(optimizer: Any, weights: list[Any]) -> Any:
    """Return the update of training in one operation; None where C++ is missing."""
    from forecast.training.weight_update import fused_update

    return fused_update(optimizer, weights)


def clusters() -> tuple[Callable[[], Any], Callable[..., Any]]:
    """Return the tracer of training: XLA compiles parts of a step where C++ loops are missing."""
    from forecast.layers.clusters import cluster, tracing
    from forecast.layers.native import operations

    return lambda: tracing(compiled=operations() is None), cluster


class Steps:
    """The steps of one case at a time, compiled when first asked for."""

    def __init__(self, layers: str, *, xla: bool, rounded: bool) -> None:
        self.layers, self.xla, self.rounded = layers, xla, rounded
        self.case: list[int] = []

    def prepare(self, case: list[int], mode: str) -> dict[str, Any]:
        """Build the model of a case unless it exists, compile the step and run it three times."""
        start = time.perf_counter()
        if case != self.case:
            keras.backend.clear_session()
            keras.utils.set_random_seed(0)
            self.case, self.model = case, build_model(self.layers, case)
            self.steps = compile_steps(self.model, self.layers, xla=self.xla, rounded=self.rounded)
            rng = np.random.default_rng(0)
            self.batch = [
                tf.constant(rng.normal(size=shape), tf.float32)
                for shape in (case[:3], (case[0], 1))
            ]
        function = self.steps[mode]
        self.step = lambda: float(function(*self.batch))
        for _ in range(3):
            self.step()
        return {"weights": self.model.count_params(), "seconds": time.perf_counter() - start}


def multiply(size: int) -> Callable[[], float]:
    """The product of two square matrices as a step."""
    matrix = tf.random.normal((size, size))
    return lambda: float(tf.matmul(matrix, matrix)[0, 0])


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", choices=("stock", "ours"), default="stock")
    parser.add_argument("--xla", choices=("on", "off"), default="off")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    if arguments.layers == "ours":
        from forecast.layers.runtime import settle_threads

        # the number of threads is set already; this keeps each product of XLA in one of them
        settle_threads()
    wire.serve_steps(
        Steps(
            arguments.layers,
            xla=arguments.xla == "on",
            rounded=arguments.precision == "bfloat16",
        ),
        multiply,
        "tensorflow",
        "keras",
        "numpy",
    )


if __name__ == "__main__":
    main()
