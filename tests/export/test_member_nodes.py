"""Simple members that are fitted to every history: a graph forecasts what the baseline does."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from forecast.axes import FloatArray
from forecast.baselines.lengths import Steps
from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.simple import BASELINES, ETS
from forecast.baselines.smoothing import Smoothing
from forecast.export.member_nodes import MEMBERS
from forecast.export.onnx_graph import OnnxGraph
from forecast.export.series_rows import Task
from forecast.export.signature import rows_of_member

FITTED = ("theta", "holt", ETS, "seasonal_lags")

RIDGE = RidgeWindow(np.zeros((1, 1)), 0.0, 0.0)


def kinds(num_rows: int, season_length: int) -> list[FloatArray]:
    """Series of every kind that a member treats on its own, each as long as it can be."""
    draw = np.random.default_rng(season_length)
    step = np.arange(num_rows)
    wave = np.sin(2 * np.pi * step / max(season_length, 3))
    is_rest = step % (7 * season_length) >= 5 * season_length
    noise = draw.normal(size=num_rows)
    walk = np.cumsum(noise)
    return [
        20 + 6 * wave + noise,  # a season by factors
        6 * wave + noise,  # by differences
        walk,
        100 + walk,
        np.exp(0.01 * step + 0.2 * wave + 0.05 * noise),  # grows by factors
        np.exp(-0.05 * step) + 1e-9,  # falls towards 0
        3e9 - 1e6 * step + 1e7 * noise,
        np.full(num_rows, 7.0),
        np.zeros(num_rows),
        draw.poisson(0.3, num_rows).astype(float),
        1e-6 * (2 + wave),
        np.where(step < num_rows - 20, 1.0, 50.0) + 0.1 * noise,  # a leap
        (20 + 6 * wave) * (1 - 0.5 * is_rest) + 0.5 * noise,  # a week, by factors
        6 * wave - 9 * is_rest + 0.5 * noise,  # by differences
    ]


def histories(num_rows: int, season_length: int) -> FloatArray:
    """Return (B, M, 2) every kind at many lengths, NaN before its first value."""
    lengths = {1, 2, 3, 5, 8, 9, 13, num_rows}
    lengths |= {2 * season_length + more for more in (-1, 0, 1, 2)} | {3 * season_length}
    lengths |= {num_rows // 2, num_rows - 1}
    lengths |= {21 * season_length + more for more in (-1, 0, 50)}  # three weeks of days
    found = []
    for length in sorted(number for number in lengths if 0 < number <= num_rows):
        for series in kinds(num_rows, season_length):
            rows = series.copy()
            rows[: num_rows - length] = np.nan
            found.append(np.stack([rows, rows[::1] * 2 + 1], axis=1))
    return np.array(found)


def numbers_of(
    name: str, history: FloatArray, steps: Steps, series: Any, smoothing: Smoothing
) -> FloatArray:
    """Run a graph with one member."""
    graph = OnnxGraph()
    inputs = graph.input("history", (None, *history.shape[1:]), "float64")
    of_series = graph.input("series", (None,), "int64")
    made = MEMBERS[name](Task(graph, inputs, steps, RIDGE, of_series, smoothing))
    session = onnxruntime.InferenceSession(graph.model({"made": made}).SerializeToString())
    given = {"history": history, "series": series}
    names = {port.name for port in session.get_inputs()}
    found = session.run(None, {key: value for key, value in given.items() if key in names})[0]
    return np.asarray(found, np.float64)


SEASONS = [(1, None, 6), (4, None, 9), (7, 7, 10), (12, None, 12), (24, 168, 30)]
"""Season, week and horizon."""


@pytest.mark.parametrize(("season_length", "week_length", "horizon"), SEASONS)
@pytest.mark.parametrize("name", FITTED)
def test_a_graph_forecasts_what_the_baseline_does(
    name: str, season_length: int, week_length: int | None, horizon: int
) -> None:
    """Of every kind of series, at every length."""
    steps = Steps(horizon, 14, season_length, week_length)
    history = histories(rows_of_member(name, steps), season_length)
    series = np.arange(len(history))
    smoothing = no_smoothing(history, season_length)
    if name == ETS:
        smoothing = Smoothing.fit(history, season_length)
        expected = smoothing.predict(history, series, horizon)
    else:
        expected = BASELINES[name](history, steps)
    found = numbers_of(name, history, steps, series, smoothing)
    assert largest_difference(found, expected, history) < 1e-9


@pytest.mark.parametrize(
    ("season_length", "week_length", "horizon"),
    [*SEASONS[:1], *(pytest.param(*season, marks=pytest.mark.proof) for season in SEASONS[1:])],
)
def test_smoothing_of_a_new_series_is_fitted_in_the_graph(
    season_length: int, week_length: int | None, horizon: int
) -> None:
    """As `Smoothing.fit` does it, beside known series in the same batch."""
    steps = Steps(horizon, 14, season_length, week_length)
    history = histories(rows_of_member(ETS, steps), season_length)[:: max(5, season_length - 7)]
    smoothing = Smoothing.fit(history, season_length)
    count = np.arange(len(history))
    expected = smoothing.predict(history, count, horizon)
    series = np.where(count % 3, -1, 0)
    stored = smoothing.take(count[:1])
    expected[::3] = stored.predict(history[::3], count[::3] * 0, horizon)
    found = numbers_of(ETS, history, steps, series, stored)
    assert largest_difference(found, expected, history) < 1e-9


def no_smoothing(history: FloatArray, season_length: int) -> Smoothing:
    """Smoothing of no series."""
    return Smoothing.fit(history[:0], season_length)


def largest_difference(found: FloatArray, expected: FloatArray, history: FloatArray) -> float:
    """The largest difference, as a share of the numbers of the window."""
    assert np.isfinite(expected).all()
    sizes = np.maximum(np.nanmax(np.abs(history), axis=1, keepdims=True), np.abs(expected))
    return float((np.abs(found - expected) / np.where(sizes > 0, sizes, 1.0)).max())
