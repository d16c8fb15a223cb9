"""The GRU and the LSTM: one step, its gradient, and the Keras layer that takes that step.

The layers have the weights, options, random numbers and outputs of `keras.layers.GRU` and
`keras.layers.LSTM`; only their loop is another, see `dispatch`. The same steps in C++ are in
`native/cells.h`.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from forecast.layers.cell_contract import Cell, Tensors
from forecast.layers.dispatch import FasterLoop


class GRUCell:
    """Cho et al. 2014, arXiv 1406.1078, with the reset gate after the product, as in cuDNN.

        z = sigmoid(x_z + m_z + b_z)    r = sigmoid(x_r + m_r + b_r)
        q = m_h + c    g = tanh(x_h + b_h + r q)    h' = z h + (1 - z) g

    The biases are b_z, b_r, b_h and c. Keras has two biases per gate, one for the input and one for
    the state; where both are only added, their sum is one bias here.
    """

    native_name: str | None = "gru"
    num_states = 1
    num_gates = 3
    num_saved = 4
    num_extra = 1

    def biases(self, bias: Any) -> Any:
        """See `Cell`; of a bias (2, 3 U), those of the input first."""
        of_input, of_state = tf.unstack(bias)
        z, r, h = tf.split(of_input, 3)
        state_z, state_r, state_h = tf.split(of_state, 3)
        return tf.stack([z + state_z, r + state_r, h, state_h])

    def step(
        self, x: Tensors, m: Tensors, bias: Tensors, states: Tensors
    ) -> tuple[list[Any], list[Any]]:
        """See `Cell`; saves z, r, g, q."""
        (h,) = states
        z = tf.sigmoid(x[0] + m[0] + bias[0])  # update gate
        r = tf.sigmoid(x[1] + m[1] + bias[1])  # reset gate
        q = m[2] + bias[3]
        g = tf.tanh(x[2] + bias[2] + r * q)  # candidate
        return [z * h + (1.0 - z) * g], [z, r, g, q]

    def gradients(
        self, d: Tensors, before: Tensors, saved: Tensors
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """See `Cell`; the extra gradient is that of the input's product for the candidate g."""
        (dh,) = d
        (h,) = before
        z, r, g, q = saved
        dg = dh * (1.0 - z) * (1.0 - g * g)
        dz = dh * (h - g) * z * (1.0 - z)
        dr = dg * q * r * (1.0 - r)
        return [dz, dr, dg * r], [dg], [dh * z]

    def input_gradients(self, recurrent: Any, extra: Tensors) -> Any:
        """See `Cell`."""
        (dg,) = extra
        units = dg.shape[-1]
        return tf.concat([recurrent[..., : 2 * units], dg], axis=-1)

    def bias_gradients(self, recurrent: Any, extra: Tensors) -> Any:
        """See `Cell`."""
        (dg,) = extra
        dz, dr, dq = tf.split(recurrent, 3)
        return tf.stack([dz, dr, dg, dq])


class LSTMCell:
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000.

        i, f, o = sigmoid(x + m + b)    g = tanh(x + m + b)
        c' = f c + i g    h' = o tanh(c')

    Gates are in the order i, f, g, o.
    """

    native_name: str | None = "lstm"
    num_states = 2
    num_gates = 4
    num_saved = 5
    num_extra = 0

    def biases(self, bias: Any) -> Any:
        """See `Cell`; of a bias (4 U,)."""
        return tf.reshape(bias, [4, bias.shape[0] // 4])

    def step(
        self, x: Tensors, m: Tensors, bias: Tensors, states: Tensors
    ) -> tuple[list[Any], list[Any]]:
        """See `Cell`; saves i, f, g, o and tanh(c')."""
        _, memory = states
        sums = [x_gate + m_gate + b for x_gate, m_gate, b in zip(x, m, bias, strict=True)]
        i = tf.sigmoid(sums[0])  # input gate
        f = tf.sigmoid(sums[1])  # forget gate
        g = tf.tanh(sums[2])  # candidate
        o = tf.sigmoid(sums[3])  # output gate
        memory = f * memory + i * g
        squashed = tf.tanh(memory)
        return [o * squashed, memory], [i, f, g, o, squashed]

    def gradients(
        self, d: Tensors, before: Tensors, saved: Tensors
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """See `Cell`."""
        dh, dc = d
        _, memory = before
        i, f, g, o, squashed = saved
        dc = dc + dh * o * (1.0 - squashed * squashed)
        di = dc * g * i * (1.0 - i)
        df = dc * memory * f * (1.0 - f)
        dg = dc * i * (1.0 - g * g)
        do = dh * squashed * o * (1.0 - o)
        return [di, df, dg, do], [], [tf.zeros_like(dh), dc * f]

    def input_gradients(self, recurrent: Any, extra: Tensors) -> Any:  # noqa: ARG002 - none
        """See `Cell`."""
        return recurrent

    def bias_gradients(self, recurrent: Any, extra: Tensors) -> Any:  # noqa: ARG002 - none
        """See `Cell`."""
        return tf.stack(tf.split(recurrent, 4))


@keras.saving.register_keras_serializable("forecast")
class GRU(FasterLoop, keras.layers.GRU):
    """A `keras.layers.GRU` with a faster loop on a CPU."""

    step_cell: Cell = GRUCell()
    keras_layer = keras.layers.GRU


@keras.saving.register_keras_serializable("forecast")
class LSTM(FasterLoop, keras.layers.LSTM):
    """A `keras.layers.LSTM` with a faster loop on a CPU."""

    step_cell: Cell = LSTMCell()
    keras_layer = keras.layers.LSTM


FASTER_LAYERS = (GRU, LSTM)
"""All layers that replace one of Keras."""
