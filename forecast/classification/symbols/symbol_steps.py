"""A trained network for the next symbol, read step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.layers.encoder import CELLS
from forecast.models.gru_next import GRUNextConfig, state_widths
from forecast.models.sequence_network import SequenceNetwork

Codes = NDArray[np.int32]
States = list[NDArray[np.float32]]

PIECE = 512
"""Symbols that are read at once."""


def first_states(config: GRUNextConfig) -> States:
    """Return the (1, U) states before the first symbol."""
    return [np.zeros((1, units), np.float32) for units in state_widths(config)]


def read_on(
    network: SequenceNetwork,
    config: GRUNextConfig,
    codes: Codes,
    states: States,
    *,
    metered: bool = False,
) -> tuple[FloatArray, States]:
    """Read some symbols.

    Args:
        network: of `build_gru_next`.
        config: its settings.
        codes: (T,) symbols.
        states: before the first of them.
        metered: whether memory and work are counted beforehand, as for a network of a file.

    Returns:
        The (T, V) logits after each, and the states after the last.
    """
    names = [
        f"state_{number}_{part}"
        for number in range(len(config.widths))
        for part in range(CELLS[config.cell].num_states)
    ]
    inputs: dict[str, Any] = {"symbols": codes[None], **dict(zip(names, states, strict=True))}
    run = network.metered if metered else network.outputs
    logits, *after = run(inputs)
    return np.asarray(logits[0], np.float64), after


def softmax(logits: FloatArray) -> FloatArray:
    """Return the (T, V) probabilities of (T, V) logits."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: FloatArray = raised / raised.sum(axis=1, keepdims=True)
    return shares


def read_stream(
    network: SequenceNetwork, config: GRUNextConfig, stream: Codes
) -> Iterator[tuple[int, FloatArray]]:
    """Yield the (T, V) probabilities after the symbols of each piece, and the first one's place.

    The state goes on from the first symbol to the last but one.

    Args:
        network: of `build_gru_next`.
        config: its settings.
        stream: (R,) codes.
    """
    states = first_states(config)
    for start in range(0, len(stream) - 1, PIECE):
        piece = stream[start : min(start + PIECE, len(stream) - 1)]
        logits, states = read_on(network, config, piece, states)
        yield start, softmax(logits)
