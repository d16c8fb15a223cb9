"""Validation's share of an epoch, for many series of days (`benchmarks/validation_share.py`).

    python benchmarks/validation_share.py --series 50 1000 12000 --rows 120

One network of the default is trained for three epochs; the first, which is traced, does not count.
Shares are of processor time, which other programs on the machine hardly change.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd

EPOCHS = 3


def table(num_series: int, num_rows: int) -> pd.DataFrame:
    """Return series of days with a week's pattern and noise."""
    draw = np.random.default_rng(0)
    week = 10.0 + draw.gamma(2.0, 4.0, size=(num_series, 7))
    values = week[:, np.arange(num_rows) % 7] + draw.normal(0, 2.0, (num_series, num_rows))
    stamps = pd.date_range("2024-01-01", periods=num_rows)
    ids = [f"s{number:05d}" for number in range(num_series)]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(ids, num_rows),
            "ds": np.tile(stamps, num_series),
            "y": values.ravel(),
        }
    )


def measured(function: Any, spent: list[float]) -> Any:
    """Return a function that notes the processor time of each call."""

    def call(*arguments: Any, **keywords: Any) -> Any:
        start = time.process_time()
        result = function(*arguments, **keywords)
        spent.append(time.process_time() - start)
        return result

    return call


def share(num_series: int, num_rows: int) -> tuple[float, float, int, int]:
    """Return seconds of an epoch, validation's share, and windows of both sets."""
    from forecast.experiment.prepare import prepare
    from forecast.experiment.settings import Experiment
    from forecast.forecasting.fitted import shape_of
    from forecast.training import epochs
    from forecast.training.ensemble import build_ensemble

    settings = {"windows.horizon": 14, "training.epochs": EPOCHS, "ensemble.seeds": 1}
    prepared = prepare(Experiment().with_settings(settings), table(num_series, num_rows))
    members = build_ensemble(prepared.config, shape_of(prepared)).members
    network = next(member for member in members if member.seed is not None)
    learning: list[float] = []
    validating: list[float] = []
    own = (epochs._learn, epochs._mean_loss)
    epochs._learn = measured(own[0], learning)
    epochs._mean_loss = measured(own[1], validating)
    try:
        epochs.train(
            network.model, prepared.training, prepared.validation, prepared.config.training
        )
    finally:
        epochs._learn, epochs._mean_loss = own
    learned = float(np.mean(learning[1:]))
    validated = float(np.mean(validating[1:]))
    total = learned + validated
    return total, validated / total, len(prepared.training), len(prepared.validation)


def main() -> None:
    """Print a row for each number of series."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", nargs="+", type=int, default=[50, 1_000, 12_000])
    parser.add_argument("--rows", type=int, default=200)
    options = parser.parse_args()
    print("| series | rows each | training, validation windows | CPU s of an epoch | validation |")
    print("| --- | --- | --- | --- | --- |")
    for num_series in options.series:
        seconds, part, learned, validated = share(num_series, options.rows)
        windows = f"{learned:,}, {validated:,}"
        print(
            f"| {num_series:,} | {options.rows} | {windows} | {seconds:.1f} | {100 * part:.0f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
