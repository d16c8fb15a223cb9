"""Several devices of one machine that take every step together, with the result of one (`training.strategy: mirrored`).

The variables are held on every device by `tf.distribute.MirroredStrategy`. A batch is divided in
parts, one for each device. The loss is a mean over the measured cells of the whole batch, so each
device divides by their number and not by that of its own part, and adds its share of the L2 terms:
the gradients of the parts then add up to those of the batch. They are added on the first device in
the order of the parts, so that the bits are the same every time, then clipped and applied once, on
all devices. Up to rounding that is what one device does, but for dropout: each device draws masks
of its own, the same in every run on as many devices.

What limits it is that of TensorFlow: a step is a call of its own, and XLA compiles none. Validation
runs on the first device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from forecast.errors import TrainingError
from forecast.experiment.settings import TrainingConfig
from forecast.layers.runtime import build_apart
from forecast.section import decided
from forecast.training.batches import WindowSource, fixed_batch_size

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SEED_STATE = "seed_generator_state"
"""What Keras calls the variables that dropout masks are drawn from: a seed and a counter."""

SEED_STRIDE = 1_000_003
"""Between the seeds of two devices; a prime, and the seeds of layers are drawn at random."""


def make_strategy(config: TrainingConfig) -> tf.distribute.Strategy | None:
    """The devices that train together, None where `strategy` asks for one.

    Raises:
        TrainingError: there is only one.
    """
    if config.strategy == "none":
        return None
    import tensorflow as tf  # TensorFlow starts when training does, not before

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise TrainingError(
            f"training.strategy is 'mirrored' and TensorFlow finds one device, {devices[0].name}; "
            f"expected two or more "
            "GPUs: set training.strategy: none"
        )
    return tf.distribute.MirroredStrategy(
        [one.name for one in devices], tf.distribute.ReductionToOneDevice()
    )


def check_divisible(
    strategy: tf.distribute.Strategy, training: WindowSource, config: TrainingConfig
) -> None:
    """Raise unless every device gets a window of each batch.

    Raises:
        TrainingError: there are fewer windows than devices.
    """
    batch_size = decided(config.batch_size, "training.batch_size")
    size = fixed_batch_size(training, batch_size)
    number = strategy.num_replicas_in_sync
    if size < number:
        raise TrainingError(
            f"training.strategy 'mirrored' divides batches of {size} among {number} devices; "
            f"expected a window for "
            "each: give a larger training.batch_size or more rows, or set training.strategy: none"
        )


def mirror(model: keras.Model, strategy: tf.distribute.Strategy) -> keras.Model:
    """A copy of a model with a copy of every variable on every device; the model itself stays on its own."""
    import keras

    def clone() -> keras.Model:
        with strategy.scope():
            return keras.models.clone_model(model, recursive=True)

    copy = build_apart(
        clone, seed=0
    )  # the seeds are drawn for nothing: those of the model replace them
    for variable, given in zip(copy.variables, model.variables, strict=True):
        variable.assign(given)
    return copy


def spread_seeds(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Have every device draw dropout masks of its own; Keras has all draw the same.

    What the devices get depends on the state of the first alone, which a checkpoint holds.
    """
    for variable in model.variables:
        if variable.name == SEED_STATE:
            first, *others = strategy.experimental_local_results(variable.value)
            seed, counter = first.numpy()
            for number, other in enumerate(others, 1):
                other.assign([seed + number * SEED_STRIDE, counter])


def gradients_of_parts(
    strategy: tf.distribute.Strategy, part_gradients: Callable[..., Any], batch: Any, count: Any
) -> tuple[Any, list[Any]]:
    """The sum of the losses and the gradients of a batch that the devices divide.

    Args:
        strategy: the devices.
        part_gradients: (part, measured cells of the batch, share of the L2 terms) -> those of a
            part.
        batch: inputs and target.
        count: measured cells of the batch.
    """
    import tensorflow as tf

    number, size = strategy.num_replicas_in_sync, batch[1].shape[0]

    def run(batch: Any, count: Any) -> Any:
        place = int(
            tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
        )
        with tf.device("CPU:0"):  # where batches are made: a device is sent its own part alone
            part = tf.nest.map_structure(
                lambda one: one[place * size // number : (place + 1) * size // number], batch
            )
        return part_gradients(part, count, share=1.0 / number)

    total, slopes = strategy.run(run, args=(batch, count))

    def added(values: Any) -> Any:
        with tf.device(strategy.extended.worker_devices[0]):
            return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)

    return added(total), [added(slope) for slope in slopes]
