"""A GRU that reads symbols one after another and, after each, names the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from forecast.layers.encoder import CELLS, RecurrentConfig, recurrent_layer
from forecast.section import PositiveInt

if TYPE_CHECKING:
    import keras


class GRUNextConfig(RecurrentConfig):
    """Settings of the network that predicts the next symbol.

    Example:
        >>> from forecast import GRUNextConfig
        >>> GRUNextConfig(units=128, num_layers=2).widths
        (128, 128)
    """

    name: Literal["gru_next"] = "gru_next"
    """Which architecture."""
    bidirectional: bool = False
    """Always false: a layer that reads backwards would see the symbol that it is to name."""
    units: Annotated[int, Field(ge=1, le=4096)] = 256
    """Width of every layer."""
    embedding_width: PositiveInt = 64
    """Width of the vectors of symbols."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of the inputs of every recurrent layer set to zero in training."""

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        """Refuse a second direction."""
        if self.bidirectional:
            raise ValueError(
                "bidirectional is true; expected false: a layer that reads backwards would see "
                "the symbol that it is to name"
            )
        return self


def build_gru_next(config: GRUNextConfig, num_symbols: int, length: int) -> keras.Model:
    """Build the model.

        symbols (B, T) -> embedding (B, T, E)
          -> `num_layers` recurrent layers in one direction, each from its given state, (B, T, U)
          -> dense, the same after every step -> logits (B, T, V); and the states after the last

    The states go in and come out, so that a long sequence is read in pieces (Mikolov et al. 2010,
    "Recurrent neural network based language model"; learning from pieces: Williams & Peng 1990).

    Args:
        config: the settings.
        num_symbols: V.
        length: steps T of a piece.

    Returns:
        A functional model from [symbols, *states] to [logits, *states].
    """
    import keras
    from keras import layers

    symbols = keras.Input((length,), dtype="int32", name="symbols")
    outputs = layers.Embedding(num_symbols, config.embedding_width, name="embedding")(symbols)
    states: list[Any] = []
    last: list[Any] = []
    for number, units in enumerate(config.widths):
        first = [
            keras.Input((units,), name=f"state_{number}_{part}")
            for part in range(CELLS[config.cell].num_states)
        ]
        layer = recurrent_layer(config, units, name=f"encoder_{number}", return_state=True)
        outputs, *after = layer(outputs, initial_state=first)
        states += first
        last += after
    logits = layers.Dense(num_symbols, name="logits")(outputs)  # (B, T, V)
    return keras.Model([symbols, *states], [logits, *last], name=config.name)


def state_widths(config: GRUNextConfig) -> tuple[int, ...]:
    """Return the width of every state of `build_gru_next`, in order."""
    num_states = CELLS[config.cell].num_states
    return tuple(units for units in config.widths for _ in range(num_states))
