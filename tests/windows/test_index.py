"""Windows against a naive double loop and against Keras' own windowing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.frequency import Frequency
from forecast.data.panel import Columns, Panel
from forecast.errors import ConfigError, ShapeError
from forecast.windows.index import index_windows, make_windows
from forecast.windows.splits import Part


def panel_of(*positions: list[int]) -> Panel:
    """A panel with one series per list of positions; the value of a row is its row number."""
    stamps = (
        np.concatenate([np.asarray(one, np.int64) for one in positions])
        if positions
        else np.zeros(0, np.int64)
    )
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in positions])]).astype(np.int64)
    return Panel(
        columns=Columns(),
        freq=Frequency("1", is_integer=True),
        series_ids=np.array([f"s{i}" for i in range(len(positions))], object),
        offsets=offsets,
        timestamps=stamps.copy(),
        positions=stamps.copy(),
        values=np.arange(len(stamps), dtype=np.float64)[:, None],
        static_values=np.zeros((len(positions), 0)),
    )


def naive_windows(
    panel: Panel, context: int, horizon: int, part: Part, usable: np.ndarray | None = None
) -> list[tuple[int, int]]:
    """Series and first row of every window, found by trying every row of every series."""
    found = []
    for series in range(panel.num_series):
        start, stop = panel.offsets[series : series + 2]
        for first in range(start, stop - context - horizon + 1):
            steps = np.diff(panel.positions[first : first + context + horizon])
            inside = (
                part.first[series] <= first + context
                and first + context + horizon <= part.last[series]
            )
            readable = usable is None or usable[first : first + context].all()
            if (steps == 1).all() and inside and readable:
                found.append((series, first))
    return found


def test_a_series_that_begins_where_another_ends_is_not_its_continuation():
    panel = panel_of([0, 1, 2, 3], [4, 5, 6])
    index = index_windows(panel, 2, 1)
    assert np.transpose(index.locate(np.arange(len(index)))).tolist() == [[0, 0], [0, 1], [1, 4]]


positions = st.lists(
    st.lists(st.integers(0, 40), unique=True, max_size=30).map(sorted), min_size=1, max_size=4
)


@given(positions, st.integers(1, 5), st.integers(1, 4), st.data())
def test_index_equals_the_double_loop(stamps, context, horizon, data):
    panel = panel_of(*stamps)
    cuts = [
        sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in panel.lengths
    ]
    part = Part(
        *(panel.offsets[:-1] + np.array([cut[side] for cut in cuts], np.int64) for side in (0, 1))
    )
    index = index_windows(panel, context, horizon, part=part)
    series, first = index.locate(np.arange(len(index)))
    assert list(zip(series, first, strict=True)) == naive_windows(panel, context, horizon, part)
    assert (
        index.series_counts(panel.num_series).tolist()
        == np.bincount(series, minlength=panel.num_series).tolist()
    )


@given(st.integers(0, 12), st.integers(1, 5), st.integers(1, 4))
def test_contexts_begin_at_the_first_usable_row(unusable, context, horizon):
    panel = panel_of(list(range(20)), [0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14])
    usable = np.ones(panel.num_rows, bool)
    usable[:unusable] = False
    usable[25:27] = False
    index = index_windows(panel, context, horizon, usable=usable)
    series, first = index.locate(np.arange(len(index)))
    assert list(zip(series, first, strict=True)) == naive_windows(
        panel, context, horizon, Part.whole(panel), usable
    )


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_stride_takes_every_nth_window_of_a_run(stride):
    panel = panel_of(list(range(31)))
    index = index_windows(panel, 5, 3, stride=stride)
    assert index.locate(np.arange(len(index)))[1].tolist() == list(range(0, 31 - 8 + 1, stride))


def test_make_windows_equals_keras():
    keras = pytest.importorskip("keras")
    values = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    context, target = make_windows(values, 7, 2, stride=3)
    dataset = keras.utils.timeseries_dataset_from_array(
        values, None, sequence_length=9, sequence_stride=3, batch_size=None
    )
    expected = np.stack(list(dataset.as_numpy_iterator()))
    np.testing.assert_array_equal(np.concatenate([context, target], axis=1), expected)


def test_make_windows_copies_nothing_and_cannot_be_written():
    values = np.arange(1_000_000.0)
    context, target = make_windows(values, 500, 24)
    assert context.shape == (999_477, 500)
    assert np.shares_memory(context, values)
    assert target[10, 0] == 510
    with pytest.raises(ValueError, match="read-only"):
        context[0, 0] = 1.0


def test_lengths_below_one_and_short_arrays_are_refused():
    with pytest.raises(ConfigError, match="horizon is 0; expected a whole number of at least 1"):
        make_windows(np.zeros(9), 3, 0)
    with pytest.raises(ConfigError, match="context_length is -1"):
        index_windows(panel_of([0, 1, 2]), -1, 1)
    with pytest.raises(ShapeError, match="at least 9 rows"):
        make_windows(np.zeros(8), 6, 3)


def test_ten_million_windows_cost_no_memory():
    panel = panel_of(list(range(1000)))
    index = index_windows(panel, 24, 6)
    held = sum(getattr(index, name).nbytes for name in ("run_series", "run_first", "run_ends"))
    assert held == 24, "one run of neighbouring rows is three numbers, however many windows it has"
