"""Train on your own table and save the model: copy this file and change the settings.

.venv/bin/python scripts/train.py data.csv runs/mine/model
"""

from __future__ import annotations

import sys

from forecast import BiGRUConfig, DataConfig, Experiment, Forecaster, TrainingConfig, WindowsConfig
from forecast.files.outputs import check_folder
from forecast.forecasting.artifact import SAVED_MODEL


def main(table: str, folder: str) -> None:
    """Fit, evaluate next to the baselines, save, forecast."""
    check_folder(folder, SAVED_MODEL, table)  # before minutes of training, not after
    config = Experiment(
        data=DataConfig(id_col="unique_id", time_col="ds", target_cols=("y",)),
        windows=WindowsConfig(horizon=24),
        model=BiGRUConfig(units=64),
        training=TrainingConfig(epochs=20, seed=1),
    )
    forecaster = Forecaster(config).fit(table)
    print(forecaster.evaluate().scores().text())
    forecaster.save(folder)
    print(forecaster.predict().frame().head())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: scripts/train.py TABLE FOLDER")
    main(*sys.argv[1:])
