"""Rows are found by series and position."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.axes import evenly_spaced
from forecast.data.panel import find_rows


def slow(series, positions, wanted_series, wanted_positions):
    """Look each wanted row up in a dictionary."""
    rows = {pair: row for row, pair in enumerate(zip(series, positions, strict=True))}
    wanted = np.broadcast(wanted_series, wanted_positions)
    found = [rows.get((number, position), -1) for number, position in wanted]
    return np.array(found, np.int64).reshape(wanted.shape)


@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_rows_are_those_of_a_dictionary(seed, is_sorted):
    rng = np.random.default_rng(seed)
    cells = rng.choice(5 * 40, size=60, replace=False)
    cells = np.sort(cells) if is_sorted else cells
    series, positions = cells // 40, cells % 40 - 20
    wanted_series = rng.integers(-1, 6, (7, 1))
    wanted_positions = rng.integers(-60, 60, (7, 30))
    rows = find_rows(series, positions, wanted_series, wanted_positions)
    assert (rows == slow(series, positions, wanted_series, wanted_positions)).all()
    own = find_rows(series, positions, series, positions)
    assert (own == np.arange(len(series))).all()


def test_nothing_is_found_among_no_rows():
    none = np.zeros(0, np.int64)
    assert find_rows(none, none, np.array([0, 1]), np.array([3, 4])).tolist() == [-1, -1]
    assert find_rows(np.array([0]), np.array([3]), none, none).shape == (0,)


@pytest.mark.parametrize("total", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 101])
def test_evenly_spaced_numbers(total, count):
    numbers = evenly_spaced(total, count)
    assert len(numbers) == len(set(numbers.tolist())) == min(total, count)
    assert numbers.dtype == np.int64
    if len(numbers) >= 2:
        assert (numbers[0], numbers[-1]) == (0, total - 1)
        assert np.ptp(np.diff(numbers)) <= 1
