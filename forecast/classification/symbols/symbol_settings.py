"""Settings of the prediction of the next symbol."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forecast.data.formats.written_table import WrittenTable
from forecast.models.gru_next import GRUNextConfig
from forecast.section import AUTO, Auto, PositiveInt, Section

Name = Annotated[str, Field(min_length=1)]


class SymbolRoles(Section):
    """Where the symbols are, and which of them are told apart."""

    id_col: Name | Auto = AUTO
    """Column that names the sequence of each row; `auto`: `unique_id`, `id` or `series`."""
    step_col: Name | Auto | None = AUTO
    """Column that orders the rows of a sequence; null: they stay in order."""
    symbol_col: Name = "symbol"
    """Column with the symbol of each step."""
    text_col: Name | None = None
    """Column of texts, in the place of the three above."""
    unit: Literal["characters", "words"] = "characters"
    """Kind of the symbols of a text."""
    lower_case: bool = False
    """Whether upper and lower case of a text are the same."""
    vocabulary: PositiveInt = 10_000
    """Most frequent symbols that are told apart; the others are one, the unknown one."""
    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share held out to decide when training stops: the last steps of a single sequence, else
    whole sequences, drawn at random."""


class SymbolData(WrittenTable, SymbolRoles):
    """Where the symbols are, and how their table is written.

    A file that ends in `.txt` is one text; other tables have a row per step, with a column of
    symbols, or a row per document, with a column of texts.
    """


class SymbolTraining(Section):
    """Settings of the training of a network for the next symbol."""

    epochs: PositiveInt = 30
    """Passes over the training symbols, at most."""
    seconds: Annotated[float, Field(gt=0.0)] | None = None
    """Time after which training stops at the end of a pass; passes are as long as a twentieth of
    it, at most. The learning rate falls with the time that is spent; null: with the epochs."""
    batch_size: PositiveInt = 64
    """Pieces of the symbols that are read side by side."""
    length: PositiveInt = 64
    """Steps of a piece: so far back a gradient reaches; the state goes on beyond."""
    learning_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 4e-3
    """Of Adam; it falls to a hundredth along a cosine."""
    patience: PositiveInt | None = 3
    """Passes without a better validation loss after which training stops; null: never."""
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """Largest norm of the gradients of a step."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Start of all random numbers."""


class NextSymbolSettings(Section):
    """All settings of the prediction of the next symbol.

    Example:
        >>> from forecast import NextSymbolSettings
        >>> NextSymbolSettings(model={"units": 32}).model.units
        32
    """

    data: SymbolData = SymbolData()
    """Where the symbols are."""
    model: GRUNextConfig = GRUNextConfig()
    """The network."""
    training: SymbolTraining = SymbolTraining()
    """Training of the network."""
