"""The update of the weights as one operation, for Adam and AdamW.

Keras updates every variable by some twenty operations. `native/update.h` does the same for all in
one, with the clipping of the gradients and the search for numbers that are not finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

SOUND, BAD_GRADIENT, BAD_WEIGHT = range(3)
"""Outcomes of a step: after `BAD_GRADIENT`, a loss or gradient that is not finite, nothing has
changed; after `BAD_WEIGHT` a weight is not finite."""

Update = Callable[[Sequence[Any], Any], tuple[Any, Any]]
"""(gradients, loss) -> outcome of the step, and norm of the gradients."""


def fused_update(optimizer: Any, weights: Sequence[Any]) -> Update | None:
    """Return the update as one operation; None where only Keras can do it.

    Args:
        optimizer: of Keras, built for these weights.
        weights: Keras' trainable variables.
    """
    import keras

    from forecast.layers.native import operations

    adam = (keras.optimizers.Adam, keras.optimizers.AdamW)
    first: list[Any] = getattr(optimizer, "_momentums", [])
    second: list[Any] = getattr(optimizer, "_velocities", [])
    has_moments = len(first) == len(second) == len(weights)
    is_known = type(optimizer) in adam and has_moments and not optimizer.amsgrad
    are_floats = all(variable.dtype == "float32" for variable in weights)
    if not (is_known and are_floats and weights) or operations() is None:
        return None

    def update(gradients: Sequence[Any], loss: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        kept = [*weights, *first, *second]
        values = [tf.convert_to_tensor(variable.value) for variable in kept]
        count = len(weights)
        new_weights, new_first, new_second, outcome, norm = operations().bigru_update(
            weights=values[:count],
            first=values[count : 2 * count],
            second=values[2 * count :],
            gradients=gradients,
            loss=loss,
            numbers=_numbers(optimizer),
        )
        for variable, value in zip(kept, [*new_weights, *new_first, *new_second], strict=True):
            value.set_shape(variable.shape)
            variable.value.assign(value)
        outcome.set_shape(())
        norm.set_shape(())
        was_applied = tf.not_equal(outcome, BAD_GRADIENT)
        optimizer.iterations.value.assign_add(tf.cast(was_applied, optimizer.iterations.dtype))
        return outcome, norm

    return update


def _numbers(optimizer: Any) -> Any:
    """Return `UpdateNumbers` of `native/interface.h`, computed as in Keras' `Adam`."""
    import tensorflow as tf

    rate = tf.cast(optimizer.learning_rate, tf.float32)
    step = tf.cast(optimizer.iterations.value + 1, tf.float32)
    first_power = tf.pow(tf.constant(optimizer.beta_1, tf.float32), step)
    second_power = tf.pow(tf.constant(optimizer.beta_2, tf.float32), step)
    alpha = rate * tf.sqrt(1.0 - second_power) / (1.0 - first_power)
    constants = (
        1.0 - optimizer.beta_1,
        1.0 - optimizer.beta_2,
        optimizer.epsilon,
        optimizer.weight_decay or 0.0,
        optimizer.global_clipnorm or 0.0,
    )
    return tf.concat([tf.stack([rate, alpha]), tf.constant(constants, tf.float32)], axis=0)
