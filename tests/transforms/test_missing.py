"""Filling against pandas, series by series, and against a loop that stops at the cutoff."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panels import panel_of

from forecast.data.panel import Columns, Panel
from forecast.errors import DataError
from forecast.transforms.missing import fill_missing

POLICIES = ("forward_fill", "interpolate", "zero", "mask")
series_lists = st.lists(
    st.lists(st.integers(0, 40), unique=True, max_size=15).map(sorted), min_size=1, max_size=4
)
COLUMNS = Columns(past_covariates=("x",), known_covariates=("c",), categorical=("c",))


@st.composite
def panels_with_holes(draw: st.DrawFn) -> Panel:
    series = draw(series_lists)
    rows = sum(map(len, series))
    values = np.random.default_rng(0).normal(size=(rows, 3))
    holes = draw(st.lists(st.booleans(), min_size=3 * rows, max_size=3 * rows))
    values[np.array(holes, bool).reshape(rows, 3)] = np.nan
    return panel_of(series, values, columns=COLUMNS)


def by_series(panel: Panel, column: int, function: object) -> np.ndarray:
    """Apply a pandas method to one column of every series, indexed by position."""
    parts = [
        function(
            pd.Series(panel.values[a:b, column], index=panel.positions[a:b].astype(float))
        ).to_numpy()
        for a, b in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)
    ]
    return np.concatenate(parts)


@given(panels_with_holes())
def test_fills_equal_pandas(panel):
    if not np.isnan(panel.values).any():
        return
    forward = np.stack([by_series(panel, c, lambda s: s.ffill()) for c in range(3)], axis=1)
    line = [
        by_series(panel, c, lambda s: s.interpolate("index", limit_area="inside").ffill())
        for c in range(2)
    ]
    for policy in ("forward_fill", "mask"):
        filled, _ = fill_missing(panel, policy)
        np.testing.assert_array_equal(filled.values, forward)
        np.testing.assert_array_equal(filled.observed, ~np.isnan(panel.values))
        assert filled.interpolated is None
    filled, _ = fill_missing(panel, "interpolate")
    np.testing.assert_array_equal(filled.values, forward)
    np.testing.assert_allclose(
        filled.interpolated, np.stack([*line, forward[:, 2]], axis=1), rtol=1e-12
    )
    filled, _ = fill_missing(panel, "zero")
    np.testing.assert_array_equal(filled.values[:, :2], np.nan_to_num(panel.values[:, :2], nan=0.0))
    np.testing.assert_array_equal(filled.values[:, 2], forward[:, 2])
    assert filled.observed is None


@given(panels_with_holes(), st.sampled_from(POLICIES), st.data())
def test_what_a_cutoff_lets_a_window_read_does_not_depend_on_later_rows(panel, policy, data):
    if not np.isnan(panel.values).any() or not panel.num_rows:
        return
    cutoff = data.draw(st.integers(0, panel.num_rows - 1))  # last row that is known
    own = panel.offsets[np.searchsorted(panel.offsets, cutoff, side="right") - 1]
    later = panel.values.copy()
    later[cutoff + 1 :] = 77.0
    bounds = zip(panel.offsets[:-1], panel.offsets[1:], strict=True)
    positions = [panel.positions[first:end] for first, end in bounds]
    changed = panel_of(positions, later, columns=COLUMNS)

    def readable(one: Panel) -> np.ndarray:
        filled, _ = fill_missing(one, policy)
        values = filled.values
        if filled.interpolated is not None:
            values = np.where(filled.next_observed <= cutoff, filled.interpolated, values)
        return values[own : cutoff + 1]

    np.testing.assert_array_equal(readable(panel), readable(changed))


def test_next_observed_is_the_first_row_at_or_after_or_the_end():
    panel = panel_of([range(5), range(2)], [np.nan, 1, np.nan, 2, np.nan, np.nan, 3])
    filled, _ = fill_missing(panel, "interpolate")
    assert filled.next_observed[:, 0].tolist() == [1, 1, 3, 3, 7, 6, 6]


def test_the_line_runs_in_time_and_not_in_rows():
    panel = panel_of([[0, 1, 9, 10]], [0.0, np.nan, np.nan, 100.0])
    filled, _ = fill_missing(panel, "interpolate")
    np.testing.assert_allclose(filled.interpolated[:, 0], [0, 10, 90, 100])


def test_a_line_between_equal_values_is_exact():
    panel = panel_of([range(8)], [0.1, *[np.nan] * 6, 0.1])
    assert (fill_missing(panel, "interpolate")[0].interpolated == 0.1).all()


@pytest.mark.parametrize("policy", ["refuse", *POLICIES])
def test_a_panel_without_holes_is_not_copied(policy):
    panel = panel_of([range(4)])
    filled, notes = fill_missing(panel, policy)
    assert filled.values is panel.values
    assert (filled.observed, filled.interpolated, filled.next_observed, notes) == (
        None,
        None,
        None,
        (),
    )


def test_refusal_names_series_dates_and_count():
    values = np.arange(20.0)
    values[[11, 12, 13, 14, 15, 16, 3]] = np.nan
    panel = panel_of([range(10), range(20, 30)], values, alias="D")
    expected = (
        r"'y' has 7 missing values in 2 series, 1 of them in series 's0', first at "
        r"1970-01-04: fill them in, or set missing: forward_fill"
    )
    with pytest.raises(DataError, match=expected):
        fill_missing(panel, "refuse")
    values[3] = 0
    with pytest.raises(DataError, match=r"6 of them in series 's1', first at 21, 22, 23, 24, 25: "):
        fill_missing(panel_of([range(10), range(20, 30)], values), "refuse")


def test_notes_count_what_was_filled_and_what_could_not_be():
    panel = panel_of(
        [range(6)],
        [[np.nan, 1, 1], [5, 2, np.nan], [np.nan, 3, np.nan]] + [[1, 1, 1]] * 3,
        columns=COLUMNS,
    )
    assert fill_missing(panel, "zero")[1] == (
        "y: 2 of 6 values were missing; 2 filled with 0",
        "c: 2 of 6 values were missing; 2 filled with the last observed value",
    )
    assert fill_missing(panel, "mask")[1][0] == (
        "y: 2 of 6 values were missing; 1 filled with the last observed value and masked; "
        "1 before the first observation of their series left empty"
    )
