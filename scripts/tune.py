"""Search for the best hyperparameters on your own table: copy this file, change the ranges.

.venv/bin/python scripts/tune.py data.csv runs/mine-search
"""

from __future__ import annotations

import sys

from forecast import (
    BiGRUConfig,
    DataConfig,
    Experiment,
    RangeConfig,
    SearchConfig,
    TrainingConfig,
    WindowsConfig,
)
from forecast.search.search import tune_run
from forecast.training.voice import Voice


def main(table: str, folder: str, trials: str = "20") -> None:
    """Search, or resume an interrupted search."""
    config = Experiment(
        data=DataConfig(id_col="unique_id", time_col="ds", target_cols=("y",)),
        windows=WindowsConfig(horizon=24),
        model=BiGRUConfig(units=32),
        training=TrainingConfig(epochs=10, loss="mae"),
        search=SearchConfig(
            max_trials=int(trials),
            space={
                "model.units": RangeConfig(choice=(16, 32, 64)),
                "model.dropout": RangeConfig(float=(0.0, 0.4), step=0.1),
                "training.learning_rate": RangeConfig(float=(1e-3, 3e-2), log=True),
            },
        ),
    )
    tune_run(config, table, out=folder, resume=True, voice=Voice(print))


if __name__ == "__main__":  # the processes of the trials import this file too
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: scripts/tune.py TABLE FOLDER [TRIALS]")
    main(*sys.argv[1:])
