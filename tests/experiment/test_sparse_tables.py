"""A table whose rows are few and far between ends in a forecast with the first advice."""

from __future__ import annotations

import io
import shlex
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest

from forecast.cli.entry import main
from forecast.experiment.check_table import check_table, proposals
from forecast.experiment.settings import Experiment


def hours_of_visits(series: int = 1) -> pd.DataFrame:
    """Hours of measured values, in few of the hours of a year, at their beat."""
    random = np.random.default_rng(1)
    frames = []
    for number in range(series):
        begins = np.sort(random.choice(5600, 30, replace=False))
        hours = np.unique(np.concatenate([np.arange(begin, begin + 12) for begin in begins]))
        stamps = pd.Timestamp("2013-02-11") + pd.to_timedelta(hours, unit="h")
        values = random.normal(9000, 500, len(hours)).round(1)
        frames.append(pd.DataFrame({"id": f"s{number}", "date_hour": stamps, "visits": values}))
    table = pd.concat(frames)
    return table if series > 1 else table.drop(columns="id")


def days_with_holes() -> pd.DataFrame:
    """Three series of days, of which one in ten has a row."""
    random = np.random.default_rng(2)
    days = pd.date_range("2022-01-01", periods=600, freq="D")
    frames = []
    for name in "abc":
        kept = days[random.random(600) < 0.1]
        frames.append(pd.DataFrame({"id": name, "day": kept, "y": random.normal(size=len(kept))}))
    return pd.concat(frames)


TABLES = {
    "hours of a year": hours_of_visits,
    "hours of two series": lambda: hours_of_visits(2),
    "days": days_with_holes,
}


@pytest.mark.parametrize("horizon", [2, 24])
@pytest.mark.parametrize("name", TABLES)
def test_the_command_of_the_refusal_is_accepted(name, horizon, tmp_path):
    path = tmp_path / "t.csv"
    TABLES[name]().to_csv(path, index=False)
    status, text = run(["check", str(path), "--horizon", str(horizon)])
    assert status == 2
    (advice,) = (line for line in text.splitlines() if line.startswith("try"))
    assert advice.startswith("try: forecast check ")
    status, text = run(shlex.split(advice.removeprefix("try: forecast ")))
    assert status == 0, text
    assert "next: forecast fit " in text


def run(words: list[str]) -> tuple[int, str]:
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = main(words)
    return status, printed.getvalue()


def sparse_table(seed: int) -> pd.DataFrame:
    """One to four series of one step, each with rows at some share of the steps."""
    random = np.random.default_rng(seed)
    freq = random.choice(["h", "D", "15min"])
    frames = []
    for number in range(random.integers(1, 5)):
        stamps = pd.date_range("2020-01-01", periods=random.choice([200, 1000, 3000]), freq=freq)
        kept = random.random(len(stamps)) < random.choice([0.03, 0.1, 0.3, 0.6, 0.9])
        kept[: 12 * (kept.sum() < 12)] = True
        values = random.normal(5, 1, kept.sum()).round(2)
        frames.append(pd.DataFrame({"unique_id": f"s{number}", "ds": stamps[kept], "y": values}))
    return pd.concat(frames)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_proposed_for_sparse_rows_is_accepted(seed):
    table = sparse_table(seed)
    config = Experiment().with_settings({"windows.horizon": 2})
    diagnosis = check_table(config, table)
    if diagnosis.errors:
        first = proposals(config, table, diagnosis)[0]
        assert first.is_enough, diagnosis.errors
        assert not check_table(config.with_settings(first.settings), table).errors


def days_and_weeks() -> pd.DataFrame:
    frames = [
        pd.DataFrame({"unique_id": name, "ds": pd.date_range("2024-01-01", periods=90, freq=freq)})
        for name, freq in (("a", "D"), ("b", "7D"))
    ]
    return pd.concat(frames).assign(y=np.arange(180) % 7 + 0.5)


@pytest.mark.parametrize("freq", [None, "D"])
def test_days_beside_weeks_become_weeks_by_sum_or_mean(freq):
    config = Experiment().with_settings({"windows.horizon": 2, "data.freq": freq})
    table = days_and_weeks()
    (finding,) = check_table(config, table).errors
    assert (finding.code, finding.asks) == ("mixed_frequency", True)
    for settings in finding.settings:
        panel = check_table(config.with_settings(settings), table).panel
        assert panel is not None
        assert panel.freq.alias == "W-MON"
        # weeks of one row stay as they are, and so does what 7 days have together
        weeks = table[table["unique_id"] == "b"]["y"].to_numpy()
        of_b = panel.targets[panel.offsets[1] :, 0]
        assert np.array_equal(of_b, weeks)
        whole = panel.targets[1, 0] * (7 if settings["data.aggregate"] == "mean" else 1)
        assert whole == pytest.approx((np.arange(7) + 0.5).sum())


def test_advice_to_resample_leaves_a_given_frequency_out():
    random = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=100, freq="D")
    stamps = days + pd.to_timedelta(random.integers(0, 80_000, 100), unit="s")
    table = pd.DataFrame({"ds": stamps, "y": np.arange(100.0)})
    config = Experiment().with_settings({"windows.horizon": 2, "data.freq": "h"})
    diagnosis = check_table(config, table)
    assert diagnosis.errors[0].settings[0]["data.freq"] is None
    assert proposals(config, table, diagnosis)[0].is_enough


@pytest.mark.parametrize(("step", "rows"), [("1min", 391), ("15min", 27)])
def test_nights_between_sessions_are_no_steps(step, rows, tmp_path):
    path = tmp_path / "t.csv"
    days = pd.bdate_range("2024-01-01", periods=30)
    stamps = [
        stamp
        for day in days
        for stamp in pd.date_range(day + pd.Timedelta("9h30min"), periods=rows, freq=step)
    ]
    walk = np.random.default_rng(0).normal(size=len(stamps)).cumsum() + 100
    pd.DataFrame({"ds": stamps, "y": walk.round(2)}).to_csv(path, index=False)
    status, text = run(["check", str(path), "--horizon", "5"])
    assert status == 0, text
    assert "@MON-FRI/09:30-" in text
    without = ["--set", "data.trading_days=false"]
    status, text = run(["check", str(path), "--horizon", "5", *without])
    assert status == 2
    (advice,) = (line for line in text.splitlines() if line.startswith("try"))
    assert "--set data.trading_days=true" in advice
    status, text = run(shlex.split(advice.removeprefix("try: forecast ")))
    assert status == 0, text


def test_sessions_shorter_than_a_window_are_joined():
    days = pd.bdate_range("2024-01-01", periods=60)
    stamps = [day + pd.Timedelta(hours=hour) for day in days for hour in range(9, 16)]
    table = pd.DataFrame({"ds": stamps, "y": np.arange(len(stamps)) % 7 + 0.5})
    config = Experiment().with_settings({"windows.horizon": 7})
    diagnosis = check_table(config, table)
    assert diagnosis.errors == ()
    assert diagnosis.panel.freq.season_length == 7
