"""Gaps that leave a set without a window: the refusal says so, and its advice works."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.data.load import load_panel
from forecast.errors import DataError
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import Experiment


def table(gap_every: int, gap: int = 1, rows: int = 900, num_series: int = 1) -> pd.DataFrame:
    days = pd.date_range("2020-01-01", periods=rows, freq="D")
    kept = np.arange(rows) % gap_every >= gap
    frame = pd.DataFrame({"ds": days, "y": np.sin(np.arange(rows)) + np.arange(rows) % 7})[kept]
    return pd.concat([frame.assign(unique_id=f"s{number}") for number in range(num_series)])


def experiment(**windows: int) -> Experiment:
    return Experiment.model_validate(
        {
            "data": {"gaps": "skip"},
            "windows": {"horizon": 5, **windows},
            "model": {"name": "bigru"},
        }
    )


@pytest.mark.parametrize("num_series", [1, 3])
@pytest.mark.parametrize(("gap_every", "gap"), [(30, 1), (45, 3), (90, 2), (20, 10)])
def test_the_context_that_is_named_fits_and_a_longer_one_does_not(gap_every, gap, num_series):
    source = table(gap_every, gap, num_series=num_series)
    with pytest.raises(DataError) as caught:
        prepare(experiment(context_length=200), source)
    message = str(caught.value)
    stretch = gap_every - gap
    notes = " ".join(load_panel(source, gaps="skip").notes)
    assert f"no window spans them, at most {stretch} rows between two" in notes
    assert f"of {gap} missing" in message
    assert f"at most {stretch} rows between two" in message
    fitting = caught.value.finding.settings[1]["windows.context_length"]
    assert fitting <= stretch - 5
    prepared = prepare(experiment(context_length=fitting), source)
    assert all(len(windows) for windows in (prepared.training, prepared.validation, prepared.test))
    with pytest.raises(DataError, match="has no window: no window spans a gap"):
        prepare(experiment(context_length=fitting + 1), source)


def test_filled_gaps_have_windows():
    config = experiment(context_length=200)
    filled = config.with_settings({"data.gaps": "fill", "data.missing": "forward_fill"})
    assert len(prepare(filled, table(30)).training)


def test_where_no_context_fits_none_is_named():
    with pytest.raises(DataError, match="spans a gap") as caught:
        prepare(experiment(context_length=50), table(5))
    assert "context_length" not in str(caught.value)


def test_too_few_rows_are_not_blamed_on_a_gap():
    with pytest.raises(DataError) as caught:
        prepare(experiment(context_length=85), table(60, rows=100))
    assert "gap" not in str(caught.value)


@pytest.mark.parametrize(("rows", "named"), [(900, 24), (890, 19), (872, None)])
def test_a_context_longer_than_the_rows_after_the_last_gap_is_not_named(rows, named):
    with pytest.raises(DataError, match="spans a gap") as caught:
        prepare(experiment(context_length=200), table(30, rows=rows))
    filled, *others = caught.value.finding.settings
    assert filled == {"data.gaps": "fill", "data.missing": "forward_fill"}
    assert (others[0].get("windows.context_length") if named else None) == named


def test_two_series_that_follow_each_other_are_no_stretch():
    source = table(30)
    parts = [source.iloc[:435], source.iloc[435:]]
    joined = pd.concat([part.assign(unique_id=f"s{n}") for n, part in enumerate(parts)])
    # the second series begins one day after the last of the first
    joined.loc[joined["unique_id"] == "s1", "ds"] -= pd.Timedelta(days=1)
    notes = " ".join(load_panel(joined, gaps="skip").notes)
    assert "at most 29 rows between two" in notes
    with pytest.raises(DataError, match="at most 29 rows between two"):
        prepare(experiment(context_length=100), joined)
