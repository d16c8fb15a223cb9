"""How sure a difference is: against loops, SciPy, another package, and truths that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from forecast.scores.skill import (
    MIN_BLOCKS,
    block_length,
    compare_models,
    diebold_mariano,
    draw_sums,
    expanded_interval,
    num_overlapping,
    student_quantile,
    student_tail,
)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 30, 1001])
def test_student_equals_scipy(degrees):
    for value in (0.0, 0.3, 1.96, 4.0, 12.0):
        expected = stats.t.sf(value, degrees)
        assert student_tail(value, degrees) == pytest.approx(expected, rel=1e-6, abs=1e-13)
    for tail in (0.4, 0.025, 0.0005):
        assert student_quantile(tail, degrees) == pytest.approx(
            stats.t.ppf(tail, degrees), rel=1e-8
        )


@pytest.mark.parametrize(
    ("overlap", "statistic", "p_value"),
    [
        (1, -0.39284937060346165, 0.6965698746717182),
        (2, -0.37387685307447915, 0.7105208788377999),
        (4, -0.4805561677116824, 0.6335167930075059),
        (7, -0.4735362483424175, 0.6384707382263322),
    ],
)
def test_diebold_mariano_equals_another_package(overlap, statistic, p_value):
    """Figures of dieboldmariano 1.1.0 with `h=overlap`; for 7, where the plain sum is below 0, of
    its `bartlett`."""
    time = np.arange(40)
    wave = 3 * np.sin(0.7 * time)
    actual = 10 + wave + np.cos(1.9 * time**2)
    first = 10 + 2.5 * np.sin(0.7 * time + 0.2)
    second = 10 + wave + 0.3 * np.sin(2.3 * time**2) - 0.5 * np.cos(0.3 * time)
    found = diebold_mariano(np.abs(actual - first) - np.abs(actual - second), overlap)
    assert found == pytest.approx((statistic, p_value), rel=1e-9)


def test_diebold_mariano_has_an_answer_for_every_difference():
    assert diebold_mariano(np.zeros(9), 2) == (0.0, 1.0)
    assert diebold_mariano(np.full(9, -2.0), 2) == (-math.inf, 0.0)
    for differences, overlap in (
        (np.arange(3.0), 3),
        (np.zeros(0), 1),
        (np.array([1.0, np.nan, 2.0]), 1),
    ):
        assert all(map(math.isnan, diebold_mariano(differences, overlap)))


def overlapping_errors(rng: np.random.Generator, count: int, overlap: int, size: int) -> np.ndarray:
    """(size, count) means of `overlap` neighbours of white noise: what windows one step apart have
    in common."""
    noise = np.cumsum(
        np.pad(rng.normal(size=(size, count + overlap - 1)), ((0, 0), (1, 0))), axis=1
    )
    return (noise[:, overlap:] - noise[:, :-overlap]) / math.sqrt(overlap)


@pytest.mark.parametrize(("count", "overlap"), [(60, 1), (200, 6)])
def test_diebold_mariano_rejects_equal_models_as_seldom_as_it_says(count, overlap):
    draws = overlapping_errors(np.random.default_rng(7), count, overlap, 2000)
    rejected = np.mean([diebold_mariano(one, overlap)[1] < 0.05 for one in draws])
    assert 0.035 < rejected < 0.075
    plain = np.mean([diebold_mariano(one, 1)[1] < 0.05 for one in draws])
    assert plain > 0.3 or overlap == 1, "without the lags it would reject far too often"


def test_overlap_counts_the_cutoffs_whose_horizons_share_a_step():
    assert num_overlapping(np.arange(50), 24) == 24
    assert num_overlapping(np.arange(0, 500, 24), 24) == 1
    assert num_overlapping(np.arange(0, 500, 7), 24) == 4
    assert num_overlapping(np.array([3]), 24) == 1
    assert num_overlapping(np.array([0, 100, 101, 102, 300]), 3) == 3, "gaps do not hide it"


@pytest.mark.parametrize(
    ("num_cutoffs", "overlap", "length"), [(27, 1, 3), (28, 1, 4), (1000, 24, 72), (1, 1, 1)]
)
def test_blocks_hold_the_overlap_thrice_and_the_cube_root(num_cutoffs, overlap, length):
    assert block_length(num_cutoffs, overlap) == length


@pytest.mark.parametrize(("count", "length"), [(12, 4), (11, 4), (5, 5), (7, 1)])
def test_draws_equal_a_loop_over_blocks_on_a_circle(count, length):
    sums = np.random.default_rng(8).normal(size=(count, 2))
    starts = np.random.default_rng(3)
    whole, rest = divmod(count, length)
    first, last = starts.integers(0, count, (50, whole)), starts.integers(0, count, 50)
    expected = []
    for begins, end in zip(first.tolist(), last.tolist(), strict=True):
        rows = [(begin + step) % count for begin in begins for step in range(length)]
        rows += [(end + step) % count for step in range(rest)]
        assert len(rows) == count
        expected.append(sums[rows].sum(axis=0))
    np.testing.assert_allclose(
        draw_sums(sums, length, replicates=50, seed=3), expected, rtol=1e-9, atol=1e-9
    )


def test_an_interval_of_few_blocks_is_as_wide_as_students():
    values = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000) * math.sqrt(9 / 10)
    low, high = expanded_interval(values, 10)
    assert (low, high) == pytest.approx((-stats.t.ppf(0.975, 9), stats.t.ppf(0.975, 9)), rel=1e-3)


def windows_of(
    losses: np.ndarray, horizon: int, num_series: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Actual values of 0, and forecasts whose error in each window is `losses` (C,), for several
    equal series."""
    count = len(losses)
    forecast = np.tile(
        np.broadcast_to(losses[:, None, None], (count, horizon, 1)), (num_series, 1, 1)
    )
    return np.zeros_like(forecast), forecast, np.tile(np.arange(count), num_series)


def share_that_holds_the_truth(count: int, overlap: int, rounds: int) -> tuple[float, float]:
    """How often an interval holds a skill of 0.2; with blocks, and with single cutoffs as if they
    were unrelated.

    The model's errors are those of the baseline times 0.8 in distribution, and half of each error
    is shared.
    """
    rng, held, held_by_single = np.random.default_rng(13), 0, 0
    steps = np.arange(count)[:, None] + np.arange(overlap)
    for _ in range(rounds):
        shared, own, other = np.abs(rng.normal(size=(3, count + overlap - 1)))
        made = {
            "base": (shared + other)[steps][:, :, None],
            "model": 0.8 * (shared + own)[steps][:, :, None],
        }
        one = compare_models(np.zeros((count, overlap, 1)), made, "base", np.arange(count))["model"]
        held += one.low <= 0.2 <= one.high
        sums = np.stack([made[name].sum(axis=(1, 2)) for name in made], axis=1)
        drawn = draw_sums(sums, 1, replicates=400)
        low, high = np.quantile(1 - drawn[:, 1] / drawn[:, 0], [0.025, 0.975])
        held_by_single += low <= 0.2 <= high
    return held / rounds, held_by_single / rounds


@pytest.mark.parametrize(("count", "overlap"), [(40, 1), (150, 6)])
def test_intervals_hold_the_truth_as_often_as_they_say(count, overlap):
    with_blocks, single = share_that_holds_the_truth(count, overlap, 500)
    assert 0.92 <= with_blocks <= 0.98
    assert single < 0.75 or overlap == 1, "single cutoffs would promise far too much"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("count", "overlap"),
    [(15, 1), (20, 1), (100, 1), (90, 6), (200, 6), (180, 12), (360, 24), (720, 24), (2000, 24)],
)
def test_so_do_those_of_few_and_of_many_cutoffs(count, overlap):
    share = share_that_holds_the_truth(count, overlap, 2000)[0]
    print(f"{count} cutoffs, {overlap} overlap: {share:.3f}")
    assert 0.925 <= share <= 0.975


def test_windows_of_one_cutoff_are_one_observation():
    """A panel of 50 equal series says no more than one of them."""
    rng = np.random.default_rng(9)
    model, baseline = rng.uniform(0.5, 1.5, (2, 120))
    one = compare(model, baseline, 1, 1)
    many = compare(model, baseline, 1, 50)
    assert (many.low, many.high, many.p_value) == pytest.approx((one.low, one.high, one.p_value))


def compare(model: np.ndarray, baseline: np.ndarray, horizon: int, num_series: int = 1):
    actual, made, positions = windows_of(model, horizon, num_series)
    forecasts = {"model": made, "last_value": windows_of(baseline, horizon, num_series)[1]}
    return compare_models(actual, forecasts, "last_value", positions).get("model")


def test_a_comparison_is_the_same_every_time_and_for_any_order_and_unit():
    rng = np.random.default_rng(10)
    model, baseline = rng.uniform(0.5, 1.5, (2, 400))
    first = compare(model, baseline, 6)
    assert first == compare(model, baseline, 6)
    scaled = compare(1e6 * model, 1e6 * baseline, 6)
    assert (first.low, first.high) == pytest.approx((scaled.low, scaled.high))
    actual, made, positions = windows_of(model, 6)
    order = rng.permutation(400)
    forecasts = {"last_value": windows_of(baseline, 6)[1][order], "model": made[order]}
    mixed = compare_models(actual[order], forecasts, "last_value", positions[order])["model"]
    assert (mixed.low, mixed.high, mixed.num_cutoffs) == pytest.approx((first.low, first.high, 400))


def test_what_was_not_measured_is_left_out_and_missing_forecasts_are_not_compared():
    rng = np.random.default_rng(11)
    actual, made, positions = windows_of(rng.uniform(0.5, 1.5, 100), 2)
    baseline = windows_of(rng.uniform(0.5, 1.5, 100), 2)[1]
    whole = compare_models(actual, {"base": baseline, "model": made}, "base", positions)["model"]
    actual[:, 1], made[:, 1] = np.nan, 1e9
    assert compare_models(actual, {"base": baseline, "model": made}, "base", positions)[
        "model"
    ] == pytest.approx(whole)
    made[3, 0] = np.nan
    assert compare_models(actual, {"base": baseline, "model": made}, "base", positions) == {}


def test_few_cutoffs_and_a_perfect_baseline_give_no_interval():
    rng = np.random.default_rng(12)
    enough = 3 * 6 * MIN_BLOCKS
    assert compare(*rng.uniform(0.5, 1.5, (2, enough)), 6) is not None
    assert compare(*rng.uniform(0.5, 1.5, (2, enough - 1)), 6) is None
    assert compare(rng.uniform(0.5, 1.5, 100), np.zeros(100), 1) is None


def test_squared_errors_are_compared_as_absolute_ones_of_their_size():
    draw = np.random.default_rng(4)
    actual = draw.normal(size=(60, 3, 2))
    forecasts = {"base": actual + draw.normal(size=actual.shape), "model": actual + 0.9}
    squares = {name: actual + (values - actual) ** 2 for name, values in forecasts.items()}
    cutoffs = np.arange(60)
    found = compare_models(actual, forecasts, "base", cutoffs, power=2)["model"]
    expected = compare_models(actual, squares, "base", cutoffs)["model"]
    absolute = compare_models(actual, forecasts, "base", cutoffs)["model"]
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert found.p_value == pytest.approx(expected.p_value, rel=1e-9)
    assert found.low != pytest.approx(absolute.low, rel=1e-3)
