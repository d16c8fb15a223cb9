"""A whole fit with Darts' `BlockRNNModel(model="GRU")`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wire
from fitting import Journal, Task, serve_fit


class Darts:
    """Darts by its public interface, on float32 series (float64 ones would train in float64)."""

    def load(self, threads: int) -> dict[str, str]:
        """Import Darts."""
        import lightning
        from darts.models import BlockRNNModel  # noqa: F401

        lightning.be_quiet(threads)
        return wire.versions("darts", "torch", "pytorch-lightning", "pandas")

    def fit(self, task: Task, journal: Journal) -> None:
        """Fit on the training part; validate on the part after it, whose contexts reach back."""
        import torch
        from darts.models import BlockRNNModel
        from lightning import EpochNotes, trainer_settings
        from panel import read_scaled

        self.scaled, self.horizon = read_scaled(task), task.horizon
        series = self.as_series(self.scaled.frame)
        notes = EpochNotes(journal, "val_loss", windows_of)
        self.model = BlockRNNModel(
            model="GRU",
            input_chunk_length=task.context_length,
            output_chunk_length=task.horizon,
            hidden_dim=task.units,
            n_rnn_layers=task.layers,
            dropout=0.0,
            batch_size=task.batch_size,
            n_epochs=task.epochs,
            loss_fn=torch.nn.MSELoss(),
            optimizer_kwargs={"lr": 1e-3},
            random_state=task.seed,
            pl_trainer_kwargs=trainer_settings(notes),
        )
        kept = task.held_out + task.context_length
        self.model.fit(
            [one[: -task.held_out] for one in series], val_series=[one[-kept:] for one in series]
        )

    def as_series(self, frame: Any) -> list[Any]:
        """One `TimeSeries` per series of a long table."""
        from darts import TimeSeries

        made = TimeSeries.from_group_dataframe(
            frame,
            group_cols="unique_id",
            time_col="ds",
            value_cols="y",
            drop_group_cols="unique_id",
        )
        return [one.astype("float32") for one in made]

    def save(self, folder: Path) -> None:
        """The model, as Darts saves it."""
        self.model.save(str(folder / "model.pt"))

    def weights(self) -> int:
        """Of the network."""
        from lightning import count_weights

        return count_weights(self.model.model)

    def forecast(self, history: Any) -> Any:
        """`predict` on series."""
        import numpy as np

        scaled = history.assign(y=self.scaled.apply(history).ravel())
        found = self.model.predict(self.horizon, series=self.as_series(scaled), verbose=False)
        return self.scaled.invert(np.stack([one.values()[:, 0] for one in found]))


def windows_of(batch: Any) -> int:
    """Return the number of windows in a batch; a named function, since Darts saves callbacks."""
    return len(batch.past_target)


if __name__ == "__main__":
    serve_fit(Darts())
