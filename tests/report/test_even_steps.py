"""Charts over time of tables that close at night: steps are even, as positions count them."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.data.frequency import Frequency
from forecast.report.chart import Band, Chart, Line
from forecast.report.selector import axis_dates, in_steps, readings_of


def chart_of(freq: Frequency, num_steps: int = 40) -> Chart:
    stamps = freq.stamps(freq.positions(np.array(["2024-03-01T10:00"], "datetime64[ns]")))[0]
    place = freq.positions(np.array([stamps]))[0]
    x = freq.stamps(place + np.arange(num_steps)).astype(np.int64)
    readings = readings_of(x, freq)
    at = x.astype(np.float64)
    return Chart(
        title="t",
        x_title="x",
        y_title="y",
        lines=[Line("a", "a", at, at)],
        bands=[Band("b", "b", at[-1:], at[-1:], at[-1:])],
        ticks=axis_dates(readings),
        readings=readings,
    )


@pytest.mark.parametrize("alias", ["30min@MON-FRI/09:30-15:30", "min@MON-FRI/09:30-09:45", "B"])
def test_steps_are_even_where_some_times_are_none(alias: str) -> None:
    freq = Frequency.parse(alias)
    before = chart_of(freq)
    after = in_steps(before, freq)
    assert np.ptp(np.diff(before.lines[0].x)) > 0
    assert (np.diff(after.lines[0].x) == 1).all()
    assert after.bands[0].x[0] == after.lines[0].x[-1]
    assert [words for _, words in after.readings or ()] == [
        words for _, words in before.readings or ()
    ]
    places = {x for x, _ in after.readings or ()}
    assert {x for x, _ in after.ticks or ()} <= places


def test_a_table_without_closed_times_keeps_its_stamps() -> None:
    freq = Frequency.parse("h")
    chart = chart_of(freq)
    assert in_steps(chart, freq) is chart
