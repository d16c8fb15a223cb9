"""Weekdays that are always 0 are forecast as 0, and days that are 0 by chance are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.data.load import load_panel
from forecast.forecasting.closed_days import closed_notes, closed_weekdays, opened
from forecast.forecasting.forecaster import Forecaster
from forecast.windows.splits import Part

SATURDAY = 5


def shops(rows: int = 210, *, freq: str = "D", seed: int = 0) -> pd.DataFrame:
    """Shop a is shut on Saturdays, shop b never; both sell about 5,000."""
    draw = np.random.default_rng(seed)
    stamps = pd.date_range("2024-01-01", periods=rows, freq=freq)
    level = 5000 + 400 * np.sin(2 * np.pi * stamps.day_of_week / 7)
    parts = []
    for name in ("a", "b"):
        y = level * draw.uniform(0.9, 1.1, size=rows)
        if name == "a":
            y = np.where(stamps.day_of_week == SATURDAY, 0.0, y)
        parts.append(pd.DataFrame({"unique_id": name, "ds": stamps, "y": y}))
    return pd.concat(parts, ignore_index=True)


def closed_of(table: pd.DataFrame) -> np.ndarray:
    panel = load_panel(table, allow_missing=True)
    return closed_weekdays(panel, panel.targets, Part.whole(panel))[:, 0]


def expected_saturday() -> np.ndarray:
    expected = np.zeros((2, 7), bool)
    expected[0, SATURDAY] = True
    return expected


@pytest.mark.parametrize("freq", ["D", "h"])
def test_a_weekday_of_zeros_is_closed(freq: str) -> None:
    rows = {"D": 210, "h": 24 * 35}[freq]
    np.testing.assert_array_equal(closed_of(shops(rows, freq=freq)), expected_saturday())


def test_a_weekday_without_values_is_closed_where_nothing_is_below_0() -> None:
    table = shops()
    table["y"] = table["y"].where(table["y"] != 0)
    np.testing.assert_array_equal(closed_of(table), expected_saturday())
    table.loc[3, "y"] = -1.0  # a temperature, a balance
    assert not closed_of(table).any()


def test_one_sale_opens_a_weekday_and_three_weeks_do_not_close_it() -> None:
    table = shops()
    first = table.index[(table["unique_id"] == "a") & (table["y"] == 0)][7]
    table.loc[first, "y"] = 12.0
    assert not closed_of(table).any()
    assert not closed_of(shops(21)).any()
    assert not closed_of(shops(24 * 21, freq="h")).any()  # the hours of a day are one observation
    assert closed_of(shops(28)).any()


def test_rare_demand_closes_no_weekday() -> None:
    """Of 400 items with demand on 1 to 10 % of 26 weeks many miss a weekday by chance."""
    draw = np.random.default_rng(1)
    days = pd.date_range("2024-01-01", periods=182)
    share = np.linspace(0.01, 0.1, 400)
    sold = draw.random((400, 182)) < share[:, None]
    table = pd.DataFrame(
        {
            "unique_id": np.repeat([f"i{number:03}" for number in range(400)], 182),
            "ds": np.tile(days, 400),
            "y": sold.ravel() * 1.0,
        }
    )
    by_chance = ~sold.reshape(400, 26, 7).any(axis=1) & sold.any(axis=1)[:, None]
    assert by_chance.sum() > 100
    assert not closed_of(table).any()


def test_a_context_with_sales_opens_a_day_again() -> None:
    weekdays = np.array([[4, 5, 6], [4, 5, 6]], np.int8)
    sold = np.array([[True, False, True], [True, True, True]])[..., None]
    found = opened(sold, weekdays)[:, 0]
    assert found[0].tolist() == [False, False, False, False, True, False, True]
    assert found[1].tolist() == [False, False, False, False, True, True, True]


def test_weeks_have_no_weekday() -> None:
    table = shops(60, freq="W-SUN")
    assert not closed_of(table).any()


def test_the_note_names_series_and_days() -> None:
    closed = np.zeros((5, 1, 7), bool)
    assert closed_notes(closed, np.array(list("abcde"), object)) == ()
    closed[1:, 0, [5, 6]] = True
    (note,) = closed_notes(closed, np.array(list("abcde"), object))
    assert "4 series" in note
    assert "'b' on Saturdays and Sundays" in note
    assert note.endswith("and 1 more")


@pytest.mark.proof
def test_saturdays_are_forecast_as_0_until_the_shop_opens(tmp_path: object) -> None:
    table = shops()
    forecaster = Forecaster(
        horizon=14, epochs=2, model="bigru", context_length=14, calibration_size=30
    )
    forecaster.fit(table, verbose=0).save(f"{tmp_path}/model")
    forecast = Forecaster.load(f"{tmp_path}/model").predict(table, level=80)
    saturdays = pd.to_datetime(forecast.stamps[0]).day_of_week == SATURDAY
    assert (forecast.values[0, saturdays] == 0).all()
    assert forecast.quantiles is not None
    assert (forecast.quantiles[0, saturdays] == 0).all()
    assert (forecast.values[0, ~saturdays] > 1000).all()
    assert (forecast.values[1] > 1000).all()
    assert any("'a' on Saturdays" in note for note in forecast.notes)

    result = forecaster.evaluate()
    days = pd.to_datetime(result.stamps.ravel()).day_of_week.to_numpy().reshape(result.stamps.shape)
    shut = (result.series == 0)[:, None] & (days == SATURDAY)
    assert (result.forecasts[result.alias][shut] == 0).all()
    assert result.quantiles is not None
    assert (result.quantiles[shut] == 0).all()

    opens = table.copy()
    last = opens.index[(opens["unique_id"] == "a") & (opens["ds"].dt.day_of_week == SATURDAY)][-1]
    opens.loc[last, "y"] = 5200.0
    again = forecaster.predict(opens)
    assert (again.values[0, saturdays] > 100).all()
