"""Setting of all fits: sizes, and a table whose best forecast is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

AUTOCORRELATION = 0.6


@dataclass(frozen=True)
class Setting:
    """Sizes of a fit, equal for all.

    Attributes:
        series: number of series.
        length: rows of each.
        context_length: L.
        horizon: H.
        units: width.
        layers: depth.
        batch_size: windows per step.
        epochs: passes over the training windows.
        held_out: rows of the validation part, and of the test part.
        threads: of every library.
        loss: validation loss on the scaled series whose first reach is timed.
    """

    series: int = 10
    length: int = 1000
    context_length: int = 96
    horizon: int = 24
    units: int = 64
    layers: int = 2
    batch_size: int = 64
    epochs: int = 6
    held_out: int = 96
    threads: int = 2
    loss: float = 0.06

    def task(self, table: Path, folder: Path, seed: int) -> dict[str, Any]:
        """The request to a contender."""
        names = (
            "context_length",
            "horizon",
            "units",
            "layers",
            "batch_size",
            "epochs",
            "held_out",
            "threads",
        )
        return {
            "table": str(table),
            "folder": str(folder),
            "seed": seed,
            **{name: getattr(self, name) for name in names},
        }

    @property
    def windows(self) -> int:
        """Training windows of one epoch."""
        return self.series * (
            self.length - 2 * self.held_out - self.context_length - self.horizon + 1
        )


QUICK = Setting(
    series=2, length=160, context_length=24, horizon=6, units=8, layers=1, epochs=2, held_out=24
)


def make_series(setting: Setting) -> tuple[Array, Array]:
    """Return hourly (N, T): a level with two harmonics of a day, and autocorrelated noise.

    There is no trend, so that what was learned still holds in the rows held out, and the validation
    loss goes on falling.
    """
    rng = np.random.default_rng(0)
    shape = (setting.series, 1)
    angle = 2 * np.pi * np.arange(setting.length) / 24
    day = rng.uniform(5, 15, shape) * np.sin(angle + rng.uniform(0, 7, shape))
    half_day = rng.uniform(1, 4, shape) * np.sin(2 * angle + rng.uniform(0, 7, shape))
    noise = rng.normal(0, 1, (setting.series, setting.length))
    for now in range(1, setting.length):
        noise[:, now] += AUTOCORRELATION * noise[:, now - 1]
    return 100 + day + half_day, noise


def least_loss(setting: Setting) -> float:
    """Return the loss of the best possible forecast, `expected + AUTOCORRELATION**h * noise`.

    Its squared error at step h is (1 - a^2h) / (1 - a^2) for noise with the autocorrelation a and
    steps of variance 1 (Box, Jenkins 1976, section 5.1).
    """
    expected, noise = make_series(setting)
    deviation = (expected + noise)[:, : -2 * setting.held_out].std(1)
    square = AUTOCORRELATION**2
    errors = (1 - square ** np.arange(1, setting.horizon + 1)) / (1 - square)
    return float(np.mean(errors.mean() / deviation**2))


def write_table(setting: Setting, path: Path) -> Path:
    """Write the series as CSV."""
    names = np.repeat([f"series_{number}" for number in range(setting.series)], setting.length)
    stamps = np.tile(pd.date_range("2024-01-01", periods=setting.length, freq="h"), setting.series)
    pd.DataFrame(
        {"unique_id": names, "ds": stamps, "y": np.add(*make_series(setting)).ravel()}
    ).to_csv(path, index=False)
    return path
