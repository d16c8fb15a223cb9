"""Logarithm and differences against loops over rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import DataError, ShapeError
from forecast.transforms import Difference, Log1p, Rows

series_lists = st.lists(
    st.lists(st.integers(0, 20), unique=True, max_size=15).map(sorted), min_size=1, max_size=4
)


@given(series_lists, st.integers(1, 6))
def test_difference_equals_the_loop_over_rows(series, lag):
    places = [(number, place) for number, one in enumerate(series) for place in one]
    rows = Rows(
        np.array([p[0] for p in places], np.int64), np.array([p[1] for p in places], np.int64)
    )
    values = np.random.default_rng(0).normal(size=(len(places), 2))
    out = Difference(lag).apply(values, rows)
    for row, (number, place) in enumerate(places):
        unbroken = all((number, place - back) in places for back in range(lag + 1))
        expected = values[row] - values[row - lag] if unbroken else [np.nan, np.nan]
        np.testing.assert_array_equal(out[row], expected)


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 3), st.integers(1, 3))
def test_difference_is_undone_step_by_step(lag, steps, extra, targets):
    rng = np.random.default_rng(lag + 31 * steps)
    forecast, history = (
        rng.normal(size=(4, steps, targets)),
        rng.normal(size=(4, lag + extra, targets)),
    )
    out = Difference(lag).invert(forecast, series=np.zeros(4, np.int64), history=history)
    for window in range(4):
        known = list(history[window])
        for step in range(steps):
            known.append(known[-lag] + forecast[window, step])
        np.testing.assert_allclose(out[window], known[-steps:], rtol=1e-13, atol=1e-13)


def test_difference_needs_its_lag_of_history():
    with pytest.raises(ShapeError, match="history has 3 rows; a difference over 12 steps needs 12"):
        Difference(12).invert(
            np.zeros((1, 5, 1)), series=np.zeros(1, np.int64), history=np.zeros((1, 3, 1))
        )


@given(st.lists(st.floats(-0.999, 1e90), min_size=1, max_size=20))
def test_logarithm_equals_math_and_comes_back(numbers):
    values = np.array(numbers)[:, None]
    rows = Rows(np.zeros(len(numbers), np.int64), np.arange(len(numbers)))
    logarithm = Log1p.fit(values, rows, num_series=1)
    out = logarithm.apply(values, rows)
    np.testing.assert_allclose(out[:, 0], [math.log1p(x) for x in numbers], rtol=1e-15)
    back = logarithm.invert(out[None], series=np.zeros(1, np.int64), history=np.zeros((1, 0, 1)))[0]
    np.testing.assert_allclose(back, values, rtol=1e-12, atol=1e-15)


def test_logarithm_names_the_smallest_value_and_its_series():
    rows = Rows(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    values = np.array([[1.0, 2], [-1, 3], [np.nan, -2.5], [4, 5]])
    with pytest.raises(DataError, match=r"the smallest is -2\.5, target 2 of series number 2"):
        Log1p.fit(values, rows, num_series=1)
    assert np.isnan(
        Log1p.fit(values[:1], rows, num_series=1).apply(np.array([[np.nan, np.nan]]), rows)
    ).all()


@pytest.mark.parametrize(
    ("training", "floor"), [([3.0, 100.0], 0.0), ([-0.5, np.nan, 4.0], -0.5), ([0.0, 2.0], 0.0)]
)
def test_what_lies_below_the_training_values_and_below_zero_is_read_as_the_floor(training, floor):
    rows = Rows(np.zeros(9, np.int64), np.arange(9))
    logarithm = Log1p.fit(np.array(training)[:, None], rows, num_series=1)
    later = np.array([-1e6, -1.0, -0.7, -0.5, 0.0, 1.0, 2.9])
    expected = [math.log1p(max(x, floor)) for x in later]
    np.testing.assert_allclose(logarithm.apply(later[:, None], rows)[:, 0], expected, rtol=1e-15)


def test_a_logarithm_saved_without_a_floor_takes_zero():
    rows = Rows(np.zeros(2, np.int64), np.arange(2))
    np.testing.assert_array_equal(
        Log1p.from_state({}).apply(np.array([[-3.0, 1.0]]), rows), [[0.0, math.log1p(1.0)]]
    )


def test_a_forecast_beyond_the_floats_is_infinite_not_a_warning():
    out = Log1p(np.zeros(1)).invert(
        np.array([[[800.0]]]), series=np.zeros(1, np.int64), history=np.zeros((1, 0, 1))
    )
    assert out[0, 0, 0] == np.inf
