"""One architecture per file: its settings and the function that builds it.

`MODELS` is the table of all architectures, by the name that `model: {name: ...}` knows them by:

Example:
    >>> from forecast import MODELS
    >>> sorted(MODELS)
    ['bigru', 'segment_bigru']
    >>> MODELS["bigru"].config(units=32, num_layers=2).widths
    (32, 32)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag

from forecast.layers.runtime import build_apart
from forecast.layers.traced import mark_kind
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
    """Return the name of the architecture that settings, or a mapping of them, belong to."""
    if isinstance(settings, dict):
        return settings.get("name", DEFAULT_MODEL)
    return getattr(settings, "name", None)


ModelConfig = Annotated[
    Annotated[BiGRUConfig, Tag("bigru")] | Annotated[SegmentBiGRUConfig, Tag("segment_bigru")],
    Discriminator(_name_of),
]
"""Settings of any architecture, distinguished by `name`."""


def build_model(config: ModelConfig, shape: WindowShape, *, seed: int = 0) -> keras.Model:
    """Build the model of a configuration, in float32, whatever dtype policy Keras has.

    Args:
        config: settings of one of `MODELS`.
        shape: sizes of inputs and output.
        seed: of the initial weights and of the dropout masks.

    Returns:
        A model from the input dictionary of `WindowShape` to (B, H, D) or (B, H, D, Q).

    Raises:
        ConfigError: Keras does not run on TensorFlow, or not eagerly; see
            `layers.runtime.check_surroundings`.
    """
    build = MODELS[config.name].build
    model = build_apart(partial(build, config, shape), seed=seed)
    return mark_kind(model, (build, config.model_dump_json(), shape))
