"""A bidirectional GRU that reads the last steps and names the categories that follow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from forecast.layers.encoder import Units
from forecast.models.bigru_classifier import (
    LOGITS,
    BiGRUClassifierConfig,
    SequenceShape,
    read_sequences_whole,
)
from forecast.section import PositiveInt

if TYPE_CHECKING:
    import keras


class BiGRUCategoriesConfig(BiGRUClassifierConfig):
    """Settings of the bidirectional GRU that forecasts categories.

    Example:
        >>> from forecast.models.bigru_categories import BiGRUCategoriesConfig
        >>> BiGRUCategoriesConfig(units=16).pooling
        'last'
    """

    name: Literal["bigru_categories"] = "bigru_categories"  # type: ignore[assignment]
    """Which architecture."""
    pooling: Literal["last", "mean", "max", "attention"] = "last"
    """As in `bigru_classifier`; the last step is nearest to what is forecast."""
    units: Units | Annotated[tuple[Units, ...], Field(min_length=1)] = 64
    """Width of each direction, one number or one per layer."""
    filters: PositiveInt | None = None
    """Filters that read neighbouring steps before the recurrent layers; null: none."""
    stride: PositiveInt = 1
    """Steps whose filtered values become one step of the recurrent layers, their mean."""


def build_bigru_categories(
    config: BiGRUCategoriesConfig, shape: SequenceShape, horizon: int
) -> keras.Model:
    """Build the model.

        the last steps, numbers and categories, read as by `bigru_classifier`, (B, 2U)
          -> dropout -> one dense layer for all steps ahead, (B, H K) -> (B, H, K)
          -> softmax over the classes of each step

    Args:
        config: the settings.
        shape: sizes of the inputs, and the number of classes K.
        horizon: steps ahead H.

    Returns:
        A functional model from the inputs of `build_bigru_classifier` to (B, H, K).
    """
    import keras
    from keras import layers

    shape = replace(shape, has_label_sets=False)
    inputs, pooled = read_sequences_whole(config, shape)
    pooled = layers.Dropout(config.head_dropout, name="head_dropout")(pooled)
    flat = layers.Dense(horizon * shape.num_classes, name="head")(pooled)
    logits = layers.Reshape((horizon, shape.num_classes), name=LOGITS)(flat)
    return keras.Model(inputs, layers.Softmax(name="classes")(logits), name=config.name)
