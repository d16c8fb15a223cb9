"""Arrays and scales of the table, for contenders without their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from fitting import Task


@dataclass(frozen=True)
class Scaled:
    """Standardised series of one length.

    Attributes:
        frame: the long table, `y` scaled, without the test part.
        values: (N, T) the same as float32.
        mean: (N, 1) of the training part.
        deviation: (N, 1) of the training part.
    """

    frame: pd.DataFrame
    values: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def apply(self, history: pd.DataFrame) -> np.ndarray:
        """(N, T) scaled values of a long table; a table of one series is the first."""
        values = as_rows(history)
        rows = slice(len(values))
        return ((values - self.mean[rows]) / self.deviation[rows]).astype(np.float32)

    def invert(self, forecast: np.ndarray) -> np.ndarray:
        """(N, H) in the unit of the data."""
        rows = slice(len(forecast))
        return np.asarray(forecast * self.deviation[rows] + self.mean[rows])


def as_rows(frame: pd.DataFrame) -> np.ndarray:
    """(N, T) values of a long table whose series have one length."""
    return frame["y"].to_numpy(np.float64).reshape(frame["unique_id"].nunique(), -1)


def read_scaled(task: Task) -> Scaled:
    """Read the table and scale every series by mean and deviation of its training part."""
    frame = pd.read_csv(task.table, parse_dates=["ds"])
    values = as_rows(frame)
    train = values[:, : -2 * task.held_out]
    mean, deviation = train.mean(1, keepdims=True), train.std(1, keepdims=True)
    kept = ((values - mean) / deviation).astype(np.float32)[:, : -task.held_out]
    inside = np.tile(np.arange(values.shape[1]) < kept.shape[1], len(values))
    return Scaled(frame[inside].assign(y=kept.ravel()), kept, mean, deviation)


def windows(values: np.ndarray, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """All windows of (N, T) values: contexts (W, L, 1) and targets (W, H, 1)."""
    size = task.context_length + task.horizon
    cut = np.lib.stride_tricks.sliding_window_view(values, size, axis=1).reshape(-1, size, 1)
    return cut[:, : task.context_length], cut[:, task.context_length :]
