"""What tests of recurrent layers compare: outputs, states and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from forecast.layers.clusters import tracing


def outputs_and_gradients(
    layer: Any, x: Any, jit: bool, **arguments: Any
) -> tuple[list[Any], list[Any]]:
    """All outputs of a layer, and the gradient of a random sum of them for the input and every
    weight."""

    @tf.function(autograph=False)
    def run(x: Any) -> Any:
        generator = np.random.default_rng(7)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, **arguments)
            total = tf.add_n(
                [tf.reduce_sum(one * generator.normal(size=one.shape)) for one in outputs]
            )
        return list(outputs), tape.gradient(
            total, [x, *(weight.value for weight in layer.trainable_variables)]
        )

    with tracing(compiled=jit):
        outputs, gradients = run(x)
    return [np.asarray(one) for one in outputs], [np.asarray(one) for one in gradients]


def share_weights(layers: list[Any], shape: Any) -> None:
    """Give all the weights of the first."""
    for layer in layers:
        layer.build(shape)
        layer.set_weights(layers[0].get_weights())
