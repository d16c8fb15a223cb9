"""The recursions in C++ have the bits of those in NumPy, which others are compared with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.baselines import compiled_recursions as compiled
from forecast.baselines import recursion, theta
from forecast.baselines.holt import holt
from forecast.baselines.lengths import Steps
from forecast.baselines.recursion import FORMS, smooth
from forecast.baselines.smoothing import Smoothing
from forecast.files.libraries import build

NUM_ROWS = 60


@pytest.fixture(autouse=True, scope="module")
def _needs_a_library() -> None:
    assert compiled.compiled_recursions() is not None


def in_numpy(work: Callable[[], np.ndarray]) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recursion, "compiled_recursions", lambda: None)
        patch.setattr(theta, "compiled_recursions", lambda: None)
        return work()


def check_bits(work: Callable[[], np.ndarray]) -> None:
    made = work()
    assert np.isfinite(made).any()
    np.testing.assert_array_equal(made, in_numpy(work))


def panel(seed: int, num_series: int, num_targets: int = 1) -> np.ndarray:
    """Return (N, M, D) series of many lengths, some below 0, some with holes, one constant."""
    rng = np.random.default_rng(seed)
    rows = np.arange(NUM_ROWS)[:, None]
    wave = 20 * np.sin(2 * np.pi * rows / 7)
    steps = rng.normal(0.2, 3, (num_series, NUM_ROWS, num_targets))
    history = 100 + wave + steps.cumsum(axis=1)
    history[1::3] -= 100
    history[2::5, 20:22] = np.nan
    history[:1] = 7.0
    for number, length in enumerate(rng.integers(1, NUM_ROWS + 1, num_series)):
        if number % 4:
            history[number, : NUM_ROWS - length] = np.nan
    return history


@given(
    seed=st.integers(0, 2**32 - 1),
    season_length=st.sampled_from([1, 4, 7]),
    num_series=st.integers(1, 9),
)
@settings(max_examples=15)
def test_forecasts_of_panels_have_the_bits_of_numpy(
    seed: int, season_length: int, num_series: int
) -> None:
    history = panel(seed, num_series, num_targets=2)
    numbers = np.arange(num_series)
    steps = Steps(5, 1, season_length, week_length=14)
    check_bits(lambda: Smoothing.fit(history, season_length).predict(history, numbers, 5))
    check_bits(lambda: theta.theta(history, steps))
    check_bits(lambda: holt(history, steps))


def test_many_series_with_a_set_of_parameters_each() -> None:
    """More series than go along the rows together, and each begins at a row of its own."""
    history = panel(3, 150)
    fitted = Smoothing.fit(history[:9], 7)
    own = np.arange(150) % 9
    check_bits(lambda: fitted.predict(history, own, 5))


@pytest.mark.parametrize("form", FORMS[:4])
@pytest.mark.parametrize("season_length", [1, 7])
@pytest.mark.parametrize("own", [False, True])
def test_states_and_squares_have_the_bits_of_numpy(
    form: recursion.Form, season_length: int, own: bool
) -> None:
    values = panel(5, 20)[:, :, 0]
    values = values[np.isfinite(values).sum(axis=1) >= 2 * season_length]
    values = np.where(np.isnan(values).cumsum(axis=1)[:, -1:] == 0, values, 1.0)
    parameters = form.grid[None]
    if own:
        parameters = np.stack([np.roll(form.grid, shift, axis=0) for shift in range(len(values))])
    for part in range(4):
        check_bits(lambda part=part: smooth(values, parameters, form, season_length)[part])


def test_arrays_of_another_kind_are_refused() -> None:
    library = compiled.compiled_recursions()
    good = np.ones((2, 3))
    starts = np.zeros(2, np.int64)
    for bad in (good.astype(np.float32), np.ones((2, 6))[:, ::2]):
        with pytest.raises(ValueError, match="contiguous"):
            library.smooth_levels(bad, starts, np.ones(3), good.copy(), good.copy())


def test_without_a_library_numpy_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    history = panel(1, 4)
    steps = Steps(5, 1, 7)
    expected = theta.theta(history, steps)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", str(tmp_path / "nothing"))
    monkeypatch.setattr(build, "COMPILED", "no wheel")
    compiled.compiled_recursions.cache_clear()
    try:
        assert compiled.compiled_recursions() is None
        np.testing.assert_array_equal(theta.theta(history, steps), expected)
    finally:
        compiled.compiled_recursions.cache_clear()
    assert list(recwarn) == []


def test_a_series_alone_has_the_bits_that_it_has_beside_others() -> None:
    history = panel(2, 9)
    fitted = Smoothing.fit(history, 7)
    together = fitted.predict(history, np.arange(9), 5)
    alone = [fitted.predict(history[[number]], np.array([number]), 5) for number in range(9)]
    np.testing.assert_array_equal(together, np.concatenate(alone))
