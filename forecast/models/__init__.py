"""One architecture per file: its configuration and its builder; `MODELS` names them all."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forecast.models.bigru import BiGRUConfig, build_bigru
from forecast.section import Section
from forecast.windows import WindowShape

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """An entry of `MODELS`.

    Attributes:
        config: the class of its settings, whose field `name` is the key of the entry.
        build: turns settings and window shape into a model.
    """

    config: type[Section]
    build: Callable[[Any, WindowShape], keras.Model]


ModelConfig = BiGRUConfig
"""Settings of any architecture; with a second one, a union told apart by `name`."""

MODELS: dict[str, Architecture] = {
    "bigru": Architecture(BiGRUConfig, build_bigru),
}


def build_model(config: ModelConfig, shape: WindowShape, *, seed: int = 0) -> keras.Model:
    """Build the model a configuration describes.

    Args:
        config: settings of one of `MODELS`.
        shape: what the model reads and writes.
        seed: start of the initial weights and of the dropout masks.

    Returns:
        A model from the input dictionary of `WindowShape` to (B, H, D) or (B, H, D, Q).
    """
    import keras  # noqa: F401 - its first import uses up random numbers, so it comes before the seed

    # Keras draws the seed of every initialiser and dropout mask from Python's `random` when a layer is made.
    # Seeding just that, and putting it back, leaves the caller's random numbers alone.
    state = random.getstate()
    random.seed(seed)
    try:
        return MODELS[config.name].build(config, shape)
    finally:
        random.setstate(state)
