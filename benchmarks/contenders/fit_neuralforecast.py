"""A whole fit with NeuralForecast's `GRU`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import wire
from fitting import Journal, Task, serve_fit


class Nixtla:
    """NeuralForecast, through its public interface.

    It counts steps, not epochs, and draws `windows_batch_size` windows for each: one validation
    every ceil(windows / batch size) steps makes an epoch of the same length. Its decoder is set to
    one linear layer and its scaling of each window switched off: both would only add work.
    """

    def load(self, threads: int) -> dict[str, str]:
        """Import NeuralForecast."""
        import lightning
        from neuralforecast import NeuralForecast  # noqa: F401
        from neuralforecast.models import GRU  # noqa: F401

        lightning.be_quiet(threads)
        return wire.versions("neuralforecast", "torch", "pytorch-lightning", "pandas")

    def fit(self, task: Task, journal: Journal) -> None:
        """Fit; the last `val_size` rows are for validation."""
        from lightning import EpochNotes, trainer_settings
        from neuralforecast import NeuralForecast
        from neuralforecast.losses.pytorch import MSE
        from neuralforecast.models import GRU
        from panel import read_scaled

        self.scaled = read_scaled(task)
        series, length = self.scaled.values.shape
        steps = math.ceil(task.train_windows(series, length + task.held_out) / task.batch_size)
        notes = EpochNotes(journal, "ptl/val_loss", lambda batch: len(batch["insample_y"]))
        model = GRU(
            h=task.horizon,
            input_size=task.context_length,
            encoder_hidden_size=task.units,
            encoder_n_layers=task.layers,
            decoder_layers=1,
            loss=MSE(),
            max_steps=steps * task.epochs,
            val_check_steps=steps,
            learning_rate=1e-3,
            batch_size=series,
            windows_batch_size=task.batch_size,
            scaler_type="identity",
            random_seed=task.seed,
            **trainer_settings(notes),
        )
        self.library = NeuralForecast(models=[model], freq="h")
        self.library.fit(self.scaled.frame, val_size=task.held_out)
        journal.take_over(
            self.library.models[0].trainer_kwargs["callbacks"][0].journal
        )  # it fits a copy of the model

    def save(self, folder: Path) -> None:
        """The model, without the data."""
        self.library.save(str(folder / "model"), save_dataset=False, overwrite=True)

    def weights(self) -> int:
        """Of the network."""
        from lightning import count_weights

        return count_weights(self.library.models[0])

    def forecast(self, history: Any) -> Any:
        """`predict` on a table."""
        scaled = history.assign(y=self.scaled.apply(history).ravel())
        found = self.library.predict(df=scaled)
        return self.scaled.invert(
            found["GRU"].to_numpy().reshape(scaled["unique_id"].nunique(), -1)
        )


if __name__ == "__main__":
    serve_fit(Nixtla())
