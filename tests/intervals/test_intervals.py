"""Intervals hold what they say: ranks, conformalised quantiles, adaptation and coverage against
slow oracles."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from forecast import Experiment, Forecaster
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import ConfigError, DataError
from forecast.experiment.prepare import prepare
from forecast.forecasting.calibrate import with_intervals
from forecast.intervals.adaptive import adapt_intervals, adaptive_factors
from forecast.intervals.conformal import Calibration, ranked
from forecast.intervals.coverage import (
    binomial_band,
    coverage_by,
    coverage_table,
    coverage_text,
    effective_number,
    windows_side_by_side,
)
from forecast.intervals.levels import (
    central_levels,
    needed_windows,
    nested,
    supported_levels,
    widest_level,
)
from forecast.scores.evaluation import BacktestResult

Array = NDArray[np.float64]
DRAW = np.random.default_rng(11)


def calibration_of(actual: Array, forecast: Array, unit: Array, **named: Any) -> Calibration:
    """The calibration of windows whose cutoffs follow each other."""
    return Calibration.fit(actual, forecast, unit, np.arange(len(actual)), **named)


def test_the_rank_is_that_of_the_theorem() -> None:
    scores = DRAW.gamma(2.0, size=(37, 3, 2))
    scores[DRAW.random(scores.shape) < 0.2] = np.nan
    for level in (10.0, 50.0, 80.0, 90.0):
        found = ranked(np.sort(scores, axis=0), level)
        for step in range(3):
            for target in range(2):
                known = sorted(
                    one for one in scores[:, step, target].tolist() if not math.isnan(one)
                )
                assert found[step, target] == known[math.ceil(level / 100 * (len(known) + 1)) - 1]


@pytest.mark.parametrize(("level", "needed"), [(50, 1), (80, 4), (90, 9), (95, 19), (99, 99)])
def test_a_level_that_the_windows_do_not_support_is_refused_with_the_number(
    level: float, needed: int
) -> None:
    assert needed_windows(level) == needed
    assert math.ceil((needed + 1) * level / 100 - 1e-9) <= needed
    assert math.ceil(needed * level / 100 - 1e-9) > needed - 1
    zero = np.zeros((needed - 1, 2, 1))
    calibration = calibration_of(
        zero + DRAW.normal(size=zero.shape), zero, np.ones((needed - 1, 1))
    )
    with pytest.raises(
        ConfigError, match=rf"there are {needed - 1} calibration windows; it takes {needed}"
    ):
        calibration.ends(np.zeros((1, 2, 1)), np.ones((1, 1)), level)
    for bad in (0, 100, -5):
        with pytest.raises(ConfigError, match="expected percent between 0 and 100"):
            calibration.ends(np.zeros((1, 2, 1)), np.ones((1, 1)), bad)


@pytest.mark.parametrize("count", [*range(120), 998, 999, 1000])
def test_the_widest_level_is_the_highest_whole_one_that_is_supported(count: int) -> None:
    enough = [level for level in range(1, 100) if needed_windows(level) <= count]
    assert widest_level(count) == max(enough, default=0)
    given = supported_levels((80, 95), count)
    assert all(needed_windows(level) <= count for level in given)


@pytest.mark.parametrize(
    ("count", "given"),
    [(0, ()), (1, (50,)), (3, (75,)), (4, (80,)), (8, (80, 88)), (18, (80, 94)), (19, (80, 95))],
)
def test_levels_beyond_the_windows_are_replaced_by_the_widest(
    count: int, given: tuple[float, ...]
) -> None:
    assert supported_levels((95, 80), count) == given


@pytest.mark.parametrize(("n", "level"), [(19, 80.0), (19, 95.0), (30, 50.0)])
def test_coverage_of_exchangeable_windows_is_exact(n: int, level: float) -> None:
    # The coverage of rank k of n is that of a Beta variable with mean k / (n + 1), whatever the
    # distribution.
    draws = 20_000
    actual = DRAW.standard_t(3, size=(n, 1, draws))
    fresh = DRAW.standard_t(3, size=(1, 1, draws))
    made, unit = np.zeros_like(actual), np.ones((n, draws))
    low, high = calibration_of(actual, made, unit).ends(np.zeros_like(fresh), unit[:1], level)
    expected = math.ceil((n + 1) * level / 100) / (n + 1)
    found = ((low <= fresh) & (fresh <= high)).mean()
    assert abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / draws)


def test_errors_count_in_units_of_their_series() -> None:
    unit = np.array([[1.0], [1000.0]] * 20)
    actual = DRAW.normal(size=(40, 4, 1)) * unit[:, None]
    calibration = calibration_of(actual, np.zeros_like(actual), unit)
    low, high = calibration.ends(np.zeros((2, 4, 1)), unit[:2], 80)
    np.testing.assert_allclose(high[1], 1000 * high[0])
    np.testing.assert_allclose(low, -high)


def test_on_logarithms_errors_are_factors() -> None:
    actual, made = DRAW.gamma(2.0, 10.0, (25, 3, 1)), DRAW.gamma(2.0, 10.0, (25, 3, 1))
    calibration = calibration_of(actual, made, np.ones((25, 1)), logarithms=True)
    low, high = calibration.ends(made[:1], np.ones((1, 1)), 80)
    for step in range(3):
        factors = sorted(
            abs(math.log((1 + a) / (1 + f)))
            for a, f in zip(actual[:, step, 0], made[:, step, 0], strict=True)
        )
        factor = math.exp(factors[math.ceil(0.8 * 26) - 1])
        assert high[0, step, 0] == pytest.approx((1 + made[0, step, 0]) * factor - 1)
        assert low[0, step, 0] == pytest.approx((1 + made[0, step, 0]) / factor - 1)
    assert (low > -1).all()


def test_a_networks_own_intervals_are_moved_by_what_they_miss() -> None:
    actual = DRAW.normal(size=(50, 2, 1))
    low, high = -1.0 - DRAW.random((50, 2, 1)), 0.3 + DRAW.random((50, 2, 1))
    own, unit = {0.8: (low, high)}, np.ones((50, 1))
    calibration = calibration_of(actual, np.zeros_like(actual), unit, own=own)
    found = calibration.ends(np.zeros((1, 2, 1)), unit[:1], 80, own={0.8: (low[:1], high[:1])})
    for step in range(2):
        missed = sorted(
            max(low[i, step, 0] - actual[i, step, 0], actual[i, step, 0] - high[i, step, 0])
            for i in range(50)
        )
        moved = missed[math.ceil(0.8 * 51) - 1]
        assert found[0][0, step, 0] == pytest.approx(min(low[0, step, 0] - moved, 0.0))
        assert found[1][0, step, 0] == pytest.approx(max(high[0, step, 0] + moved, 0.0))


def test_wider_intervals_hold_narrower_ones_and_all_hold_the_point() -> None:
    levels = (0.025, 0.1, 0.5, 0.9, 0.975)
    quantiles, forecast = DRAW.normal(size=(20, 3, 1, 5)), DRAW.normal(size=(20, 3, 1))
    made = nested(levels, quantiles, forecast)
    for place in (0, 1):
        assert (made[..., place] <= forecast).all()
        assert (made[..., 4 - place] >= forecast).all()
    assert (made[..., 0] <= made[..., 1]).all()
    assert (made[..., 3] <= made[..., 4]).all()
    np.testing.assert_array_equal(made[..., 2], quantiles[..., 2])
    kept = np.sort(quantiles, axis=-1)
    np.testing.assert_array_equal(nested(levels, kept, kept[..., 2]), kept)


def slow_factors(ratios: Array, positions: NDArray[np.int64], share: float, rate: float) -> Array:
    """Plain loops: for each window and step, go through the cutoffs whose step was over by then."""
    out = np.empty_like(ratios)
    for step in range(ratios.shape[1]):
        for target in range(ratios.shape[2]):
            used: dict[int, float] = {}
            for cutoff in np.unique(positions):
                factor = 1.0
                for earlier in np.unique(positions):
                    if earlier + step + 1 <= cutoff:
                        seen = ratios[positions == earlier, step, target]
                        seen = seen[~np.isnan(seen)]
                        if len(seen):
                            factor = max(
                                0.0, factor + rate * (np.mean(seen > used[earlier]) - (1 - share))
                            )
                used[cutoff] = factor
                out[positions == cutoff, step, target] = factor
    return out


def test_factors_equal_a_loop_and_do_not_look_ahead() -> None:
    positions = np.repeat(np.array([0, 1, 2, 3, 5, 6, 9, 10, 11, 12, 13]), 2)
    ratios = DRAW.gamma(1.0, size=(22, 4, 2))
    ratios[DRAW.random(ratios.shape) < 0.1] = np.nan
    found = adaptive_factors(ratios, positions, 0.8, rate=0.3)
    np.testing.assert_allclose(found, slow_factors(ratios, positions, 0.8, 0.3), rtol=0, atol=1e-12)
    for cutoff in (3, 9):
        other = ratios.copy()
        unknown = positions[:, None] + np.arange(1, 5) > cutoff
        other[unknown] = 1e6
        again = adaptive_factors(other, positions, 0.8, rate=0.3)
        np.testing.assert_array_equal(again[positions <= cutoff], found[positions <= cutoff])
        assert not np.array_equal(again, found)


@pytest.mark.parametrize("share", [0.8, 0.95])
def test_the_mean_coverage_keeps_the_bound_whatever_the_data(share: float) -> None:
    count, most, rate = 2_000, 5.0, 0.1
    trend = np.linspace(0.1, most, count)
    waves = most / 2 * (1 + np.sin(np.arange(count) / 30))
    for ratios in (trend, waves, trend[::-1]):
        factors = adaptive_factors(ratios[:, None, None], np.arange(count), share, rate=rate)[
            :, 0, 0
        ]
        covered = float((ratios <= factors).mean())
        assert abs(covered - share) <= (most + rate) / (rate * count)
        assert abs(float((ratios <= 1.0).mean()) - share) > 0.2  # without adapting it is far off


@pytest.mark.parametrize("delay", [1, 24, 96])
def test_the_bound_holds_where_a_step_is_known_late_and_an_opponent_waits_for_that(
    delay: int,
) -> None:
    count, most, rate, share = 300, 2.0, 0.1, 0.8
    ratios = np.zeros((count, delay, 1))
    for number in range(count):
        factor = adaptive_factors(ratios[: number + 1], np.arange(number + 1), share, rate=rate)[
            number, -1, 0
        ]
        ratios[number, -1, 0] = most if factor < most else 0.0
    factors = adaptive_factors(ratios, np.arange(count), share, rate=rate)
    short = share - float((ratios <= factors)[:, -1].mean())
    assert short <= (most + rate * delay) / (rate * count)
    assert delay < 96 or short > (most + rate) / (rate * count)  # the bound without delay does not


@pytest.mark.parametrize("own", [False, True])
def test_widths_after_the_last_window_are_those_that_tracking_has_come_to(own: bool) -> None:
    """By the definition, in loops: a factor of the points' widths; a network's own move by as much
    as these change."""
    actual = DRAW.standard_t(4, size=(60, 3, 2)) * np.linspace(0.5, 2, 60)[:, None, None]
    made, unit, positions = np.zeros_like(actual), np.ones((60, 2)), np.repeat(np.arange(30), 2)
    ends = {0.8: (made - 0.4, made + 0.9)} if own else {}
    calibration = Calibration.fit(actual, made, unit, positions, own=ends)
    point, given = (
        np.zeros((1, 3, 2)),
        {share: (low[:1], high[:1]) for share, (low, high) in ends.items()},
    )
    low, high = calibration.ends(point, unit[:1], 80, own=given, adapting=True)
    fixed = calibration.ends(point, unit[:1], 80)[1][0]
    errors = np.maximum(-0.4 - actual, actual - 0.9) if own else np.abs(actual)
    reach = calibration.ends(point, unit[:1], 80, own=given)[1][0] - (0.9 if own else 0.0)
    ratios = np.concatenate([1 + (errors - reach) / fixed, np.full((1, 3, 2), np.nan)])
    factors = slow_factors(ratios, np.append(positions, 100), 0.8, 0.05)[-1]
    assert (factors > 1).any()
    np.testing.assert_allclose(
        high[0], (0.9 if own else 0.0) + reach + (factors - 1) * fixed, atol=1e-6
    )
    np.testing.assert_allclose(
        low[0], (-0.4 if own else 0.0) - reach - (factors - 1) * fixed, atol=1e-6
    )


def test_where_errors_have_grown_intervals_of_what_comes_hold_what_they_should() -> None:
    sizes, fresh = (
        np.r_[np.ones(300), np.full(150, 2.0)][:, None],
        np.abs(2.0 * DRAW.normal(size=20_000)),
    )
    covered: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(60):
        actual = (sizes * DRAW.normal(size=(450, 1)))[..., None]
        calibration = calibration_of(actual, np.zeros_like(actual), np.ones((450, 1)))
        for adapting, found in covered.items():
            high = calibration.ends(np.zeros((1, 1, 1)), np.ones((1, 1)), 80, adapting=adapting)[1]
            found.append(float((fresh <= high.item()).mean()))
    assert np.mean(covered[False]) < 0.68
    assert 0.77 < np.mean(covered[True]) < 0.83


def test_where_nothing_was_missed_by_a_width_of_zero_it_stays() -> None:
    exact = np.zeros((30, 2, 1))
    low, high = calibration_of(exact, exact, np.ones((30, 1))).ends(
        exact[:1], np.ones((1, 1)), 80, adapting=True
    )
    assert (low == 0).all()
    assert (high == 0).all()


def shocks(count: int, steps: int) -> Array:
    """(C,) sums of the next `steps` shocks from every cutoff: errors of a random walk that the last
    value forecasts."""
    return np.convolve(
        DRAW.normal(size=count + steps - 1), np.ones(steps), mode="valid"
    ) / math.sqrt(steps)


@pytest.mark.parametrize(("steps", "series"), [(1, 1), (12, 1), (1, 20), (12, 5)])
def test_the_band_holds_as_often_as_it_says_where_windows_overlap_and_series_share_shocks(
    steps: int, series: int
) -> None:
    count, repeats, reach, hits, naive = 600, 120, 1.2815515655446004, 0, 0
    positions, places = np.tile(np.arange(count), series), np.repeat(np.arange(series), count)
    for _ in range(repeats):
        common = 0.8 * shocks(count, steps)
        errors = np.concatenate([common + 0.6 * shocks(count, steps) for _ in range(series)])
        held = (np.abs(errors) <= reach).astype(np.float64)
        for kind, number in enumerate(
            (effective_number(held, positions, places, steps), len(held))
        ):
            low, high = binomial_band(0.8, number)
            inside = bool(low <= held.mean() <= high)
            hits, naive = hits + (inside and kind == 0), naive + (inside and kind == 1)
    assert hits / repeats >= 0.89
    assert (steps, series) == (1, 1) or naive / repeats < 0.75


def spells(count: int) -> Array:
    """(C,) errors whose size changes by spells of some ten steps."""
    sizes, size = np.empty(count), DRAW.normal()
    for number in range(count):
        size = 0.9 * size + math.sqrt(1 - 0.81) * DRAW.normal()
        sizes[number] = math.exp(0.5 * size)
    return DRAW.normal(size=count) * sizes


@pytest.mark.slow
def test_the_band_holds_nearly_as_often_where_errors_are_wild_by_spells() -> None:
    sample, hits, repeats = np.abs(np.concatenate([spells(600) for _ in range(300)])), 0, 400
    reach = float(np.quantile(sample, 0.8))
    for _ in range(repeats):
        held = (np.abs(spells(600)) <= reach).astype(np.float64)
        low, high = binomial_band(
            0.8, effective_number(held, np.arange(600), np.zeros(600, np.int64), 1)
        )
        hits += bool(low <= held.mean() <= high)
    assert 0.82 < hits / repeats < 0.93


def test_what_counts_where_cutoffs_are_few() -> None:
    held = (DRAW.random(500) < 0.9).astype(np.float64)
    assert (
        490 < effective_number(held, np.zeros(500, np.int64), np.arange(500), 12) <= 500
    )  # series
    few = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    assert (
        effective_number(few, np.arange(6), np.zeros(6, np.int64), 3) == 2
    )  # windows beside each other
    assert windows_side_by_side(np.array([0, 1, 2, 3, 0]), np.array([0, 0, 0, 0, 1]), 2) == 3
    assert effective_number(np.full(4, np.nan), np.arange(4), np.zeros(4, np.int64), 1) == 0.0
    assert effective_number(np.ones(40), np.arange(40), np.zeros(40, np.int64), 8) == 5


def test_intervals_of_factors_end_at_zero_where_nothing_was_below_unless_the_point_is() -> None:
    actual = np.abs(DRAW.normal(size=(40, 1, 2)))
    unit, point = np.ones((40, 2)), np.array([[[0.01, -0.5]]])
    made = np.zeros_like(actual)
    low, _ = calibration_of(actual, made, unit, logarithms=True).ends(point, unit[:1], 80)
    assert low.ravel().tolist() == [0.0, -0.5]
    actual[3, 0, 1] = -1e-9
    low, _ = calibration_of(actual, made, unit, logarithms=True).ends(point, unit[:1], 80)
    assert low[0, 0, 0] == 0.0
    assert -1 < low[0, 0, 1] < -0.5
    low, _ = calibration_of(np.abs(actual), made, unit).ends(point, unit[:1], 80)
    assert (low < -0.5).all()  # of sums there is no bound: what was not yet negative may become so


@pytest.mark.parametrize(("share", "count"), [(0.8, 40), (0.8, 400), (0.95, 100), (0.95, 1000)])
def test_the_band_holds_95_percent_of_samples(share: float, count: int) -> None:
    low, high = binomial_band(share, count)
    samples = DRAW.binomial(count, share, 40_000) / count
    inside = float(((samples >= low) & (samples <= high)).mean())
    assert 0.945 < inside < 0.985


SETTINGS: dict[str, Any] = {
    "data": {"freq": "h"},
    "windows": {"context_length": 12, "horizon": 4},
    "model": {
        "name": "bigru",
        "cell": "rnn",
        "bidirectional": False,
        "decoder": "direct",
        "units": 4,
    },
    "training": {"epochs": 2, "batch_size": 32},
    "evaluation": {"validation_size": 30, "calibration_size": 60, "test_size": 60},
}


def table() -> pd.DataFrame:
    steps, frames = np.arange(400), []
    for number in range(2):
        values = (number + 1) * (10 + np.sin(steps / 24 * 2 * np.pi) + DRAW.normal(0, 0.3, 400))
        dates = pd.date_range("2020", periods=400, freq="h")
        frames.append(pd.DataFrame({"unique_id": f"s{number}", "ds": dates, "y": values}))
    return pd.concat(frames, ignore_index=True)


TABLE = table()


def fitted(**changes: Any) -> Forecaster:
    settings = {
        section: {**values, **changes.get(section, {})} for section, values in SETTINGS.items()
    }
    return Forecaster(Experiment.model_validate(settings)).fit(TABLE)


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    return fitted()


@pytest.fixture(scope="module")
def with_quantiles() -> Forecaster:
    return fitted(training={"loss": "quantile"})


@pytest.fixture(scope="module")
def result(forecaster: Forecaster) -> BacktestResult:
    return forecaster.evaluate()


def test_no_window_shares_forecast_rows_with_the_calibration() -> None:
    prepared = prepare(Experiment.model_validate(SETTINGS), TABLE)
    rows = []
    for part in (prepared.training, prepared.validation, prepared.calibration, prepared.test):
        _, first = part.index.locate(np.arange(len(part)))
        rows.append(set(part.index.horizon_rows(first).ravel().tolist()))
    for place, one in enumerate(rows):
        assert one
        assert not any(one & other for other in rows[:place])


def test_coverage_equals_loops(result: BacktestResult) -> None:
    places, spread = central_levels(result), result.quantiles
    assert list(places) == [80.0, 95.0]
    assert spread is not None
    by_step, by_series = coverage_by(result, "step"), coverage_by(result, "series")
    for level, (low, high) in places.items():
        held = (spread[..., low] <= result.actual) & (result.actual <= spread[..., high])
        for step in range(4):
            row = by_step[(by_step["level"] == level) & (by_step["step"] == step + 1)].iloc[0]
            assert row["covered"] == pytest.approx(held[:, step].mean())
            places_of = result.freq.positions(result.cutoffs)
            number = effective_number(
                held[:, step].astype(float), places_of, result.series, step + 1
            )
            assert row["effective"] == number
        for number in range(2):
            row = by_series[
                (by_series["level"] == level) & (by_series["series"] == f"s{number}")
            ].iloc[0]
            assert row["covered"] == pytest.approx(held[result.series == number].mean())
    assert "80 % intervals cover" in coverage_text(result)
    whole = coverage_table(result)
    assert whole.groupby("by").size().to_dict() == {"overall": 2, "step": 8, "series": 4}
    one = whole.query("by == 'series' and group == 's1' and level == 95").iloc[0]
    assert one["covered"] == by_series.query("series == 's1' and level == 95").iloc[0]["covered"]


def covering(shares: Sequence[float], windows: int = 400) -> BacktestResult:
    """Intervals of 80 % from -1 to 1 that cover a given share of each step, misses in random
    order."""
    horizon, draw = len(shares), np.random.default_rng(0)
    actual = np.stack(
        [draw.permutation(np.arange(windows) >= one * windows) * 5.0 for one in shares], axis=1
    )
    cutoffs = np.arange(windows) * horizon
    point = np.zeros((windows, horizon, 1))
    return BacktestResult(
        alias="net",
        baselines=(),
        series_ids=np.array(["a"], object),
        series=np.zeros(windows, np.int64),
        cutoffs=cutoffs,
        stamps=cutoffs[:, None] + np.arange(1, horizon + 1),
        actual=actual[:, :, None],
        forecasts={"net": point},
        scale=np.ones((windows, 1)),
        season_length=1,
        columns=Columns(),
        freq=Frequency.parse("1", is_integer=True),
        quantile_levels=(0.1, 0.9),
        quantiles=np.stack([point - 1.0, point + 1.0], axis=-1),
    )


def count_covered(result: BacktestResult) -> list[int]:
    """Covered values of each step, one by one."""
    counts = []
    for step in range(result.actual.shape[1]):
        pairs = zip(result.actual[:, step, 0], result.quantiles[:, step, 0], strict=True)
        counts.append(sum(low <= y <= high for y, (low, high) in pairs))
    return counts


@pytest.mark.parametrize(
    ("shares", "verdict", "consequence", "within"),
    [
        ((0.8, 0.4, 0.4, 0.4), "fewer than", ": too narrow", "1 of 4 steps is within its band"),
        ((0.8, 0.4, 0.8, 0.8), "fewer than", ": too narrow", "3 of 4 steps are within their band"),
        ((0.8, 0.8, 0.8, 0.8), "consistent with", "", "4 of 4 steps are within their band"),
        ((0.6, 1.0, 0.6, 1.0), "consistent with", "", "0 of 4 steps are within their band"),
        ((0.8, 1.0, 1.0, 1.0), "more than", ": too wide", "1 of 4 steps is within its band"),
        ((0.8, 0.8, 0.8, 1.0), "more than", ": too wide", "3 of 4 steps are within their band"),
    ],
)
def test_the_sentence_on_coverage_says_what_its_numbers_say(
    shares: tuple[float, ...], verdict: str, consequence: str, within: str
) -> None:
    """A step that covers exactly 80 % is within any band around it; one that covers 40, 60 or 100 %
    is not."""
    result = covering(shares)
    counts = count_covered(result)
    windows = len(result.actual)
    covered = 100 * sum(counts) / (windows * len(shares))
    assert f"{sum(one == 0.8 * windows for one in counts)} of 4 " in within
    text = coverage_text(result)
    pattern = (
        rf"80 % intervals cover {covered:.1f} % of actual values, {verdict} 80 % "
        rf"\(95 % band ([\d.]+)-([\d.]+) %\){consequence}; {within}\."
    )
    match = re.fullmatch(pattern, text)
    assert match, text
    low, high = map(float, match.groups())
    assert low < 80.0 < high
    word = "consistent with"
    if covered < low:
        word = "fewer than"
    if covered > high:
        word = "more than"
    assert word == verdict


def test_what_was_never_measured_is_not_counted_as_missed() -> None:
    whole = covering((0.8, 0.8, 0.4, 0.8))
    actual = whole.actual.copy()
    actual[:, 3] = np.nan
    assert coverage_text(replace(whole, actual=actual)).endswith(
        "2 of 3 steps are within their band."
    )
    assert coverage_text(replace(whole, actual=np.full_like(actual, np.nan))) == ""


def test_intervals_of_the_test_part_do_not_know_it(
    forecaster: Forecaster, result: BacktestResult
) -> None:
    changed = TABLE.copy()
    late = changed["ds"] >= changed["ds"].max() - pd.Timedelta(hours=20)
    changed.loc[late, "y"] += 1e3
    other, cutoff = (
        forecaster.evaluate(changed),
        changed.loc[late, "ds"].min() - pd.Timedelta(hours=1),
    )
    before = result.cutoffs <= np.datetime64(cutoff)
    assert before.sum() > 20
    assert result.quantiles is not None
    assert other.quantiles is not None
    np.testing.assert_array_equal(other.quantiles[before], result.quantiles[before])
    assert not np.array_equal(other.quantiles, result.quantiles)


def test_adapting_leaves_a_result_without_intervals_alone(result: BacktestResult) -> None:
    plain = replace(result, quantiles=None, quantile_levels=())
    assert adapt_intervals(plain) is plain
    with pytest.raises(DataError, match=r"has no intervals: train with calibration_size above 0"):
        coverage_by(plain, "step")
    assert coverage_text(plain) == ""


def test_predict_gives_intervals_and_a_saved_model_the_same(
    forecaster: Forecaster, tmp_path: Path
) -> None:
    made = forecaster.predict(level=[80, 95])
    frame = made.frame()
    assert [name for name in frame.columns if "-" in name] == [
        "bigru-lo-95",
        "bigru-lo-80",
        "bigru-hi-80",
        "bigru-hi-95",
    ]
    assert (frame["bigru-lo-95"] <= frame["bigru-lo-80"]).all()
    assert (
        (frame["bigru-lo-80"] <= frame["bigru"]) & (frame["bigru"] <= frame["bigru-hi-80"])
    ).all()
    assert (frame["bigru-hi-80"] <= frame["bigru-hi-95"]).all()
    forecaster.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model").predict(TABLE, level=[80, 95])
    np.testing.assert_array_equal(again.quantiles, made.quantiles)  # type: ignore[arg-type]
    assert forecaster.predict().quantiles is None
    np.testing.assert_array_equal(forecaster.predict(level=80).quantiles, made.quantiles[..., 1:3])  # type: ignore[index]


def test_the_width_is_that_of_the_errors_on_unseen_windows(forecaster: Forecaster) -> None:
    state, plain = forecaster.fitted, forecaster.predict()
    quantiles = with_intervals(state, state.recent, plain.values, None, state.series.unit, [80])[1]
    judged = [forecaster.evaluate()]
    prepared = prepare(Experiment.model_validate(SETTINGS), TABLE)
    assert state.recent is not None
    count = len(prepared.calibration) + len(prepared.test)
    assert state.recent.num_windows == count
    half = (quantiles[..., 1] - quantiles[..., 0]) / 2
    np.testing.assert_allclose(
        half[1] / half[0], np.broadcast_to(state.series.unit[1] / state.series.unit[0], (4, 1))
    )
    # At least as many errors of the test windows lie within as the worst share that calibration
    # windows leave to them.
    error = np.abs(judged[0].actual - judged[0].forecasts["bigru"])
    inside = (error <= half[judged[0].series]).sum(axis=0)
    assert (inside >= math.ceil(0.8 * (count + 1)) - len(prepared.calibration)).all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"level": [80], "horizon": 5},
            "intervals were asked for 5 steps, and the model is calibrated for 4",
        ),
        ({"level": [0.5, 100]}, "level is 100; expected percent"),
        ({"level": "none"}, "level is 'none'; expected %, such as 80"),
    ],
)
def test_what_cannot_be_is_refused(forecaster: Forecaster, asked: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        forecaster.predict(**asked)


def test_without_unseen_windows_there_are_no_intervals() -> None:
    none = fitted(evaluation={"calibration_size": 0, "test_size": 0})
    with pytest.raises(ConfigError, match=r"was not calibrated: train again with test_size or"):
        none.predict(level=[80])


def test_a_test_part_alone_calibrates_what_comes_after_it() -> None:
    one = fitted(evaluation={"calibration_size": 0})
    assert one.evaluate().quantiles is None
    assert one.predict(level=[80]).quantiles is not None


def test_a_quantile_network_is_moved_and_keeps_its_median(with_quantiles: Forecaster) -> None:
    one = with_quantiles
    made, plain = one.predict(level=[80, 95]), one.predict()
    assert made.quantile_levels == (0.025, 0.1, 0.5, 0.9, 0.975)
    assert made.quantiles is not None
    assert plain.quantiles is not None
    np.testing.assert_array_equal(made.quantiles[..., 2], plain.quantiles[..., 1])
    shift = made.quantiles[..., 3] - plain.quantiles[..., 2]
    np.testing.assert_allclose(
        shift / one.fitted.series.unit[:, None],
        np.broadcast_to(shift[:1] / one.fitted.series.unit[0], shift.shape),
    )
    assert coverage_text(one.evaluate()).count("intervals cover") == 2
    assert one.predict(level=[50]).quantile_levels == (0.25, 0.5, 0.75)


def test_quantiles_of_a_network_that_are_too_wide_do_not_widen_calibrated_intervals(
    with_quantiles: Forecaster,
) -> None:
    """Asked for 95 %, a network whose own 80 % reach ten times too far gets the width that the
    errors say."""
    state, made = with_quantiles.fitted, with_quantiles.predict(level=[95])
    assert state.recent is not None
    wide = np.stack([made.values - 1e3, made.values, made.values + 1e3], axis=-1)
    levels, quantiles = with_intervals(
        state, state.recent, made.values, wide, state.series.unit, [95], adapting=True
    )
    assert levels == (0.025, 0.5, 0.975)
    np.testing.assert_array_equal(quantiles, made.quantiles)  # type: ignore[arg-type]
    assert quantiles.max() < 200


def test_adapting_intervals_of_counts_do_not_reach_below_zero(result: BacktestResult) -> None:
    """Widened by what was seen above it, the lower end of an interval from 0.2 to 2 around 1 would
    fall below 0."""
    point = np.ones_like(result.actual)
    ends = np.stack([0.2 * point, 2 * point], axis=-1)
    forecasts = {**result.forecasts, "bigru": point}
    changed = replace(
        result, actual=5 * point, forecasts=forecasts, quantiles=ends, quantile_levels=(0.1, 0.9)
    )
    free, bound = adapt_intervals(changed), adapt_intervals(changed, lowest=np.zeros(1))
    assert free.quantiles is not None
    assert bound.quantiles is not None
    assert free.quantiles.min() < 0
    np.testing.assert_array_equal(bound.quantiles, np.maximum(free.quantiles, 0.0))


def test_the_judged_intervals_are_bounded_by_what_was_seen_in_calibration() -> None:
    counts = TABLE.assign(y=np.random.default_rng(0).poisson(1.0, len(TABLE)).astype(float))
    jumped = counts.assign(
        y=counts["y"] * np.where(counts.groupby("unique_id").cumcount() < 340, 1.0, 9.0)
    )
    maps = {"target": [{"name": "log1p"}, {"name": "standard"}]}
    judged = (
        Forecaster(Experiment.model_validate({**SETTINGS, "transforms": maps}))
        .fit(jumped)
        .evaluate()
    )
    assert judged.quantiles is not None
    assert (judged.quantiles >= np.minimum(judged.forecasts["bigru"], 0.0)[..., None]).all()
