"""One architecture per file: its configuration and its builder; `MODELS` names them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag

from forecast.layers.runtime import build_apart
from forecast.models.bigru import BiGRUConfig, build_bigru
from forecast.models.segment_bigru import SegmentBiGRUConfig, build_segment_bigru
from forecast.section import Section
from forecast.windows.index import WindowShape

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


MODELS: dict[str, Architecture] = {
    "bigru": Architecture(BiGRUConfig, build_bigru),
    "segment_bigru": Architecture(SegmentBiGRUConfig, build_segment_bigru),
}

DEFAULT_MODEL = "segment_bigru"
"""The architecture where no name is given."""


def _name_of(settings: Any) -> str | None:
    """What tells the settings of one architecture from those of another."""
    return (
        settings.get("name", DEFAULT_MODEL)
        if isinstance(settings, dict)
        else getattr(settings, "name", None)
    )


ModelConfig = Annotated[
    Annotated[BiGRUConfig, Tag("bigru")] | Annotated[SegmentBiGRUConfig, Tag("segment_bigru")],
    Discriminator(_name_of),
]
"""Settings of any architecture, told apart by `name`."""


def build_model(config: ModelConfig, shape: WindowShape, *, seed: int = 0) -> keras.Model:
    """Build the model a configuration describes, in float32, whatever dtype policy the surrounding program has set.

    Args:
        config: settings of one of `MODELS`.
        shape: what the model reads and writes.
        seed: start of the initial weights and of the dropout masks.

    Returns:
        A model from the input dictionary of `WindowShape` to (B, H, D) or (B, H, D, Q).

    Raises:
        ConfigError: Keras does not run on TensorFlow, or not eagerly; see
            `layers.runtime.check_surroundings`.
    """
    return build_apart(partial(MODELS[config.name].build, config, shape), seed=seed)
