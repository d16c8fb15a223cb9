"""A bidirectional GRU that reads the context and writes the horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from forecast.layers.attention import attend
from forecast.layers.encoder import RecurrentConfig, bridge, encode, recurrent_layer
from forecast.layers.instance_norm import denormalise, normalise
from forecast.layers.quantiles import ordered_quantiles
from forecast.layers.sequences import (
    context_sequence,
    future_sequence,
    model_inputs,
    static_features,
)
from forecast.windows.index import WindowShape

if TYPE_CHECKING:
    import keras

# Keras is imported inside the functions, here and in `layers/`: reading and checking a
# configuration, which needs this file, then takes no TensorFlow.


class BiGRUConfig(RecurrentConfig):
    """Settings of the bidirectional GRU sequence-to-sequence regressor."""

    name: Literal["bigru"] = "bigru"
    """Which architecture."""
    decoder: Literal["recurrent", "direct"] = "recurrent"
    """A recurrent decoder over the horizon, or one dense head for all steps."""
    attention: Literal["none", "dot", "additive"] = "none"
    """How the decoder looks back at the encoder's outputs."""
    instance_norm: Literal["none", "last", "standard"] = "last"
    """Per-window normalisation of the targets, undone on the forecast."""


def build_bigru(config: BiGRUConfig, shape: WindowShape) -> keras.Model:
    """Build the model.

        past -> instance norm -> [past, past embeddings, static] over L steps
             -> encoder: `num_layers` bidirectional recurrent layers -> outputs (B, L, 2U), final
             states -> bridge: forward and backward state joined, projected to U with tanh
             -> decoder over H steps, each reading [step embedding, known, known embeddings, static]
                  recurrent: one recurrent layer that starts from the bridged state
                  direct:    one dense layer gives a state to each step, a second joins it with what
                  the step reads
             -> attention over the encoder's outputs, the decoder's outputs asking
             -> forecast: one dense layer, the same for every step -> (B, H, D) or (B, H, D, Q)
             -> quantiles put in order, instance norm undone

    The step of the GRU (Cho et al. 2014, arXiv 1406.1078, in the `reset_after` variant that cuDNN
    computes), with input x, state h and one kernel W, recurrent kernel R and two biases b, c per
    gate:

        z = sigmoid(W_z x + b_z + R_z h + c_z)              update gate
        r = sigmoid(W_r x + b_r + R_r h + c_r)              reset gate
        g = tanh(W_h x + b_h + r * (R_h h + c_h))           candidate
        h' = z * h + (1 - z) * g

    LSTM: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; rnn: Elman 1990,
    h' = tanh(W x + R h + b). Attention and instance norm: see `layers/`.

    Weights of a recurrent layer of U units that reads C numbers: GRU 3 U (C + U + 2), LSTM 4 U (C +
    U + 1), rnn U (C + U + 1), twice that for both directions; of a dense layer from C to U: C U +
    U.

    Args:
        config: the settings.
        shape: what the model reads and writes.

    Returns:
        A functional model from the input dictionary of `WindowShape` to (B, H, D) or (B, H, D, Q).
    """
    import keras

    inputs = model_inputs(shape)
    past, level, spread = normalise(inputs["past"], shape.num_targets, config.instance_norm)
    static = static_features(inputs, shape)
    context = context_sequence(past, inputs, shape, static)
    future = future_sequence(inputs, shape, static)

    outputs, final = encode(config, context)
    states = bridge(config, final, memory=config.decoder == "recurrent")
    units = config.widths[-1]
    if config.decoder == "recurrent":
        decoded = recurrent_layer(config, units, name="decoder")(future, initial_state=states)
    else:
        decoded = direct_decoder(states[0], future, units)
    if config.attention != "none":
        decoded = attend(decoded, outputs, units=units, score=config.attention)

    forecast = forecast_head(decoded, shape)
    return keras.Model(inputs, denormalise(forecast, level, spread), name=config.name)


def direct_decoder(state: Any, future: Any, units: int) -> Any:
    """All steps at once: one dense layer gives every step a state, a second joins it with what the step reads.

    Args:
        state: (B, U).
        future: (B, H, C).
        units: U.

    Returns:
        (B, H, U).
    """
    from keras import layers

    horizon = future.shape[1]
    steps = layers.Dense(horizon * units, activation="tanh", name="decoder_steps")(state)
    steps = layers.Reshape((horizon, units), name="decoder_states")(steps)
    joined = layers.Concatenate(name="decoder_inputs")([steps, future])
    return layers.Dense(units, activation="tanh", name="decoder")(joined)


def forecast_head(decoded: Any, shape: WindowShape) -> Any:
    """Turn the decoder's outputs (B, H, U) into (B, H, D) numbers, or (B, H, D, Q) ascending quantiles."""
    from keras import layers

    numbers = layers.Dense(shape.num_targets * max(1, shape.num_quantiles), name="forecast")(
        decoded
    )
    if not shape.num_quantiles:
        return numbers
    by_level = layers.Reshape(
        (shape.horizon, shape.num_targets, shape.num_quantiles), name="by_level"
    )(numbers)
    return ordered_quantiles(by_level)
