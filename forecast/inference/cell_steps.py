"""NumPy forms of the recurrent cells, by the layer that has them.

A form is a function of the options and weights of a layer. It returns the part of a step that does
not depend on the states, which is computed for all steps at once, and the rest of the step. Arrays
have a number of rows that `Kernel.product` need not fill up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.inference.array_forms import sigmoid
from forecast.inference.layer_forms import activation_of, require
from forecast.inference.row_blocks import Kernel

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class CellForm:
    """A recurrent cell of U units with its weights; `state_sizes` of the options are its widths.

    Attributes:
        project: (..., P) from the inputs (..., C), whatever a step reads of them.
        step: the next states from the projection (B, P) of one step and the states (B, U) each, the
            output first.
        native: name of the cell in the loops in C++, which take the weights as Keras has them; None
            where they do not have it.
    """

    project: Callable[[Array], Array]
    step: Callable[[Array, Sequence[Array]], list[Array]]
    native: str | None = None


def _gru(options: dict[str, Any], weights: Sequence[Array]) -> CellForm:
    """Cho et al. 2014, arXiv 1406.1078, with the reset gate after the product; see `layers`."""
    require(options, activation="tanh", recurrent_activation="sigmoid", reset_after=True)
    require(options, use_bias=True)
    kernel, recurrent_kernel, (of_input, of_state) = weights
    units = options["units"]
    gates = 2 * units  # z and r
    bias = of_input.copy()
    bias[:gates] += of_state[:gates]
    of_candidate = of_state[gates:]
    inputs = Kernel(kernel)
    recurrent = Kernel(recurrent_kernel)

    def step(x: Array, states: Sequence[Array]) -> list[Array]:
        (h,) = states
        m = recurrent.product(h)
        opened = sigmoid(x[:, :gates] + m[:, :gates])
        z = opened[:, :units]  # update gate
        r = opened[:, units:]  # reset gate
        g = np.tanh(x[:, gates:] + r * (m[:, gates:] + of_candidate))  # candidate
        return [z * h + (np.float32(1) - z) * g]

    return CellForm(lambda x: inputs.product(x) + bias, step, native="gru")


def _lstm(options: dict[str, Any], weights: Sequence[Array]) -> CellForm:
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; see `layers`."""
    require(options, activation="tanh", recurrent_activation="sigmoid", use_bias=True)
    kernel, recurrent_kernel, bias = weights
    units = options["units"]
    inputs = Kernel(kernel)
    recurrent = Kernel(recurrent_kernel)

    def step(x: Array, states: Sequence[Array]) -> list[Array]:
        h, memory = states
        sums = x + recurrent.product(h)
        opened = sigmoid(sums[:, : 2 * units])
        i = opened[:, :units]  # input gate
        f = opened[:, units:]  # forget gate
        g = np.tanh(sums[:, 2 * units : 3 * units])  # candidate
        o = sigmoid(sums[:, 3 * units :])  # output gate
        memory = f * memory + i * g
        return [o * np.tanh(memory), memory]

    return CellForm(
        lambda x: inputs.product(x) + bias,
        step,
        native="lstm",
    )


def _simple_rnn(options: dict[str, Any], weights: Sequence[Array]) -> CellForm:
    """Elman 1990."""
    activation = activation_of(options)
    kernel, recurrent_kernel, *bias = weights
    inputs = Kernel(kernel)
    recurrent = Kernel(recurrent_kernel)
    of_input = bias[0] if bias else np.float32(0)
    return CellForm(
        lambda x: inputs.product(x) + of_input,
        lambda x, states: [activation(x + recurrent.product(states[0]))],
    )


CELL_FORMS: dict[str, Callable[[dict[str, Any], Sequence[Array]], CellForm]] = {
    "GRU": _gru,
    "LSTM": _lstm,
    "SimpleRNN": _simple_rnn,
    "forecast.GRU": _gru,
    "forecast.LSTM": _lstm,
}
"""Layer -> its cell; a layer of another package is named with its module, `package.module.Layer`.
"""
