"""One architecture per file: its configuration and its builder; `MODELS` names them all."""

from __future__ import annotations

import contextlib
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
    # The first import of TensorFlow uses up random numbers, so it comes before the seed.
    use_one_thread_per_operation()

    # Keras draws the seed of every initialiser and dropout mask from Python's `random` when a layer is made.
    # Seeding just that, and putting it back, leaves the caller's random numbers alone.
    state = random.getstate()
    random.seed(seed)
    try:
        return MODELS[config.name].build(config, shape)
    finally:
        random.setstate(state)


def use_one_thread_per_operation() -> None:
    """Let TensorFlow run operations beside each other, but each in one thread, unless it was told otherwise.

    Where four or more threads share one matrix product, the order of its sums follows their timing and the same
    seed does not give the same bits. Operations that run beside each other do not change them, and at the sizes
    of a recurrent step they use the cores as well. The setting belongs to the process and can only be made before
    TensorFlow has run anything; with one or two threads per operation, bits were equal without it.
    """
    import tensorflow as tf

    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() == 0:
        # Refused where TensorFlow runs already: then its threads are the caller's choice.
        with contextlib.suppress(RuntimeError):
            threading.set_intra_op_parallelism_threads(1)
