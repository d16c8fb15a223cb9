"""A bidirectional GRU that reads the context segment by segment and writes the horizon segment by segment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from forecast.layers.attention import attend
from forecast.layers.encoder import RecurrentConfig, Share, bridge, encode, recurrent_layer
from forecast.layers.instance_norm import denormalise, normalise
from forecast.layers.quantiles import ordered_quantiles
from forecast.layers.sequences import context_sequence, embed, model_inputs, static_features
from forecast.windows.index import WindowShape

if TYPE_CHECKING:
    import keras

LONGEST_SEGMENT = 24
"""Steps of a segment where none is set, at most."""


class SegmentBiGRUConfig(RecurrentConfig):
    """Settings of the bidirectional GRU over segments."""

    name: Literal["segment_bigru"] = "segment_bigru"
    """Which architecture."""
    dropout: Share = 0.3
    """Share of the inputs of every recurrent layer and of the forecast layer set to zero in
    training."""
    segment_length: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Steps that the network reads and writes at once; if left out, the horizon in equal parts of
    at most 24."""
    decoder: Literal["parallel", "recurrent"] = "parallel"
    """All segments of the horizon from the state of the encoder, or one after another."""
    channels: Literal["independent", "joint"] = "independent"
    """Several targets: one network for each of them by itself, or all of them read and written
    together."""
    attention: Literal["none", "dot", "additive"] = "none"
    """How the decoder looks back at the encoder's outputs."""
    instance_norm: Literal["none", "last", "standard"] = "last"
    """Per-window normalisation of the targets, undone on the forecast."""


def build_segment_bigru(config: SegmentBiGRUConfig, shape: WindowShape) -> keras.Model:
    """Build the model.

        past -> instance norm -> with `channels: independent`, each target a window of its own (B D,
        L, 1)
             -> [target, past covariates, embeddings] cut into segments of S steps, zeros before the
             first -> segment: one dense layer with relu, from [S steps, static] to U
             -> encoder: `num_layers` bidirectional recurrent layers over the segments -> outputs,
             final states -> bridge: forward and backward state joined, projected to U with tanh
             -> queries: for each segment of the horizon [known, embeddings, static] projected to U,
             plus a learned
                vector for its place and one for the target
             -> decoder, one recurrent layer:
                  parallel:  one step from the bridged state for every query
                  recurrent: from the bridged state over all queries
             -> attention over the encoder's outputs, the decoder's outputs asking
             -> forecast: dropout and one dense layer from U to S steps; what lies beyond the
             horizon is cut off -> quantiles put in order, instance norm undone

    Source: Lin et al. 2023, "SegRNN: Segment Recurrent Neural Network for Long-Term Time Series
    Forecasting", arXiv 2308.11200, of which this has the segments and the parallel decoder; both
    directions, covariates and attention are added. For the cells see `bigru`, for attention and
    instance norm `layers/`.

    Args:
        config: the settings.
        shape: what the model reads and writes.

    Returns:
        A functional model from the input dictionary of `WindowShape` to (B, H, D) or (B, H, D, Q).
    """
    import keras

    inputs = model_inputs(shape)
    normalised, level, spread = normalise(inputs["past"], shape.num_targets, config.instance_norm)
    static = static_features(inputs, shape)
    context, future = context_sequence(normalised, inputs, shape, []), known_sequence(inputs, shape)
    folds = shape.num_targets if config.channels == "independent" else 1
    if folds > 1:
        context = apart(context, folds)
        future, *static = (
            None if one is None else repeated(one, folds) for one in (future, *static)
        )

    units, length = config.widths[-1], segment_length(config, shape)
    segments = embedded_segments(context, static, length, config.widths[0])
    outputs, final = encode(config, segments)
    states = bridge(config, final, memory=True)
    queries = horizon_queries(inputs["past"], future, static, shape, (length, units, folds))
    decoded = decode(config, queries, states)
    if config.attention != "none":
        decoded = attend(decoded, outputs, units=units, score=config.attention)
    forecast = forecast_head(config, decoded, shape, (length, folds))
    return keras.Model(inputs, denormalise(forecast, level, spread), name=config.name)


def segment_length(config: SegmentBiGRUConfig, shape: WindowShape) -> int:
    """S: as set, or the horizon in as few equal parts as have at most `LONGEST_SEGMENT` steps."""
    return config.segment_length or math.ceil(
        shape.horizon / math.ceil(shape.horizon / LONGEST_SEGMENT)
    )


def known_sequence(inputs: dict[str, Any], shape: WindowShape) -> Any:
    """What is known of every forecast step, (B, H, C), or None."""
    from keras import layers

    parts = [inputs["known"]] if shape.num_known else []
    if shape.known_categories:
        parts += embed(inputs["known_categories"], shape.known_categories, name="known_embedding")
    return (
        (layers.Concatenate(name="future")(parts) if len(parts) > 1 else parts[0])
        if parts
        else None
    )


def apart(context: Any, num_targets: int) -> Any:
    """Each target a window of its own beside what all of them read: (B D, L, 1 + C - D) from (B, L, C)."""
    from keras import ops

    targets = ops.transpose(context[:, :, :num_targets], (0, 2, 1))
    alone = ops.reshape(targets, (-1, context.shape[1], 1))
    shared = context.shape[2] - num_targets
    return (
        ops.concatenate([alone, repeated(context[:, :, num_targets:], num_targets)], axis=2)
        if shared
        else alone
    )


def repeated(array: Any, times: int) -> Any:
    """Every window as often as there are targets: (B D, ...) from (B, ...)."""
    from keras import ops

    return ops.reshape(ops.repeat(array[:, None], times, axis=1), (-1, *array.shape[1:]))


def embedded_segments(context: Any, static: list[Any], length: int, units: int) -> Any:
    """(B, N, U) from (B, L, C): N segments of `length` steps, zeros before the first where L is no multiple."""
    from keras import layers

    number = math.ceil(context.shape[1] / length)
    filled = layers.ZeroPadding1D((number * length - context.shape[1], 0), name="filled_context")(
        context
    )
    parts = [layers.Reshape((number, length * context.shape[2]), name="segments")(filled)]
    parts += [layers.RepeatVector(number)(one) for one in static]
    joined = layers.Concatenate(name="segments_and_static")(parts) if len(parts) > 1 else parts[0]
    return layers.Dense(units, activation="relu", name="segment")(joined)


def horizon_queries(
    past: Any, future: Any, static: list[Any], shape: WindowShape, sizes: tuple[int, int, int]
) -> Any:
    """What the decoder asks for: (B D, M, U) for M segments of the horizon.

    Args:
        past: (B, L, C); only its number of windows counts.
        future: (B D, H, C) or None.
        static: tensors (B D, width).
        shape: sizes of the inputs.
        sizes: steps of a segment, U, and D, or 1 where targets are read together.
    """
    from keras import layers, ops

    length, units, folds = sizes
    number = math.ceil(shape.horizon / length)
    windows = ops.zeros_like(past[:, :1, 0], dtype="int32")  # learned vectors must hang on an input
    queries = layers.Embedding(number, units, name="place_embedding")(
        ops.arange(number, dtype="int32") + windows
    )
    if folds > 1:
        targets = layers.Embedding(folds, units, name="target_embedding")(
            ops.arange(folds, dtype="int32") + windows
        )
        # The smaller operand stands first; see `denormalise`.
        queries = ops.reshape(targets, (-1, 1, units)) + repeated(queries, folds)
    parts = [layers.RepeatVector(number)(one) for one in static]
    if future is not None:
        filled = layers.ZeroPadding1D((0, number * length - shape.horizon), name="filled_future")(
            future
        )
        parts.append(
            layers.Reshape((number, length * future.shape[2]), name="future_segments")(filled)
        )
    if not parts:
        return queries
    known = layers.Concatenate(name="known_segments")(parts) if len(parts) > 1 else parts[0]
    return queries + layers.Dense(units, name="query")(known)


def decode(config: SegmentBiGRUConfig, queries: Any, states: list[Any]) -> Any:
    """Answer every query (B, M, U) from the states (B, U)."""
    from keras import ops

    units, number = config.widths[-1], queries.shape[1]
    layer = recurrent_layer(config, units, name="decoder")
    if config.decoder == "recurrent":
        return layer(queries, initial_state=states)
    alone = ops.reshape(queries, (-1, 1, units))
    answers = layer(alone, initial_state=[repeated(state, number) for state in states])
    return ops.reshape(answers, (-1, number, units))


def forecast_head(
    config: SegmentBiGRUConfig, decoded: Any, shape: WindowShape, sizes: tuple[int, int]
) -> Any:
    """(B, H, D) numbers or (B, H, D, Q) ascending quantiles from the decoder's outputs (B D, M, U).

    Args:
        config: the settings.
        decoded: (B D, M, U).
        shape: what the model writes.
        sizes: steps of a segment, and D, or 1 where targets are written together.
    """
    from keras import layers, ops

    length, folds = sizes
    together, levels = shape.num_targets // folds, max(1, shape.num_quantiles)
    kept = layers.Dropout(config.dropout, name="forecast_dropout")(decoded)
    numbers = layers.Dense(length * together * levels, name="forecast")(kept)
    steps = ops.reshape(numbers, (-1, folds, decoded.shape[1] * length, together, levels))[
        :, :, : shape.horizon
    ]
    by_target = ops.reshape(
        ops.transpose(steps, (0, 2, 1, 3, 4)), (-1, shape.horizon, shape.num_targets, levels)
    )
    return ordered_quantiles(by_target) if shape.num_quantiles else by_target[..., 0]
