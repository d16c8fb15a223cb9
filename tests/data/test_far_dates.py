"""Dates at the ends of what 64 bits of nanoseconds reach: steps beyond them are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast import Experiment, Forecaster
from forecast.data.frequency import Frequency
from forecast.errors import DataError

ENDS = {
    "D": "2262-04-11",
    "B": "2262-04-11",
    "W-SUN": "2262-04-06",
    "ME": "2262-03-31",
    "YS-JAN": "2262-01-01",
    "h": "2262-04-11T23:00",
    "30min@MON-FRI/09:30-15:30": "2262-03-28T15:30",
}
"""Frequency -> its last timestamp, or one near it."""


@pytest.mark.parametrize("alias", ENDS)
def test_steps_grow_or_are_refused(alias: str) -> None:
    freq = Frequency.parse(alias)
    last = np.array([ENDS[alias]], "datetime64[ns]")
    position = freq.positions(last)
    assert freq.stamps(position) == last
    with pytest.raises(DataError, match=r"to 2262-04-11.*give a shorter"):
        freq.stamps(position + np.arange(3000))


def test_numbers_of_an_index_grow_or_are_refused() -> None:
    freq = Frequency("1000000000000000000", is_integer=True)
    assert freq.stamps(np.array([9])) == 9 * 10**18
    for beyond in (10, -10):
        with pytest.raises(DataError, match="numbers of 64 bits"):
            freq.stamps(np.array([0, beyond]))


def test_a_forecast_beyond_the_last_date_is_refused() -> None:
    alone = {"ensemble.seeds": 0, "ensemble.linear": "member", "ensemble.simple": []}
    config = Experiment().with_settings({**alone, "windows.horizon": 3})
    wave = 20 + np.arange(120) % 7 + np.random.default_rng(0).normal(size=120)
    days = pd.date_range(end="2262-04-10", periods=120)
    with pytest.raises(DataError, match="to 2262-04-11"):
        Forecaster(config).fit(pd.DataFrame({"ds": days, "y": wave})).predict()
