"""Products in bfloat16 are those of the equations with factors that are rounded to it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from forecast.errors import TrainingError
from forecast.layers import precision
from forecast.layers.native import operations
from forecast.layers.native.library import compiled_loops
from forecast.layers.native.loop import OPERATION, NativeLoop
from forecast.layers.precision import products_are_rounded, refuse_other_loop, rounded_products
from forecast.layers.recurrent import GRU


def has_bfloat16() -> bool:
    loops = compiled_loops()
    return operations() is not None and loops is not None and loops.has_bfloat16


needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16")

GATES = {"gru": 3, "lstm": 4}

SIZES = {
    "one of each": (1, 1, 1, 1),
    "odd numbers of everything": (13, 3, 5, 19),
    "several blocks and panels": (70, 2, 33, 40),
    "several chunks": (64, 13, 3, 48),
}


def rounded(x: Any) -> Any:
    """The nearest float of 16 bits, ties to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def exact(x: Any) -> Any:
    return np.asarray(x, np.float64)


class Case(NamedTuple):
    """The arguments of a layer, and the gradients of its results."""

    cell: str
    x: Any
    kernel: Any
    recurrent: Any
    bias: Any  # (4, U)
    states: list[Any]
    input_masks: tuple[Any, ...]
    state_masks: tuple[Any, ...]
    d: list[Any]  # of the last states, and of the outputs


def make_case(cell: str, size: tuple[int, int, int, int], *, masked: bool) -> Case:
    batch, length, channels, units = size
    draw = np.random.default_rng(batch)
    width = GATES[cell] * units

    def normal(*shape: int) -> Any:
        return draw.normal(size=shape).astype(np.float32)

    def masks(columns: int) -> tuple[Any, ...]:
        if not masked:
            return ()
        kept = draw.random(size=(GATES[cell], batch, columns)) < 0.7
        return tuple((kept / 0.7).astype(np.float32))

    num_states = GATES[cell] - 2
    return Case(
        cell,
        normal(batch, length, channels),
        normal(channels, width) / np.float32(channels**0.5),
        normal(units, width) / np.float32(units**0.5),
        normal(4, units) / np.float32(4),
        [normal(batch, units) / np.float32(2) for _ in range(num_states)],
        masks(channels),
        masks(units),
        [normal(batch, units) for _ in range(num_states)] + [normal(batch, length, units)],
    )


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def slow(case: Case, round_: Any) -> list[Any]:
    """The equations, one step after another; factors of products go through `round_`.

    Returns:
        Outputs and final states; gradients of x, kernels, bias and states.
    """
    results, steps = slow_forward(case, round_)
    return [*results, *slow_backward(case, round_, steps)]


def of_gates(case: Case, round_: Any) -> tuple[list[Any], list[Any], Any, Any]:
    """Kernels and recurrent kernels of the gates, and their masks."""
    gates = GATES[case.cell]
    kernels = np.split(round_(case.kernel), gates, axis=1)
    recurrents = np.split(round_(case.recurrent), gates, axis=1)
    ones = (np.float32(1),) * gates
    return kernels, recurrents, case.input_masks or ones, case.state_masks or ones


def slow_forward(case: Case, round_: Any) -> tuple[list[Any], list[Any]]:
    """Outputs and final states, and what the gradient needs of each step."""
    kernels, recurrents, of_x, of_h = of_gates(case, round_)
    bias = exact(case.bias)
    h, *memory = map(exact, case.states)
    steps = []
    outputs = []
    for t in range(case.x.shape[1]):
        xs = [round_(case.x[:, t] * mask) for mask in of_x]
        hs = [round_(h.astype(np.float32) * mask) for mask in of_h]
        from_x = [x @ kernel for x, kernel in zip(xs, kernels, strict=True)]
        from_h = [x @ kernel for x, kernel in zip(hs, recurrents, strict=True)]
        before = (h, *memory)
        if case.cell == "gru":
            z, r = (sigmoid(from_x[g] + from_h[g] + bias[g]) for g in range(2))
            q = from_h[2] + bias[3]
            new = np.tanh(from_x[2] + bias[2] + r * q)
            h = z * h + (1 - z) * new
            kept: Any = (z, r, new, q)
        else:
            sums = [from_x[g] + from_h[g] + bias[g] for g in range(4)]
            i, f, o = (sigmoid(sums[g]) for g in (0, 1, 3))
            new = np.tanh(sums[2])
            memory = [f * memory[0] + i * new]
            h = o * np.tanh(memory[0])
            kept = (i, f, new, o, np.tanh(memory[0]))
        steps.append((xs, hs, before, kept))
        outputs.append(h)
    return [np.stack(outputs, axis=1), h, *memory], steps


def slow_backward(case: Case, round_: Any, steps: list[Any]) -> list[Any]:
    """Gradients of x, kernels, bias and states."""
    kernels, recurrents, of_x, of_h = of_gates(case, round_)
    d_x = np.zeros(case.x.shape)
    d_kernels = [np.zeros(kernel.shape) for kernel in kernels]
    d_recurrents = [np.zeros(kernel.shape) for kernel in recurrents]
    d_bias = np.zeros(case.bias.shape)
    *d_states, d_outputs = map(exact, case.d)
    dh, *dc = d_states
    for t in reversed(range(case.x.shape[1])):
        xs, hs, before, kept = steps[t]
        dh = dh + d_outputs[:, t]
        if case.cell == "gru":
            z, r, new, q = kept
            dg = dh * (1 - z) * (1 - new**2)
            dz = dh * (before[0] - new) * z * (1 - z)
            dr = dg * q * r * (1 - r)
            columns_x, columns_h, sums = [dz, dr, dg], [dz, dr, dg * r], [dz, dr, dg, dg * r]
            dh = dh * z
        else:
            i, f, new, o, squashed = kept
            inside = dc[0] + dh * o * (1 - squashed**2)
            sums = [
                inside * new * i * (1 - i),
                inside * before[1] * f * (1 - f),
                inside * i * (1 - new**2),
                dh * squashed * o * (1 - o),
            ]
            columns_x, columns_h = sums, sums
            dh, dc = np.zeros_like(dh), [inside * f]
        for g in range(GATES[case.cell]):
            left, right = round_(columns_x[g]), round_(columns_h[g])
            d_x[:, t] += left @ kernels[g].T * of_x[g]
            dh = dh + right @ recurrents[g].T * of_h[g]
            d_kernels[g] += xs[g].T @ left
            d_recurrents[g] += hs[g].T @ right
        d_bias += np.stack([one.sum(axis=0) for one in sums])
    return [d_x, np.hstack(d_kernels), np.hstack(d_recurrents), d_bias, dh, *dc]


def size_of(x: Any) -> float:
    return float(np.sqrt(np.square(x).mean()))


def native(case: Case) -> list[Any]:
    """The same in C++."""
    loop = NativeLoop(
        case.cell, len(case.states), False, case.input_masks, case.state_masks, bfloat16=True
    )
    inputs = [tf.constant(case.x), *map(tf.constant, (case.kernel, case.recurrent, case.bias))]
    inputs += [tf.constant(state) for state in case.states]
    finals, outputs, saved = loop.forward(*inputs)
    gradients = loop.backward(saved, [tf.constant(one) for one in case.d], *inputs)
    return [one.numpy() for one in (*outputs, *finals, *gradients)]


@needs_bfloat16
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("cell", GATES)
def test_the_equations_with_rounded_factors(
    cell: str, size: tuple[int, int, int, int], masked: bool
) -> None:
    # A state that lies between two neighbours may be rounded to the other one: the loops are not
    # exact, but far closer to the rounded equations than these are to those without rounding.
    case = make_case(cell, size, masked=masked)
    found = native(case)
    expected = slow(case, rounded)
    without = slow(case, exact)
    for ours, theirs, plain in zip(found, expected, without, strict=True):
        assert ours.shape == theirs.shape
        assert size_of(ours - theirs) <= max(0.1 * size_of(theirs - plain), 1e-6 * size_of(plain))


@needs_bfloat16
def test_forecasts_read_float32_weights_and_training_does_not() -> None:
    layer = GRU(4, return_sequences=True)
    x = tf.random.normal((2, 3, 5))
    layer(x)

    def settings(wanted: bool) -> dict[str, set[bool]]:
        @tf.function
        def gradients() -> Any:
            with rounded_products(wanted), tf.GradientTape() as tape:
                total = tf.reduce_sum(layer(x, training=True))
                return tape.gradient(total, [one.value for one in layer.trainable_variables])

        found: dict[str, set[bool]] = {}
        for operation in gradients.get_concrete_function().graph.get_operations():
            if operation.type in (OPERATION, "BigruBackward"):
                found.setdefault(operation.type, set()).add(operation.get_attr("rounded"))
        return found

    assert settings(True) == {OPERATION: {True}, "BigruBackward": {True}}
    assert settings(False) == {OPERATION: {False}, "BigruBackward": {False}}
    assert not products_are_rounded()


def test_other_loops_and_processors_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_other_loop("encoder")  # in float32 there is nothing to refuse
    with rounded_products(True), pytest.raises(TrainingError, match="layer 'encoder' does not run"):
        refuse_other_loop("encoder")
    layer = GRU(4, activation="relu")
    with rounded_products(True), pytest.raises(TrainingError, match=r"precision=\"float32\""):
        layer(tf.zeros((2, 3, 5)))

    monkeypatch.setattr(precision, "loaded_loops", lambda: (None, "no C++ compiler was found"))
    with pytest.raises(TrainingError, match=r"no loops in C\+\+ \(no C\+\+ compiler was found\)"):
        precision.refuse_without_processor()

    class Old:
        has_bfloat16 = False

    monkeypatch.setattr(precision, "loaded_loops", lambda: (Old(), ""))
    with pytest.raises(TrainingError, match="this processor has no products of it"):
        precision.refuse_without_processor()
