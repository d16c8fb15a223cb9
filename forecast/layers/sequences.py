"""From the input dictionary to the two sequences a sequence-to-sequence model reads."""

from __future__ import annotations

import math
from typing import Any

from forecast.windows.index import WindowShape

WIDEST_EMBEDDING = 50


def embedding_width(num_codes: int) -> int:
    """Width of the vector that stands for a code: the square root of their number plus one, at most 50."""
    return min(WIDEST_EMBEDDING, math.ceil(math.sqrt(num_codes)) + 1)


def model_inputs(shape: WindowShape) -> dict[str, Any]:
    """Return the `keras.Input` of every entry of the dictionary that is not empty (see `WindowShape`)."""
    import keras  # TensorFlow starts when a model is built, not before

    sizes = {
        "past": (shape.context_length, shape.num_past),
        "known": (shape.horizon, shape.num_known),
        "static": (shape.num_static,),
        "past_categories": (shape.context_length, len(shape.past_categories)),
        "known_categories": (shape.horizon, len(shape.known_categories)),
        "static_categories": (len(shape.static_categories),),
    }
    return {
        name: keras.Input(size, name=name, dtype="int32" if name.endswith("categories") else None)
        for name, size in sizes.items()
        if size[-1]
    }


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

    return [
        layers.Embedding(size, embedding_width(size), name=f"{name}_{place}")(codes[..., place])
        for place, size in enumerate(sizes)
    ]


def static_features(inputs: dict[str, Any], shape: WindowShape) -> list[Any]:
    """What is known of the series: numbers (B, num_static) and an embedding (B, width) per category."""
    features = [inputs["static"]] if shape.num_static else []
    if shape.static_categories:
        features += embed(
            inputs["static_categories"], shape.static_categories, name="static_embedding"
        )
    return features


def context_sequence(
    past: Any, inputs: dict[str, Any], shape: WindowShape, static: list[Any]
) -> Any:
    """Join what the encoder reads at every context step: `past`, embeddings and static features, (B, L, C)."""
    from keras import layers

    parts = [past]
    if shape.past_categories:
        parts += embed(inputs["past_categories"], shape.past_categories, name="past_embedding")
    parts += [layers.RepeatVector(shape.context_length)(one) for one in static]
    return layers.Concatenate(name="context")(parts) if len(parts) > 1 else past


def future_sequence(inputs: dict[str, Any], shape: WindowShape, static: list[Any]) -> Any:
    """Join what is known of every forecast step: covariates, embeddings, static features and the step's own number.

    The number enters as a learned vector, so that there is something to read without any covariate.

    Args:
        inputs: the input dictionary.
        shape: sizes of the inputs.
        static: tensors (B, width).

    Returns:
        (B, H, C).
    """
    from keras import layers, ops

    numbers = ops.arange(shape.horizon, dtype="int32") + ops.zeros_like(
        inputs["past"][:, :1, 0], dtype="int32"
    )
    parts = [
        layers.Embedding(shape.horizon, embedding_width(shape.horizon), name="step_embedding")(
            numbers
        )
    ]
    if shape.num_known:
        parts.append(inputs["known"])
    if shape.known_categories:
        parts += embed(inputs["known_categories"], shape.known_categories, name="known_embedding")
    parts += [layers.RepeatVector(shape.horizon)(one) for one in static]
    return layers.Concatenate(name="future")(parts) if len(parts) > 1 else parts[0]
