"""NumPy forms of recurrent layers: the loop over the steps, in one direction or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.inference.cell_steps import CELL_FORMS, CellForm
from forecast.inference.layer_forms import Options, UnknownFormError, require
from forecast.inference.row_blocks import ROWS
from forecast.layers.native.library import loaded_loops

Array = NDArray[Any]
States = Sequence[Array]


def run_loop(
    cell: CellForm, x: Array, states: States, *, backwards: bool
) -> tuple[Array, list[Array]]:
    """Run a cell over a sequence.

    Args:
        cell: the cell.
        x: (B, L, C).
        states: initial states, (B, U) each.
        backwards: whether the last step comes first.

    Returns:
        The outputs (B, L, U) in the order of time, and the final states (B, U).
    """
    num_windows, length, _ = x.shape
    filled = -(-num_windows // ROWS) * ROWS
    projected = cell.project(np.ascontiguousarray(x.swapaxes(0, 1)))  # (L, B, P)
    current = [_filled(state, filled) for state in states]
    if filled != num_windows:
        padded = np.zeros((length, filled, projected.shape[2]), projected.dtype)
        padded[:, :num_windows] = projected
        projected = padded
    outputs = np.empty((num_windows, length, current[0].shape[1]), np.float32)
    steps = range(length)
    for t in reversed(steps) if backwards else steps:
        current = cell.step(projected[t], current)
        outputs[:, t] = current[0][:num_windows]
    return outputs, [state[:num_windows] for state in current]


def _filled(state: Array, num_rows: int) -> Array:
    if len(state) == num_rows:
        return state
    filled = np.zeros((num_rows, state.shape[1]), np.float32)
    filled[: len(state)] = state
    return filled


def recurrent_form(kind: str, options: Options, weights: Sequence[Array]) -> Callable[..., Any]:
    """Return the function of a layer in one direction.

    Args:
        kind: key of its cell in `CELL_FORMS`.
        options: of the layer.
        weights: of the layer.

    Raises:
        UnknownFormError: the layer has options that the loop does not know.
    """
    direction = _direction(kind, options, weights)

    def run(x: Array, initial_state: Any = None) -> Any:
        outputs, states = direction(x, initial_state)
        shown = states[0]
        if options["return_sequences"]:
            shown = outputs[:, ::-1] if options["go_backwards"] else outputs
        return (shown, *states) if options["return_state"] else shown

    return run


def bidirectional_form(options: Options, weights: Sequence[Array]) -> Callable[..., Any]:
    """Return the function of a layer in both directions.

    Raises:
        UnknownFormError: see `recurrent_form`; or outputs are not joined by `concat`.
    """
    require(options, merge_mode="concat")
    half = len(weights) // 2
    layers = (options["forward"], options["backward"])
    directions = [
        _direction(layer["kind"], layer["options"], part)
        for layer, part in zip(layers, (weights[:half], weights[half:]), strict=True)
    ]
    own = layers[0]["options"]

    def run(x: Array, initial_state: Any = None) -> Any:
        starts: list[Any] = [None, None]
        if initial_state is not None:
            middle = len(initial_state) // 2
            starts = [initial_state[:middle], initial_state[middle:]]
        results = [direction(x, start) for direction, start in zip(directions, starts, strict=True)]
        parts = [outputs if own["return_sequences"] else states[0] for outputs, states in results]
        joined = np.concatenate(parts, axis=-1)
        if not own["return_state"]:
            return joined
        return (joined, *results[0][1], *results[1][1])

    return run


def _direction(
    kind: str, options: Options, weights: Sequence[Array]
) -> Callable[[Array, Any], tuple[Array, list[Array]]]:
    """Return the function from x (B, L, C) and initial states to outputs and final states."""
    require(options, stateful=False)
    if kind not in CELL_FORMS:
        raise UnknownFormError(kind)
    cell = CELL_FORMS[kind](options, weights)
    state_sizes = options["state_sizes"]
    backwards = options["go_backwards"]
    loops, _ = loaded_loops()
    whole: Callable[..., Any] = partial(run_loop, cell, backwards=backwards)
    if loops is not None and cell.native is not None:
        whole = loops.bind(cell.native, weights, backwards=backwards).forward

    def run(x: Array, initial_state: Any) -> tuple[Array, list[Array]]:
        states = initial_state
        if isinstance(states, np.ndarray):
            states = [states]
        if states is None:
            states = [np.zeros((len(x), size), np.float32) for size in state_sizes]
        return whole(x, states)

    return run
