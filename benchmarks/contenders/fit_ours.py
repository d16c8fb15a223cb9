"""A whole fit with this package's `Forecaster`.

    python fit_ours.py [--default-network]

Without the option the network is that of the other contenders: recurrent layers in one direction
and a direct decoder. With it, it is the package's own: both directions and a recurrent decoder, at
the same width and depth.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import wire
from fitting import Journal, Task, serve_fit

if TYPE_CHECKING:
    from forecast.experiment.settings import Experiment


class Ours:
    """This package, through its public interface."""

    def __init__(self, *, default_network: bool) -> None:
        self.default_network = default_network

    def load(self, threads: int) -> dict[str, str]:
        """Import, TensorFlow included, which a fit would import later."""
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
        import keras  # noqa: F401
        import tensorflow as tf

        import forecast.forecasting.forecaster  # noqa: F401

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        return wire.versions("tensorflow", "keras", "pandas")

    def fit(self, task: Task, journal: Journal) -> None:
        """Fit on the file."""
        from forecast.experiment.prepare import prepare
        from forecast.forecasting.forecaster import Forecaster
        from forecast.training.events import EpochDone

        def report(event: Any) -> None:
            if isinstance(event, EpochDone):
                journal.note(event.val_loss or 0.0, 0)

        config = experiment(task, default_network=self.default_network)
        self.forecaster = Forecaster(config).fit(task.table, reporter=report)
        self.count = lambda: len(prepare(config, task.table).training)
        self.journal = journal

    def save(self, folder: Path) -> None:
        """The artifact."""
        self.forecaster.save(folder / "model")

    def weights(self) -> int:
        """Return the number of weights; also store the windows per epoch, outside the timed fit."""
        self.journal.windows[:] = [self.count()] * len(self.journal.losses)
        return int(self.forecaster.fitted.model.count_params())

    def forecast(self, history: Any) -> Any:
        """`predict` on a table."""
        return np.asarray(self.forecaster.predict(history).values)[..., 0]


def experiment(task: Task, *, default_network: bool) -> Experiment:
    """The task as settings; whatever the others do not do is switched off."""
    from forecast.experiment.settings import Experiment

    network: dict[str, Any] = {
        "name": "bigru",
        "units": task.units,
        "num_layers": task.layers,
        "dropout": 0.0,
        "instance_norm": "none",
    }
    if not default_network:
        network |= {"bidirectional": False, "decoder": "direct"}
    return Experiment.model_validate(
        {
            "data": {"calendar": (), "freq": "h"},
            "windows": {"context_length": task.context_length, "horizon": task.horizon},
            "model": network,
            "training": {
                "epochs": task.epochs,
                "batch_size": task.batch_size,
                "patience": None,
                "gradient_clip": None,
                "seed": task.seed,
            },
            "evaluation": {"validation_size": task.held_out, "test_size": task.held_out},
        }
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--default-network", action="store_true")
    serve_fit(Ours(default_network=parser.parse_args().default_network))
