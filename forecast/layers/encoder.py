"""A stack of recurrent layers that reads a sequence, its settings, and the bridge from its states to a decoder."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from forecast.section import AUTO, Auto, Section

PLAIN_UNITS = 64
"""Width of each direction where no data decide on it."""

Units = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class RecurrentConfig(Section):
    """Settings that every recurrent model has."""

    name: str
    """Which architecture."""
    cell: Literal["gru", "lstm", "rnn"] = "gru"
    """Recurrent cell of encoder and decoder."""
    bidirectional: bool = True
    """Whether the encoder also reads the context backwards."""
    num_layers: Annotated[int, Field(ge=1, le=16)] = 1
    """Encoder layers."""
    units: Units | Auto | Annotated[tuple[Units, ...], Field(min_length=1)] = AUTO
    """Width of each direction, one number or one per layer; the decoder has the width of the last
    layer. `auto`: 32, 64 or 128 by the amount of data (`bigru`, and a model built without data:
    64)."""
    dropout: Share = 0.2
    """Share of the inputs of every recurrent layer set to zero in training."""
    recurrent_dropout: Share = 0.0
    """Share of the recurrent state set to zero in training."""
    l2: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the squared kernels of the recurrent layers added to the loss."""

    @model_validator(mode="after")
    def _one_width_per_layer(self) -> Self:
        if isinstance(self.units, tuple) and len(self.units) != self.num_layers:
            raise ValueError(
                f"units has {len(self.units)} numbers for num_layers: {self.num_layers}; "
                "give one number for all layers or one per layer"
            )
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each encoder layer."""
        if isinstance(self.units, tuple):
            return self.units
        if self.units == AUTO:
            return (PLAIN_UNITS,) * self.num_layers
        return (self.units,) * self.num_layers


def encode(config: RecurrentConfig, sequence: Any) -> tuple[Any, list[Any]]:
    """Read a sequence with one recurrent layer after another.

    Args:
        config: the settings.
        sequence: (B, L, C).

    Returns:
        Outputs at every step (B, L, U or 2U), and the final states of the last layer, (B, U) each:
        of an LSTM two per direction, those of the forward direction first.
    """
    from forecast.layers.recurrent import (
        Bidirectional,
    )  # TensorFlow starts when a model is built, not before

    outputs, states = sequence, []
    for number, units in enumerate(config.widths):
        name = f"encoder_{number}"
        layer = recurrent_layer(config, units, name=name, return_state=True)
        outputs, *states = (Bidirectional(layer, name=name) if config.bidirectional else layer)(
            outputs
        )
    return outputs, states


def bridge(config: RecurrentConfig, states: list[Any], *, memory: bool) -> list[Any]:
    """Merge the final states of the encoder's last layer into those a decoder of the same width starts from.

    An LSTM has two: its output, which lies in (-1, 1) like a GRU's state, and its memory, which
    does not.

    Args:
        config: the settings.
        states: from `encode`.
        memory: whether the memory of an LSTM is wanted; a decoder that is no LSTM starts from the
            output alone.
    """
    from keras import layers

    units, kinds = config.widths[-1], 2 if config.cell == "lstm" else 1
    wanted = [("bridge", "tanh"), ("bridge_memory", "linear")][: kinds if memory else 1]
    merged = []
    for kind, (name, activation) in enumerate(wanted):
        both = states[kind::kinds]
        joined = layers.Concatenate(name=f"{name}_states")(both) if len(both) > 1 else both[0]
        merged.append(layers.Dense(units, activation=activation, name=name)(joined))
    return merged


def recurrent_layer(
    config: RecurrentConfig, units: int, *, name: str, return_state: bool = False
) -> Any:
    """One recurrent layer of the chosen cell, which returns its outputs at all steps."""
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
