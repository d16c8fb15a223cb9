"""One architecture per file: its configuration and its builder; `MODELS` names them all."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag

from forecast.models.bigru import BiGRUConfig, build_bigru
from forecast.models.segment_bigru import SegmentBiGRUConfig, build_segment_bigru
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


XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"

MODELS: dict[str, Architecture] = {
    "bigru": Architecture(BiGRUConfig, build_bigru),
    "segment_bigru": Architecture(SegmentBiGRUConfig, build_segment_bigru),
}

DEFAULT_MODEL = "segment_bigru"
"""The architecture where no name is given."""


def _name_of(settings: Any) -> str | None:
    """What tells the settings of one architecture from those of another."""
    return settings.get("name", DEFAULT_MODEL) if isinstance(settings, dict) else getattr(settings, "name", None)


ModelConfig = Annotated[
    Annotated[BiGRUConfig, Tag("bigru")] | Annotated[SegmentBiGRUConfig, Tag("segment_bigru")],
    Discriminator(_name_of),
]
"""Settings of any architecture, told apart by `name`."""


def build_model(config: ModelConfig, shape: WindowShape, *, seed: int = 0) -> keras.Model:
    """Build the model a configuration describes.

    Args:
        config: settings of one of `MODELS`.
        shape: what the model reads and writes.
        seed: start of the initial weights and of the dropout masks.

    Returns:
        A model from the input dictionary of `WindowShape` to (B, H, D) or (B, H, D, Q).
    """
    # The first import of TensorFlow uses up random numbers, so it comes before the seed.
    settle_threads()

    # Keras draws the seed of every initialiser and dropout mask from Python's `random` when a layer is made.
    # Seeding just that, and putting it back, leaves the caller's random numbers alone.
    state = random.getstate()
    random.seed(seed)
    try:
        return MODELS[config.name].build(config, shape)
    finally:
        random.setstate(state)


def settle_threads() -> None:
    """Have the same seed give the same bits whatever the number of threads, unless TensorFlow was told otherwise.

    Where four or more threads share one matrix product, the order of its sums follows their timing. With up to two
    per operation bits were equal to those of one. XLA is told to keep each product in one thread: what it compiles
    runs beside each other instead, such as the two directions of a layer, which does not change a bit and takes
    less time. The settings belong to the process, and count only before TensorFlow has run anything.
    """
    import tensorflow as tf

    flags = os.environ.get("XLA_FLAGS", "")
    if XLA_ONE_THREAD.split("=", maxsplit=1)[0] not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {XLA_ONE_THREAD}".strip()
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() == 0:
        # Refused where TensorFlow runs already: then its threads are the caller's choice.
        with contextlib.suppress(RuntimeError):
            threading.set_intra_op_parallelism_threads(2)
