"""Evaluations to draw, and what figures hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.scores.evaluation import BacktestResult
from forecast.scores.history import History

HOURLY = Frequency.parse("h")
START = np.datetime64("2024-03-01T00", "ns")


def hours(first: int, count: int) -> np.ndarray:
    return START + np.arange(first, first + count) * np.timedelta64(1, "h")


def history(loss, val_loss=(), best: int = 1) -> History:
    return History(tuple(loss), tuple(val_loss), (1e-3,) * len(loss), (1.0,) * len(loss), best)


def backtest(
    num_windows: int = 40, horizon: int = 6, targets: int = 1, seed: int = 0
) -> BacktestResult:
    """Hourly windows of one series; the model is off by noise of spread 1, the baseline by noise of
    spread 3."""
    rng = np.random.default_rng(seed)
    rows = np.arange(num_windows)[:, None] + np.arange(horizon)
    actual = rng.normal(size=(num_windows + horizon, targets)).cumsum(axis=0)[rows]
    noise = rng.normal(size=(2, *actual.shape))
    return BacktestResult(
        alias="bigru",
        baselines=("last_value",),
        series_ids=np.array(["a"], object),
        series=np.zeros(num_windows, np.int64),
        cutoffs=hours(0, num_windows),
        stamps=hours(1, num_windows + horizon)[rows],
        actual=actual,
        forecasts={"bigru": actual + noise[0], "last_value": actual + 3 * noise[1]},
        scale=np.full((num_windows, targets), 2.0),
        season_length=24,
        columns=Columns(
            target_cols=tuple(f"y{i}" for i in range(targets)) if targets > 1 else ("y",)
        ),
        freq=HOURLY,
    )


def line(axes: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    found = next(one for one in axes.lines if one.get_label() == label)
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata(), float)


def finding(figure: Figure) -> str:
    return (figure.get_suptitle() or figure.legends[0].get_title().get_text()).replace("\n", " ")


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def with_intervals(
    result: BacktestResult, widths: tuple[float, ...] = (-3.0, -1.0, 0.0, 1.0, 3.0)
) -> BacktestResult:
    made = result.forecasts["bigru"][..., None] + np.array(widths)
    return replace(result, quantile_levels=(0.025, 0.1, 0.5, 0.9, 0.975), quantiles=made)
