"""Intervals after a table: whatever the number of calibration windows, something is given."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast import Experiment, Forecaster
from forecast.errors.interface import PYTHON
from forecast.forecasting.ahead import NOT_CALIBRATED, OWN_INTERVALS

HORIZON = 3


def table(num_rows: int, num_series: int = 1) -> pd.DataFrame:
    """Days of a week's cycle with noise."""
    draw = np.random.default_rng(4)
    days = pd.date_range("2024-01-01", periods=num_rows)
    rows = []
    for number in range(num_series):
        y = 10.0 + number + np.arange(num_rows) % 7 + draw.normal(size=num_rows)
        rows.append(pd.DataFrame({"unique_id": f"s{number}", "ds": days, "y": y}))
    return pd.concat(rows)


def fitted(rows: pd.DataFrame, loss: str = "mse", **evaluation: Any) -> Forecaster:
    config = {
        "windows": {"context_length": 7, "horizon": HORIZON},
        "model": {"name": "bigru", "cell": "rnn", "bidirectional": False, "units": 2},
        "training": {"epochs": 1, "loss": loss},
        "evaluation": {"validation_size": 6, **evaluation},
    }
    return Forecaster(Experiment.model_validate(config)).fit(rows)


@pytest.mark.parametrize(
    ("evaluation", "num_series"),
    [
        ({"test_size": 12}, 1),
        ({"test_size": 5}, 1),
        ({"test_size": 3}, 4),
        ({"test_size": 20, "stride": 3}, 1),
        ({"test_size": 4, "calibration_size": 5}, 2),
        ({"test_size": 0, "calibration_size": 3}, 1),
    ],
)
def test_the_rows_that_a_note_asks_for_give_the_level(
    evaluation: dict[str, int], num_series: int
) -> None:
    before = fitted(table(60, num_series), **evaluation)
    forecast = before.predict(level="auto")
    count = before.fitted.recent.num_windows  # type: ignore[union-attr]
    (note,) = [note for note in forecast.notes if "replaced" in note]
    assert f"intervals of {'80 % and ' * (count < 4)}95 % are replaced" in note
    assert np.isfinite(forecast.quantiles).all()  # type: ignore[arg-type]

    found = re.search(r"so (\d+) more rows? of each .*with ([a-z_]+)=(\d+)$", note)
    assert found is not None
    rows = table(60 + int(found[1]), num_series)
    after = fitted(rows, **{**evaluation, found[2]: int(found[3])})
    assert after.fitted.recent.num_windows >= 19  # type: ignore[union-attr]
    forecast = after.predict(level="auto")
    assert forecast.quantile_levels == (0.025, 0.1, 0.9, 0.975)
    assert not [note for note in forecast.notes if "interval" in note]

    # one row fewer is too few
    fewer = {**evaluation, found[2]: int(found[3]) - 1}
    assert fitted(rows, **fewer).fitted.recent.num_windows < 19  # type: ignore[union-attr]


def test_a_level_that_can_be_given_is_given_whatever_the_others() -> None:
    forecaster = fitted(table(60), test_size=12)  # ten windows
    asked = forecaster.predict(level=[50, 80, 99])
    assert asked.quantile_levels == (0.05, 0.1, 0.25, 0.75, 0.9, 0.95)
    assert "intervals of 99 % are replaced by the widest that 10 calibration" in asked.notes[-1]
    alone = forecaster.predict(level=80).quantiles
    np.testing.assert_array_equal(asked.quantiles[..., [1, 4]], alone)  # type: ignore[index]
    assert forecaster.predict(level=99).quantile_levels == (0.05, 0.95)


def test_after_the_horizon_of_training_there_are_no_ends() -> None:
    forecaster = fitted(table(60), test_size=12)
    usual = forecaster.predict(level="auto")
    longer = forecaster.predict(level="auto", horizon=HORIZON + 2)
    assert longer.quantiles is not None
    np.testing.assert_array_equal(longer.quantiles[:, :HORIZON], usual.quantiles)  # type: ignore[arg-type]
    assert np.isnan(longer.quantiles[:, HORIZON:]).all()
    assert np.isfinite(longer.values).all()
    assert longer.notes[-1].startswith("intervals end 3 steps after the last row of a series, the")
    frame = longer.frame()
    assert frame["bigru-lo-80"].isna().tolist() == [False] * 3 + [True] * 2


def test_the_median_of_a_network_goes_on_after_the_horizon_of_training() -> None:
    forecaster = fitted(table(60), loss="quantile", test_size=12)
    frame = forecaster.predict(level="auto", horizon=HORIZON + 2).frame()
    own = forecaster.predict(horizon=HORIZON + 2).frame()
    pd.testing.assert_series_equal(frame["bigru-median"], own["bigru-median"])
    assert frame["bigru-hi-90"].isna().tolist() == [False] * 3 + [True] * 2


def test_without_calibration_windows_a_note_says_so() -> None:
    forecaster = fitted(table(40), test_size=0)
    forecast = forecaster.predict(level="auto")
    assert forecast.quantiles is None
    assert forecast.notes == (PYTHON.worded(NOT_CALIBRATED),)
    assert "train with test_size or calibration_size above 0" in forecast.notes[0]
    np.testing.assert_array_equal(forecast.values, forecaster.predict().values)


def test_quantiles_that_are_not_calibrated_are_given_with_a_note() -> None:
    forecaster = fitted(table(40), loss="quantile", test_size=0)
    forecast = forecaster.predict(level="auto")
    assert forecast.notes == (PYTHON.worded(OWN_INTERVALS),)
    np.testing.assert_array_equal(forecast.quantiles, forecaster.predict().quantiles)  # type: ignore[arg-type]


def test_an_interval_is_as_wide_as_its_step_is_far_from_the_last_row() -> None:
    """Series that end earlier are forecast to the common end: their first step shown is a later
    one."""
    rows = table(60, 2)
    early = rows[(rows["unique_id"] == "s0") | (rows["ds"] < rows["ds"].max())]
    config = fitted(early, test_size=24).config
    data = config.data.model_copy(update={"ended_series": "common_end"})
    evaluation = config.evaluation.model_copy(update={"split_by": "series"})
    common = config.model_copy(update={"data": data, "evaluation": evaluation})
    forecaster = Forecaster(common).fit(early)
    shown = forecaster.predict(level="auto", horizon=2).frame()
    own_end = common.model_copy(update={"data": config.data, "evaluation": evaluation})
    from_own_end = Forecaster(own_end).fit(early).predict(level="auto").frame()

    expected = from_own_end.merge(shown[["unique_id", "ds"]])
    assert expected.groupby("unique_id").size().tolist() == [2, 2]
    names = [name for name in shown if name.startswith("bigru")]
    assert len(names) == 5
    np.testing.assert_allclose(shown[names], expected[names], rtol=1e-6)
