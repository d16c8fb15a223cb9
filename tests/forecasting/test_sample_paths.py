"""Sample paths: their margins, their order, their sums, and the numbers they are drawn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import Forecaster
from forecast.errors import ConfigError
from forecast.intervals.margins import at_places
from forecast.intervals.trajectories import Trajectories, chosen_cutoffs, whole

NUM_DAYS = 300
STORES = {"a": "north", "b": "north", "c": "south"}


def sales(own: float, common: float) -> pd.DataFrame:
    """Three stores in two regions, with errors of their own and errors that all share."""
    draw = np.random.default_rng(7)
    shared = common * np.convolve(draw.normal(size=NUM_DAYS + 4), np.ones(5), "valid")
    tables = []
    for number, (store, region) in enumerate(STORES.items()):
        level = 100 + 20 * number + 10 * np.sin(2 * np.pi * np.arange(NUM_DAYS) / 7)
        values = level + shared + own * draw.normal(size=NUM_DAYS)
        days = pd.date_range("2025-01-01", periods=NUM_DAYS)
        table = pd.DataFrame({"store": store, "region": region, "day": days, "sales": values})
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def fitted_on(table: pd.DataFrame) -> Forecaster:
    """A forecaster without networks, which takes no time."""
    forecaster = Forecaster(
        id="store",
        time="day",
        target="sales",
        static=["region"],
        categorical=["region"],
        horizon=7,
        seeds=0,
        linear="member",
        simple=(),
    )
    return forecaster.fit(table, verbose=0)


@pytest.fixture(scope="module")
def shop() -> Forecaster:
    """A forecaster of stores whose errors are mostly common."""
    return fitted_on(sales(own=2.0, common=4.0))


def test_margins_are_the_calibrated_intervals(shop: Forecaster) -> None:
    forecast = shop.predict(level=[80, 95], num_paths=2000)
    assert forecast.paths is not None
    assert forecast.quantiles is not None
    found = np.moveaxis(np.quantile(forecast.paths, forecast.quantile_levels, axis=-1), 0, -1)
    width = forecast.quantiles[..., -1:] - forecast.quantiles[..., :1]
    assert np.abs((found - forecast.quantiles) / width).max() < 0.01
    assert np.abs(np.median(forecast.paths, axis=-1) - forecast.values).max() < 0.02 * width.max()


def test_equal_seeds_give_equal_paths_also_of_a_saved_model(
    shop: Forecaster, tmp_path: Path
) -> None:
    table = sales(own=2.0, common=4.0)
    paths = shop.predict(table, num_paths=50).paths
    shop.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    again = loaded.predict(table, num_paths=50).paths
    assert paths is not None
    assert again is not None
    np.testing.assert_array_equal(paths, again)
    other = shop.predict(table, num_paths=50, seed=1).paths
    assert other is not None
    assert not np.array_equal(paths, other)
    pd.testing.assert_frame_equal(shop.totals(table), loaded.totals(table))


def test_a_model_without_trajectories_says_so(shop: Forecaster) -> None:
    old = Forecaster(shop.config)
    old._fitted = replace(shop.fitted, trajectories=None)
    with pytest.raises(ConfigError, match=r"saved without error trajectories.*: train it again"):
        old.predict(sales(own=2.0, common=4.0), num_paths=50)
    never = Forecaster(shop.config)
    never._fitted = replace(shop.fitted, trajectories=None, recent=None)
    with pytest.raises(ConfigError, match="there are no sample paths, since no rows"):
        never.predict(sales(own=2.0, common=4.0), num_paths=50)


def test_parts_add_up(shop: Forecaster) -> None:
    """Stores to regions, and weeks to the horizon."""
    stores = shop.totals().set_index("store")["total"]
    regions = shop.totals(by="region").set_index("region")["total"]
    for region in ("north", "south"):
        own = [store for store, of in STORES.items() if of == region]
        assert regions[region] == pytest.approx(stores[own].sum(), rel=1e-12)
    table = sales(own=2.0, common=4.0)
    weeks = shop.totals(period="week")
    past = table[table["day"] >= weeks["start"].min()].groupby("store")["sales"].sum()
    together = weeks.groupby("store")["total"].sum()
    for store in STORES:
        assert together[store] == pytest.approx(stores[store] + past[store], rel=1e-12)


def test_levels_of_a_hierarchy_add_up(shop: Forecaster) -> None:
    """Regions, and the stores in each; every level is from the same paths as alone."""
    found = shop.totals(by=["region", "store"])
    is_region = found["store"].isna()
    regions = found[is_region].set_index("region")
    stores = found[~is_region]
    assert len(stores) == len(STORES)
    assert dict(zip(stores["store"], stores["region"], strict=True)) == STORES
    together = stores.groupby("region")["total"].sum()
    for region in ("north", "south"):
        assert regions["total"][region] == pytest.approx(together[region], rel=1e-12)
    alone = shop.totals(by="region").set_index("region")
    pd.testing.assert_frame_equal(regions.drop(columns="store")[alone.columns], alone)
    each = shop.totals().set_index("store")
    ends = ["total", "total-lo-80", "total-hi-80"]
    pd.testing.assert_frame_equal(stores.set_index("store")[ends], each[ends])
    with pytest.raises(ConfigError, match="expected an id column or a static covariate"):
        shop.totals(by=["region", "shop"])
    with pytest.raises(ConfigError, match="name each of them once"):
        shop.totals(by=["region", "region"])


def test_common_errors_do_not_cancel_and_own_ones_do() -> None:
    """The interval of a sum of two is as wide as both, or by the square root of two as one."""
    widths = {}
    for name, table in {
        "common": sales(own=0.1, common=4.0),
        "own": sales(own=9.0, common=0.0),
    }.items():
        forecaster = fitted_on(table)
        forecast = forecaster.predict(num_paths=4000)
        assert forecast.paths is not None
        steps = forecast.paths[:2, 2, 0]  # (2 stores, P) at one step
        spread = np.quantile(steps, 0.9, axis=-1) - np.quantile(steps, 0.1, axis=-1)
        together = np.quantile(steps.sum(axis=0), [0.1, 0.9])
        widths[name] = (together[1] - together[0]) / spread.mean()
    assert widths["common"] == pytest.approx(2.0, abs=0.1)
    assert widths["own"] == pytest.approx(np.sqrt(2), abs=0.25)


def test_places_are_those_of_a_slow_count() -> None:
    """Ties are in one order at every step."""
    draw = np.random.default_rng(0)
    errors = draw.normal(size=(30, 2, 4, 1))
    stored = Trajectories(errors, errors, np.arange(30), season_length=1)
    drawn = stored.draw(np.arange(30), np.array([0, 1]), 75, draw)
    places = stored.places(drawn, np.array([0, 1]))
    of_paths = errors[drawn.cutoffs[:, None], drawn.source]
    for path in range(75):
        for step in range(4):
            below = (of_paths[:, 1, step, 0] < of_paths[path, 1, step, 0]).sum()
            equal = (of_paths[:, 1, step, 0] == of_paths[path, 1, step, 0]).sum()
            number = places[path, 1, step, 0] * 75 - 0.5
            assert below <= round(number) < below + equal
    same = np.flatnonzero(drawn.cutoffs == drawn.cutoffs[0])
    orders = {tuple(np.argsort(places[same, 0, step, 0])) for step in range(4)}
    assert len(same) >= 2
    assert len(orders) == 1


def test_a_series_without_a_window_gets_errors_of_the_same_cutoff() -> None:
    errors = np.arange(60.0).reshape(30, 2, 1, 1)
    errors[::2, 1] = np.nan
    stored = Trajectories(errors, errors, np.arange(30), season_length=1)
    drawn = stored.draw(np.arange(30), np.array([1, 0, -1]), 90, np.random.default_rng(0))
    values = errors[drawn.cutoffs[:, None], drawn.source][..., 0, 0]
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values // 2, drawn.cutoffs[:, None].repeat(3, axis=1))
    assert (drawn.source[drawn.cutoffs % 2 == 1, 0] == 1).all()


def test_values_between_quantiles_are_linear_and_beyond_fall_off() -> None:
    levels = (0.1, 0.5, 0.9)
    quantiles = np.array([[-3.0, 0.0, 2.0]])
    places = np.linspace(0.1, 0.9, 33)[:, None]
    expected = np.interp(places[:, 0], levels, quantiles[0])
    np.testing.assert_allclose(at_places(levels, quantiles, places)[:, 0], expected, atol=1e-12)
    tail = at_places(levels, quantiles, np.array([[0.95], [0.99], [0.05], [0.01]]))[:, 0]
    # an exponential tail halves its probability over equal distances
    rate = (2.0 - 0.0) / np.log(0.5 / 0.1)
    np.testing.assert_allclose(tail[:2], 2.0 + rate * np.log(0.1 / np.array([0.05, 0.01])))
    assert tail[3] < tail[2] < -3.0


@pytest.mark.parametrize("season_length", [1, 7, 24])
def test_chosen_cutoffs_are_at_all_places_of_the_season(season_length: int) -> None:
    positions = np.arange(10_000)
    chosen = chosen_cutoffs(positions, 1, 24, season_length)
    assert len(chosen) <= 2_000
    assert chosen[-1] == positions[-1]
    assert len(np.unique(chosen % season_length)) == season_length
    assert len(np.unique(np.diff(chosen))) == 1


def test_missing_errors_are_those_of_the_nearest_step() -> None:
    errors = np.array([[[np.nan], [1.0], [np.nan], [3.0]], [[np.nan]] * 4])
    np.testing.assert_array_equal(whole(errors)[0, :, 0], [1.0, 1.0, 1.0, 3.0])
    assert np.isnan(whole(errors)[1]).all()


def test_few_cutoffs_mix_the_series_and_keep_the_cutoff(shop: Forecaster) -> None:
    stored = shop.fitted.trajectories
    assert stored is not None
    few = replace(
        stored,
        errors=stored.errors[-4:],
        forecasts=stored.forecasts[-4:],
        positions=stored.positions[-4:],
    )
    other = Forecaster(shop.config)
    other._fitted = replace(shop.fitted, trajectories=few)
    paths = other.predict(sales(own=2.0, common=4.0), num_paths=100).paths
    assert paths is not None
    assert np.isfinite(paths).all()
    assert (other.totals(sales(own=2.0, common=4.0))["total-lo-80"] > 0).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_paths": 3}, "num_paths= is 3; expected at least 10"),
        ({"num_paths": 100, "seed": -1}, "seed= is -1"),
        ({"num_paths": 100, "horizon": 9}, "sample paths were asked for 9 steps"),
        ({"num_paths": 10**8}, "expected at most 100,000,000: ask for 4,761,904 paths"),
    ],
)
def test_wrong_numbers_are_refused(shop: Forecaster, given: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shop.predict(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"period": "year"}, "period is 'year'; expected one of day, week, month, horizon"),
        ({"by": "regoin"}, "store, region \\(did you mean 'region'"),
        ({"level": 100}, "level is 100"),
        ({"level": "auto"}, "level is 'auto'; expected one percentage"),
        ({"level": [80, 95]}, "expected one percentage, such as 80"),
    ],
)
def test_wrong_totals_are_refused(shop: Forecaster, given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shop.totals(**given)


def test_paths_frame_has_a_row_per_path_and_step(shop: Forecaster) -> None:
    forecast = shop.predict(num_paths=10)
    frame = forecast.paths_frame()
    assert list(frame) == ["store", "day", "cutoff", "path", shop.fitted.config.name]
    assert len(frame) == 3 * 7 * 10
    assert forecast.paths is not None
    some = frame[(frame["store"] == "b") & (frame["path"] == 4)]
    np.testing.assert_array_equal(some[forecast.alias], forecast.paths[1, :, 0, 3])
