"""Scalers against exact fractions, NumPy's own statistics per series, and the identity."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import DataError
from forecast.transforms import (
    TRANSFORMS,
    MeanAbs,
    MinMax,
    Robust,
    Rows,
    Scaler,
    Standard,
    scaler_names,
)

NAMES = sorted(scaler_names())


def rows_of(*lengths: int) -> Rows:
    positions = np.concatenate([np.arange(n) for n in lengths]).astype(np.int64)
    return Rows(np.repeat(np.arange(len(lengths)), lengths), positions)


def exact(name: str, values: list[float]) -> tuple[float, float]:
    """Centre and scale in rational arithmetic; only the last square root is rounded."""
    numbers = sorted(Fraction(v) for v in values)
    n = len(numbers)
    mean = sum(numbers) / n
    variance = sum((x - mean) ** 2 for x in numbers) / n

    def quantile(level: Fraction) -> Fraction:
        place = level * (n - 1)
        below = int(place)
        above = min(below + 1, n - 1)
        return numbers[below] + (numbers[above] - numbers[below]) * (place - below)

    if numbers[0] == numbers[-1]:
        return float(numbers[0]), 0.0
    deviation = float(
        Fraction(np.sqrt(float(variance / (numbers[-1] - numbers[0]) ** 2)))
        * (numbers[-1] - numbers[0])
    )
    spread = float(quantile(Fraction(3, 4)) - quantile(Fraction(1, 4)))
    return {
        "standard": (float(mean), deviation),
        "min_max": (float(numbers[0]), float(numbers[-1] - numbers[0])),
        "robust": (float(quantile(Fraction(1, 2))), spread or deviation),
        "mean_abs": (0.0, float(sum(abs(x) for x in numbers) / n)),
    }[name]


series_values = st.lists(
    st.floats(-1e90, 1e90, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-90),
    min_size=2,
    max_size=12,
)


@pytest.mark.parametrize("name", NAMES)
@given(series=st.lists(series_values, min_size=1, max_size=4))
def test_parameters_equal_exact_fractions(name, series):
    values = np.array([v for one in series for v in one])[:, None]
    scaler = TRANSFORMS[name].fit(values, rows_of(*map(len, series)), num_series=len(series))
    for place, one in enumerate(series):
        centre, scale = exact(name, one)
        largest = max(map(abs, one))
        assert abs(scaler.centre[place, 0] - centre) <= 1e-14 * largest
        assert abs(scaler.scale[place, 0] - scale) <= 1e-13 * scale + 1e-15 * largest
        assert (scaler.scale[place, 0] == 0) == (min(one) == max(one))


@pytest.mark.parametrize("scope", ["per_series", "global"])
def test_parameters_equal_numpy_with_missing_values(scope):
    rng = np.random.default_rng(1)
    lengths = [50, 3, 17]
    values = rng.normal(size=(70, 2)) * [3, 0.1] + [5, -40]
    values[rng.random(values.shape) < 0.2] = np.nan
    values[50:53] = [[1, 2], [np.nan, 5], [4, np.nan]]
    rows = rows_of(*lengths)
    groups = [values[rows.series == i] for i in range(3)] if scope == "per_series" else [values]
    formulas = {
        Standard: lambda x: (np.nanmean(x, 0), np.nanstd(x, 0)),
        MinMax: lambda x: (np.nanmin(x, 0), np.nanmax(x, 0) - np.nanmin(x, 0)),
        Robust: lambda x: (
            np.nanmedian(x, 0),
            np.nanpercentile(x, 75, 0) - np.nanpercentile(x, 25, 0),
        ),
        MeanAbs: lambda x: (np.zeros(2), np.nanmean(np.abs(x), 0)),
    }
    for scaler_class, formula in formulas.items():
        scaler = scaler_class.fit(values, rows, num_series=3, scope=scope)
        expected = [formula(x) for x in groups]
        np.testing.assert_allclose(
            np.atleast_2d(scaler.centre), [e[0] for e in expected], rtol=1e-13, atol=1e-14
        )
        np.testing.assert_allclose(
            np.atleast_2d(scaler.scale), [e[1] for e in expected], rtol=1e-13
        )
        applied = scaler.apply(values, rows)
        want = np.concatenate([(x - c) / s for x, (c, s) in zip(groups, expected, strict=True)])
        np.testing.assert_allclose(applied, want, rtol=1e-12, atol=1e-13)
        assert (np.isnan(applied) == np.isnan(values)).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scope", ["per_series", "global"])
@given(data=st.data())
def test_inverse_is_the_identity(name, scope, data):
    series = data.draw(st.lists(series_values, min_size=1, max_size=3))
    values = np.array([v for one in series for v in one])[:, None]
    rows = rows_of(*map(len, series))
    scaler = TRANSFORMS[name].fit(values, rows, num_series=len(series), scope=scope)
    applied = scaler.apply(values, rows)
    back = scaler.invert(
        applied[:, None, :], series=rows.series, history=np.zeros((len(values), 0, 1))
    )[:, 0]
    scale_of_rows = [
        np.abs(values if scope == "global" else values[rows.series == i]).max() for i in rows.series
    ]
    assert (np.abs(back - values)[:, 0] <= 1e-14 * np.array(scale_of_rows)).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3, 1e15 + 0.125, 3e-90, -1e300])
def test_a_constant_comes_back_exactly_whatever_the_network_says(name, constant):
    values = np.r_[np.full(1001, constant), 1.0, 2.0, 3.0][:, None]
    rows = rows_of(1001, 3)
    scaler = TRANSFORMS[name].fit(values, rows, num_series=2)
    assert (scaler.apply(values, rows)[:1001] == 0).all()
    output = np.array([[-1e30], [0.0], [17.5]])[None]
    assert (
        scaler.invert(output, series=np.array([0]), history=np.zeros((1, 0, 1))) == constant
    ).all()
    assert (
        len(np.unique(scaler.invert(output, series=np.array([1]), history=np.zeros((1, 0, 1)))))
        == 3
    )


@pytest.mark.parametrize("name", ["standard", "min_max", "robust"])
@pytest.mark.parametrize(("offset", "tolerance"), [(1e9, 1e-7), (1e12, 1e-4), (1e15, 0.1)])
def test_a_large_offset_costs_nothing_beyond_its_own_rounding(name, offset, tolerance):
    wave = 3 * np.sin(np.arange(500) / 7)
    rows = rows_of(500)
    plain = TRANSFORMS[name].fit(wave[:, None], rows, num_series=1)
    moved = TRANSFORMS[name].fit(wave[:, None] + offset, rows, num_series=1)
    np.testing.assert_allclose(
        moved.apply(wave[:, None] + offset, rows), plain.apply(wave[:, None], rows), atol=tolerance
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [1e-90, 1e-300, 1e90, 1e306])
def test_a_change_of_unit_changes_nothing(name, unit):
    values = np.random.default_rng(0).normal(size=(200, 1)) + 2
    rows = rows_of(120, 80)
    plain = TRANSFORMS[name].fit(values, rows, num_series=2).apply(values, rows)
    scaled = TRANSFORMS[name].fit(values * unit, rows, num_series=2).apply(values * unit, rows)
    np.testing.assert_allclose(scaled, plain, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_a_series_that_was_constant_in_training_stays_at_zero(name):
    scaler = TRANSFORMS[name].fit(np.full((9, 1), 4.0), rows_of(9), num_series=1)
    later = scaler.apply(np.array([[4.0], [7e9], [np.nan], [-1.0]]), rows_of(4))
    np.testing.assert_array_equal(later[:, 0], [0, 0, np.nan, 0])


def test_robust_falls_back_to_the_deviation_when_most_values_are_equal():
    values = np.r_[np.zeros(19), 10.0][:, None]
    scaler = Robust.fit(values, rows_of(20), num_series=1)
    np.testing.assert_allclose(scaler.scale, [[np.std(values)]], rtol=1e-14)
    assert scaler.centre[0, 0] == 0


@pytest.mark.parametrize("name", NAMES)
def test_series_without_two_values_take_the_scale_of_all(name):
    values = np.array([1.0, 4.0, 2.0, 9.0, np.nan, 5.0])[:, None]
    rows = Rows(
        np.array([0, 0, 0, 2, 2, 3]), np.array([0, 1, 2, 0, 1, 0])
    )  # series 1 has no row, 2 and 3 have one
    scaler = TRANSFORMS[name].fit(values, rows, num_series=4)
    everything = TRANSFORMS[name].fit(values, rows, num_series=4, scope="global")
    own = TRANSFORMS[name].fit(values[:3], rows_of(3), num_series=1)
    np.testing.assert_array_equal(scaler.centre[0], own.centre[0])
    for place in (1, 2, 3):
        np.testing.assert_array_equal(scaler.centre[place], everything.centre)
        np.testing.assert_array_equal(scaler.scale[place], everything.scale)


def test_rows_out_of_order_and_empty_columns_are_refused():
    with pytest.raises(DataError, match="not grouped by series"):
        Standard.fit(np.zeros((3, 1)), Rows(np.array([1, 0, 1]), np.arange(3)), num_series=2)
    with pytest.raises(
        DataError, match="none of 3 training rows has a finite value to fit Robust on"
    ):
        Robust.fit(np.full((3, 1), np.nan), rows_of(3), num_series=1)


@pytest.mark.parametrize("name", NAMES)
def test_align_picks_known_series_and_takes_new_ones_from_the_fresh_fit(name):
    rng = np.random.default_rng(3)
    old: Scaler = TRANSFORMS[name].fit(rng.normal(size=(30, 1)), rows_of(10, 10, 10), num_series=3)
    new: Scaler = TRANSFORMS[name].fit(rng.normal(size=(20, 1)), rows_of(10, 10), num_series=2)
    both = old.align(np.array([2, -1]), new)
    np.testing.assert_array_equal(both.scale, [old.scale[2], new.scale[1]])
    np.testing.assert_array_equal(both.centre, [old.centre[2], new.centre[1]])
    shared = TRANSFORMS[name].fit(
        rng.normal(size=(30, 1)), rows_of(10, 10, 10), num_series=3, scope="global"
    )
    assert shared.align(np.array([2, -1]), shared) is shared


def test_many_series_are_fitted_without_a_loop():
    lengths = np.full(50_000, 20)
    values = np.random.default_rng(0).normal(size=(1_000_000, 1))
    for name in NAMES:
        scaler = TRANSFORMS[name].fit(values, rows_of(*lengths), num_series=50_000)
        one = TRANSFORMS[name].fit(values[20 * 777 : 20 * 778], rows_of(20), num_series=1)
        np.testing.assert_allclose(scaler.scale[777], one.scale[0], rtol=1e-14)
