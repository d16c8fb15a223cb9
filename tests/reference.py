"""The model written a second time: float64 NumPy, one step at a time, from the published equations.

Weights come as a dictionary from the path of a Keras variable to its array; nothing else of Keras
is used. Sources: GRU: Cho et al. 2014, arXiv 1406.1078, with the reset gate after the product as
cuDNN computes it. LSTM: Hochreiter & Schmidhuber 1997, forget gate of Gers et al. 2000. Simple RNN:
Elman 1990. Attention: Luong et al. 2015, arXiv 1508.04025, and Bahdanau et al. 2015, arXiv
1409.0473. Instance normalisation: Kim et al. 2022 (RevIN).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.layers.encoder import RecurrentConfig
from forecast.models.bigru import BiGRUConfig
from forecast.models.segment_bigru import SegmentBiGRUConfig
from forecast.windows.index import WindowShape

Array = NDArray[np.float64]
Weights = dict[str, Array]
States = tuple[Array, ...]


def sigmoid(x: Array) -> Array:
    return np.where(
        x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x)))
    )


def softmax(x: Array) -> Array:
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def gru_step(x: Array, states: States, weights: Weights) -> States:
    """Update gate, reset gate, candidate; columns of the kernels in this order."""
    (h,) = states
    b, c = weights["bias"]
    from_input, from_state = x @ weights["kernel"] + b, h @ weights["recurrent_kernel"] + c
    (xz, xr, xh), (hz, hr, hh) = np.split(from_input, 3, axis=-1), np.split(from_state, 3, axis=-1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    candidate = np.tanh(xh + r * hh)
    return (z * h + (1 - z) * candidate,)


def lstm_step(x: Array, states: States, weights: Weights) -> States:
    """Input gate, forget gate, candidate, output gate; columns in this order."""
    h, memory = states
    i, f, g, o = np.split(
        x @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"], 4, axis=-1
    )
    memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(memory), memory


def rnn_step(x: Array, states: States, weights: Weights) -> States:
    return (
        np.tanh(x @ weights["kernel"] + states[0] @ weights["recurrent_kernel"] + weights["bias"]),
    )


STEPS: dict[str, Callable[[Array, States, Weights], States]] = {
    "gru": gru_step,
    "lstm": lstm_step,
    "rnn": rnn_step,
}


def run_cell(
    cell: str,
    sequence: Array,
    weights: Weights,
    *,
    states: States | None = None,
    backwards: bool = False,
) -> tuple[Array, States]:
    """Outputs (B, L, U) in the order of `sequence` (B, L, C), and the states after the last step
    that was read."""
    units = weights["recurrent_kernel"].shape[0]
    if states is None:
        states = (np.zeros((len(sequence), units)),) * (2 if cell == "lstm" else 1)
    outputs = np.empty((*sequence.shape[:2], units))
    steps = range(sequence.shape[1])
    for step in reversed(steps) if backwards else steps:
        states = STEPS[cell](sequence[:, step], states, weights)
        outputs[:, step] = states[0]
    return outputs, states


def under(weights: Weights, prefix: str) -> Weights:
    """Weights of one layer, by the last part of their path."""
    return {
        path.rsplit("/", 1)[-1]: array
        for path, array in weights.items()
        if path.startswith(f"{prefix}/")
    }


def dense(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}/kernel"] + weights.get(f"{name}/bias", 0.0)


def encode(config: RecurrentConfig, context: Array, weights: Weights) -> tuple[Array, list[States]]:
    """Outputs of the last layer, and its final states, forward then backward."""
    outputs, finals = context, []
    for layer in range(config.num_layers):
        name = f"encoder_{layer}"
        if config.bidirectional:
            ahead, final = run_cell(config.cell, outputs, under(weights, f"{name}/forward_{name}"))
            back, other = run_cell(
                config.cell, outputs, under(weights, f"{name}/backward_{name}"), backwards=True
            )
            outputs, finals = np.concatenate([ahead, back], axis=-1), [final, other]
        else:
            outputs, final = run_cell(config.cell, outputs, under(weights, name))
            finals = [final]
    return outputs, finals


def attend(queries: Array, memory: Array, weights: Weights, score: str) -> Array:
    keys = memory @ weights["attention_keys/kernel"]
    if score == "dot":
        scores = np.einsum("bhu,blu->bhl", queries, keys)
    else:
        projected = queries @ weights["attention_queries/kernel"]
        scores = np.tanh(projected[:, :, None] + keys[:, None]) @ weights["attention/scale"]
    context = np.einsum("bhl,blu->bhu", softmax(scores), keys)
    return np.tanh(np.concatenate([context, queries], axis=-1) @ weights["attention_state/kernel"])


def order_quantiles(raw: Array) -> Array:
    middle, steps = raw.shape[-1] // 2, np.log1p(np.exp(raw))
    above = np.cumsum(steps[..., middle + 1 :], axis=-1)
    below = np.cumsum(steps[..., :middle][..., ::-1], axis=-1)[..., ::-1]
    centre = raw[..., middle, None]
    return np.concatenate([centre - below, centre, centre + above], axis=-1)


def level_and_spread(targets: Array, how: str) -> tuple[Array, Array]:
    """(B, 1, D) each."""
    level = targets[:, -1:].copy() if how != "none" else np.zeros_like(targets[:, -1:])
    spread = targets.std(axis=1, keepdims=True) if how == "standard" else np.ones_like(level)
    return level, np.where(spread > 0, spread, 1.0)


def _embedded(inputs: dict[str, Any], key: str, name: str, weights: Weights) -> list[Array]:
    codes = inputs.get(key)
    if codes is None:
        return []
    return [
        weights[f"{name}_{place}/embeddings"][codes[..., place]] for place in range(codes.shape[-1])
    ]


def predict(
    config: BiGRUConfig, shape: WindowShape, inputs: dict[str, Any], weights: Weights
) -> Array:
    """The whole model: (B, H, D) or (B, H, D, Q)."""
    past = inputs["past"].astype(np.float64)
    size, num_targets, horizon, units = (
        len(past),
        shape.num_targets,
        shape.horizon,
        config.widths[-1],
    )
    level, spread = level_and_spread(past[:, :, :num_targets], config.instance_norm)
    past[:, :, :num_targets] = (past[:, :, :num_targets] - level) / spread

    static = [inputs["static"]] if "static" in inputs else []
    static += _embedded(inputs, "static_categories", "static_embedding", weights)
    context = [past, *_embedded(inputs, "past_categories", "past_embedding", weights)]
    context += [np.repeat(one[:, None], shape.context_length, axis=1) for one in static]
    future = [np.repeat(weights["step_embedding/embeddings"][None], size, axis=0)]
    future += [inputs["known"]] if "known" in inputs else []
    future += _embedded(inputs, "known_categories", "known_embedding", weights)
    future += [np.repeat(one[:, None], horizon, axis=1) for one in static]
    steps = np.concatenate(future, axis=-1)

    outputs, finals = encode(config, np.concatenate(context, axis=-1), weights)
    states = [
        np.tanh(dense(np.concatenate([final[0] for final in finals], axis=-1), weights, "bridge"))
    ]
    if config.cell == "lstm" and config.decoder == "recurrent":
        states.append(
            dense(np.concatenate([final[1] for final in finals], axis=-1), weights, "bridge_memory")
        )
    if config.decoder == "recurrent":
        decoded, _ = run_cell(config.cell, steps, under(weights, "decoder"), states=tuple(states))
    else:
        own = np.tanh(dense(states[0], weights, "decoder_steps")).reshape(size, horizon, units)
        decoded = np.tanh(dense(np.concatenate([own, steps], axis=-1), weights, "decoder"))
    if config.attention != "none":
        decoded = attend(decoded, outputs, weights, config.attention)

    numbers = dense(decoded, weights, "forecast")
    if not shape.num_quantiles:
        return numbers * spread + level
    raw = numbers.reshape(size, horizon, num_targets, shape.num_quantiles)
    return order_quantiles(raw) * spread[..., None] + level[..., None]


def predict_segments(
    config: SegmentBiGRUConfig, shape: WindowShape, inputs: dict[str, Any], weights: Weights
) -> Array:
    """The model over segments, one target and one segment of the horizon at a time: (B, H, D) or
    (B, H, D, Q)."""
    past = inputs["past"].astype(np.float64)
    num_targets, horizon, length = shape.num_targets, shape.horizon, int(config.segment_length or 0)
    level, spread = level_and_spread(past[:, :, :num_targets], config.instance_norm)
    targets = (past[:, :, :num_targets] - level) / spread
    others = [
        past[:, :, num_targets:],
        *_embedded(inputs, "past_categories", "past_embedding", weights),
    ]
    static = [inputs["static"]] if "static" in inputs else []
    static += _embedded(inputs, "static_categories", "static_embedding", weights)
    known = [inputs["known"]] if "known" in inputs else []
    known += _embedded(inputs, "known_categories", "known_embedding", weights)

    each = (
        [[target] for target in range(num_targets)]
        if config.channels == "independent"
        else [[*range(num_targets)]]
    )
    forecasts = []
    for place, group in enumerate(each):
        segments = _segments(
            np.concatenate([targets[..., group], *others], axis=-1), length, at_the_end=True
        )
        read = [np.concatenate([segment, *static], axis=-1) for segment in segments]
        embedded = np.maximum(dense(np.stack(read, axis=1), weights, "segment"), 0)
        outputs, finals = encode(config, embedded, weights)
        states = [
            np.tanh(
                dense(np.concatenate([final[0] for final in finals], axis=-1), weights, "bridge")
            )
        ]
        if config.cell == "lstm":
            states.append(
                dense(
                    np.concatenate([final[1] for final in finals], axis=-1),
                    weights,
                    "bridge_memory",
                )
            )
        queries = []
        ahead = _segments(np.concatenate(known, axis=-1), length, at_the_end=False) if known else []
        for number in range(-(-horizon // length)):
            query = weights["place_embedding/embeddings"][number]
            query = query + (weights["target_embedding/embeddings"][place] if len(each) > 1 else 0)
            parts = [*static, *([ahead[number]] if known else [])]
            query = query + (
                dense(np.concatenate(parts, axis=-1), weights, "query") if parts else 0
            )
            queries.append(np.broadcast_to(query, (len(past), config.widths[-1])))
        answers, start = [], tuple(states)
        for query in queries:
            after = STEPS[config.cell](query, start, under(weights, "decoder"))
            answers.append(after[0])
            start = after if config.decoder == "recurrent" else start
        decoded = np.stack(answers, axis=1)
        if config.attention != "none":
            decoded = attend(decoded, outputs, weights, config.attention)
        numbers = dense(decoded, weights, "forecast")
        steps = numbers.reshape(
            len(past), len(queries) * length, len(group), max(1, shape.num_quantiles)
        )
        forecasts.append(steps[:, :horizon])
    raw = np.concatenate(forecasts, axis=2)
    ordered = (
        order_quantiles(raw) * spread[..., None] + level[..., None] if shape.num_quantiles else None
    )
    return raw[..., 0] * spread + level if ordered is None else ordered


def _segments(sequence: Array, length: int, *, at_the_end: bool) -> list[Array]:
    """(B, length x C) pieces of (B, L, C), filled up with zeros so that the sequence ends, or
    begins, with a piece."""
    size, steps, channels = sequence.shape
    number = -(-steps // length)
    filled = np.zeros((size, number * length, channels))
    begin = number * length - steps if at_the_end else 0
    filled[:, begin : begin + steps] = sequence
    return [
        filled[:, first : first + length].reshape(size, -1)
        for first in range(0, number * length, length)
    ]


def finite_difference(
    function: Callable[[Array], float], at: Array, place: tuple[int, ...], step: float
) -> float:
    """Central difference of `function` along one coordinate."""
    ahead, behind = at.copy(), at.copy()
    ahead[place] += step
    behind[place] -= step
    return (function(ahead) - function(behind)) / (2 * step)
