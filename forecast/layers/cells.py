"""One step of a GRU and of an LSTM, and the slopes of that step, on TensorFlow tensors.

Both are written so that `recurrence` can treat them alike. A step reads the products of its input
with the kernel and of its state with the recurrent kernel, one (B, U) per gate, and four biases. It
hands on its states and keeps the numbers that its slopes are made of. `recurrent` slopes are those
of the products of the state; `extra` slopes are those of input gates that do not equal them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Tensors = Sequence[Any]


class Cell(Protocol):
    """What `recurrence` asks of a cell.

    Attributes:
        num_gates: products of input and of state that a step reads.
        num_kept: numbers per unit that a step keeps for its slopes.
        num_extra: how many `extra` slopes there are.
    """

    num_gates: int
    num_kept: int
    num_extra: int

    def step(
        self, x: Tensors, m: Tensors, bias: Tensors, states: Tensors
    ) -> tuple[list[Any], list[Any]]:
        """Take one step.

        Args:
            x: input products, (B, U) per gate.
            m: state products, (B, U) per gate.
            bias: four biases (U,).
            states: (B, U) each, the output first.

        Returns:
            The next states, and what to keep.
        """
        ...

    def slopes(
        self, d: Tensors, before: Tensors, kept: Tensors
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Turn the slopes of a step's new states into those of everything it read.

        Args:
            d: slopes of the new states.
            before: the states the step started from.
            kept: what it kept.

        Returns:
            The recurrent slopes, one per gate; the extra slopes; and the slopes of the states
            before, without what comes through the recurrent product.
        """
        ...

    def input_slopes(self, recurrent: Any, extra: Tensors) -> Any:
        """Slopes of the input products (rows, gates x U), from the recurrent ones (rows, gates x U) and the extra."""
        ...

    def bias_slopes(self, recurrent: Any, extra: Tensors) -> Any:
        """Slopes (4, U) of the four biases, from sums of slopes over all rows: (gates x U,) and (U,)."""
        ...


class GRUCell:
    """Cho et al. 2014, arXiv 1406.1078, with the reset gate after the product, as in cuDNN.

        z = sigmoid(x_z + m_z + b_z)    r = sigmoid(x_r + m_r + b_r)
        q = m_h + c    g = tanh(x_h + b_h + r q)    h' = z h + (1 - z) g

    The biases are b_z, b_r, b_h and c; those of input and state are one number where both are only
    added.
    """

    num_gates, num_kept, num_extra = 3, 4, 1

    def step(
        self, x: Tensors, m: Tensors, bias: Tensors, states: Tensors
    ) -> tuple[list[Any], list[Any]]:
        """See `Cell`; keeps z, r, g, q."""
        import tensorflow as tf

        (h,) = states
        z = tf.sigmoid(x[0] + m[0] + bias[0])
        r = tf.sigmoid(x[1] + m[1] + bias[1])
        q = m[2] + bias[3]
        g = tf.tanh(x[2] + bias[2] + r * q)
        return [z * h + (1.0 - z) * g], [z, r, g, q]

    def slopes(
        self, d: Tensors, before: Tensors, kept: Tensors
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """See `Cell`; the extra slope is that of the input's product for the candidate g."""
        (dh,), (h,), (z, r, g, q) = d, before, kept
        dg = dh * (1.0 - z) * (1.0 - g * g)
        dz = dh * (h - g) * z * (1.0 - z)
        dr = dg * q * r * (1.0 - r)
        return [dz, dr, dg * r], [dg], [dh * z]

    def input_slopes(self, recurrent: Any, extra: Tensors) -> Any:
        """See `Cell`."""
        import tensorflow as tf

        units = extra[0].shape[-1]
        return tf.concat([recurrent[..., : 2 * units], extra[0]], axis=-1)

    def bias_slopes(self, recurrent: Any, extra: Tensors) -> Any:
        """See `Cell`."""
        import tensorflow as tf

        z, r, q = tf.split(recurrent, 3)
        return tf.stack([z, r, extra[0], q])


class LSTMCell:
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000.

    i, f, o = sigmoid(x + m + b), g = tanh(x + m + b), c' = f c + i g, h' = o tanh(c'); gates in the
    order i, f, g, o.
    """

    num_gates, num_kept, num_extra = 4, 5, 0

    def step(
        self, x: Tensors, m: Tensors, bias: Tensors, states: Tensors
    ) -> tuple[list[Any], list[Any]]:
        """See `Cell`; keeps i, f, g, o and tanh(c')."""
        import tensorflow as tf

        i, f, g, o = (a + b + c for a, b, c in zip(x, m, bias, strict=True))
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        memory = f * states[1] + i * g
        shown = tf.tanh(memory)
        return [o * shown, memory], [i, f, g, o, shown]

    def slopes(
        self, d: Tensors, before: Tensors, kept: Tensors
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """See `Cell`."""
        import tensorflow as tf

        (dh, dc), (i, f, g, o, shown) = d, kept
        dc = dc + dh * o * (1.0 - shown * shown)
        di = dc * g * i * (1.0 - i)
        df = dc * before[1] * f * (1.0 - f)
        dg = dc * i * (1.0 - g * g)
        do = dh * shown * o * (1.0 - o)
        return [di, df, dg, do], [], [tf.zeros_like(dh), dc * f]

    def input_slopes(self, recurrent: Any, extra: Tensors) -> Any:  # noqa: ARG002 - the LSTM has none
        """See `Cell`."""
        return recurrent

    def bias_slopes(self, recurrent: Any, extra: Tensors) -> Any:  # noqa: ARG002 - the LSTM has none
        """See `Cell`."""
        import tensorflow as tf

        return tf.stack(tf.split(recurrent, 4))
