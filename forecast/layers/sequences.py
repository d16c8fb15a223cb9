"""The two sequences that a sequence-to-sequence model reads, made of the input dictionary."""

from __future__ import annotations

import math
from typing import Any

from forecast.windows.index import WindowShape

WIDEST_EMBEDDING = 50
"""Largest width of an embedding."""


def embedding_width(num_codes: int) -> int:
    """Return the width of an embedding: the square root of `num_codes`, plus 1, at most 50."""
    return min(WIDEST_EMBEDDING, math.ceil(math.sqrt(num_codes)) + 1)


def model_inputs(shape: WindowShape) -> dict[str, Any]:
    """Return the `keras.Input` of every entry of the input dictionary that is not empty.

    Args:
        shape: sizes of the inputs; see `WindowShape`.
    """
    import keras  # TensorFlow starts when a model is built, not before

    length = shape.context_length
    horizon = shape.horizon
    numbers = {
        "past": (length, shape.num_past),
        "known": (horizon, shape.num_known),
        "static": (shape.num_static,),
    }
    codes = {
        "past_categories": (length, len(shape.past_categories)),
        "known_categories": (horizon, len(shape.known_categories)),
        "static_categories": (len(shape.static_categories),),
    }
    inputs = {name: keras.Input(size, name=name) for name, size in numbers.items() if size[-1]}
    for name, size in codes.items():
        if size[-1]:
            inputs[name] = keras.Input(size, name=name, dtype="int32")
    return inputs


def embed(codes: Any, sizes: tuple[int, ...], *, name: str) -> list[Any]:
    """Look up a learned vector for every categorical column.

    Args:
        codes: (B, L, C) or (B, C) int32.
        sizes: number of codes of each of the C columns.
        name: of the embedding layers, followed by the column's number.

    Returns:
        C tensors, each with the width of its embedding as last axis.
    """
    from keras import layers

    vectors = []
    for column, num_codes in enumerate(sizes):
        width = embedding_width(num_codes)
        embedding = layers.Embedding(num_codes, width, name=f"{name}_{column}")
        vectors.append(embedding(codes[..., column]))
    return vectors


def join(tensors: list[Any], *, name: str) -> Any:
    """Join tensors (B, L, C_i) into (B, L, C), by a layer of that name; a single one stays."""
    from keras import layers

    if len(tensors) == 1:
        return tensors[0]
    return layers.Concatenate(name=name)(tensors)


def static_features(inputs: dict[str, Any], shape: WindowShape) -> list[Any]:
    """Return the static values, (B, width) each: the numbers, and an embedding per category."""
    features = []
    if shape.num_static:
        features.append(inputs["static"])
    if shape.static_categories:
        features += embed(
            inputs["static_categories"], shape.static_categories, name="static_embedding"
        )
    return features


def context_sequence(
    past: Any, inputs: dict[str, Any], shape: WindowShape, static: list[Any]
) -> Any:
    """Join the inputs of the encoder at every context step.

    Args:
        past: (B, L, C), normalised.
        inputs: the input dictionary.
        shape: sizes of the inputs.
        static: tensors (B, width).

    Returns:
        `past`, embeddings and static features, (B, L, C).
    """
    from keras import layers

    features = [past]
    if shape.past_categories:
        features += embed(inputs["past_categories"], shape.past_categories, name="past_embedding")
    features += [layers.RepeatVector(shape.context_length)(values) for values in static]
    return join(features, name="context")


def known_features(inputs: dict[str, Any], shape: WindowShape) -> list[Any]:
    """Return the known covariates of the forecast steps: numbers, embeddings, (B, H, C) each."""
    features = []
    if shape.num_known:
        features.append(inputs["known"])
    if shape.known_categories:
        features += embed(
            inputs["known_categories"], shape.known_categories, name="known_embedding"
        )
    return features


def future_sequence(inputs: dict[str, Any], shape: WindowShape, static: list[Any]) -> Any:
    """Join the inputs of the decoder at every forecast step.

    The number of the step enters as a learned vector, so that there is something to read without
    any covariate.

    Args:
        inputs: the input dictionary.
        shape: sizes of the inputs.
        static: tensors (B, width).

    Returns:
        Step embedding, known covariates, embeddings and static features, (B, H, C).
    """
    from keras import layers, ops

    # Learned vectors must depend on an input: zeros (B, 1) stand for the windows of the batch.
    windows = ops.zeros_like(inputs["past"][:, :1, 0], dtype="int32")
    numbers = ops.arange(shape.horizon, dtype="int32") + windows  # (B, H)
    width = embedding_width(shape.horizon)
    steps = layers.Embedding(shape.horizon, width, name="step_embedding")(numbers)

    features = [steps, *known_features(inputs, shape)]
    features += [layers.RepeatVector(shape.horizon)(values) for values in static]
    return join(features, name="future")
