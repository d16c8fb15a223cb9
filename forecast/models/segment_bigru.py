"""A bidirectional GRU that reads the context and writes the horizon segment by segment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from forecast.layers.attention import attend
from forecast.layers.encoder import RecurrentConfig, Share, bridge, encode, recurrent_layer
from forecast.layers.instance_norm import denormalise, normalise
from forecast.layers.quantiles import ordered_quantiles
from forecast.layers.sequences import (
    context_sequence,
    join,
    known_features,
    model_inputs,
    static_features,
)
from forecast.windows.index import WindowShape

if TYPE_CHECKING:
    import keras

LONGEST_SEGMENT = 24
"""Most steps of a segment where no length is set."""


class SegmentBiGRUConfig(RecurrentConfig):
    """Settings of the bidirectional GRU over segments, the default architecture.

    Example:
        >>> from forecast import SegmentBiGRUConfig
        >>> SegmentBiGRUConfig(units=32).decoder
        'parallel'
        >>> SegmentBiGRUConfig(segment_length=0)
        Traceback (most recent call last):
        ...
        forecast.errors.ConfigError: SegmentBiGRUConfig.segment_length is 0; expected ...
    """

    name: Literal["segment_bigru"] = "segment_bigru"
    """Which architecture."""
    dropout: Share = 0.3
    """Share of the inputs of every recurrent layer and of the forecast layer set to zero in
    training."""
    segment_length: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Steps that the network reads and writes at once; default: the horizon in equal parts of at
    most 24."""
    decoder: Literal["parallel", "recurrent"] = "parallel"
    """All segments of the horizon from the state of the encoder, or one after another."""
    channels: Literal["independent", "joint"] = "independent"
    """Several targets: one network for each of them by itself, or all of them read and written
    together."""
    attention: Literal["none", "dot", "additive"] = "none"
    """Attention of the decoder over the encoder's outputs."""
    instance_norm: Literal["none", "last", "standard"] = "last"
    """Per-window normalisation of the targets, undone on the forecast."""


@dataclass(frozen=True)
class _Sizes:
    """Sizes inside the network, beside those of `WindowShape`.

    Attributes:
        length: S, steps of a segment.
        units: U, width of the decoder.
        folds: F, windows made of each window: D where each target is read by itself, else 1.
    """

    length: int
    units: int
    folds: int


def build_segment_bigru(config: SegmentBiGRUConfig, shape: WindowShape) -> keras.Model:
    """Build the model.

        past -> instance norm
          -> with `channels: independent` each target becomes a separate window, (B D, L, 1)
          -> [target, past covariates, embeddings] cut into N segments of S steps, zeros before the
             first
          -> segment: one dense layer with relu, from [S steps, static] to U
          -> encoder: `num_layers` bidirectional recurrent layers over the segments
             -> outputs and final states
          -> bridge: forward and backward state joined, projected to U with tanh
          -> queries: for each of M segments of the horizon [known, embeddings, static] projected to
             U, plus a learned vector for its position and one for the target
          -> decoder, one recurrent layer:
               parallel:  one step from the bridged state for every query
               recurrent: from the bridged state over all queries
          -> attention over the encoder's outputs, with the decoder's outputs as queries
          -> forecast: dropout and one dense layer from U to S steps; steps beyond the horizon are
             cut off
          -> quantiles ordered, instance norm undone

    Source: Lin et al. 2023, "SegRNN: Segment Recurrent Neural Network for Long-Term Time Series
    Forecasting", arXiv 2308.11200, of which this has the segments and the parallel decoder; both
    directions, covariates and attention are added. For the cells see `bigru`, for attention and
    instance norm `layers/`.

    Args:
        config: the settings.
        shape: sizes of inputs and output.

    Returns:
        A functional model from the input dictionary of `WindowShape` to (B, H, D) or (B, H, D, Q).
    """
    import keras

    folds = 1
    if config.channels == "independent":
        folds = shape.num_targets
    sizes = _Sizes(segment_length(config, shape), config.widths[-1], folds)

    inputs = model_inputs(shape)
    normalised, level, spread = normalise(inputs["past"], shape.num_targets, config.instance_norm)
    static = static_features(inputs, shape)  # (B, width) each
    context = context_sequence(normalised, inputs, shape, [])  # (B, L, C)
    future = known_features(inputs, shape)
    if future:
        future = [join(future, name="future")]  # one tensor (B, H, C), or none
    if folds > 1:
        context = _each_target_apart(context, folds)  # (B D, L, 1 + C - D)
        future = [_repeated(tensor, folds) for tensor in future]  # (B D, H, C)
        static = [_repeated(values, folds) for values in static]  # (B D, width)

    # Encoder and bridge; from here on B F windows.
    segments = _embedded_segments(context, static, sizes.length, config.widths[0])  # (B F, N, U)
    outputs, final_states = encode(config, segments)  # (B F, N, 2U)
    states = bridge(config, final_states, memory=True)  # (B F, U) each

    # Decoder and attention.
    queries = _horizon_queries(inputs["past"], future, static, shape, sizes)  # (B F, M, U)
    decoded = _decode(config, queries, states)  # (B F, M, U)
    if config.attention != "none":
        decoded = attend(decoded, outputs, units=sizes.units, score=config.attention)

    forecast = _forecast_head(config, decoded, shape, sizes)  # (B, H, D) or (B, H, D, Q)
    return keras.Model(inputs, denormalise(forecast, level, spread), name=config.name)


def segment_length(config: SegmentBiGRUConfig, shape: WindowShape) -> int:
    """Return S: as set, or the horizon in as few equal parts as the longest segment allows."""
    if config.segment_length is not None:
        return config.segment_length
    num_segments = math.ceil(shape.horizon / LONGEST_SEGMENT)
    return math.ceil(shape.horizon / num_segments)


def _each_target_apart(context: Any, num_targets: int) -> Any:
    """Make each target a separate window beside the shared channels.

    Args:
        context: (B, L, C), targets first.
        num_targets: D.

    Returns:
        (B D, L, 1 + C - D).
    """
    from keras import ops

    length, num_channels = context.shape[1:]
    targets = ops.transpose(context[:, :, :num_targets], (0, 2, 1))  # (B, D, L)
    windows = ops.reshape(targets, (-1, length, 1))  # (B D, L, 1)
    if num_channels == num_targets:
        return windows
    shared = _repeated(context[:, :, num_targets:], num_targets)  # (B D, L, C - D)
    return ops.concatenate([windows, shared], axis=2)


def _repeated(array: Any, times: int) -> Any:
    """Repeat every window: (B F, ...) from (B, ...)."""
    from keras import ops

    return ops.reshape(ops.repeat(array[:, None], times, axis=1), (-1, *array.shape[1:]))


def _embedded_segments(context: Any, static: list[Any], length: int, units: int) -> Any:
    """Cut the context into segments and project each to U.

    Args:
        context: (B, L, C).
        static: tensors (B, width).
        length: S; zeros stand before the first segment where L is no multiple of it.
        units: U.

    Returns:
        (B, N, U).
    """
    from keras import layers

    num_steps, num_channels = context.shape[1:]
    number = math.ceil(num_steps / length)  # N
    missing = number * length - num_steps
    padded = layers.ZeroPadding1D((missing, 0), name="filled_context")(context)  # (B, N S, C)
    segments = layers.Reshape((number, length * num_channels), name="segments")(padded)
    repeated = [layers.RepeatVector(number)(values) for values in static]  # (B, N, width)
    joined = join([segments, *repeated], name="segments_and_static")
    return layers.Dense(units, activation="relu", name="segment")(joined)


def _horizon_queries(
    past: Any, future: list[Any], static: list[Any], shape: WindowShape, sizes: _Sizes
) -> Any:
    """Return the inputs of the decoder, one query for each of the M segments of the horizon.

    Args:
        past: (B, L, C); only its number of windows counts.
        future: the known covariates (B F, H, C), or nothing.
        static: tensors (B F, width).
        shape: sizes of inputs and output.
        sizes: sizes inside the network.

    Returns:
        (B F, M, U).
    """
    from keras import layers, ops

    number = math.ceil(shape.horizon / sizes.length)  # M
    # Learned vectors must depend on an input: zeros (B, 1) stand for the windows of the batch.
    windows = ops.zeros_like(past[:, :1, 0], dtype="int32")
    positions = ops.arange(number, dtype="int32") + windows  # (B, M)
    queries = layers.Embedding(number, sizes.units, name="place_embedding")(positions)
    if sizes.folds > 1:
        targets = ops.arange(sizes.folds, dtype="int32") + windows  # (B, D)
        by_target = layers.Embedding(sizes.folds, sizes.units, name="target_embedding")(targets)
        # The smaller operand stands first; see `denormalise`.
        queries = ops.reshape(by_target, (-1, 1, sizes.units)) + _repeated(queries, sizes.folds)

    known = [layers.RepeatVector(number)(values) for values in static]
    for covariates in future:
        missing = number * sizes.length - shape.horizon
        padded = layers.ZeroPadding1D((0, missing), name="filled_future")(covariates)
        width = sizes.length * covariates.shape[2]
        known.append(layers.Reshape((number, width), name="future_segments")(padded))
    if not known:
        return queries
    joined = join(known, name="known_segments")
    return queries + layers.Dense(sizes.units, name="query")(joined)


def _decode(config: SegmentBiGRUConfig, queries: Any, states: list[Any]) -> Any:
    """Decode every query (B, M, U) from the states (B, U); return (B, M, U)."""
    from keras import ops

    _, number, units = queries.shape
    decoder = recurrent_layer(config, units, name="decoder")
    if config.decoder == "recurrent":
        return decoder(queries, initial_state=states)
    single = ops.reshape(queries, (-1, 1, units))  # every query is a sequence of one step
    decoded = decoder(single, initial_state=[_repeated(state, number) for state in states])
    return ops.reshape(decoded, (-1, number, units))


def _forecast_head(
    config: SegmentBiGRUConfig, decoded: Any, shape: WindowShape, sizes: _Sizes
) -> Any:
    """Return (B, H, D) numbers or (B, H, D, Q) ascending quantiles.

    Args:
        config: the settings.
        decoded: outputs of the decoder, (B F, M, U).
        shape: sizes of inputs and output.
        sizes: sizes inside the network.
    """
    from keras import layers, ops

    targets_each = shape.num_targets // sizes.folds  # targets that a window writes: D or 1
    num_levels = max(1, shape.num_quantiles)
    num_steps = decoded.shape[1] * sizes.length  # M S

    dropped = layers.Dropout(config.dropout, name="forecast_dropout")(decoded)
    width = sizes.length * targets_each * num_levels
    numbers = layers.Dense(width, name="forecast")(dropped)  # (B F, M, width)

    by_fold = ops.reshape(numbers, (-1, sizes.folds, num_steps, targets_each, num_levels))
    by_fold = by_fold[:, :, : shape.horizon]  # (B, F, H, D / F, Q)
    by_step = ops.transpose(by_fold, (0, 2, 1, 3, 4))  # (B, H, F, D / F, Q)
    by_target = ops.reshape(by_step, (-1, shape.horizon, shape.num_targets, num_levels))
    if shape.num_quantiles:
        return ordered_quantiles(by_target)
    return by_target[..., 0]
