"""From numbers that are dates to forecasts with dates, and back into the numbers of the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.experiment.settings import DataConfig, Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.use import future_run

ROWS, HORIZON = 60, 4
SMALL = {
    "model": {"name": "bigru", "units": 4},
    "windows": {"context_length": 8, "horizon": HORIZON},
    "training": {"epochs": 1, "refit": False},
    "ensemble": {"seeds": 1, "linear": "none", "context_lengths": ()},
    "evaluation": {"test_size": 0},
}


def table(ds: np.ndarray | pd.Index) -> pd.DataFrame:
    wave = np.sin(np.arange(ROWS) * 2 * np.pi / 12)
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": wave, "promo": np.arange(ROWS) % 3.0})


def fitted(frame: pd.DataFrame | str, **data: object) -> Forecaster:
    return Forecaster(Experiment(data=DataConfig(**data), **SMALL)).fit(frame)


@pytest.mark.parametrize(
    ("time_format", "numbers", "ahead", "future"),
    [
        (
            "%Y%m",
            pd.date_range("2018-01-01", periods=ROWS, freq="MS").strftime("%Y%m").astype(int),
            pd.date_range("2023-01-01", periods=HORIZON, freq="MS"),
            [202301, 202302, 202303, 202304],
        ),
        pytest.param(
            "unix_ms",
            1_704_067_200_000 + 3_600_000 * np.arange(ROWS),
            pd.date_range("2024-01-03 12:00", periods=HORIZON, freq="h", tz="UTC"),
            1_704_067_200_000 + 3_600_000 * np.arange(ROWS, ROWS + HORIZON),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_table_of_numbers_is_forecast_as_dates(time_format, numbers, ahead, future, tmp_path):
    table(numbers).to_csv(tmp_path / "table.csv", index=False)
    forecaster = fitted(
        str(tmp_path / "table.csv"), time_format=time_format, known_covariates=("promo",)
    )
    assert forecaster.config.data.calendar
    forecaster.save(tmp_path / "model")
    rows = future_run(tmp_path / "model", str(tmp_path / "table.csv"))
    assert rows["ds"].astype(int).tolist() == list(future)
    rows = rows.assign(promo=1.0)
    rows.to_csv(tmp_path / "known.csv", index=False)
    dates = forecaster.make_future_frame().assign(promo=1.0)
    dates.to_csv(tmp_path / "dates.csv", index=False)
    loaded = Forecaster.load(tmp_path / "model")
    made = [loaded.predict(table(numbers), known=rows).frame()]
    for known in (tmp_path / "known.csv", tmp_path / "dates.csv", dates):
        made.append(loaded.predict(tmp_path / "table.csv", known=known).frame())
    for frame in made:
        pd.testing.assert_frame_equal(frame, made[0])
    assert pd.DatetimeIndex(made[0]["ds"]).equals(pd.DatetimeIndex(ahead, freq=None))
    assert (
        main(
            [
                "predict",
                str(tmp_path / "model"),
                str(tmp_path / "table.csv"),
                "--template",
                str(tmp_path / "t.csv"),
            ]
        )
        == 0
    )
    assert pd.read_csv(tmp_path / "t.csv")["ds"].tolist() == list(future)


def test_forecasts_are_the_same_in_every_spelling_of_the_step():
    frame = table(pd.date_range("2022-01-03", periods=ROWS, freq="W-MON"))
    forecasts = {freq: fitted(frame, freq=freq).predict() for freq in ("168h", "W-MON")}
    one, other = forecasts.values()
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.stamps, other.stamps)
    assert one.freq == other.freq
