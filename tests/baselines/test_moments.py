"""Sums over windows against the windows themselves, one by one."""

from __future__ import annotations

import numpy as np
import pytest
from panels import panel_of

from forecast.baselines import moments
from forecast.baselines.moments import Moments, RidgeRows, chunks
from forecast.baselines.penalty import NUM_FOLDS, LearnedWindows
from forecast.windows.index import index_windows


@pytest.mark.parametrize("num_known", [0, 3])
def test_the_squared_error_is_that_of_the_windows(
    num_known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "STEPS_TOGETHER", 0)
    draw = np.random.default_rng(num_known)
    values = draw.normal(size=60).cumsum()
    panel = panel_of([range(60)])
    known = draw.normal(size=(60, num_known))
    index = index_windows(panel, 6, 4)
    data = RidgeRows(values[:, None], np.ones((1, 1)), known=known)
    weights = draw.normal(size=(6 + num_known, 4))
    expected = 0.0
    for first in range(51):
        last = values[first + 5]
        for step in range(4):
            row = first + 6 + step
            made = (values[first : first + 6] - last) @ weights[:6, step]
            made += known[row] @ weights[6:, step]
            expected += (values[row] - last - made) ** 2
    halves = [Moments.of(data, index, numbers) for numbers in np.split(np.arange(51), [20])]
    assert Moments.total(halves).squared_error(weights) == pytest.approx(expected)
    means = np.concatenate(
        [pairs.mean_squares(weights) for pairs in chunks(data, index, np.arange(51))]
    )
    assert 4 * means.sum() == pytest.approx(expected)


@pytest.mark.parametrize("horizon", [1, 4, 11])
@pytest.mark.parametrize("lengths", [(50,), (50, 50), (30, 45, 60)])
def test_a_fold_is_scored_by_fits_that_share_no_step_with_it(
    horizon: int, lengths: tuple[int, ...]
) -> None:
    panel = panel_of([range(length) for length in lengths])
    index = index_windows(panel, 3, horizon)
    data = RidgeRows(panel.targets, np.ones((len(lengths), 1)), positions=panel.positions)
    windows = LearnedWindows.of(data, index)
    _, first = index.locate(np.arange(len(index)))
    step = panel.positions[first + 3]
    every = np.concatenate(windows.segments)
    np.testing.assert_array_equal(np.sort(every), np.arange(len(index)))
    held_by_any = []
    for fold in windows.folds:
        held = np.concatenate([windows.segments[number] for number in fold.held])
        learned = [windows.segments[number] for number in fold.learned]
        learned = np.concatenate([np.zeros(0, np.int64), *learned])
        apart = np.abs(step[:, None] - step[held]).min(axis=1) >= horizon
        np.testing.assert_array_equal(np.sort(learned), np.flatnonzero(apart))
        assert step[held].max() - step[held].min() < len(np.unique(step)) / 2
        held_by_any.extend(held.tolist())
    assert sorted(held_by_any) == list(range(len(index)))
    assert len(windows.folds) == NUM_FOLDS
