"""The loops in C++ on NumPy arrays: the equations, no TensorFlow, and bits that stay."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from forecast.errors import ShapeError
from forecast.layers.machine import core_count
from forecast.layers.native.library import Loops, compiled_loops

needs_loops = pytest.mark.skipif(compiled_loops() is None, reason="no C++ compiler here")

GATES = {"gru": 3, "lstm": 4}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def slow(cell: str, x: Any, weights: Any, states: Any, *, backwards: bool) -> Any:
    """The equations of Keras, step by step in float64."""
    kernel, recurrent, bias = (np.asarray(one, np.float64) for one in weights)
    h, *memory = (np.asarray(one, np.float64) for one in states)
    outputs = np.zeros((*x.shape[:2], h.shape[1]))
    steps = range(x.shape[1])
    for step in reversed(steps) if backwards else steps:
        products = x[:, step].astype(np.float64) @ kernel
        if cell == "gru":
            of_x = np.split(products + bias[0], 3, axis=1)
            of_h = np.split(h @ recurrent + bias[1], 3, axis=1)
            z, r = (sigmoid(of_x[gate] + of_h[gate]) for gate in range(2))
            h = z * h + (1 - z) * np.tanh(of_x[2] + r * of_h[2])
        else:
            i, f, g, o = np.split(products + h @ recurrent + bias, 4, axis=1)
            memory = [sigmoid(f) * memory[0] + sigmoid(i) * np.tanh(g)]
            h = sigmoid(o) * np.tanh(memory[0])
        outputs[:, step] = h
    return outputs, [h, *memory]


def layer(cell: str, batch: int, length: int, channels: int, units: int) -> tuple[Any, Any, Any]:
    """Random input, weights and states."""
    rng = np.random.default_rng(batch + units)
    width = GATES[cell] * units
    bias_shape = (2, width) if cell == "gru" else (width,)
    shapes = ((channels, width), (units, width), bias_shape)
    weights = [(rng.normal(size=shape) / shape[0] ** 0.5).astype(np.float32) for shape in shapes]
    states = [
        rng.normal(size=(batch, units)).astype(np.float32) / 2 for _ in range(GATES[cell] - 2)
    ]
    return rng.normal(size=(batch, length, channels)).astype(np.float32), weights, states


def loops() -> Loops:
    found = compiled_loops()
    assert found is not None
    return found


@needs_loops
def test_a_bound_layer_keeps_its_weights_and_frees_them() -> None:
    x, weights, states = layer("gru", 3, 4, 5, 256)
    expected, _ = loops().forward("gru", x, weights, states)
    bound = loops().bind("gru", weights)
    for array in weights:
        array[:] = 0
    for batch in (3, 1, 3):
        found, _ = bound.forward(x[:batch], [state[:batch] for state in states])
        np.testing.assert_array_equal(found, expected[:batch])

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = peak()
    for _ in range(300):  # of 0.8 MB each
        loops().bind("gru", weights)
    assert peak() - before < 50_000


@needs_loops
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (5, 40, 3, 17), (130, 7, 20, 64)])
@pytest.mark.parametrize("cell", GATES)
def test_the_equations(cell: str, sizes: tuple[int, int, int, int], backwards: bool) -> None:
    x, weights, states = layer(cell, *sizes)
    expected, finals = slow(cell, x, weights, states, backwards=backwards)
    outputs, last = loops().forward(cell, x, weights, states, backwards=backwards)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=2e-6)
    for one, other in zip(last, finals, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=4e-6)
    nothing, same = loops().forward(cell, x, weights, states, backwards=backwards, sequence=False)
    assert nothing.shape == (sizes[0], 0, sizes[3])
    np.testing.assert_array_equal(same, last)


@needs_loops
@pytest.mark.parametrize("cell", GATES)
def test_other_types_orders_and_no_states(cell: str) -> None:
    x, weights, states = layer(cell, 6, 8, 3, 5)
    zeros = [np.zeros_like(state) for state in states]
    expected, _ = loops().forward(cell, x, weights, zeros)
    turned = np.asfortranarray(x.astype(np.float64))
    found, _ = loops().forward(cell, turned, [one.tolist() for one in weights])
    np.testing.assert_array_equal(found, expected)


@needs_loops
@pytest.mark.parametrize("cell", GATES)
def test_nothing_to_do(cell: str) -> None:
    x, weights, states = layer(cell, 3, 2, 4, 5)
    outputs, last = loops().forward(cell, x[:0], weights)
    assert (outputs.shape, last[0].shape) == ((0, 2, 5), (0, 5))
    outputs, last = loops().forward(cell, x[:, :0], weights, states)
    assert outputs.shape == (3, 0, 5)
    np.testing.assert_array_equal(last, states)


@needs_loops
@pytest.mark.parametrize("cell", GATES)
def test_bits_depend_on_neither_threads_nor_batch(cell: str) -> None:
    x, weights, states = layer(cell, 203, 12, 3, 21)
    found = []
    for count in (1, 2, 3, 8):
        loops().set_threads(count)
        found.append(loops().forward(cell, x, weights, states)[0])
    loops().set_threads(core_count())
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])
    for row in (0, 31, 202):
        own = [state[row : row + 1] for state in states]
        alone, _ = loops().forward(cell, x[row : row + 1], weights, own)
        np.testing.assert_array_equal(alone[0], found[0][row])


@needs_loops
def test_what_does_not_fit_is_refused() -> None:
    x, weights, states = layer("gru", 3, 2, 4, 5)
    with pytest.raises(ValueError, match="no cell 'mgu'; expected gru or lstm"):
        loops().forward("mgu", x, weights)
    with pytest.raises(ShapeError, match="x has shape"):
        loops().forward("gru", x[..., :3], weights)
    with pytest.raises(ShapeError, match="the recurrent kernel has shape"):
        loops().forward("lstm", x, weights)
    with pytest.raises(ShapeError, match="the bias has shape"):
        loops().forward("gru", x, [*weights[:2], weights[2][0]])
    for wrong in (states * 2, [states[0][:2]]):
        with pytest.raises(ShapeError, match="states have shapes"):
            loops().forward("gru", x, weights, wrong)


CODE = """
import os, sys
import numpy as np
from forecast.layers.native.library import compiled_loops
loops = compiled_loops()
loops.set_threads(3)
rng = np.random.default_rng(0)
x = rng.normal(size=(400, 20, 3))
weights = [rng.normal(size=shape) for shape in ((3, 24), (8, 24), (2, 24))]
expected = loops.forward("gru", x, weights)[0]
if not os.fork():
    same = all(np.array_equal(loops.forward("gru", x, weights)[0], expected) for _ in range(20))
    os._exit(0 if same else 1)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
print(*(name for name in ("tensorflow", "keras", "pandas") if name in sys.modules))
"""


@needs_loops
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_and_no_other_library() -> None:
    """A process that was forked while the threads were there runs its own."""
    done = subprocess.run(
        [sys.executable, "-c", CODE], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == ""
