"""Networks that are compared: cells, attention and layers at an equal number of parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from forecast.layers.sequences import embedding_width
from forecast.models.segment_bigru import SegmentBiGRUConfig, segment_length
from forecast.windows.index import WindowShape

BUDGET = 60_000
"""Parameters of every network of the grid."""
TOLERANCE = 0.03
"""How far a network may be from the budget, as a share of it."""
SEEDS = (0, 100, 200)
KINDS = {"RNN": ("rnn", False), "GRU": ("gru", False), "LSTM": ("lstm", False)}
KINDS |= {"BiGRU": ("gru", True), "BiLSTM": ("lstm", True)}
"""Name -> cell, and whether the encoder reads in both directions."""
ATTENTION = ("none", "dot")
LAYERS = (1, 2, 3)


@dataclass(frozen=True)
class Choice:
    """One network of the grid, its width left open.

    Attributes:
        kind: of `KINDS`.
        attention: of `ATTENTION`.
        num_layers: encoder layers.
    """

    kind: str
    attention: str
    num_layers: int

    @property
    def key(self) -> str:
        """A name for files."""
        return f"{self.kind}-{self.attention}-{self.num_layers}"

    @property
    def settings(self) -> dict[str, Any]:
        """As fields of the model's section."""
        cell, bidirectional = KINDS[self.kind]
        return {
            "cell": cell,
            "bidirectional": bidirectional,
            "attention": self.attention,
            "num_layers": self.num_layers,
        }


GRID = tuple(Choice(*one) for one in product(KINDS, ATTENTION, LAYERS))
EQUAL_UNITS = {"LSTM": "GRU", "BiLSTM": "BiGRU"}
"""Those that are run once more, without attention, at the units that the other has in the grid."""


@dataclass(frozen=True)
class Set:
    """One published protocol and what is cut from it, the same for all networks.

    Attributes:
        case: as in the protocol.
        shape: what its networks read and write.
        overrides: what is cut, and the single network in place of the blend.
        scores: the errors that are shown; the first one is compared.
    """

    case: int | str
    shape: WindowShape
    overrides: tuple[str, ...]
    scores: tuple[str, ...]


SINGLE = (
    "ensemble.seeds=1",
    "ensemble.linear=none",
    "ensemble.context_lengths=[]",
    "model.dropout=0",
)
"""One network in place of the blend. Without dropout: see the page."""
SETS = {
    "etth1": Set(
        96,
        WindowShape(336, 96, num_targets=7, num_past=7),
        (
            "windows.context_length=336",
            "training.epochs=5",
            "training.windows_per_epoch=3000",
            "training.batch_size=8",
        ),
        ("MSE", "MAE"),
    ),
    "bike_sharing": Set(
        "all",
        WindowShape(
            168, 24, num_past=11, num_known=10, past_categories=(4,), known_categories=(4,)
        ),
        ("training.epochs=10", "training.windows_per_epoch=6000", "training.batch_size=16"),
        ("MSE", "MAE"),
    ),
    "m4_weekly": Set(
        "all",
        WindowShape(52, 13),
        (
            "windows.context_length=52",
            "training.epochs=8",
            "training.windows_per_epoch=10000",
            "training.batch_size=64",
        ),
        ("OWA", "sMAPE", "MASE"),
    ),
}


def count_parameters(config: SegmentBiGRUConfig, shape: WindowShape) -> int:
    """Return the number of weights, layer by layer as `segment_bigru` builds it.

    Args:
        config: the settings, with `channels: independent`.
        shape: sizes of the inputs, without anything known of the series.
    """
    length, widths, last = segment_length(config, shape), config.widths, config.widths[-1]
    directions = 2 if config.bidirectional else 1
    past = 1 + shape.num_past - shape.num_targets + sum(map(embedding_width, shape.past_categories))
    known = shape.num_known + sum(map(embedding_width, shape.known_categories))
    inputs = [widths[0], *(directions * width for width in widths[:-1])]
    codes = (*shape.past_categories, *shape.known_categories)
    segments = math.ceil(shape.horizon / length)
    return sum(
        (
            sum(size * embedding_width(size) for size in codes),
            (length * past + 1) * widths[0],  # segment
            sum(
                directions * of_cell(config.cell, *one) for one in zip(inputs, widths, strict=True)
            ),
            (2 if config.cell == "lstm" else 1) * (directions * last + 1) * last,  # bridge
            segments * last
            + (shape.num_targets * last if shape.num_targets > 1 else 0),  # learned vectors
            (length * known + 1) * last if known else 0,  # query
            of_cell(config.cell, last, last),  # decoder
            (directions + 2) * last * last if config.attention == "dot" else 0,
            (last + 1) * length,  # forecast
        )
    )


def of_cell(cell: str, inputs: int, units: int) -> int:
    """Parameters of one recurrent layer in one direction; a gate of Keras' GRU has two biases."""
    gates, biases = {"rnn": (1, 1), "gru": (3, 2), "lstm": (4, 1)}[cell]
    return gates * units * (inputs + units + biases)


def within_budget(
    choice: Choice, fields: dict[str, Any], shape: WindowShape, budget: int = BUDGET
) -> tuple[int, ...]:
    """Return the width of each layer that brings a network nearest to a number of parameters.

    All layers have the same width, or the first ones are wider by one.

    Args:
        choice: the network.
        fields: of the preset's model, of which the choice replaces some.
        shape: what it reads and writes.
        budget: the number of parameters.
    """

    def distance(widths: tuple[int, ...]) -> int:
        config = SegmentBiGRUConfig(**{**fields, **choice.settings, "units": widths})
        return abs(count_parameters(config, shape) - budget)

    equal = 1
    while distance((equal + 1,) * choice.num_layers) <= distance((equal,) * choice.num_layers):
        equal += 1
    return min(
        (widths for base in (equal - 1, equal) for widths in nearly_equal(base, choice.num_layers)),
        key=distance,
    )


def nearly_equal(base: int, num_layers: int) -> Iterator[tuple[int, ...]]:
    """`base` for all layers, for all but the first, and so on; the others are wider by one."""
    for wider in range(num_layers):
        if base > 0:
            yield (base + 1,) * wider + (base,) * (num_layers - wider)
