"""Rows at any time become regular steps, compared with `resample` of pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.data.doctor import diagnose
from forecast.data.findings import Finding
from forecast.data.load import load_panel
from forecast.data.panel import Columns
from forecast.data.read import TableFormat
from forecast.errors import ConfigError, DataError
from forecast.experiment.file import experiment_from
from forecast.experiment.prepare import prepare

KEEP = {"partial_intervals": "keep"}


def sales(num_days: int = 300, *, tz: str | None = None, per_day: float = 4.0) -> pd.DataFrame:
    """One row per sale, at any second, in the order of time."""
    random = np.random.default_rng(1)
    number = int(num_days * per_day)
    seconds = np.sort(random.integers(0, num_days * 86_400, number))
    stamps = pd.Timestamp("2024-01-03", tz=tz) + pd.to_timedelta(seconds, unit="s")
    return pd.DataFrame({"ds": stamps, "y": random.gamma(2.0, 5.0, number).round(2)})


def read(table: pd.DataFrame, **settings: Any) -> pd.Series:
    """The targets of one series after resampling, by timestamp."""
    panel = load_panel(table, table_format=TableFormat(**settings), gaps="skip")
    return pd.Series(panel.targets[:, 0], pd.DatetimeIndex(panel.timestamps))


def by_pandas(table: pd.DataFrame, freq: str, how: str, tz: str | None = None) -> pd.Series:
    """The same, in UTC where there is a zone."""
    joined = getattr(table.set_index("ds")["y"].resample(freq), how)()
    if tz is not None:
        joined.index = joined.index.tz_convert(None)
    return joined.dropna()


FREQS = ("D", "B", "W-SUN", "W-WED", "MS", "ME", "QS", "QE", "YE", "h", "6h", "15min", "30s")


@pytest.mark.parametrize("how", ["sum", "mean", "last", "first", "max", "min", "count"])
@pytest.mark.parametrize("freq", FREQS)
def test_intervals_are_those_of_pandas(freq: str, how: str) -> None:
    per_day = {"15min": 40.0, "30s": 900.0}.get(freq, 4.0)
    table = sales(900 if freq in ("QS", "QE", "YE") else 60, per_day=per_day)
    found = read(table, resample=freq, aggregate=how, **KEEP)
    expected = by_pandas(table, freq, how)
    pd.testing.assert_series_equal(
        found,
        expected,
        check_names=False,
        check_freq=False,
        check_dtype=False,
        check_index_type=False,
    )


@pytest.mark.parametrize("tz", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"])
@pytest.mark.parametrize("freq", ["D", "W-SUN", "ME", "QE", "h", "15min"])
def test_intervals_follow_the_clock_of_the_zone(freq: str, tz: str) -> None:
    table = sales(400, tz=tz, per_day=6.0 if freq != "15min" else 50.0)  # clocks change twice
    for how in ("sum", "last"):
        found = read(table, resample=freq, aggregate=how, **KEEP)
        expected = by_pandas(table, freq, how, tz)
        assert (found.index == expected.index).all()
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("freq", ["2D", "36h", "7h", "3D"])
def test_multiples_begin_at_the_same_time_in_every_table(freq: str) -> None:
    table = sales(60)
    found = read(table, resample=freq, aggregate="sum", **KEEP)
    joined = table.set_index("ds")["y"].resample(freq, origin="epoch").sum()
    np.testing.assert_allclose(found, joined)
    assert (found.index == joined.index).all()
    later = read(table[table["ds"] >= "2024-01-20"], resample=freq, aggregate="sum", **KEEP)
    assert set(later.index) <= set(found.index)


def shops() -> pd.DataFrame:
    """Two shops of which the second sells rarely, begins late and stops early."""
    table = sales(100)
    rare = sales(60, per_day=0.3)
    rare["ds"] += pd.Timedelta("20D")
    return pd.concat([table.assign(unique_id="often"), rare.assign(unique_id="rarely")])


def test_intervals_without_a_row_are_zero_up_to_the_end_of_the_table() -> None:
    table = shops()
    settings = TableFormat(resample="D", aggregate="sum")
    panel = load_panel(table, table_format=settings)
    days = table.assign(ds=table["ds"].dt.normalize()).groupby(["unique_id", "ds"])["y"].sum()
    last = table["ds"].max().normalize()
    for number, name in enumerate(["often", "rarely"]):
        rows = slice(*panel.offsets[number : number + 2])
        own = days[name]
        expected = own.reindex(pd.date_range(own.index[0], last), fill_value=0.0)
        np.testing.assert_allclose(panel.targets[rows, 0], expected)
        assert (panel.timestamps[rows] == expected.index.to_numpy()).all()
    assert any("without a row: the target is 0 there" in note for note in panel.notes)


def test_intervals_without_a_row_are_gaps_of_a_mean() -> None:
    table = shops()
    settings = TableFormat(resample="D", aggregate="mean")
    findings = diagnose(table, table_format=settings).errors
    assert [finding.code for finding in findings] == ["gaps"]
    panel = load_panel(table, table_format=settings, gaps="fill", allow_missing=True)
    assert np.isnan(panel.targets).any()
    zero = TableFormat(resample="D", aggregate="mean", empty_intervals="zero")
    assert (load_panel(table, table_format=zero).targets == 0).any()
    missing = TableFormat(resample="D", aggregate="sum", empty_intervals="missing")
    assert [each.code for each in diagnose(table, table_format=missing).errors] == ["gaps"]


def test_covariates_of_an_interval_without_a_row_need_a_policy() -> None:
    table = shops().assign(price=2.0)
    columns = Columns(past_covariates=("price",))
    settings = TableFormat(resample="D", aggregate="sum")
    finding = diagnose(table, columns, table_format=settings).errors[0]
    assert finding.code == "inserted_covariates"
    assert finding.settings[0] == {"data.missing": "forward_fill"}
    panel = load_panel(table, columns, table_format=settings, allow_missing=True)
    assert np.isnan(panel.column("price")).any()
    assert np.isfinite(panel.column("y")).all()


def partial(first: str, last: str, freq: str) -> tuple[pd.Series, list[str]]:
    """Rows of every day from `first` to `last`, and the notes on partial intervals."""
    days = pd.date_range(first, last)
    table = pd.DataFrame({"ds": days, "y": np.ones(len(days))})
    panel = load_panel(table, table_format=TableFormat(resample=freq, aggregate="sum"))
    values = pd.Series(panel.targets[:, 0], pd.DatetimeIndex(panel.timestamps))
    return values, [note for note in panel.notes if "interval of" in note]


def test_partial_intervals_are_left_out_and_named() -> None:
    values, notes = partial("2024-01-03", "2024-04-18", "W-SUN")
    assert set(values) == {7.0}
    assert notes == [
        "the first interval of 'W-SUN' (2024-01-01 to 2024-01-07) has rows from 2024-01-03 on "
        "only: left out as incomplete (partial_intervals: keep keeps it)",
        "the last interval of 'W-SUN' (2024-04-15 to 2024-04-21) has rows until 2024-04-18 only: "
        "left out as incomplete (partial_intervals: keep keeps it)",
    ]


@pytest.mark.parametrize(
    ("first", "last", "freq", "number"),
    [
        ("2024-01-01", "2024-12-31", "ME", 0),
        ("2024-01-01", "2024-12-30", "ME", 1),
        ("2024-01-02", "2024-12-31", "MS", 1),
        ("2024-01-01", "2024-03-31", "W-SUN", 0),
        ("2024-01-01", "2025-12-31", "QE", 0),
        ("2024-01-01", "2025-12-15", "QE", 1),
        ("2024-01-03", "2024-01-20", "D", 0),
    ],
)
def test_whole_intervals_are_kept(first: str, last: str, freq: str, number: int) -> None:
    assert len(partial(first, last, freq)[1]) == number


def test_a_partial_day_is_told_from_one_that_ends_early_as_usual() -> None:
    minutes = pd.date_range("2024-01-01 09:00", "2024-02-15 17:50", freq="10min")
    open_hours = minutes[(minutes.hour >= 9) & (minutes.hour < 18)]
    settings = TableFormat(resample="D", aggregate="sum")
    table = pd.DataFrame({"ds": open_hours, "y": 1.0})
    assert len(load_panel(table, table_format=settings).timestamps) == 46
    cut = table[table["ds"] < "2024-02-15 13:00"]
    panel = load_panel(cut, table_format=settings)
    assert len(panel.timestamps) == 45
    assert "(2024-02-15) has rows until 2024-02-15 12:50 only" in " ".join(panel.notes)
    kept = settings.model_copy(update=KEEP)
    assert len(load_panel(cut, table_format=kept).timestamps) == 46


def test_rare_events_have_no_partial_interval() -> None:
    assert not [
        note
        for note in load_panel(
            sales(700, per_day=0.2), table_format=TableFormat(resample="W-SUN", aggregate="sum")
        ).notes
        if "interval of 'W-SUN' (" in note
    ]


def test_several_rows_without_a_way_to_join_them_are_refused() -> None:
    finding = diagnose(sales(), table_format=TableFormat(resample="D")).errors[0]
    assert finding.code == "several_rows"
    assert {"data.aggregate": "sum"} in finding.settings
    monthly = pd.DataFrame({"ds": pd.date_range("2020-01-03", periods=50, freq="MS"), "y": 1.0})
    monthly["ds"] += pd.to_timedelta(np.arange(50) % 9, unit="D")
    assert load_panel(monthly, table_format=TableFormat(resample="MS")).freq.alias == "MS"


def test_resampling_needs_dates_and_a_step_of_its_own() -> None:
    index = pd.DataFrame({"ds": np.arange(9), "y": 1.0})
    with pytest.raises(DataError, match="whole numbers, which have no dates"):
        load_panel(index, table_format=TableFormat(resample="D", aggregate="sum"))
    with pytest.raises(ConfigError, match="freq says which steps a table has"):
        load_panel(sales(), table_format=TableFormat(resample="D", aggregate="sum"), freq="h")
    for text, words in {
        "2W": "a single week",
        "5B": "business day",
        "fortnight": "pandas alias",
    }.items():
        with pytest.raises(ConfigError, match=words):
            TableFormat(resample=text)


def test_steps_that_the_table_has_are_not_made_shorter() -> None:
    monthly = pd.DataFrame({"ds": pd.date_range("2010-01-01", periods=90, freq="MS"), "y": 1.0})
    finding = diagnose(monthly, table_format=TableFormat(resample="D", aggregate="sum")).errors[0]
    assert finding.code == "finer_resample"
    assert "'MS'" in finding.message
    assert finding.settings == ({"data.resample": None, "data.aggregate": "refuse"},)


def test_future_rows_are_resampled_with_what_the_last_interval_lacks() -> None:
    days = pd.date_range("2024-01-01", "2024-06-30")
    table = pd.DataFrame({"ds": days, "y": 1.0, "promo": np.arange(len(days)) % 2.0})
    table.loc[table["ds"] > "2024-06-05", "y"] = np.nan  # a Wednesday
    columns = Columns(known_covariates=("promo",))
    panel = load_panel(table, columns, table_format=TableFormat(resample="W-SUN", aggregate="sum"))
    assert pd.Timestamp(panel.timestamps[-1]) == pd.Timestamp("2024-06-02")
    assert panel.future is not None
    assert pd.DatetimeIndex(panel.future.timestamps).strftime("%m-%d").tolist() == [
        "06-09", "06-16", "06-23", "06-30",
    ]  # fmt: skip


def change(finding: Finding, number: int = 0) -> tuple[TableFormat, dict[str, Any]]:
    """The settings that a finding proposes, as arguments."""
    settings = {path.split(".")[1]: value for path, value in finding.settings[number].items()}
    missing = settings.pop("missing", "refuse") != "refuse"
    gaps = settings.pop("gaps", "refuse")
    return TableFormat(**settings), {"gaps": gaps, "allow_missing": missing}


def jittered(step: str, number: int = 400, seed: int = 0) -> pd.DataFrame:
    """Readings of a sensor: a beat with jitter, some twice, some not at all."""
    random = np.random.default_rng(seed)
    stamps = pd.date_range("2024-01-01 10:00", periods=number, freq=step).to_numpy()
    jitter = random.normal(0, 0.02, number) * pd.Timedelta(step).value
    stamps = stamps + jitter.astype("timedelta64[ns]").astype("timedelta64[s]")
    kept = np.repeat(stamps, random.choice([0, 1, 1, 1, 1, 1, 1, 2], number))
    return pd.DataFrame({"ds": np.sort(kept), "y": random.normal(20, 1, len(kept))})


def in_bursts(mean: int, pause: int, number: int = 40, seed: int = 1) -> pd.DataFrame:
    """Hourly readings for some hours, then none for some days."""
    random = np.random.default_rng(seed)
    stamps = [pd.Timestamp("2024-01-01 09:00")]
    for _ in range(number):
        start = stamps[-1] + pd.Timedelta(hours=int(random.exponential(pause)) + 2)
        stamps += list(pd.date_range(start, periods=random.poisson(mean) + 1, freq="h"))
    return pd.DataFrame({"ds": stamps, "y": np.arange(len(stamps)) % 7.0})


@pytest.mark.parametrize(
    ("table", "freq", "how"),
    [
        (jittered("5min"), "5min", "mean"),
        (jittered("1h"), "1h", "mean"),
        (jittered("1D"), "D", "mean"),
        (sales(200), "D", "sum"),
        (sales(900, per_day=0.3), "W-SUN", "sum"),
        (sales(3000, per_day=0.05), "MS", "sum"),
        (sales(200).assign(ds=lambda table: table["ds"].dt.normalize()), "D", "sum"),
        (shops(), "D", "sum"),
        (in_bursts(5, 100), "W-SUN", "mean"),
        # a week would join more than ten rows into one
        (in_bursts(24, 300), "D", "mean"),
    ],
    ids=[
        *("5min", "1h", "daily", "sales", "rare", "very rare", "dates alone", "shops"),
        *("short bursts", "long bursts"),
    ],
)
def test_the_proposed_steps_remove_every_error(table: pd.DataFrame, freq: str, how: str) -> None:
    errors = diagnose(table).errors
    proposed = [finding for finding in errors if "data.resample" in (finding.settings or [{}])[0]]
    assert proposed, [finding.code for finding in errors]
    assert proposed[0].settings[0]["data.resample"] == freq
    assert proposed[0].settings[0]["data.aggregate"] == how
    table_format, options = change(proposed[0])
    assert diagnose(table, table_format=table_format, **options).errors == ()


def test_settings_settle_and_repeat_themselves() -> None:
    data = {"resample": "24h", "aggregate": "sum"}
    config = experiment_from({"windows": {"horizon": 5}, "data": data})
    prepared = prepare(config, sales(200))
    settled = prepared.config
    assert settled.data.freq == "D"
    assert settled.data.empty_intervals == "zero"
    again = prepare(settled, sales(200))
    assert again.config == settled
    assert again.panel.values.tobytes() == prepared.panel.values.tobytes()


def test_as_many_intervals_as_rows_are_joined_all_the_same():
    # 7 rows of the first day, none of six days: 7 rows and 7 days
    stamps = [*pd.date_range("2024-01-01", periods=6, freq="h"), pd.Timestamp("2024-01-07 23:00")]
    frame = pd.DataFrame({"ds": stamps, "y": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 5.0]})
    table_format = TableFormat(resample="D", aggregate="sum")
    panel = load_panel(frame, table_format=table_format)
    assert panel.targets[:, 0].tolist() == [63.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0]
