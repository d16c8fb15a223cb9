"""Training on several devices of one machine (`training.strategy: mirrored`).

`tf.distribute.MirroredStrategy` keeps a copy of the variables on every device. A batch is divided
into one slice for each device. The loss is a mean over the measured cells of the whole batch, so
each device divides by their number and not by that of its slice, and adds its fraction of the L2
terms: the gradients of the slices then add up to those of the batch. They are added on the first
device in the order of the slices, so that results are bitwise reproducible, then clipped and
applied once, on all devices. Up to rounding this is equal to training on one device, except for
dropout: each device draws its own masks, the same in every run on as many devices.

Limits of TensorFlow: each step is a call, and XLA compiles none. Validation runs on the first
device.
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
"""Name in Keras of the variables for dropout masks: a seed and a counter."""

SEED_STRIDE = 1_000_003
"""Distance between the seeds of two devices: a prime, since seeds of layers are random."""


def make_strategy(config: TrainingConfig) -> tf.distribute.Strategy | None:
    """Return the devices that train together; None with `strategy: none`.

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
            'expected two or more GPUs: pass `training.strategy="none"`'
        )
    return tf.distribute.MirroredStrategy(
        [device.name for device in devices], tf.distribute.ReductionToOneDevice()
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
    num_devices = strategy.num_replicas_in_sync
    if size < num_devices:
        raise TrainingError(
            f"training.strategy 'mirrored' divides batches of {size} among {num_devices} devices; "
            f"expected a window for each: give a larger `training.batch_size` or more rows, "
            'or pass `training.strategy="none"`'
        )


def mirror(model: keras.Model, strategy: tf.distribute.Strategy) -> keras.Model:
    """Return a copy of a model that has a copy of every variable on every device."""
    import keras

    def clone() -> keras.Model:
        with strategy.scope():
            return keras.models.clone_model(model, recursive=True)

    copy = build_apart(clone, seed=0)  # any seed: the variables of the model replace these
    for variable, value in zip(copy.variables, model.variables, strict=True):
        variable.assign(value)
    return copy


def spread_seeds(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Give every device its own seed of dropout masks; in Keras all draw the same.

    The seeds follow from the state of the first device, which is in the checkpoint.
    """
    for variable in model.variables:
        if variable.name == SEED_STATE:
            first, *others = strategy.experimental_local_results(variable.value)
            seed, counter = first.numpy()
            for number, other in enumerate(others, 1):
                other.assign([seed + number * SEED_STRIDE, counter])


def gradients_of_slices(
    strategy: tf.distribute.Strategy, slice_gradients: Callable[..., Any], batch: Any, count: Any
) -> tuple[Any, list[Any]]:
    """Return the sum of the losses and the gradients of a batch that the devices divide.

    Args:
        strategy: the devices.
        slice_gradients: function of a slice of the batch, the measured cells of the batch, and the
            fraction of the L2 terms; returns the sum of the losses and the gradients of the slice.
        batch: inputs and target.
        count: measured cells of the batch.
    """
    import tensorflow as tf

    num_devices = strategy.num_replicas_in_sync
    size = batch[1].shape[0]

    def run(batch: Any, count: Any) -> Any:
        context = tf.distribute.get_replica_context()
        device = int(tf.get_static_value(context.replica_id_in_sync_group))
        start = device * size // num_devices
        end = (device + 1) * size // num_devices
        with tf.device("CPU:0"):  # where batches are made: a device receives only its slice
            windows = tf.nest.map_structure(lambda tensor: tensor[start:end], batch)
        return slice_gradients(windows, count, l2_fraction=1.0 / num_devices)

    total, gradients = strategy.run(run, args=(batch, count))

    def summed(values: Any) -> Any:
        with tf.device(strategy.extended.worker_devices[0]):
            return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)

    return summed(total), [summed(gradient) for gradient in gradients]
