"""Recurrent layers of a recorded network in operations of an export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from forecast.export.operations import CellWeights, Operations, Value
from forecast.inference.layer_forms import Options, UnknownFormError, require

Array = NDArray[Any]

KINDS: dict[str, Literal["gru", "lstm", "rnn"]] = {
    "GRU": "gru",
    "forecast.GRU": "gru",
    "LSTM": "lstm",
    "forecast.LSTM": "lstm",
    "SimpleRNN": "rnn",
}
"""Layer -> its cell."""


def cell_of(kind: str, options: Options, weights: Sequence[Array]) -> CellWeights:
    """Return the weights of a layer in one direction.

    Raises:
        UnknownFormError: the layer has a cell or options that no format has.
    """
    if kind not in KINDS:
        raise UnknownFormError(f"its layer is a {kind}")
    require(options, stateful=False, use_bias=True, recurrent_activation="sigmoid")
    require(options, reset_after=True)
    cell = KINDS[kind]
    activation = options["activation"]
    if activation != "tanh" and not (cell == "rnn" and activation == "relu"):
        raise UnknownFormError(f"activation {activation!r}")
    kernel, recurrent_kernel, bias = weights
    return CellWeights(cell, kernel, recurrent_kernel, bias, activation)


def recurrent_node(
    ops: Operations,
    kind: str,
    options: Options,
    weights: Sequence[Array],
    arguments: tuple[Value, Any],
) -> Any:
    """Write a recurrent layer in one direction.

    Args:
        ops: writes the graph.
        kind: key of `KINDS`.
        options: of the layer.
        weights: of the layer.
        arguments: x (B, L, C), and the first states or None.
    """
    x, initial_state = arguments
    cell = cell_of(kind, options, weights)
    states = _as_list(initial_state)
    outputs, finals = ops.recurrent(cell, x, states, backwards=options["go_backwards"])
    shown = finals[0]
    if options["return_sequences"]:
        if options["go_backwards"]:
            raise UnknownFormError("go_backwards with return_sequences")
        shown = outputs
    return (shown, *finals) if options["return_state"] else shown


def bidirectional_node(
    ops: Operations, options: Options, weights: Sequence[Array], x: Value, initial_state: Any
) -> Any:
    """Write a recurrent layer in both directions.

    Args:
        ops: writes the graph.
        options: of the layer.
        weights: of the forward layer, then of the backward one.
        x: (B, L, C).
        initial_state: of both; or None.
    """
    require(options, merge_mode="concat")
    half = len(weights) // 2
    starts: list[Any] = [None, None]
    if initial_state is not None:
        middle = len(initial_state) // 2
        starts = [list(initial_state[:middle]), list(initial_state[middle:])]
    parts = []
    finals: list[Value] = []
    layers = (options["forward"], options["backward"])
    own = layers[0]["options"]
    for layer, start, of_layer in zip(
        layers, starts, (weights[:half], weights[half:]), strict=True
    ):
        cell = cell_of(layer["kind"], layer["options"], of_layer)
        backwards = layer["options"]["go_backwards"]
        outputs, states = ops.recurrent(cell, x, start, backwards=backwards)
        parts.append(outputs if own["return_sequences"] else states[0])
        finals += states
    joined = ops.concat(parts, -1)
    if not own["return_state"]:
        return joined
    return (joined, *finals)


def _as_list(states: Any) -> list[Value] | None:
    if states is None:
        return None
    if isinstance(states, (list, tuple)):
        return list(states)
    return [states]
