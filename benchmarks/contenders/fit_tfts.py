"""A whole fit with tfts' `rnn`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import wire
from fitting import Journal, Task, serve_fit


class Tfts:
    """Time series with TensorFlow, through its public interface.

    It takes windows, not tables, so they are cut here. Its trainer runs step by step in Python
    unless told not to, and is told. Its network has two hidden dense layers after the recurrent
    ones.
    """

    def load(self, threads: int) -> dict[str, str]:
        """Import tfts."""
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
        import tensorflow as tf
        import tfts  # noqa: F401

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        return wire.versions("tfts", "tensorflow", "keras", "pandas")

    def fit(self, task: Task, journal: Journal) -> None:
        """Cut the windows and fit."""
        import tensorflow as tf
        from panel import read_scaled, windows
        from tfts import AutoConfig, AutoModelForForecasting, KerasTrainer

        self.scaled, self.context_length = read_scaled(task), task.context_length
        values, held_out = self.scaled.values, task.held_out
        train, validation = (
            tf.data.Dataset.from_tensor_slices(windows(part, task))
            for part in (values[:, :-held_out], values[:, -held_out - task.context_length :])
        )
        count = len(train)
        config = AutoConfig.for_model("rnn")
        config.rnn_hidden_size, config.num_stacked_layers = task.units, task.layers
        config.dense_hidden_size = task.units
        tf.keras.utils.set_random_seed(task.seed)
        self.trainer = KerasTrainer(
            AutoModelForForecasting.from_config(config, output_chunk_length=task.horizon)
        )
        self.trainer.train(
            train.shuffle(count).batch(task.batch_size).prefetch(2),
            validation.batch(1024),
            loss_fn="mse",
            optimizer=tf.keras.optimizers.Adam(1e-3),
            metrics=[],
            epochs=task.epochs,
            callbacks=[
                tf.keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda _, logs: journal.note(float(logs["val_loss"]), count)
                )
            ],
            run_eagerly=False,
            verbose=0,
        )

    def save(self, folder: Path) -> None:
        """The model, as tfts saves it."""
        self.trainer.save_model(str(folder / "model"))

    def weights(self) -> int:
        """Of the network."""
        return int(self.trainer.model.count_params())

    def forecast(self, history: Any) -> Any:
        """`predict` on the last window of each series."""
        context = self.scaled.apply(history)[:, -self.context_length :, None]
        return self.scaled.invert(self.trainer.predict(context)[..., 0])


if __name__ == "__main__":
    serve_fit(Tfts())
