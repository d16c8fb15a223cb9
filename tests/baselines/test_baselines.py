"""Baselines against values by hand, an independent least-squares solve and published tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.baselines import moments, penalty
from forecast.baselines import ridge as baselines
from forecast.baselines.compare import all_baselines
from forecast.baselines.lengths import Steps, forward_filled
from forecast.baselines.moments import RidgeRows
from forecast.baselines.penalty import NUM_FOLDS, PENALTIES
from forecast.baselines.ridge import LEAST_PENALTY_OF_FEW, RidgeWindow
from forecast.baselines.simple import BASELINES, Baseline
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns, Panel
from forecast.errors import DataError, ShapeError
from forecast.scores.metrics import mae, mse
from forecast.windows.index import WindowIndex, index_windows, make_windows
from forecast.windows.splits import Part

NAN = np.nan


def panel_of(*series: np.ndarray) -> Panel:
    """One integer-indexed series per array (T, D)."""
    lengths = [len(one) for one in series]
    stamps = np.concatenate([np.arange(length) for length in lengths])
    return Panel(
        columns=Columns(target_cols=tuple(f"y{i}" for i in range(series[0].shape[1]))),
        freq=Frequency.parse("1", is_integer=True),
        series_ids=np.array([f"s{i}" for i in range(len(series))], object),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        timestamps=stamps,
        positions=stamps.copy(),
        values=np.concatenate(series),
        static_values=np.zeros((len(series), 0)),
    )


def rows(first: int, last: int) -> Part:
    return Part(np.array([first]), np.array([last]))


def column(*values: float) -> np.ndarray:
    return np.array(values, float)[None, :, None]


@pytest.mark.parametrize(
    ("name", "history", "expected"),
    [
        ("last_value", column(1, 2, 4), [4, 4, 4]),
        ("last_value", column(1, 2, NAN), [2, 2, 2]),
        ("seasonal_naive", column(9, 1, 2), [1, 2, 1]),
        ("seasonal_naive", column(9, NAN, 2), [2, 2, 2]),
        ("seasonal_naive", column(5), [5, 5, 5]),
        ("drift", column(9, 1, 2, 5), [7, 9, 11]),
        ("drift", column(9, NAN, 2, 5), [8, 11, 14]),
        ("drift", column(9, NAN, NAN, 5), [5, 5, 5]),
        ("window_mean", column(9, 1, 2, 6), [3, 3, 3]),
        ("window_mean", column(9, 1, NAN, 6), [3.5, 3.5, 3.5]),
    ],
)
def test_baseline_by_hand(name, history, expected):
    made = BASELINES[name](history, Steps(horizon=3, context_length=3, season_length=2))
    np.testing.assert_allclose(made[0, :, 0], expected)


@pytest.mark.parametrize("name", BASELINES)
def test_a_series_without_any_value_gets_nan(name):
    made = BASELINES[name](np.full((1, 4, 1), NAN), Steps(2, context_length=4, season_length=2))
    assert np.isnan(made).all()


@given(season=st.integers(1, 7), length=st.integers(1, 12), horizon=st.integers(1, 15))
def test_seasonal_naive_equals_a_loop(season, length, horizon):
    values = np.random.default_rng(length).normal(size=length)
    made = BASELINES["seasonal_naive"](values[None, :, None], Steps(horizon, season_length=season))[
        0, :, 0
    ]
    for step in range(1, horizon + 1):
        place = length - 1 + step
        while place >= length:
            place -= season
        assert made[step - 1] == (values[place] if place >= 0 else values[-1])


@pytest.mark.parametrize("name", [*sorted(BASELINES.keys() - {"theta", "holt"}), "linear"])
@given(seed=st.integers(0, 2**32 - 1), slope=st.floats(-50, 50), shift=st.floats(-1e4, 1e4))
def test_a_change_of_unit_goes_through(name, seed, slope, shift):
    rng = np.random.default_rng(seed)
    history = rng.normal(size=(3, 6, 2))
    ridge = RidgeWindow(rng.normal(size=(6, 4)), 1.0)
    baseline = all_baselines(Steps(4, 6, 3), ridge=ridge)[name]
    series = np.arange(3)
    expected = slope * baseline(history, series) + shift
    np.testing.assert_allclose(
        baseline(slope * history + shift, series),
        expected,
        atol=1e-8 * (1 + abs(shift) + abs(slope)),
    )


@given(
    values=st.lists(st.sampled_from([NAN, 1.0, 2.0, 5.0, 9.0]), min_size=1, max_size=30),
    season=st.integers(1, 6),
    horizon=st.integers(1, 9),
)
def test_the_seasonal_median_equals_a_loop(values, season, horizon):
    made = BASELINES["seasonal_median"](column(*values), Steps(horizon, season_length=season))
    for step in range(horizon):
        lags = [season * number - step % season for number in range(1, 5)]
        known = [values[-lag] for lag in lags if lag <= len(values) and np.isfinite(values[-lag])]
        expected = np.median(known) if known else forward_filled(column(*values))[0, -1, 0]
        np.testing.assert_allclose(made[0, step, 0], expected)


def test_the_median_of_daily_rows_is_that_of_eight_weekdays():
    days = np.random.default_rng(0).normal(size=100)
    steps = Steps(7, season_length=7, week_length=7)
    made = BASELINES["seasonal_median"](days[None, :, None], steps)[0, :, 0]
    np.testing.assert_allclose(made, np.median(days[-56:].reshape(8, 7), axis=0))
    assert steps.history_length >= 56


@given(st.lists(st.sampled_from([NAN, 1.0, 2.0, 3.0]), min_size=1, max_size=8))
def test_forward_fill_agrees_with_pandas(values):
    np.testing.assert_array_equal(
        forward_filled(column(*values))[0, :, 0], pd.Series(values).ffill().to_numpy()
    )


def augmented_solution(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Ridge as a least-squares problem with L more rows; the penalty in units of the mean squared
    input."""
    length = x.shape[1]
    weight = np.sqrt(penalty * np.mean(x**2) * len(x))
    return np.linalg.lstsq(
        np.vstack([x, weight * np.eye(length)]), np.vstack([y, np.zeros((length, y.shape[1]))])
    )[0]


def pairs_of(values: np.ndarray, context: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    past, future = make_windows(values, context, horizon)
    last = past[:, -1:]
    flat = [np.moveaxis(one - last, 2, 1).reshape(-1, one.shape[1]) for one in (past, future)]
    return flat[0], flat[1]


@pytest.mark.parametrize("chunk", [7, 2048])
def test_ridge_equals_an_independent_solve(monkeypatch, chunk):
    monkeypatch.setattr(moments, "CHUNK_WINDOWS", chunk)
    values = np.random.default_rng(0).normal(size=(200, 2)).cumsum(axis=0)
    panel = panel_of(values)
    train, validation = (
        index_windows(panel, 8, 3, part=rows(*ends)) for ends in ((0, 120), (120, 200))
    )
    ridge = RidgeWindow.fit(RidgeRows(values, np.ones((1, 2))), train, validation)
    x, y = pairs_of(values[:120], 8, 3)
    errors = dict(
        zip(PENALTIES, scores_of_folds(x, y, np.repeat(np.arange(110), 2), 3), strict=True)
    )
    held_x, held_y = pairs_of(values[112:], 8, 3)
    for each in PENALTIES:
        errors[each] += np.sum((held_y - held_x @ augmented_solution(x, y, each)) ** 2)
    assert ridge.penalty == min(errors, key=errors.__getitem__)
    np.testing.assert_allclose(
        ridge.weights, augmented_solution(x, y, ridge.penalty), rtol=1e-8, atol=1e-10
    )


def scores_of_folds(
    x: np.ndarray, y: np.ndarray, step: np.ndarray, horizon: int, *, robust: bool = False
) -> np.ndarray:
    """Errors of every penalty, each fold forecast by a fit on all windows that share no step to
    forecast with it."""
    ordered = np.sort(step)
    begins = [ordered[fold * len(step) // NUM_FOLDS] for fold in range(NUM_FOLDS)]
    fold_of = np.searchsorted(begins, step, side="right")
    scores = np.zeros(len(PENALTIES))
    for fold in np.unique(fold_of):
        held = fold_of == fold
        apart = np.abs(step[:, None] - step[held]).min(axis=1) >= horizon
        if apart.sum() < len(x) / 2:
            continue
        for number, each in enumerate(PENALTIES):
            more = each * len(x) / apart.sum()
            weights = augmented_solution(x[apart], y[apart], more)
            scores[number] += error_of(x[held], y[held], weights, robust=robust)
    return scores


def error_of(x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, robust: bool) -> float:
    """Sum of squared errors, or of the roots of the mean squares of the windows."""
    squares = np.square(y - x @ weights)
    if robust:
        return float(np.sqrt(squares.mean(axis=1)).sum())
    return float(squares.sum())


@pytest.mark.parametrize("windows", [42, 45, 90])
@pytest.mark.parametrize("num_held", [0, 30])
@pytest.mark.parametrize("robust", [False, True])
def test_folds_and_validation_choose_the_penalty(windows, num_held, robust):
    rng = np.random.default_rng(windows)
    values = rng.normal(size=(windows + 12 + num_held, 1)).cumsum(axis=0)
    panel = panel_of(values)
    end = windows + 12
    train, held = (
        index_windows(panel, 8, 5, part=rows(*ends)) for ends in ((0, end), (end, end + num_held))
    )
    assert len(train) == windows
    x, y = pairs_of(values[:end], 8, 5)
    scores = scores_of_folds(x, y, np.arange(windows), 5, robust=robust)
    assert scores.any()
    if num_held:
        held_x, held_y = pairs_of(values[end - 8 :], 8, 5)
        for number, each in enumerate(PENALTIES):
            weights = augmented_solution(x, y, each)
            scores[number] += error_of(held_x, held_y, weights, robust=robust)
    ridge = RidgeWindow.fit(RidgeRows(values, np.ones((1, 1))), train, held, robust=robust)
    assert ridge.penalty == PENALTIES[int(np.argmin(scores))]


def test_folds_are_stretches_of_time_over_all_series() -> None:
    """With two series of the same dates a window of either is held out with its neighbour in time;
    by the numbers of their rows it would be learned from."""
    rng = np.random.default_rng(4)
    shared = rng.normal(size=(80, 1)).cumsum(axis=0)
    values = [shared + 0.1 * rng.normal(size=(80, 1)) for _ in range(2)]
    panel = panel_of(*values)
    index = index_windows(panel, 6, 4)
    none = index_windows(panel, 6, 4, part=Part(panel.offsets[:-1], panel.offsets[:-1]))
    data = RidgeRows(panel.targets, np.ones((2, 1)), positions=panel.positions)
    x, y = (
        np.concatenate(each) for each in zip(*(pairs_of(one, 6, 4) for one in values), strict=True)
    )
    scores = scores_of_folds(x, y, np.tile(np.arange(71), 2), 4)
    assert RidgeWindow.fit(data, index, none).penalty == PENALTIES[int(np.argmin(scores))]
    by_rows = scores_of_folds(x, y, np.concatenate([np.arange(71), np.arange(80, 151)]), 4)
    assert np.argmin(by_rows) != np.argmin(scores)


def test_ridge_with_numbers_known_ahead_equals_an_independent_solve():
    """What is known of each of the three steps is a column of its own, for both targets."""
    rng = np.random.default_rng(3)
    known = rng.normal(size=(200, 2))
    values = rng.normal(size=(200, 2)).cumsum(axis=0) + known[:, :1] * 2
    panel = panel_of(values)
    train, none = (
        index_windows(panel, 8, 3, part=rows(0, 150)),
        index_windows(panel, 8, 3, part=rows(0, 0)),
    )
    ridge = RidgeWindow.fit(RidgeRows(values, np.ones((1, 2)), known=known), train, none)
    x, y = pairs_of(values[:150], 8, 3)
    ahead = np.stack([known[first + 8 : first + 11].ravel() for first in range(140)])
    x = np.hstack([x, np.repeat(ahead, 2, axis=0)])
    np.testing.assert_allclose(
        ridge.weights, augmented_solution(x, y, ridge.penalty), rtol=1e-8, atol=1e-10
    )
    past, _ = make_windows(values[150:170], 8, 3)
    future = np.stack([known[150 + first + 8 : 150 + first + 11] for first in range(10)])
    expected = [
        [
            one[-1, column]
            + np.concatenate([one[:, column] - one[-1, column], two.ravel()]) @ ridge.weights
            for column in (0, 1)
        ]
        for one, two in zip(past, future, strict=True)
    ]
    np.testing.assert_allclose(
        ridge.predict(past, future), np.stack(expected).swapaxes(1, 2), rtol=1e-10
    )


def test_with_many_known_covariates_each_step_has_its_own(monkeypatch):
    monkeypatch.setattr(moments, "STEPS_TOGETHER", 5)
    rng = np.random.default_rng(3)
    known = rng.normal(size=(200, 2))
    values = rng.normal(size=(200, 2)).cumsum(axis=0) + known[:, :1] * 2
    values[rng.random(200) < 0.1, 1] = NAN
    filled = pd.DataFrame(values).ffill().bfill().to_numpy()
    panel = panel_of(values)
    train, none = (index_windows(panel, 8, 3, part=rows(0, last)) for last in (150, 0))
    data = RidgeRows(values, np.ones((1, 2)), inputs=filled, known=known)
    ridge = RidgeWindow.fit(data, train, none, penalty=0.03)
    x, _ = pairs_of(filled[:150], 8, 3)
    last = filled[7:147].reshape(-1, 1)
    columns = []
    inputs = []
    for step in range(3):
        ahead = np.repeat(known[8 + step : 148 + step], 2, axis=0)
        inputs.append(np.hstack([x, ahead]))
        columns.append(values[8 + step : 148 + step].reshape(-1, 1) - last)
    unit = np.mean([np.square(each).mean() for each in inputs])
    for step in range(3):
        scaled = 0.03 * unit / np.square(inputs[step]).mean()
        solved = available_cases(inputs[step], columns[step], scaled)[:, 0]
        expected = np.zeros(14)
        expected[:8] = solved[:8]
        expected[8 + 2 * step : 10 + 2 * step] = solved[8:]
        np.testing.assert_allclose(ridge.weights[:, step], expected, rtol=1e-8, atol=1e-10)

    past, _ = make_windows(filled[150:170], 8, 3)
    future, _ = make_windows(known[158:171], 3, 1)
    made = ridge.predict(past[:10], future[:10])
    for window, column, step in np.ndindex(10, 2, 3):
        change = (past[window, :, column] - past[window, -1, column]) @ ridge.weights[:8, step]
        change += future[window, step] @ ridge.weights[8 + 2 * step : 10 + 2 * step, step]
        assert made[window, step, column] == pytest.approx(past[window, -1, column] + change)


def test_ridge_divides_by_the_scale_and_leaves_out_gaps_and_constants():
    rng = np.random.default_rng(1)
    small, gappy, constant = (
        rng.normal(size=(60, 1)),
        rng.normal(size=(60, 1)),
        np.full((60, 1), 3.0),
    )
    gappy[20] = NAN
    panel = panel_of(1e6 * small, gappy, constant)
    index = index_windows(panel, 4, 2)
    none = index_windows(panel, 4, 2, part=Part(panel.offsets[:-1], panel.offsets[:-1]))
    ridge = RidgeWindow.fit(RidgeRows(panel.targets, np.array([[1e6], [1.0], [0.0]])), index, none)
    parts = [pairs_of(one, 4, 2) for one in (small, gappy[:20], gappy[21:])]
    x, y = (np.concatenate(one) for one in zip(*parts, strict=True))
    for end in (18, 19):  # the windows of which one step is missing
        x = np.vstack([x, (gappy[end - 3 : end + 1] - gappy[end]).T])
        y = np.vstack([y, (gappy[end + 1 : end + 3] - gappy[end]).T])
    np.testing.assert_allclose(ridge.weights, available_cases(x, y, ridge.penalty), rtol=1e-8)


def test_where_no_series_varies_the_last_value_is_forecast() -> None:
    panel = panel_of(np.full((30, 1), 3.0), np.full((30, 1), -2.0))
    index = index_windows(panel, 4, 2)
    ridge = RidgeWindow.fit(RidgeRows(panel.targets, np.zeros((2, 1))), index, index)
    history = np.array([1.0, 5.0, 2.0, 7.0])[None, :, None]
    np.testing.assert_array_equal(ridge.predict(history), np.full((1, 2, 1), 7.0))


def available_cases(
    x: np.ndarray, y: np.ndarray, penalty: float, size: np.ndarray | None = None
) -> np.ndarray:
    """Ridge step by step: X'X of all windows, X'y of those that have the step, each over its number
    of windows."""
    size = np.ones(len(x)) if size is None else size
    gram = (x * size[:, None]).T @ x / size.sum()
    columns = []
    for step in y.T:
        has = np.isfinite(step)
        cross = (x[has] * size[has, None]).T @ step[has] / size[has].sum()
        columns.append(
            np.linalg.solve(gram + penalty * np.trace(gram) / len(gram) * np.eye(len(gram)), cross)
        )
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("chunk", [7, 2048])
def test_a_robust_ridge_is_a_ridge_of_weighed_windows(monkeypatch, chunk):
    """Worked out anew: a round of plain least squares, then two with every window over its
    error."""
    monkeypatch.setattr(moments, "CHUNK_WINDOWS", chunk)
    rng = np.random.default_rng(5)
    values = (
        rng.normal(size=(120, 1)).cumsum(axis=0) * np.where(np.arange(120) > 90, 30.0, 1.0)[:, None]
    )
    panel = panel_of(values)
    index, none = index_windows(panel, 4, 2), index_windows(panel, 4, 2, part=rows(0, 0))
    x, y = pairs_of(values, 4, 2)
    size = np.ones(len(x))
    least = None
    for _ in range(3):
        weights = available_cases(x, y, 0.1, size)
        error = np.square(y - x @ weights).mean(axis=1)
        least = least or baselines.LEAST_ERROR**2 * error.mean()
        size = 1 / np.sqrt(error + least)
    found = RidgeWindow.fit(
        RidgeRows(values, np.ones((1, 1))), index, none, penalty=0.1, robust=True
    )
    assert found.penalty == 0.1
    np.testing.assert_allclose(found.weights, weights, rtol=1e-8)


def test_a_robust_ridge_makes_the_sum_of_the_errors_of_windows_least():
    """Of two series that follow different rules, the one three times as large counts ninefold in a
    plain fit."""
    rng = np.random.default_rng(6)
    up, down = (np.zeros(400), np.zeros(400))
    for t in range(1, 400):
        up[t], down[t] = 0.9 * up[t - 1] + rng.normal(), -0.9 * down[t - 1] + 3 * rng.normal()
    panel = panel_of(up[:, None], down[:, None])
    index = index_windows(panel, 3, 2)
    data = RidgeRows(panel.targets, np.ones((2, 1)))
    plain, robust = (
        RidgeWindow.fit(data, index, index, penalty=1e-5, robust=one).weights
        for one in (False, True)
    )
    x, y = (
        np.concatenate(one)
        for one in zip(*(pairs_of(one[:, None], 3, 2) for one in (up, down)), strict=True)
    )

    def total(weights: np.ndarray) -> float:
        return np.sqrt(np.square(y - x @ weights).mean(axis=1)).sum()

    def square(weights: np.ndarray) -> float:
        return np.square(y - x @ weights).sum()

    assert total(robust) < total(plain)
    assert square(robust) > square(plain)
    for moved in rng.normal(scale=0.3, size=(20, *robust.shape)):
        assert total(robust) < total(robust + moved)


@pytest.mark.parametrize("start", [[1.0], [0.0, 1.0, 2.0, 3.0, 4.0], [1e-90, 2e-90], [3e90, 1e90]])
@pytest.mark.parametrize("length", [2, 6, 9])
def test_a_robust_ridge_takes_windows_without_any_error(start, length):
    """A series that stops: most windows are zeros, forecast exactly, and their weight stays
    bounded."""
    panel = panel_of(np.array([*start, *[0.0] * 25])[:, None])
    index = index_windows(panel, length, 2)
    found = RidgeWindow.fit(RidgeRows(panel.values, np.ones((1, 1))), index, index, robust=True)
    assert np.isfinite(found.weights).all()
    np.testing.assert_array_equal(found.predict(np.zeros((1, length, 1))), 0.0)


def fit_of(
    values: np.ndarray, windows: int, context: int, horizon: int, **how: object
) -> RidgeWindow:
    """A ridge on the first windows of one series, its penalty chosen on the windows of the rows
    after them."""
    panel, last = panel_of(values), context + horizon - 1 + windows
    train, held = (
        index_windows(panel, context, horizon, part=rows(*ends))
        for ends in ((0, last), (last, len(values)))
    )
    assert len(train) == windows
    return RidgeWindow.fit(RidgeRows(values, np.ones((1, 1))), train, held, **how)


@pytest.mark.parametrize("robust", [False, True])
def test_with_fewer_windows_than_unknowns_no_penalty_is_small(robust):
    """A line without noise takes the smallest penalty, on eight windows for eight unknowns, and not
    on seven."""
    line = np.arange(60.0)[:, None]
    assert fit_of(line, 8, 8, 3, robust=robust).penalty == PENALTIES[0]
    few = fit_of(line, 7, 8, 3, robust=robust)
    assert few.penalty == LEAST_PENALTY_OF_FEW == pytest.approx(0.1)
    given = fit_of(line, 7, 8, 3, robust=robust, penalty=1e-5)
    assert given.penalty == LEAST_PENALTY_OF_FEW
    np.testing.assert_array_equal(given.weights, few.weights)
    assert fit_of(line, 8, 8, 3, robust=robust, penalty=1e-5).penalty == 1e-5
    assert fit_of(line, 7, 8, 3, robust=robust, penalty=10.0).penalty == 10.0


def test_what_is_known_ahead_counts_among_the_unknowns_and_missing_steps_do_not_among_the_windows():
    rng = np.random.default_rng(8)
    values, known = rng.normal(size=(60, 1)), rng.normal(size=(60, 2))
    panel = panel_of(values)
    none = index_windows(panel, 4, 3, part=rows(0, 0))
    for windows, expected in ((9, LEAST_PENALTY_OF_FEW), (10, 1e-5)):  # 4 + 3 x 2 unknowns
        train = index_windows(panel, 4, 3, part=rows(0, 6 + windows))
        learned = RidgeRows(values, np.ones((1, 1)), known=known)
        assert RidgeWindow.fit(learned, train, none, penalty=1e-5).penalty == expected
        complete = RidgeRows(values, np.ones((1, 1)))
        assert RidgeWindow.fit(complete, train, none, penalty=1e-5).penalty == 1e-5
    measured = np.where(
        np.arange(60)[:, None] % 4, NAN, values
    )  # each step in a quarter of 12 windows
    gappy = RidgeRows(measured, np.ones((1, 1)), inputs=values)
    train = index_windows(panel, 4, 3, part=rows(0, 18))
    assert RidgeWindow.fit(gappy, train, none, penalty=1e-5).penalty == LEAST_PENALTY_OF_FEW


@pytest.mark.parametrize("robust", [False, True])
def test_with_windows_enough_the_guard_changes_no_bit(monkeypatch, robust):
    values = np.random.default_rng(9).normal(size=(200, 2)).cumsum(axis=0)
    panel = panel_of(values)
    train, held = (index_windows(panel, 8, 3, part=rows(*ends)) for ends in ((0, 60), (60, 200)))
    guarded = RidgeWindow.fit(RidgeRows(values, np.ones((1, 2))), train, held, robust=robust)
    monkeypatch.setattr(baselines, "LEAST_PENALTY_OF_FEW", 1e9)
    without = RidgeWindow.fit(RidgeRows(values, np.ones((1, 2))), train, held, robust=robust)
    assert without.penalty == guarded.penalty
    np.testing.assert_array_equal(without.weights, guarded.weights)


@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(20, 60),
    walk=st.booleans(),
    robust=st.booleans(),
)
def test_a_ridge_on_few_windows_stays_near_its_history(seed, length, walk, robust):
    """The weights of a ridge are at most |y| / (2 sqrt(penalty)) long, whatever the rows, so no
    forecast can run away.

    In units: |y| the root mean squared change over h steps, the penalty times the mean squared
    input. An input of usual size, as long as the root of the number of unknowns, moves a forecast
    by no more than that root over 2 sqrt(penalty) of the usual change: for twelve unknowns 5.5
    times.
    """
    values = np.random.default_rng(seed).normal(size=(length, 1))
    values = values.cumsum(axis=0) if walk else values
    windows = min(length - 17, 11)  # for twelve unknowns, of six steps
    found = fit_of(values, windows, 12, 6, penalty=1e-5, robust=robust)
    x, y = pairs_of(values[: 17 + windows], 12, 6)
    assert found.penalty >= LEAST_PENALTY_OF_FEW
    if not robust:  # whose windows are weighed anew in every round
        reach = np.sqrt(np.square(y).mean(axis=0)) / (2 * np.sqrt(0.1 * np.square(x).mean()))
        assert (np.sqrt(np.square(found.weights).sum(axis=0)) <= reach * (1 + 1e-9)).all()
        change = found.predict(values[None])[0, :, 0] - values[-1]
        size = np.sqrt(np.square(values[-12:] - values[-1]).sum())
        assert (np.abs(change) <= reach * size * (1 + 1e-9)).all()


def test_ridge_finds_a_linear_recurrence():
    wave = np.sin(np.arange(300) / 3.0)[:, None] * 5 + 1e8
    panel = panel_of(wave)
    train, validation = (
        index_windows(panel, 12, 6, part=rows(*ends)) for ends in ((0, 200), (200, 300))
    )
    ridge = RidgeWindow.fit(RidgeRows(wave, np.ones((1, 1))), train, validation)
    past, future = make_windows(wave[200:], 12, 6)
    assert np.abs(ridge.predict(past) - future).max() < 0.01


def test_ridge_uses_evenly_spaced_windows_when_there_are_too_many(monkeypatch):
    values = np.random.default_rng(2).normal(size=(100, 1)).cumsum(axis=0)
    panel = panel_of(values)
    index, none = index_windows(panel, 4, 2), index_windows(panel, 4, 2, part=rows(0, 0))
    monkeypatch.setattr(penalty, "MAX_WINDOWS", 20)
    some = RidgeWindow.fit(RidgeRows(values, np.ones((1, 1))), index, none)
    chosen = np.linspace(0, len(index) - 1, 20).round().astype(int)
    x, y = pairs_of(values, 4, 2)
    np.testing.assert_allclose(
        some.weights, augmented_solution(x[chosen], y[chosen], some.penalty), rtol=1e-8
    )


def test_ridge_fills_gaps_in_the_context():
    ridge = RidgeWindow(np.eye(3)[:, :2] * 2.0, 1.0)
    np.testing.assert_allclose(ridge.predict(column(9, 1, NAN, 4))[0, :, 0], [-2, -2])
    np.testing.assert_allclose(ridge.predict(column(NAN, 1, 4))[0, :, 0], [-2, -2])


def test_ridge_refuses_what_it_cannot_do():
    panel = panel_of(np.where(np.arange(10) % 4, np.arange(10.0), NAN)[:, None])
    index = index_windows(panel, 4, 2)
    with pytest.raises(DataError, match=r"none of the 5 training windows of 4 \+ 2 steps"):
        RidgeWindow.fit(RidgeRows(panel.targets, np.ones((1, 1))), index, index)
    with pytest.raises(ShapeError, match=r"\(1, 2, 1\).*at least 3"):
        RidgeWindow(np.ones((3, 2)), 1.0).predict(column(1, 2))


def test_ridge_comes_back_from_its_state():
    before = RidgeWindow(np.random.default_rng(3).normal(size=(3, 2)), 0.1)
    after = RidgeWindow.from_state(before.to_state())
    history = column(1, 2, 5)
    assert after.penalty == before.penalty
    np.testing.assert_array_equal(after.predict(history), before.predict(history))
    with pytest.raises(ShapeError, match="ridge weights"):
        RidgeWindow.from_state({"weights": np.ones(3), "penalty": np.ones(1)})


def standardised(
    path: Path, columns: list[str] | None, borders: tuple[int, int, int]
) -> np.ndarray:
    """Rows up to the end of the test part, z-scored by the training rows."""
    frame = pd.read_csv(path)
    values = (frame[columns] if columns else frame.iloc[:, 1:]).to_numpy(np.float64)[: borders[2]]
    return (values - values[: borders[0]].mean(axis=0)) / values[: borders[0]].std(axis=0)


def alone(baseline: Baseline):
    """A baseline of a single series, as a function of the history."""
    return lambda history: baseline(history, np.zeros(len(history), np.int64))


def published_score(
    values: np.ndarray, index: WindowIndex, predict, length: int
) -> tuple[float, float]:
    """MSE and MAE over all windows, steps and channels."""
    _, first = index.locate(np.arange(len(index)))
    ends = first + index.context_length
    made = predict(values[ends[:, None] + np.arange(-length, 0)])
    actual = values[index.horizon_rows(first)]
    return mse(actual, made), mae(actual, made)


ETT = (8640, 11520, 14400)
NAIVE = {
    "ETTh1": {
        "last_value": [(1.294, 0.713), (1.325, 0.733), (1.330, 0.746), (1.335, 0.755)],
        "seasonal_naive": [(0.512, 0.433), (0.581, 0.469), (0.650, 0.501), (0.655, 0.514)],
    },
    "ETTh2": {
        "last_value": [(0.432, 0.422), (0.534, 0.473), (0.597, 0.511), (0.595, 0.519)],
        "seasonal_naive": [(0.391, 0.380), (0.482, 0.429), (0.532, 0.466), (0.526, 0.474)],
    },
}


@pytest.mark.parametrize("name", ["ETTh1", pytest.param("ETTh2", marks=pytest.mark.proof)])
def test_published_naive_scores_of_ett(shared_data, name):
    values = standardised(shared_data / f"{name}.csv", None, ETT)
    panel = panel_of(values)
    for place, (horizon, windows) in enumerate(((96, 2785), (192, 2689), (336, 2545), (720, 2161))):
        index = index_windows(panel, 24, horizon, part=rows(11520, 14400))
        assert len(index) == windows
        for baseline, published in NAIVE[name].items():
            predict = alone(all_baselines(Steps(horizon, 24, 24))[baseline])
            scores = published_score(values, index, predict, 24)
            assert scores == pytest.approx(published[place], abs=6e-4), (baseline, horizon)


@pytest.mark.parametrize(
    ("name", "published"),
    [("ETTh1", (0.370, 0.391)), ("ETTh2", (0.271, 0.333))],
)
@pytest.mark.proof
def test_published_ridge_scores_of_ett(shared_data, name, published):
    values = standardised(shared_data / f"{name}.csv", None, ETT)
    panel = panel_of(values)
    parts = [
        index_windows(panel, 336, 96, part=rows(*ends))
        for ends in ((0, 8640), (8640, 11520), (11520, 14400))
    ]
    ridge = RidgeWindow.fit(RidgeRows(values, np.ones((1, 7))), parts[0], parts[1])
    assert published_score(values, parts[2], ridge.predict, 336) == pytest.approx(
        published, abs=1e-3
    )


def test_published_last_value_scores_of_exchange_rate(shared_data):
    values = standardised(shared_data / "exchange_rate.csv", None, (5311, 6071, 7588))
    panel = panel_of(values)
    table = {
        96: (0.0811, 0.1964),
        192: (0.1671, 0.2887),
        336: (0.3057, 0.3978),
        720: (0.8101, 0.6764),
    }
    for horizon, published in table.items():
        index = index_windows(panel, 96, horizon, part=rows(6071, 7588))
        scores = published_score(
            values, index, alone(all_baselines(Steps(horizon))["last_value"]), 1
        )
        assert tuple(round(one, 4) for one in scores) == published


@pytest.mark.parametrize(
    ("name", "last", "seasonal"),
    [("NP", (0.701, 0.505), (0.4405, 0.367)), ("FR", (1.003, 0.442), (0.552, 0.302))],
)
def test_published_naive_scores_of_electricity_prices(shared_data, name, last, seasonal):
    values = standardised(shared_data / "epf" / f"{name}.csv", ["OT"], (36691, 41933, 52416))
    index = index_windows(panel_of(values), 168, 24, part=rows(41933, 52416))
    assert len(index) == 10460
    made = all_baselines(Steps(24, 168, 24))
    assert published_score(values, index, alone(made["last_value"]), 1) == pytest.approx(
        last, abs=6e-4
    )
    assert published_score(values, index, alone(made["seasonal_naive"]), 24) == pytest.approx(
        seasonal, abs=6e-4
    )
