"""Flat lines and copies of earlier values are noticed, good forecasts are not."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from panels import panel_of

from forecast.baselines.compare import all_baselines, compare
from forecast.baselines.lengths import Steps
from forecast.data.datasets import load
from forecast.scores.evaluation import BacktestResult
from forecast.scores.seasonal import seasonal_errors
from forecast.scores.symptoms import LEAP, copy_ratios, flat_ratios, last_values, leap_notes, leaps
from forecast.transforms.missing import Filled
from forecast.windows.index import index_windows
from forecast.windows.splits import Part

L, H, M, LENGTH = 24, 6, 20, 150
Make = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Values (R,) and rows of the forecast steps (B, H) -> forecasts (B, H)."""


def judged(values: np.ndarray, make: Make, *, horizon: int = H) -> BacktestResult:
    """Let `make` forecast every window of several series (N, T)."""
    panel = panel_of([range(values.shape[1])] * len(values), values.reshape(-1, 1))
    index = index_windows(panel, L, horizon)

    def predict(numbers: np.ndarray) -> np.ndarray:
        return make(values.ravel(), index.horizon_rows(index.locate(numbers)[1]))[:, :, None]

    return compare(
        panel,
        index,
        filled=Filled(values=panel.values, observed=None),
        models={"model": predict},
        baselines=all_baselines(Steps(horizon, L, M)),
        steps=Steps(horizon, L, M),
        scale=seasonal_errors(panel, M, part=Part.whole(panel)),
    )


def notes(values: np.ndarray, make: Make, *, horizon: int = H) -> str:
    scores = judged(values, make, horizon=horizon).scores()
    found = [note for note in scores.notes if "learned" in note]
    assert all(f"Note: {note}." in scores.text() for note in found)
    return " ".join(found)


def waves(num_series: int = 3, noise: float = 0.2) -> np.ndarray:
    time, rng = np.arange(LENGTH), np.random.default_rng(0)
    return (
        10
        + np.sin(2 * np.pi * time / M + np.arange(num_series)[:, None])
        + noise * rng.normal(size=(num_series, LENGTH))
    )


def walks(num_series: int = 3) -> np.ndarray:
    return np.cumsum(np.random.default_rng(1).normal(size=(num_series, LENGTH)), axis=1)


def shaken(make: Make, share: float) -> Make:
    """The same forecasts with some noise, as a network makes them."""
    rng = np.random.default_rng(2)
    return lambda values, rows: make(values, rows) + share * rng.normal(size=rows.shape)


def last(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.repeat(values[rows[:, :1] - 1], rows.shape[1], axis=1)


def level(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.full(rows.shape, values.mean())


def truth(_: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What an oracle says who knows the season but not the noise."""
    return waves(noise=0.0).ravel()[rows]


def shifted(steps: int) -> Make:
    return lambda values, rows: values[rows - steps]


@pytest.mark.parametrize(
    ("values", "make", "words"),
    [
        (waves(), level, "model draws a flat line in 3 of 3 series"),
        (waves(), shaken(level, 0.03), "model draws a flat line in 3 of 3 series"),
        (waves(), last, "model repeats the last value in 3 of 3 series"),
        (waves(), shaken(last, 0.05), "model repeats the last value in 3 of 3 series"),
        (waves(), shifted(M), "model repeats the last season in 3 of 3 series"),
        (waves(), shifted(H), "model repeats the last 6 values in 3 of 3 series"),
        (waves(), shaken(shifted(H), 0.05), "model repeats the last 6 values in 3 of 3 series"),
        (walks(), last, "model repeats the last value in 3 of 3 series"),
    ],
    ids=[
        "level",
        "nearly level",
        "last",
        "nearly last",
        "season",
        "shifted",
        "nearly shifted",
        "walk",
    ],
)
def test_flat_and_copied_forecasts_are_named(values, make, words):
    found = notes(values, make)
    assert found.startswith(words)
    assert "the best answer where" in found, "which it is for some series: no accusation"


def test_one_step_forecasts_that_lag_behind_are_named():
    assert notes(waves(), shaken(last, 0.02), horizon=1).startswith("model repeats the last value")
    assert notes(waves(), truth, horizon=1) == ""


@pytest.mark.parametrize(
    ("values", "make"),
    [
        (waves(), truth),
        (waves(), shaken(truth, 0.3)),
        (waves(), lambda values, rows: (truth(values, rows) + last(values, rows)) / 2),
        (waves(), lambda values, rows: 10 + 0.3 * (truth(values, rows) - 10)),
        (waves(noise=0.0), truth),
        (np.ones((3, LENGTH)), last),
        (walks(), lambda values, rows: values[rows] + 0.5),
    ],
    ids=["truth", "noisy", "halfway", "timid", "without noise", "constant", "biased"],
)
def test_other_forecasts_are_left_alone(values, make):
    assert notes(values, make) == ""


@pytest.mark.parametrize(("num_flat", "words"), [(1, ""), (2, "2 of 4 series")])
def test_a_note_is_made_from_half_of_the_series_on(num_flat, words):
    values = waves(4)
    good = waves(4, noise=0.0)
    good[:num_flat] = 10.0
    found = notes(values, lambda _, rows: good.ravel()[rows])
    assert (words in found) if words else found == ""


def random_windows() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(3)
    actual, forecast, copy = rng.normal(size=(3, 12, 4, 2))
    actual[rng.random(actual.shape) < 0.2] = np.nan
    copy[rng.random(copy.shape) < 0.2] = np.nan
    return actual, forecast, copy, np.repeat([5, 2, 9], 4)


def test_copy_ratios_equal_a_loop():
    actual, forecast, copy, series = random_windows()
    actual[series == 9, :, 1] = copy[series == 9, :, 1]
    found = copy_ratios(actual, forecast, copy, series)
    for place, d in np.ndindex(found.shape):
        rows = np.flatnonzero(series == [2, 5, 9][place])
        cells = [
            (actual[w, h, d], forecast[w, h, d], copy[w, h, d]) for w in rows for h in range(4)
        ]
        cells = [cell for cell in cells if not np.isnan(cell).any()]
        needed = sum(abs(y - c) for y, _, c in cells)
        expected = sum(abs(f - c) for _, f, c in cells) / needed if needed else np.nan
        np.testing.assert_allclose(found[place, d], expected)
    assert np.isnan(found[2, 1])


def test_flat_ratios_equal_a_loop():
    actual, forecast, _, series = random_windows()
    actual[series == 5, :, 0] = (
        0.1,
        0.1,
        0.1,
        np.nan,
    )  # whose mean, as a computer takes it, is not 0.1
    found = flat_ratios(actual, forecast, series)
    for place, d in np.ndindex(found.shape):
        spread = np.zeros(2)
        for w in np.flatnonzero(series == [2, 5, 9][place]):
            known = ~np.isnan(actual[w, :, d])
            spread += [
                known.sum() * one[w, known, d].var() if known.any() else 0.0
                for one in (forecast, actual)
            ]
        np.testing.assert_allclose(
            found[place, d], np.sqrt(spread[0] / spread[1]) if (place, d) != (1, 0) else np.nan
        )


def test_the_last_values_are_those_before_the_cutoff():
    values = walks(2)
    result = judged(values, last)
    order = np.random.default_rng(4).permutation(len(result.series))
    mixed = result.take(order)
    found = last_values(mixed.actual, mixed.series, mixed.freq.positions(mixed.cutoffs))
    for window in range(len(order)):
        cutoff = int(mixed.cutoffs[window])
        expected = values[mixed.series[window], cutoff - H + 1 : cutoff + 1]
        if cutoff < L - 1 + H:
            assert np.isnan(found[window]).all(), "no window forecast them"
        else:
            np.testing.assert_array_equal(found[window, :, 0], expected)


def slow_leaps(history: np.ndarray, forecast: np.ndarray) -> list[bool]:
    """Of one series: every change counted by itself."""
    known = history[np.isfinite(history)]
    found = []
    for steps, value in enumerate(forecast, start=1):
        changes, ratios = [0.0], [0.0]
        for first in range(len(history)):
            for later in range(first, min(first + steps + 1, len(history))):
                for before in range(first, later):
                    if np.isfinite(history[[before, later]]).all():
                        changes.append(abs(history[later] - history[before]))
                        if known.min() > 0:
                            ratios.append(abs(np.log(history[later] / history[before])))
        leap = not known.min() <= value <= known.max() and steps <= len(history) // 2
        leap = leap and abs(value - known[-1]) > LEAP * max(changes)
        if known.min() > 0 and value > 0:
            leap = leap and abs(np.log(value / known[-1])) > LEAP * max(ratios)
        found.append(leap)
    return found


def test_leaps_equal_loops() -> None:
    rng = np.random.default_rng(2)
    total = 0
    for number in range(12):
        lengths = rng.integers(2, 17, size=3)
        history = rng.normal(size=(lengths.sum(), 2)) * 3 + rng.choice([0.0, 10.0, 100.0])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        if number % 2:
            history[rng.random(history.shape) < 0.2] = np.nan
            history[offsets[:-1]] = 1.0  # something of each is known
        forecast = history[offsets[1:] - 1][:, None] + rng.normal(size=(3, 6, 2)) * 15
        forecast = np.where(np.isnan(forecast), 5.0, forecast)
        found = leaps(history, offsets, forecast)
        for series, (first, last) in enumerate(itertools.pairwise(offsets)):
            for target in range(2):
                expected = slow_leaps(history[first:last, target], forecast[series, :, target])
                assert found[series, :, target].tolist() == expected
                total += sum(expected)
    assert total > 20


def continued(make: Callable[[np.ndarray], np.ndarray], rows: int, horizon: int = 12) -> str:
    """What is said where the forecast is what truly follows."""
    values = make(np.arange(rows + horizon, dtype=float))
    ids = np.array(["a"], object)
    return " ".join(
        leap_notes(ids, ["y"], values[:rows, None], np.array([0, rows]), values[None, rows:, None])
    )


@pytest.mark.parametrize("rows", [24, 36, 120])
@pytest.mark.parametrize(
    "make",
    [
        lambda t: 5.0 + 3.0 * t,
        lambda t: 1e6 - 3.0 * t,
        lambda t: 1.1**t,
        lambda t: 100 * 0.9**t,
        lambda t: 100 * 1.02**t * (1.3 + np.sin(2 * np.pi * t / 12)),
        lambda t: np.random.default_rng(3).normal(size=len(t)),
        lambda t: np.full(len(t), 7.0),
    ],
)
def test_what_goes_on_as_it_was_is_no_leap(
    make: Callable[[np.ndarray], np.ndarray], rows: int
) -> None:
    assert continued(make, rows) == ""


def test_what_random_walks_truly_do_is_seldom_a_leap() -> None:
    values = np.random.default_rng(4).normal(size=(500, 72)).cumsum(axis=1)
    offsets = np.arange(501) * 60
    found = leaps(values[:, :60].reshape(-1, 1), offsets, values[:, 60:, None])
    assert found.any(axis=(1, 2)).mean() < 0.02


def test_the_air_passengers_never_leap() -> None:
    """From every month after the second year the next twelve, records of the summer included."""
    values = load("air_passengers")["y"].to_numpy(float)
    for cutoff in range(24, len(values) - 12):
        found = leaps(
            values[:cutoff, None], np.array([0, cutoff]), values[None, cutoff : cutoff + 12, None]
        )
        assert not found.any()


def test_a_forecast_that_leaps_is_named_with_its_history() -> None:
    """Months between 75 and 110 that are forecast as 42; a second series is forecast well."""
    season = np.tile([100.0, 80, 85, 83, 84, 82, 85, 86, 85, 90, 92, 110], 3)
    wild = np.array([90.0, 42, 46, 78, 80, 76, 70, 58, 48, 87, 138, 118])
    history = np.concatenate([season, season])[:, None]
    forecast = np.stack([season[:12], wild])[:, :, None]
    notes = leap_notes(
        np.array(["good", "wild"], object), ["y"], history, np.array([0, 36, 72]), forecast
    )
    assert notes == (
        "the forecast of 1 of 2 series leaves the range of its history by more than the changes of "
        "the history "
        "explain (first 'wild', step 2: 42 after values between 80 and 110): look at it before you "
        "use it",
    )
    both = np.concatenate([history[:36], history[36:]], axis=1)
    two = leap_notes(
        np.array(["a"], object),
        ["x", "y"],
        both,
        np.array([0, 36]),
        np.stack(forecast, axis=1)[None, :, :, 0],
    )
    assert "(first 'a', y, step 2: 42 after" in two[0]
