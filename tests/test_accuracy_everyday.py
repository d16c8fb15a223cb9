"""Benchmarks of the default: scores, cutoffs and split, against formulas and published figures."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.scores import metrics

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "accuracy"
PLACES = [FOLDER, FOLDER / "everyday", FOLDER / "m3"]
MODULES = ("catalogue", "forecasts", "naive2", "protocols", "ratios", "series_scores", "stored")


@pytest.fixture(autouse=True)
def _importable() -> Iterator[None]:
    added = [str(place) for place in PLACES]
    sys.path[:0] = added
    for name in (*MODULES, "statistical"):
        sys.modules.pop(name, None)
    path = list(sys.path)
    yield
    sys.path[:] = [place for place in path if place not in added]
    for name in (*MODULES, "statistical"):
        sys.modules.pop(name, None)


def load(path: str) -> Any:
    """A script of the benchmarks; several are called `run`."""
    name = path.replace("/", "_").removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, FOLDER / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # for its dataclasses
    spec.loader.exec_module(module)
    return module


def long_table(values: dict[str, list[float]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"unique_id": name, "ds": pd.date_range("2024-01-01", periods=len(y)), "y": y})
        for name, y in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_scores_are_those_of_the_package_series_by_series() -> None:
    """`forecast.scores.metrics` is another implementation of the same published formulas."""
    rng = np.random.default_rng(3)
    values = {name: list(rng.uniform(1, 9, 40)) for name in "ab"}
    table = long_table(values)
    history = table[table["ds"] <= "2024-02-02"]
    made = table[table["ds"] > "2024-02-02"].copy()
    made["model"] = rng.uniform(1, 9, len(made))
    found = load("series_scores.py").scores_by_series(history, made, ["model"], 7)
    for row in found.itertuples():
        y = np.array(values[row.unique_id])
        actual, forecast = y[33:], made.loc[made["unique_id"] == row.unique_id, "model"].to_numpy()
        scale = np.mean([abs(y[t] - y[t - 7]) for t in range(7, 33)])
        assert row.smape == pytest.approx(metrics.smape(actual, forecast))
        expected = metrics.mase(actual[None], forecast[None], np.array([scale]))
        assert row.mase == pytest.approx(expected)


def test_a_series_without_a_scale_has_no_mase() -> None:
    scores = load("series_scores.py")
    assert np.isnan(scores.seasonal_error(np.arange(7.0), 7))  # no pair a season apart
    assert np.isnan(scores.seasonal_error(np.tile([1.0, 2.0], 9), 2))  # all pairs are equal
    assert scores.smape(np.array([0.0, 1.0]), np.array([0.0, 3.0])) == pytest.approx(50.0)


def test_half_of_the_files_is_for_judging_by_the_hash_of_their_names() -> None:
    catalogue = load("everyday/catalogue.py")
    index = pd.read_csv(FOLDER / "everyday" / "index.csv")
    frequencies = ["yearly", "quarterly", "monthly", "weekly", "daily", "hourly"]
    index["digest"] = [hashlib.sha256(name.encode()).hexdigest() for name in index["name"]]
    index["place"] = index["frequency"].map(frequencies.index)
    ordered = index.sort_values(["place", "digest"], ignore_index=True)
    expected = dict(zip(ordered["name"], ["development", "judging"] * 10, strict=True))
    assert dict(zip(index["name"], index["half"], strict=True)) == expected
    shuffled = index.sample(frac=1, random_state=1)
    given = dict(zip(shuffled["name"], shuffled["frequency"], strict=True))
    assert catalogue.halves(given) == expected


def test_every_file_is_as_the_index_says() -> None:
    catalogue = load("everyday/catalogue.py")
    index = pd.read_csv(FOLDER / "everyday" / "index.csv").set_index("name")
    assert sorted(path.stem for path in (FOLDER / "everyday" / "tables").iterdir()) == sorted(
        index.index
    )
    for task in catalogue.real_tasks():
        (table,) = task.tables()
        sizes = table.groupby("unique_id").size()
        assert (len(table), len(sizes)) == tuple(index.loc[task.name, ["rows", "series"]])
        assert 30 <= len(table) <= 1600
        assert sizes.nunique() == 1  # so that a cutoff is the same for all series
        assert np.isfinite(table["y"]).all()
        assert not table.duplicated(["unique_id", "ds"]).any()


def test_cutoffs_are_a_horizon_apart_and_the_last_one_a_horizon_before_the_end() -> None:
    catalogue = load("everyday/catalogue.py")
    for task in catalogue.real_tasks():
        (table,) = task.tables()
        stamps = sorted(table["ds"].unique())
        blocks = task.blocks(table)
        cutoffs = [cutoff for block in blocks for cutoff in block]
        places = [stamps.index(cutoff) for cutoff in cutoffs]
        count = len(stamps)
        fitting = [k for k in range(1, 13) if k * task.horizon <= 0.4 * count]
        assert places == [count - 1 - task.horizon * k for k in range(max(fitting), 0, -1)]
        assert len(blocks) <= 2
        sizes = [len(block) for block in blocks]
        assert max(sizes) - min(sizes) <= 1


def test_stored_forecasts_of_others_are_of_every_step() -> None:
    """They are compared without the other packages; a finite number stands for each row."""
    forecasts = load("everyday/forecasts.py")
    catalogue = load("everyday/catalogue.py")
    for task in catalogue.real_tasks():
        (table,) = task.tables()
        actual = forecasts.actual_rows(task, table, task.blocks(table))
        both = actual.merge(
            forecasts.peer_forecasts(task), on=forecasts.KEYS, how="outer", validate="one_to_one"
        )
        assert np.isfinite(both[["y", *forecasts.PEERS]].to_numpy(np.float64)).all(), task.name


def test_the_default_reads_nothing_after_a_cutoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the forecaster that notes what it is given."""
    forecasts = load("everyday/forecasts.py")
    catalogue = sys.modules["catalogue"]
    table = long_table({"a": list(range(20)), "b": list(range(20))}).assign(promo=1.0)
    task = catalogue.Task("x", "shared", Path("x"), 3, 1, 4, known=("promo",))
    seen: list[tuple[str, Any, Any]] = []

    class Noted:
        def __init__(self, **settings: Any) -> None:
            assert settings == {"horizon": 3, "known": ["promo"]}
            self.fitted: Any = None

        def fit(self, rows: pd.DataFrame, *, verbose: int) -> None:
            seen.append(("fit", rows["ds"].max(), verbose))

        def predict(self, rows: pd.DataFrame, *, known: pd.DataFrame) -> Any:
            assert "y" not in known
            assert set(known.groupby("unique_id").size()) == {3}
            seen.append(("predict", rows["ds"].max(), known["ds"].min()))
            raise forecasts.ForecastError("enough")

    monkeypatch.setattr(forecasts, "Forecaster", Noted)
    monkeypatch.setattr(forecasts, "_members", lambda _: "")
    blocks = task.blocks(table)
    made, fits = forecasts.default_forecasts(task, table, blocks)
    assert len(made) == 0
    assert [fit.refusal for fit in fits] == ["enough", "enough"]
    day = pd.Timedelta("1D")
    first = [block[0] for block in blocks]
    expected = [
        item for cutoff in first for item in (("fit", cutoff, 0), ("predict", cutoff, cutoff + day))
    ]
    assert seen == expected
    assert first == [pd.Timestamp("2024-01-08"), pd.Timestamp("2024-01-14")]


def test_the_ratio_to_the_best_by_hand() -> None:
    ratios = load("everyday/ratios.py")
    rows = [
        ("a", cutoff, model, mase)
        for model, pair in {
            "default": (1.0, 3.0),
            "linear": (1.0, 1.5),
            "AutoETS": (2.0, 2.0),
            "AutoTheta": (0.1, 0.1),  # shown, but no rival
        }.items()
        for cutoff, mase in zip(("t1", "t2"), pair, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["unique_id", "cutoff", "model", "mase"])
    ratio, error, best = ratios.ratio_to_best(table)
    # Means 2 and 1.25; differences 0 and 1.5, whose mean has the standard error 1.5 / 2.
    assert (ratio, best) == (pytest.approx(1.6), "linear")
    assert error == pytest.approx(0.75 / 1.25)
    swapped = table.rename(columns={"unique_id": "cutoff", "cutoff": "unique_id"})
    assert ratios.ratio_to_best(swapped)[:2] == pytest.approx((ratio, error))
    assert ratios.summary([0.5, 2.0, np.nan]) == pytest.approx((1.0, 2.0))


def test_naive2_continues_a_level_times_a_season_exactly() -> None:
    naive2 = load("m3/naive2.py")
    factors = np.array([0.6, 0.9, 1.2, 1.3])
    series = 50 * np.tile(factors, 7)[:26]
    expected = 50 * np.tile(factors, 9)[26:34]
    assert naive2.naive2(series, 4, 8) == pytest.approx(expected)
    odd = np.array([0.5, 1.0, 1.5])
    assert naive2.naive2(np.tile(odd, 6), 3, 4) == pytest.approx([0.5, 1.0, 1.5, 0.5])


@pytest.mark.parametrize("season", [4, 5, 12])
def test_the_season_is_that_of_a_decomposition_step_by_step(season: int) -> None:
    """On a growing series, where a trend that is off by one step shows."""
    naive2 = load("m3/naive2.py")
    rng = np.random.default_rng(season)
    count = 4 * season + 3
    values = np.linspace(20, 90, count) * rng.uniform(0.5, 1.5, season)[np.arange(count) % season]
    ratios: dict[int, list[float]] = {place: [] for place in range(season)}
    half = season // 2
    for now in range(half, count - half):
        around = values[now - half : now + half + 1].copy()
        if season % 2 == 0:
            around[[0, -1]] /= 2
        ratios[now % season].append(values[now] / (around.sum() / season))
    expected = [np.mean(ratios[place]) for place in range(season)]
    assert naive2.seasonal_index(values, season) == pytest.approx(expected)


def test_naive2_carries_the_last_value_on_where_there_is_no_season() -> None:
    naive2 = load("m3/naive2.py")
    noise = np.random.default_rng(5).uniform(1, 2, 60)
    assert not naive2.is_seasonal(noise, 12)
    assert naive2.naive2(noise, 12, 3) == pytest.approx([noise[-1]] * 3)
    spikes = np.tile([9.0, *[1.0] * 11], 4)
    assert naive2.is_seasonal(spikes[:36], 12)
    assert not naive2.is_seasonal(spikes[:35], 12)  # under three seasons
    assert not naive2.is_seasonal(np.ones(40), 4)


def test_published_scores_of_m3_come_out(shared_data: Path, monkeypatch: Any) -> None:
    """Naive2 exactly where there is no season to remove; Theta as near as its variants differ."""
    monkeypatch.setenv("FORECAST_DATA", str(shared_data))
    run = load("m3/run.py")
    scores = load("series_scores.py")
    tolerance = {"yearly": 0.005, "quarterly": 0.1, "monthly": 0.2}
    for group, (_, season) in run.GROUPS.items():
        train, test = run.read(group)
        made = test.merge(run.naive2_forecasts(train, test, group), on=["unique_id", "ds"])
        peers = pd.read_csv(run.peers_path(group), parse_dates=["ds"])
        made = made.merge(peers, on=["unique_id", "ds"], validate="one_to_one")
        assert len(made) == len(test)
        found = scores.scores_by_series(train, made, ["Naive2", "Theta"], season)
        means = found.groupby("model")["smape"].mean()
        published = run.PUBLISHED[group]
        assert means["Naive2"] == pytest.approx(published["Naive2"], abs=tolerance[group])
        assert means["Theta"] == pytest.approx(published["Theta"], abs=0.35)


def test_windows_of_fev_bench_end_the_table_side_by_side() -> None:
    run = load("fev/run.py")
    firsts = run.windows(52_416)
    rows = [row for first in firsts for row in range(first, first + 24)]
    assert rows == list(range(52_416 - 480, 52_416))
    # As fev has it: initial_cutoff = -horizon - (num_windows - 1) * window_step_size.
    assert firsts[0] - 52_416 == -24 - 19 * 24


def test_fifty_stores_of_two_years() -> None:
    run = load("stores/run.py")
    table = run.make_stores()
    assert (table["unique_id"].nunique(), len(table)) == (50, 50 * 730)
    assert table.equals(run.make_stores())
    week = table.assign(day=table["ds"].dt.day_of_week).groupby(["unique_id", "day"])["y"].mean()
    assert (week.groupby("unique_id").max() > 1.1 * week.groupby("unique_id").min()).all()


def test_results_go_between_the_marks_of_every_page(tmp_path: Path) -> None:
    stored = load("stored.py")
    for name in ("everyday", "m3", "fev", "stores"):
        page = tmp_path / f"{name}.md"
        text = (FOLDER / name / "README.md").read_text(encoding="utf-8")
        page.write_text(text, encoding="utf-8")
        stored.write_between_marks(page, "now", "| 1 |")
        written = page.read_text(encoding="utf-8")
        assert written.split(stored.BEGIN)[0] == text.split(stored.BEGIN)[0]
        assert written.split(stored.END)[1] == text.split(stored.END)[1]
        assert written.count("| 1 |") == 1
