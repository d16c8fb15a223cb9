"""A bidirectional GRU that reads the context and writes the horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from forecast.layers.attention import attend
from forecast.layers.instance_norm import denormalise, normalise
from forecast.layers.quantiles import ordered_quantiles
from forecast.layers.sequences import context_sequence, future_sequence, model_inputs, static_features
from forecast.section import Section
from forecast.windows import WindowShape

if TYPE_CHECKING:
    import keras

# Keras is imported inside the functions, here and in `layers/`: reading and checking a configuration, which
# needs this file, then takes no TensorFlow.

Units = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class BiGRUConfig(Section):
    """Settings of the bidirectional GRU sequence-to-sequence regressor."""

    name: Literal["bigru"] = "bigru"
    """Which architecture."""
    cell: Literal["gru", "lstm", "rnn"] = "gru"
    """Recurrent cell of encoder and decoder."""
    bidirectional: bool = True
    """Whether the encoder also reads the context backwards."""
    num_layers: Annotated[int, Field(ge=1, le=16)] = 1
    """Encoder layers."""
    units: Units | Annotated[tuple[Units, ...], Field(min_length=1)] = 64
    """Width of each direction, one number or one per layer; the decoder has the width of the last layer."""
    dropout: Share = 0.2
    """Share of the inputs of every recurrent layer set to zero in training."""
    recurrent_dropout: Share = 0.0
    """Share of the recurrent state set to zero in training."""
    l2: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the squared kernels of the recurrent layers added to the loss."""
    decoder: Literal["recurrent", "direct"] = "recurrent"
    """A recurrent decoder over the horizon, or one dense head for all steps."""
    attention: Literal["none", "dot", "additive"] = "none"
    """How the decoder looks back at the encoder's outputs."""
    instance_norm: Literal["none", "last", "standard"] = "last"
    """Per-window normalisation of the targets, undone on the forecast."""

    @model_validator(mode="after")
    def _one_width_per_layer(self) -> BiGRUConfig:
        if isinstance(self.units, tuple) and len(self.units) != self.num_layers:
            raise ValueError(
                f"units has {len(self.units)} numbers for num_layers: {self.num_layers}; "
                "give one number for all layers or one per layer"
            )
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each encoder layer."""
        return self.units if isinstance(self.units, tuple) else (self.units,) * self.num_layers


def build_bigru(config: BiGRUConfig, shape: WindowShape) -> keras.Model:
    """Build the model.

        past -> instance norm -> [past, past embeddings, static] over L steps
             -> encoder: `num_layers` bidirectional recurrent layers -> outputs (B, L, 2U), final states
             -> bridge: forward and backward state joined, projected to U with tanh
             -> decoder over H steps, each reading [step embedding, known, known embeddings, static]
                  recurrent: one recurrent layer that starts from the bridged state
                  direct:    one dense layer gives a state to each step, a second joins it with what the step reads
             -> attention over the encoder's outputs, the decoder's outputs asking
             -> forecast: one dense layer, the same for every step -> (B, H, D) or (B, H, D, Q)
             -> quantiles put in order, instance norm undone

    The step of the GRU (Cho et al. 2014, arXiv 1406.1078, in the `reset_after` variant that cuDNN computes), with
    input x, state h and one kernel W, recurrent kernel R and two biases b, c per gate:

        z = sigmoid(W_z x + b_z + R_z h + c_z)              update gate
        r = sigmoid(W_r x + b_r + R_r h + c_r)              reset gate
        g = tanh(W_h x + b_h + r * (R_h h + c_h))           candidate
        h' = z * h + (1 - z) * g

    LSTM: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; rnn: Elman 1990,
    h' = tanh(W x + R h + b). Attention and instance norm: see `layers/`.

    Weights of a recurrent layer of U units that reads C numbers: GRU 3 U (C + U + 2), LSTM 4 U (C + U + 1), rnn
    U (C + U + 1), twice that for both directions; of a dense layer from C to U: C U + U.

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

    outputs, states = encoder(config, context)
    units = config.widths[-1]
    if config.decoder == "recurrent":
        decoded = recurrent_layer(config, units, name="decoder")(future, initial_state=states)
    else:
        decoded = direct_decoder(states[0], future, units)
    if config.attention != "none":
        decoded = attend(decoded, outputs, units=units, score=config.attention)

    forecast = forecast_head(decoded, shape)
    return keras.Model(inputs, denormalise(forecast, level, spread), name=config.name)


def encoder(config: BiGRUConfig, context: Any) -> tuple[Any, list[Any]]:
    """Read the context.

    Args:
        config: the settings.
        context: (B, L, C).

    Returns:
        Outputs at every step (B, L, U or 2U), and the states a decoder of U units starts from, (B, U) each.
    """
    from forecast.layers.recurrent import Bidirectional

    outputs, states = context, []
    for number, units in enumerate(config.widths):
        name = f"encoder_{number}"
        layer = recurrent_layer(config, units, name=name, return_state=True)
        outputs, *states = (Bidirectional(layer, name=name) if config.bidirectional else layer)(outputs)
    return outputs, bridge(config, states)


def bridge(config: BiGRUConfig, states: list[Any]) -> list[Any]:
    """Merge the final states of the encoder's last layer into those a decoder of the same width starts from.

    An LSTM has two: its output, which lies in (-1, 1) like a GRU's state, and its memory, which does not. A direct
    decoder starts from the output alone.
    """
    from keras import layers

    units, kinds = config.widths[-1], 2 if config.cell == "lstm" else 1
    wanted = [("bridge", "tanh"), ("bridge_memory", "linear")][: kinds if config.decoder == "recurrent" else 1]
    merged = []
    for kind, (name, activation) in enumerate(wanted):
        both = states[kind::kinds]
        joined = layers.Concatenate(name=f"{name}_states")(both) if len(both) > 1 else both[0]
        merged.append(layers.Dense(units, activation=activation, name=name)(joined))
    return merged


def recurrent_layer(config: BiGRUConfig, units: int, *, name: str, return_state: bool = False) -> Any:
    """One recurrent layer of the chosen cell."""
    from keras import layers, regularizers

    from forecast.layers.recurrent import GRU, LSTM

    kinds = {"gru": GRU, "lstm": LSTM, "rnn": layers.SimpleRNN}
    return kinds[config.cell](
        units,
        return_sequences=True,
        return_state=return_state,
        dropout=config.dropout,
        recurrent_dropout=config.recurrent_dropout,
        kernel_regularizer=regularizers.L2(config.l2) if config.l2 else None,
        recurrent_regularizer=regularizers.L2(config.l2) if config.l2 else None,
        name=name,
    )


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

    numbers = layers.Dense(shape.num_targets * max(1, shape.num_quantiles), name="forecast")(decoded)
    if not shape.num_quantiles:
        return numbers
    by_level = layers.Reshape((shape.horizon, shape.num_targets, shape.num_quantiles), name="by_level")(numbers)
    return ordered_quantiles(by_level)
