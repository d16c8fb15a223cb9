"""Facts about series are found by name, reordered one series at a time, and stored without loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.data.load import load_panel
from forecast.forecasting.series_facts import NEVER, SeriesFacts
from forecast.windows.splits import Part


def facts(ids: list[object], seed: int) -> SeriesFacts:
    rng = np.random.default_rng(seed)
    low = rng.normal(size=(len(ids), 2))
    high = low + 1
    high[0] = low[0]  # a series that never changed
    low[1, 0] = high[1, 0] = np.nan  # a target without a value
    named = np.empty(len(ids), object)
    named[:] = ids
    return SeriesFacts(
        ids=named,
        low=low,
        high=high,
        seen_until=rng.integers(9, size=len(ids)),
        unit=rng.uniform(size=(len(ids), 2)),
        from_zero=rng.random((len(ids), 2)) < 0.5,
        closed=rng.random((len(ids), 2, 7)) < 0.5,
    )


def rows(one: SeriesFacts, index: int) -> list[object]:
    arrays = (one.low, one.high, one.unit, one.constants, one.from_zero, one.closed)
    return [number for array in arrays for number in array[index].ravel().tolist()]


def test_series_are_taken_by_name_and_new_ones_from_their_own_rows() -> None:
    trained = facts(["a", "b", "7"], seed=0)
    asked = facts(["7", "z", "a", "y"], seed=1)
    asked.ids[0] = 7  # an id that another table has as a number

    index = trained.index_of(asked.ids)
    taken = trained.take(index, asked.ids, asked)

    assert index.tolist() == [2, -1, 0, -1]
    assert taken.ids.tolist() == [7, "z", "a", "y"]
    for place, (source, row) in enumerate([(trained, 2), (asked, 1), (trained, 0), (asked, 3)]):
        np.testing.assert_array_equal(rows(taken, place), rows(source, row))
    assert taken.seen_until.tolist() == [
        trained.seen_until[2],
        NEVER,
        trained.seen_until[0],
        NEVER,
    ]


def test_what_is_stored_is_finite_and_comes_back() -> None:
    one = facts(["a", "b", "c"], seed=2)
    state = one.to_state()
    back = SeriesFacts.from_state(one.ids, state)

    assert all(np.isfinite(array).all() for array in state.values())
    for name in ("low", "high", "seen_until", "unit", "constants", "from_zero", "closed"):
        np.testing.assert_array_equal(getattr(back, name), getattr(one, name))


def test_a_model_stored_without_units_has_units_of_1() -> None:
    one = facts(["a", "b"], seed=3)
    state = one.to_state()
    del state["unit"]
    np.testing.assert_array_equal(SeriesFacts.from_state(one.ids, state).unit, np.ones((2, 2)))


@pytest.mark.parametrize("seed", range(5))
def test_ranges_are_those_of_the_rows_of_each_series(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, size=4)
    table = pd.DataFrame(
        {
            "unique_id": np.repeat(list("abcd"), lengths),
            "ds": np.concatenate([np.arange(length) for length in lengths]),
            "y": rng.normal(size=lengths.sum()).round(1),
        }
    )
    panel = load_panel(table, freq="1")
    values = panel.targets.copy()
    values[rng.random(values.shape) < 0.3] = np.nan
    first = panel.offsets[:-1]
    part = Part(first, first + rng.integers(0, lengths + 1))

    found = SeriesFacts.fit(
        panel, values, part, seen_until=np.zeros(4, np.int64), unit=np.ones((4, 1))
    )

    for series in range(4):
        cells = [values[row, 0] for row in range(part.first[series], part.last[series])]
        measured = [cell for cell in cells if not np.isnan(cell)]
        expected = [min(measured), max(measured)] if measured else [np.nan, np.nan]
        np.testing.assert_array_equal([found.low[series, 0], found.high[series, 0]], expected)
