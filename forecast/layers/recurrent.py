"""Recurrent layers that behave like those of Keras, and on a CPU run faster.

`GRU`, `LSTM` and `Bidirectional` have the weights, options, random numbers and outputs of those in
`keras.layers`, and can be used wherever those can, also inside `keras.layers.Bidirectional`. Which
loop they run is decided in `dispatch`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from forecast.layers.cells import FASTER_LAYERS, GRU, LSTM
from forecast.layers.combination import in_stock_layers
from forecast.layers.dispatch import FasterLoop, can_run
from forecast.layers.native import operations
from forecast.layers.precision import (
    not_rounded,
    refuse_other_loop,
    refuse_without_processor,
    rounded_products,
)
from forecast.layers.runtime import build_apart

__all__ = [
    "GRU",
    "LSTM",
    "Bidirectional",
    "from_keras_layers",
    "runs_natively",
    "to_keras_layers",
]


@keras.saving.register_keras_serializable("forecast")
class Bidirectional(keras.layers.Bidirectional):
    """A `keras.layers.Bidirectional` that does not reverse the outputs of its backward layer twice.

    That of Keras reverses the sequence for the backward layer, and its outputs once more. Here both
    layers return their outputs in the order of time.
    """

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None
    ) -> Any:
        """Run both layers and join their outputs.

        Args:
            sequences: (B, L, C).
            initial_state: (B, U) each, those of the forward layer first.
            mask: (B, L) bool.
            training: whether dropout applies.

        Returns:
            (B, L, 2 U) or (B, 2 U); with `return_state` followed by the final states.
        """
        layers = (self.forward_layer, self.backward_layer)
        can_both_run = all(
            isinstance(layer, FasterLoop) and can_run(layer, sequences) for layer in layers
        )
        for layer in layers:
            layer.has_a_twin = True
        self.backward_layer.in_order_of_time = (
            can_both_run and self.return_sequences and self.merge_mode == "concat"
        )
        if not self.backward_layer.in_order_of_time:
            return super().call(
                sequences, initial_state=initial_state, mask=mask, training=training
            )

        first_states = (None, None)
        if initial_state is not None:
            half = len(initial_state) // 2
            first_states = (initial_state[:half], initial_state[half:])
        results = [
            layer(sequences, initial_state=states, mask=mask, training=training)
            for layer, states in zip(layers, first_states, strict=True)
        ]
        if not self.return_state:
            return keras.ops.concatenate(results, axis=-1)
        (forward, *forward_states), (backward, *backward_states) = results
        outputs = keras.ops.concatenate([forward, backward], axis=-1)
        return (outputs, *forward_states, *backward_states)


def runs_natively(model: keras.Model) -> bool:
    """Return whether a model has recurrent loops that run in C++, which XLA cannot compile."""
    if operations() is None:
        return False
    return any(isinstance(layer, FasterLoop) for layer in model._flatten_layers())


def check_rounding(model: keras.Model) -> None:
    """Raise where a network cannot be trained with products in bfloat16.

    Raises:
        TrainingError: the processor has none, or a recurrent layer of another kind runs elsewhere.
    """
    refuse_without_processor()
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    if not layers:
        raise not_rounded("the network has no recurrent layer")
    with rounded_products(True):
        for layer in layers:
            if not isinstance(layer, FasterLoop):
                refuse_other_loop(layer.name)


# Nothing in the package converts models yet. Both functions are public for people who take a model
# elsewhere, and for formats of exchange, which know the layers of Keras only.


def to_keras_layers(model: keras.Model) -> keras.Model:
    """Return the same model of stock Keras layers, with the same weights; of an ensemble too.

    It can be saved, loaded and converted where this package is not installed.
    """
    kinds = {layer: layer.keras_layer for layer in FASTER_LAYERS}
    return _rebuilt(model, keras.layers.Bidirectional, kinds, in_stock_layers)


def from_keras_layers(model: keras.Model) -> keras.Model:
    """Return the same model with the layers of this module in place of Keras' own."""
    kinds = {layer.keras_layer: layer for layer in FASTER_LAYERS}
    return _rebuilt(model, Bidirectional, kinds, lambda _: None)


def _rebuilt(
    model: keras.Model,
    wrapper: Any,
    kinds: dict[Any, Any],
    combined: Callable[[Any], keras.Model | None],
) -> keras.Model:
    """Build a model anew with other layers and the same weights.

    Args:
        model: the model.
        wrapper: the class for layers in two directions.
        kinds: class of a layer -> class to replace it with.
        combined: returns a model, with its weights, in the place of a layer of an ensemble.
    """
    twins: list[tuple[Any, Any]] = []

    def replaced(layer: Any) -> Any:
        kind = kinds.get(type(layer), type(layer))
        return kind.from_config(layer.get_config())

    def clone(layer: Any) -> Any:
        if isinstance(layer, keras.Model):  # a member of an ensemble
            return _rebuilt(layer, wrapper, kinds, combined)
        model_in_place = combined(layer)
        if model_in_place is not None:
            return model_in_place
        twin = cloned(layer)
        if isinstance(layer, keras.layers.Layer):  # and no operation, such as a sum
            twins.append((layer, twin))
        return twin

    def cloned(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Bidirectional):
            return replaced(layer)
        return wrapper(
            layer=replaced(layer.forward_layer),
            backward_layer=replaced(layer.backward_layer),
            merge_mode=layer.merge_mode,
            name=layer.name,
            dtype=layer.dtype_policy,
        )

    make: Callable[[], Any] = partial(keras.models.clone_model, model, clone_function=clone)
    copy = build_apart(make, seed=0)
    for layer, twin in twins:
        twin.set_weights(layer.get_weights())
    return copy
