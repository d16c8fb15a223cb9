"""The recurrent encoder: its settings, the table of cells, and the bridge to a decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from forecast.section import AUTO, Auto, OneOf, Section

PLAIN_UNITS = 64
"""Width of each direction where no data decide on it."""

# Keras is imported inside functions, here and in the other modules that a configuration needs:
# reading and checking one then takes no TensorFlow.


@dataclass(frozen=True)
class CellKind:
    """An entry of `CELLS`.

    Attributes:
        layer: returns the class of the layer, which takes the options of `keras.layers.GRU` that
            `recurrent_layer` sets.
        num_states: states of the layer, (B, U) each: the output, and of an LSTM its memory.
    """

    layer: Callable[[], Any]
    num_states: int = 1


def _gru() -> Any:
    from forecast.layers.cells import GRU

    return GRU


def _lstm() -> Any:
    from forecast.layers.cells import LSTM

    return LSTM


def _simple_rnn() -> Any:
    from keras.layers import SimpleRNN

    return SimpleRNN


CELLS: dict[str, CellKind] = {
    "gru": CellKind(_gru),
    "lstm": CellKind(_lstm, num_states=2),
    "rnn": CellKind(_simple_rnn),
}
"""Every recurrent cell by the name that settings know it by."""

Units = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class RecurrentConfig(Section):
    """Settings that every recurrent model has."""

    name: str
    """Which architecture."""
    cell: Annotated[str, OneOf(lambda: CELLS)] = "gru"
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
    from forecast.layers.recurrent import Bidirectional

    outputs = sequence
    states: list[Any] = []
    for number, units in enumerate(config.widths):
        name = f"encoder_{number}"
        layer = recurrent_layer(config, units, name=name, return_state=True)
        if config.bidirectional:
            layer = Bidirectional(layer, name=name)
        outputs, *states = layer(outputs)
    return outputs, states


def bridge(config: RecurrentConfig, states: list[Any], *, memory: bool) -> list[Any]:
    """Merge the final states of the encoder into the initial states of a decoder of the same width.

    An LSTM has two states: its output, which lies in (-1, 1) like a GRU's state, and its memory,
    which does not.

    Args:
        config: the settings.
        states: from `encode`, (B, U) each.
        memory: whether to return the memory of an LSTM too; a decoder that is no LSTM starts from
            the output alone.

    Returns:
        (B, U) each.
    """
    from keras import layers

    num_states = CELLS[config.cell].num_states
    named = [("bridge", "tanh"), ("bridge_memory", "linear")]
    wanted = named[:num_states] if memory else named[:1]

    merged = []
    for index, (name, activation) in enumerate(wanted):
        directions = states[index::num_states]  # (B, U) of one direction or two
        joined = directions[0]
        if len(directions) > 1:
            joined = layers.Concatenate(name=f"{name}_states")(directions)  # (B, 2 U)
        merged.append(layers.Dense(config.widths[-1], activation=activation, name=name)(joined))
    return merged


def recurrent_layer(
    config: RecurrentConfig, units: int, *, name: str, return_state: bool = False
) -> Any:
    """Return a recurrent layer of the chosen cell, which returns its outputs at all steps."""
    from keras import regularizers

    penalty = regularizers.L2(config.l2) if config.l2 else None
    return CELLS[config.cell].layer()(
        units,
        return_sequences=True,
        return_state=return_state,
        dropout=config.dropout,
        recurrent_dropout=config.recurrent_dropout,
        kernel_regularizer=penalty,
        recurrent_regularizer=penalty,
        name=name,
    )
