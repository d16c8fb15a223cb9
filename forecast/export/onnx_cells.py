"""Recurrent layers in the order of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.export.operations import CellWeights

GATES = {"gru": (0, 1, 2), "lstm": (0, 3, 1, 2), "rnn": (0,)}
"""Order of the gates in ONNX, as places in the order of Keras."""

OPERATORS = {"gru": "GRU", "lstm": "LSTM", "rnn": "RNN"}


def onnx_weights(cell: CellWeights) -> list[NDArray[np.float32]]:
    """Return W (1, G U, C), R (1, G U, U) and B (1, 2 G U) of a layer in the order of ONNX."""
    order = GATES[cell.kind]
    width = cell.units

    def gates(array: NDArray[Any]) -> NDArray[Any]:
        """Return the gates, along the last axis, in the order of ONNX."""
        parts = [array[..., gate * width : (gate + 1) * width] for gate in order]
        return np.concatenate(parts, axis=-1)

    of_input = cell.bias
    of_state = np.zeros_like(cell.bias)
    if cell.kind == "gru":
        of_input, of_state = cell.bias
    bias = np.concatenate([gates(of_input), gates(of_state)])
    return [gates(cell.kernel).T[None], gates(cell.recurrent_kernel).T[None], bias[None]]
