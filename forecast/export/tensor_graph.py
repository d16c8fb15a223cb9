"""Operations of TensorFlow, for SavedModel and LiteRT: no layer of this package is in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from forecast.export.operations import Binary, Body, CellWeights, Reduction, Shape, Type, Value

UNARY = {
    "abs": tf.abs,
    "exp": tf.exp,
    "isnan": tf.math.is_nan,
    "log": tf.math.log,
    "neg": tf.negative,
    "not": tf.logical_not,
    "relu": tf.nn.relu,
    "sigmoid": tf.sigmoid,
    "softplus": tf.nn.softplus,
    "sqrt": tf.sqrt,
    "tanh": tf.tanh,
}

BINARY = {
    "and": tf.logical_and,
    "equal": tf.equal,
    "greater": tf.greater,
    "less": tf.less,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "power": tf.pow,
}

REDUCTIONS = {
    "max": tf.reduce_max,
    "mean": tf.reduce_mean,
    "min": tf.reduce_min,
    "sum": tf.reduce_sum,
}


@dataclass(frozen=True)
class TensorGraph:
    """Writes operations of TensorFlow into the function that is traced; see `Operations`.

    Attributes:
        is_small: for LiteRT, which has numbers of 32 bits and no loops: a recurrent layer is
            written out step by step.
    """

    is_small: bool = False

    def constant(self, array: NDArray[Any] | np.generic) -> Value:
        """See `Operations`."""
        numbers = np.asarray(array)
        narrowed = numbers.astype(self._type(numbers.dtype.name))
        if narrowed.dtype != numbers.dtype and numbers.dtype.kind == "f":
            least = np.finfo(narrowed.dtype).tiny  # a divisor must not become 0
            narrowed = np.where((narrowed == 0) & (numbers > 0), least, narrowed)
        return tf.constant(narrowed)

    def shape(self, x: Value) -> Shape:
        """See `Operations`."""
        return tuple(x.shape.as_list())

    def cast(self, x: Value, to: Type) -> Value:
        """See `Operations`."""
        return tf.cast(x, self._type(to))

    def unary(self, name: str, x: Value) -> Value:
        """See `Operations`."""
        return UNARY[name](x)

    def binary(self, name: Binary, a: Value, b: Value) -> Value:
        """See `Operations`."""
        return BINARY[name](a, b)

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        """See `Operations`."""
        return tf.where(condition, a, b)

    def matmul(self, a: Value, b: Value) -> Value:
        """See `Operations`."""
        return tf.matmul(a, b)

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """See `Operations`."""
        return tf.concat(list(values), axis)

    def slice(self, x: Value, axis: int, start: int, stop: int) -> Value:
        """See `Operations`."""
        rank = len(x.shape)
        parts = [slice(None)] * rank
        parts[axis % rank] = slice(start, stop)
        return x[tuple(parts)]

    def take(self, x: Value, numbers: Sequence[int], axis: int) -> Value:
        """See `Operations`."""
        return tf.gather(x, tf.constant(list(numbers), tf.int32), axis=axis)

    def rows(self, table: Value, numbers: Value) -> Value:
        """See `Operations`."""
        return tf.gather(table, numbers)

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """See `Operations`."""
        return tf.reshape(x, list(shape))

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        """See `Operations`."""
        return tf.transpose(x, list(axes))

    def expand(self, x: Value, axis: int) -> Value:
        """See `Operations`."""
        return tf.expand_dims(x, axis)

    def squeeze(self, x: Value, axis: int) -> Value:
        """See `Operations`."""
        return tf.squeeze(x, axis)

    def reduce(self, name: Reduction, x: Value, axis: int) -> Value:
        """See `Operations`."""
        return REDUCTIONS[name](x, axis, keepdims=True)

    def softmax(self, x: Value) -> Value:
        """See `Operations`."""
        return tf.nn.softmax(x)

    def cumsum(self, x: Value, axis: int) -> Value:
        """See `Operations`."""
        return tf.cumsum(x, axis)

    def sort(self, x: Value, axis: int) -> Value:
        """See `Operations`."""
        return tf.sort(x, axis)

    def argmin(self, x: Value, axis: int) -> Value:
        """See `Operations`."""
        places = tf.argmin(x, axis, output_type=tf.dtypes.as_dtype(self._type("int64")))
        return tf.expand_dims(places, axis)

    def pick(self, x: Value, places: Value) -> Value:
        """See `Operations`."""
        return tf.gather(x, places, axis=1, batch_dims=1)

    def loop(self, body: Body, rows: Sequence[Value], states: Sequence[Value]) -> list[Value]:
        """See `Operations`."""
        count = int(rows[0].shape[0])

        def step(number: Value, *before: Value) -> tuple[Value, ...]:
            after = body(before, [row[number] for row in rows])
            for old, new in zip(before, after, strict=True):
                new.set_shape(old.shape)
            return (number + 1, *after)

        found = tf.while_loop(lambda number, *_: number < count, step, (0, *states))
        return list(found[1:])

    def choose(
        self,
        condition: Value,
        first: Callable[[], Sequence[Value]],
        second: Callable[[], Sequence[Value]],
    ) -> list[Value]:
        """See `Operations`."""
        is_so = tf.reshape(condition, ())
        found = tf.cond(is_so, lambda: tuple(first()), lambda: tuple(second()))
        return list(found)

    def recurrent(
        self, cell: CellWeights, x: Value, states: Sequence[Value] | None, *, backwards: bool
    ) -> tuple[Value, list[Value]]:
        """See `Operations`."""
        num_states = 2 if cell.kind == "lstm" else 1
        if states is None:
            zeros = tf.zeros_like(x[:, 0, :1]) * tf.zeros((1, cell.units), x.dtype)  # (B, U)
            states = [zeros] * num_states
        bias = cell.bias[0] if cell.kind == "gru" else cell.bias
        projected = tf.matmul(x, tf.constant(cell.kernel)) + tf.constant(bias)
        step = _STEPS[cell.kind](cell)
        if self.is_small:
            return _unrolled(step, projected, tuple(states), backwards=backwards)
        steps = tf.transpose(projected, (1, 0, 2))  # (L, B, G U)
        made = tf.scan(step, steps, tuple(states), reverse=backwards)
        last = 0 if backwards else -1
        return tf.transpose(made[0], (1, 0, 2)), [state[last] for state in made]

    def _type(self, name: str) -> str:
        """Return the type that numbers of a type have in the file."""
        return narrow(name) if self.is_small else name


def narrow(name: str) -> str:
    """Return the type of 32 bits in the place of one of 64."""
    return {"float64": "float32", "int64": "int32"}.get(name, name)


def _unrolled(
    step: Any, projected: Value, states: tuple[Value, ...], *, backwards: bool
) -> tuple[Value, list[Value]]:
    """Write a loop over the steps out; arguments and result as those of `recurrent`."""
    length = projected.shape[1]
    outputs: list[Value] = [None] * length
    numbers = range(length)
    for number in reversed(numbers) if backwards else numbers:
        states = step(states, projected[:, number])
        outputs[number] = states[0]
    return tf.stack(outputs, 1), list(states)


def _gru_step(cell: CellWeights) -> Any:
    width = cell.units
    kernel = tf.constant(cell.recurrent_kernel)
    bias = tf.constant(cell.bias[1])

    def step(states: Any, x: Any) -> Any:
        (h,) = states
        m = tf.matmul(h, kernel) + bias
        z = tf.sigmoid(x[:, :width] + m[:, :width])
        r = tf.sigmoid(x[:, width : 2 * width] + m[:, width : 2 * width])
        g = tf.tanh(x[:, 2 * width :] + r * m[:, 2 * width :])
        return (z * h + (np.float32(1) - z) * g,)

    return step


def _lstm_step(cell: CellWeights) -> Any:
    width = cell.units
    kernel = tf.constant(cell.recurrent_kernel)

    def step(states: Any, x: Any) -> Any:
        h, memory = states
        i, f, g, o = tf.split(x + tf.matmul(h, kernel), [width] * 4, axis=1)
        memory = tf.sigmoid(f) * memory + tf.sigmoid(i) * tf.tanh(g)
        return (tf.sigmoid(o) * tf.tanh(memory), memory)

    return step


def _rnn_step(cell: CellWeights) -> Any:
    kernel = tf.constant(cell.recurrent_kernel)
    activation = UNARY[cell.activation]
    return lambda states, x: (activation(x + tf.matmul(states[0], kernel)),)


_STEPS = {"gru": _gru_step, "lstm": _lstm_step, "rnn": _rnn_step}
