"""Splits against a loop that asks every row on its own."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panels import panel_of

from forecast.data.panel import Panel
from forecast.errors import ConfigError, DataError
from forecast.windows.splits import Part, first_rows_at, split_panel

series_lists = st.lists(
    st.lists(st.integers(-40, 60), unique=True, max_size=25).map(sorted), min_size=1, max_size=5
)
sizes = st.integers(0, 30) | st.floats(0, 0.9)


def naive_labels(panel: Panel, validation: float, test: float, purge: int, by: str) -> list[str]:
    """The part every row belongs to, decided row by row with plain numbers."""
    labels = []
    for one in range(panel.num_series):
        own = panel.positions[panel.offsets[one] : panel.offsets[one + 1]].tolist()
        span = panel.positions.tolist() if by == "time" else own
        for place in own:
            end = max(span) + 1
            length = end - min(span)
            num_test = round(test * length) if isinstance(test, float) else test
            num_validation = (
                round(validation * length) if isinstance(validation, float) else validation
            )
            left = end - place  # steps from this row to the end, itself included
            if left <= num_test:
                labels.append("test")
                continue
            left -= num_test + (purge if num_test else 0)
            if left <= 0:
                labels.append("purged")
            elif left <= num_validation:
                labels.append("validation")
            else:
                left -= num_validation + (purge if num_validation else 0)
                labels.append("train" if left > 0 else "purged")
    return labels


@given(series_lists, sizes, sizes, st.integers(0, 5), st.sampled_from(["time", "series"]))
def test_parts_equal_the_loop_over_rows(series, validation, test, purge, by):
    panel = panel_of(series)
    expected = naive_labels(panel, validation, test, purge, by)
    arguments = {"validation_size": validation, "test_size": test, "purge": purge, "by": by}
    if "train" not in expected:
        with pytest.raises(DataError, match="leave no row to learn from"):
            split_panel(panel, **arguments)
        return
    split = split_panel(panel, **arguments)
    labels = ["purged"] * panel.num_rows
    for name in ("train", "validation", "test"):
        part: Part = getattr(split, name)
        assert (part.first <= part.last).all()
        for first, last in zip(part.first, part.last, strict=True):
            labels[first:last] = [name] * (last - first)
    assert labels == expected


def test_one_cutoff_for_all_or_one_for_each():
    panel = panel_of([range(100), range(40), range(90, 100)])
    by_time = split_panel(panel, validation_size=10, test_size=0.2, by="time")
    assert (by_time.test.last - by_time.test.first).tolist() == [20, 0, 10]
    assert (by_time.validation.last - by_time.validation.first).tolist() == [10, 0, 0]
    by_series = split_panel(panel, validation_size=2, test_size=0.2, by="series")
    assert (by_series.test.last - by_series.test.first).tolist() == [20, 8, 2]
    assert (by_series.train.last - by_series.train.first).tolist() == [78, 30, 6]


def test_size_zero_gives_an_empty_part_and_no_purge():
    panel = panel_of([range(10)])
    split = split_panel(panel, validation_size=0, test_size=0.0, purge=3)
    assert split.train.last.tolist() == [10]
    assert split.validation.first.tolist() == split.validation.last.tolist()
    assert split.test.first.tolist() == split.test.last.tolist() == [10]


def test_the_refusals_say_the_numbers():
    panel = panel_of([range(50)])
    with pytest.raises(
        DataError, match=r"validation_size 20, test_size 0\.6 and purge 1 leave .* spans 50 steps"
    ):
        split_panel(panel, validation_size=20, test_size=0.6, purge=1)
    with pytest.raises(
        ConfigError, match=r"test_size is 1\.5; expected a whole number of steps, or a share"
    ):
        split_panel(panel, validation_size=0, test_size=1.5)
    with pytest.raises(ConfigError, match="purge is -1"):
        split_panel(panel, validation_size=0, test_size=1, purge=-1)


@given(series_lists, st.data())
def test_first_rows_equal_searchsorted_in_each_series(series, data):
    panel = panel_of(series)
    wanted = np.array([data.draw(st.integers(-50, 70)) for _ in series], np.int64)
    expected = [
        panel.offsets[i] + np.searchsorted(np.asarray(one), wanted[i])
        for i, one in enumerate(series)
    ]
    assert first_rows_at(panel, wanted).tolist() == expected


def test_a_hundred_thousand_series_split_at_once():
    panel = panel_of([range(3)] * 100_000)
    start = time.perf_counter()
    split = split_panel(panel, validation_size=1, test_size=1, by="series")
    assert time.perf_counter() - start < 1.0
    assert (split.test.first - panel.offsets[:-1] == 2).all()
