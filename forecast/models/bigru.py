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
    """Settings of the bidirectional GRU sequence-to-sequence regressor.

    Example:
        >>> from forecast import BiGRUConfig
        >>> config = BiGRUConfig(units=32, attention="dot")
        >>> config.cell, config.bidirectional, config.decoder
        ('gru', True, 'recurrent')
        >>> BiGRUConfig(units=(32, 16))
        Traceback (most recent call last):
        ...
        forecast.errors.ConfigError: BiGRUConfig.units has 2 numbers for num_layers: 1; ...
    """

    name: Literal["bigru"] = "bigru"
    """Which architecture."""
    decoder: Literal["recurrent", "direct"] = "recurrent"
    """A recurrent decoder over the horizon, or one dense head for all steps."""
    attention: Literal["none", "dot", "additive"] = "none"
    """Attention of the decoder over the encoder's outputs."""
    instance_norm: Literal["none", "last", "standard"] = "last"
    """Per-window normalisation of the targets, undone on the forecast."""


def build_bigru(config: BiGRUConfig, shape: WindowShape) -> keras.Model:
    """Build the model.

        past -> instance norm -> [past, past embeddings, static] over L steps
          -> encoder: `num_layers` bidirectional recurrent layers
             -> outputs (B, L, 2U) and final states
          -> bridge: forward and backward state joined, projected to U with tanh
          -> decoder over H steps, each reading [step embedding, known, known embeddings, static]
               recurrent: one recurrent layer that starts from the bridged state
               direct:    one dense layer makes a state for each step, a second joins it with the
                          inputs of the step
          -> attention over the encoder's outputs, with the decoder's outputs as queries
          -> forecast: one dense layer, the same for every step -> (B, H, D) or (B, H, D, Q)
          -> quantiles ordered, instance norm undone

    The step of the GRU (Cho et al. 2014, arXiv 1406.1078, in the `reset_after` variant that cuDNN
    computes), with input x, state h and one kernel W, recurrent kernel R and two biases b, c per
    gate:

        z = sigmoid(W_z x + b_z + R_z h + c_z)              update gate
        r = sigmoid(W_r x + b_r + R_r h + c_r)              reset gate
        g = tanh(W_h x + b_h + r * (R_h h + c_h))           candidate
        h' = z * h + (1 - z) * g

    LSTM: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; rnn: Elman 1990,
    h' = tanh(W x + R h + b). Attention and instance norm: see `layers/`.

    Weights of a recurrent layer of U units that reads C numbers: GRU 3 U (C + U + 2), LSTM
    4 U (C + U + 1), rnn U (C + U + 1), twice that for both directions; of a dense layer from C to
    U: C U + U.

    Args:
        config: the settings.
        shape: sizes of inputs and output.

    Returns:
        A functional model from the input dictionary of `WindowShape` to (B, H, D) or (B, H, D, Q).
    """
    import keras

    inputs = model_inputs(shape)
    past, level, spread = normalise(inputs["past"], shape.num_targets, config.instance_norm)
    static = static_features(inputs, shape)
    context = context_sequence(past, inputs, shape, static)  # (B, L, C)
    future = future_sequence(inputs, shape, static)  # (B, H, C)

    # Encoder and bridge.
    units = config.widths[-1]
    outputs, final_states = encode(config, context)  # (B, L, 2U)
    is_recurrent = config.decoder == "recurrent"
    states = bridge(config, final_states, memory=is_recurrent)  # (B, U) each

    # Decoder and attention.
    if is_recurrent:
        decoder = recurrent_layer(config, units, name="decoder")
        decoded = decoder(future, initial_state=states)  # (B, H, U)
    else:
        decoded = _direct_decoder(states[0], future, units)  # (B, H, U)
    if config.attention != "none":
        decoded = attend(decoded, outputs, units=units, score=config.attention)  # (B, H, U)

    forecast = _forecast_head(decoded, shape)  # (B, H, D) or (B, H, D, Q)
    return keras.Model(inputs, denormalise(forecast, level, spread), name=config.name)


def _direct_decoder(state: Any, future: Any, units: int) -> Any:
    """Decode all steps at once.

    One dense layer makes a state for every step, a second joins it with the inputs of the step.

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
    steps = layers.Reshape((horizon, units), name="decoder_states")(steps)  # (B, H, U)
    joined = layers.Concatenate(name="decoder_inputs")([steps, future])  # (B, H, U + C)
    return layers.Dense(units, activation="tanh", name="decoder")(joined)


def _forecast_head(decoded: Any, shape: WindowShape) -> Any:
    """Return (B, H, D) numbers or (B, H, D, Q) ascending quantiles from outputs (B, H, U)."""
    from keras import layers

    num_levels = max(1, shape.num_quantiles)
    width = shape.num_targets * num_levels
    numbers = layers.Dense(width, name="forecast")(decoded)  # (B, H, D Q)
    if not shape.num_quantiles:
        return numbers
    by_level = layers.Reshape((shape.horizon, shape.num_targets, num_levels), name="by_level")
    return ordered_quantiles(by_level(numbers))
