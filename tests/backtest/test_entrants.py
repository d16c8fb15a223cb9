"""Backtests of the experiment equal a loop of fits; later values change no earlier forecast."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from backtests import HORIZON, experiment, hourly

from forecast.backtest.entrants import (
    BASELINE_NAMES,
    FittedNetworkModel,
    NetworkModel,
    at_a_cutoff,
    make_models,
    names_of,
)
from forecast.backtest.folder import backtest_table, plan_of
from forecast.backtest.gather import RollingResult
from forecast.backtest.rolling import FittedModel, run_block
from forecast.errors import ConfigError, DataError
from forecast.experiment.prepare import open_panel, prepare_panel
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster

COVARIATES: dict[str, Any] = {
    "past_covariates": ["wind", "state"],
    "known_covariates": ["price"],
    "categorical": ["state"],
}
QUANTILES: dict[str, Any] = {"loss": "quantile", "quantile_levels": [0.1, 0.5, 0.9]}


def cutoff_times(result: RollingResult) -> list[pd.Timestamp]:
    return sorted(pd.Timestamp(stamp) for stamp in set(result.result.cutoffs))


LOOPS = [
    pytest.param("each", None, QUANTILES, id="each"),
    pytest.param(2, 40, {}, id="every second, sliding", marks=pytest.mark.slow),
    pytest.param("never", None, {"refit": True}, id="never, trained twice", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("refit", "history", "training"), LOOPS)
def test_a_backtest_equals_a_loop_of_fits(
    refit: Any, history: int | None, training: dict[str, Any]
) -> None:
    num_windows = 2 if refit == "each" else 3
    backtest = {"num_windows": num_windows, "step": 4, "refit": refit, "models": ["net"]}
    backtest |= {} if history is None else {"history": history}
    config = experiment(data=COVARIATES, training=training, backtest=backtest)
    table = hourly()
    result = backtest_table(config, table)
    frame = result.frame()
    times = cutoff_times(result)
    assert len(times) == num_windows
    each = {"each": 1, "never": 3}.get(refit, refit)
    expected = []
    for number, cutoff in enumerate(times):
        known_by_then = table[table["ds"] <= cutoff]
        if number % each == 0:
            learned = (
                known_by_then
                if history is None
                else known_by_then.groupby("unique_id").tail(history)
            )
            forecaster = Forecaster(at_a_cutoff(config)).fit(learned)
        ahead = table[table["ds"] > cutoff].groupby("unique_id").head(HORIZON)
        whole = ahead.groupby("unique_id").filter(lambda rows: len(rows) == HORIZON)
        reaching = known_by_then[known_by_then["unique_id"].isin(set(whole["unique_id"]))]
        made = forecaster.predict(reaching, known=whole[["unique_id", "ds", "price"]]).frame()
        expected.append(made.merge(table[["unique_id", "ds", "y"]]))
    both = frame.merge(
        pd.concat(expected),
        on=["unique_id", "ds", "cutoff"],
        suffixes=("", "_loop"),
        validate="1:1",
    )
    assert len(both) == len(frame) == sum(map(len, expected))
    names = [name for name in frame if name.startswith("net")]
    assert len(names) == (4 if training == QUANTILES else 1)
    for name in (*names, "y"):
        np.testing.assert_allclose(both[name], both[f"{name}_loop"], rtol=1e-6)


def damaged(table: pd.DataFrame, cutoff: pd.Timestamp, kind: str) -> pd.DataFrame:
    """The table with everything but its stamps and known covariates wrong after a cutoff.

    Each series keeps a target in its last row: rows without one at its end are the future, and give
    no windows.
    """
    late = (table["ds"] > cutoff).to_numpy()
    out = table.copy()
    if kind == "shuffled":
        order = np.random.default_rng(1).permutation(np.flatnonzero(late))
        for name in ("y", "wind", "state"):
            out.loc[late, name] = table[name].to_numpy()[order]
        return out
    out.loc[late, ["y", "wind"]] = np.nan if kind == "NaN" else 1e6
    out.loc[late & ~table.duplicated("unique_id", keep="last"), ["y", "wind"]] = 1e6
    out.loc[late, "state"] = (
        None if kind == "NaN" else "adrift"
    )  # a word that comes first in the alphabet
    return out


POLICIES = [
    ("refuse", "1e6"),
    ("forward_fill", "NaN"),
    ("interpolate", "shuffled"),
    ("mask", "NaN"),
    ("zero", "1e6"),
]
MARKS = {
    ("never", "refuse"): [],
    ("never", "mask"): [pytest.mark.proof],
    ("each", "interpolate"): [pytest.mark.proof],
}
"""One is quick, two are proofs; the others are slow."""
LEAKS = [
    pytest.param(refit, missing, kind, marks=MARKS.get((refit, missing), [pytest.mark.slow]))
    for refit in ("never", "each")
    for missing, kind in POLICIES
]


@pytest.mark.parametrize(("refit", "missing", "kind"), LEAKS)
def test_what_comes_after_a_cutoff_changes_no_forecast_up_to_it(
    refit: str, missing: str, kind: str
) -> None:
    table = hourly(70)
    if missing != "refuse":
        holes = np.random.default_rng(2).random(len(table)) < 0.1
        table.loc[holes, ["y", "wind"]] = np.nan
    backtest = {"num_windows": 2, "step": 5, "refit": refit}
    config = experiment(data={**COVARIATES, "missing": missing}, backtest=backtest)
    before = backtest_table(config, table)
    cutoff = cutoff_times(before)[0 if refit == "each" else 1]
    after = backtest_table(config, damaged(table, cutoff, kind))
    early = [run.result.cutoffs <= cutoff.to_datetime64() for run in (before, after)]
    assert early[0].sum() == (2 if refit == "each" else 4)  # of `a` and `b`; `c` has ended
    assert list(before.result.forecasts) == ["net", *BASELINE_NAMES]
    for name, values in before.result.forecasts.items():
        np.testing.assert_array_equal(
            values[early[0]], after.result.forecasts[name][early[1]], err_msg=name
        )


def test_series_that_came_after_the_fit_are_left_out_for_all() -> None:
    late = hourly().query("unique_id == 'a'").tail(14).assign(unique_id="aa")
    table = pd.concat([hourly(), late])  # its rows stand between those of `a` and `b`
    config = experiment(backtest={"num_windows": 2, "step": 3, "models": ["net", "last_value"]})
    result = backtest_table(config, table)
    assert result.left_out == {"net": 2}
    frame = result.frame()
    assert frame["unique_id"].tolist() == ["a"] * 6 + ["b"] * 6
    actual = frame.merge(hourly(), on=["unique_id", "ds"], suffixes=("", "_given"))
    assert (actual["y"] == actual["y_given"]).all()
    assert (
        (frame["net"] / frame["y"]).between(0.3, 3).all()
    )  # each series on its own level: 30 and 300


def test_baselines_are_those_of_evaluate() -> None:
    """One fit on the rows before the test set, forecasts in all its windows, as in `evaluate`."""
    table = hourly()
    config = experiment(evaluation={"validation_size": 12, "test_size": 14})
    expected = Forecaster(config).fit(table).evaluate()
    windows = {"num_windows": 14 - HORIZON + 1, "step": 1}
    found = backtest_table(experiment(backtest=windows), table).result
    key = pd.MultiIndex.from_arrays([found.series_ids[found.series], found.cutoffs])
    other = pd.MultiIndex.from_arrays([expected.series_ids[expected.series], expected.cutoffs])
    place = other.get_indexer(key)
    assert len(found.actual) == len(expected.actual)
    assert (place >= 0).all()
    np.testing.assert_array_equal(found.actual, expected.actual[place])
    np.testing.assert_array_equal(found.scale, expected.scale[place])
    for name in ("net", *BASELINE_NAMES):
        np.testing.assert_allclose(
            found.forecasts[name], expected.forecasts[name][place], rtol=1e-6, err_msg=name
        )


CALIBRATED = {"validation_size": 12, "calibration_size": 12}
NETWORKS: list[Any] = [
    pytest.param({}, [], id="points"),
    pytest.param(QUANTILES, [], id="quantiles", marks=pytest.mark.slow),
    pytest.param(
        {}, [{"name": "log1p"}, {"name": "standard"}], id="logarithms", marks=pytest.mark.slow
    ),
]


@pytest.mark.parametrize(("training", "target"), NETWORKS)
def test_calibrated_intervals_are_those_of_evaluate(
    training: dict[str, Any], target: list[Any]
) -> None:
    """One fit, and intervals that adapt over cutoffs, as in `evaluate` on its test set."""
    table = hourly()
    sections = {"training": training, "transforms": {"target": target} if target else {}}
    if target:  # half of the values are 0, and no interval of logarithms may end below
        table["y"] = (table["y"] - table.groupby("unique_id")["y"].transform("median")).clip(
            lower=0.0
        )
    expected = (
        Forecaster(experiment(evaluation={**CALIBRATED, "test_size": 14}, **sections))
        .fit(table)
        .evaluate()
    )
    windows = {"num_windows": 14 - HORIZON + 1, "step": 1, "models": ["net", "drift"]}
    found = backtest_table(
        experiment(evaluation=CALIBRATED, backtest=windows, **sections), table
    ).result
    assert found.quantile_levels == expected.quantile_levels
    assert {0.025, 0.1, 0.9, 0.975} <= set(found.quantile_levels)
    np.testing.assert_array_equal(
        found.series_ids[found.series], expected.series_ids[expected.series]
    )
    np.testing.assert_array_equal(found.cutoffs, expected.cutoffs)
    np.testing.assert_allclose(found.quantiles, expected.quantiles, rtol=1e-6)
    assert not target or (found.quantiles[..., 0] == 0).any()
    assert (
        len(np.unique(np.ptp(found.quantiles[..., [0, -1]], axis=-1)[found.series == 0, 0])) > 2
    )  # they adapt


@pytest.mark.proof
def test_intervals_of_many_fits_adapt_by_what_was_seen() -> None:
    """Compare with the calibration of each fit, and a factor per step from the previous cutoff."""
    table = hourly()
    backtest = {"num_windows": 2, "step": 4, "refit": "each", "models": ["net"]}
    result = backtest_table(config := experiment(evaluation=CALIBRATED, backtest=backtest), table)
    factors = {80: np.ones(HORIZON), 95: np.ones(HORIZON)}
    for cutoff in cutoff_times(result):
        known_by_then = table[table["ds"] <= cutoff]
        forecaster = Forecaster(at_a_cutoff(config)).fit(known_by_then)
        made = (
            forecaster.predict()
            .frame()
            .merge(table[["unique_id", "ds", "y"]], on=["unique_id", "ds"])
        )
        made = made.query("unique_id != 'c'")  # it has ended
        calibration = forecaster.fitted.calibration
        unit = forecaster.fitted.series.unit[:2]
        assert calibration is not None
        found = result.frame().query("cutoff == @cutoff").reset_index(drop=True)
        assert len(found) == len(made) == 2 * HORIZON
        for level, factor in factors.items():
            ends = [
                found[f"net-{side}-{level}"].to_numpy().reshape(2, HORIZON) for side in ("lo", "hi")
            ]
            point = made["net"].to_numpy().reshape(2, HORIZON)
            for end, first in zip(
                ends, calibration.ends(point[..., None], unit, level), strict=True
            ):
                np.testing.assert_allclose(end, point + factor * (first[..., 0] - point), rtol=1e-5)
            actual = made["y"].to_numpy().reshape(2, HORIZON)
            outside = ((actual < ends[0]) | (actual > ends[1])).mean(axis=0)
            factors[level] = factor + 0.05 * (outside - (1 - level / 100))
    assert all((factor != 1).all() for factor in factors.values())


@pytest.mark.parametrize("refit", ["never", pytest.param(2, marks=pytest.mark.slow)])
def test_what_comes_after_a_cutoff_changes_no_interval_up_to_it(refit: Any) -> None:
    """Windows of earlier cutoffs that are not over at the cutoff must not count yet."""
    table = hourly(70)
    backtest = {"num_windows": 8, "step": 1, "refit": refit, "models": ["net"]}
    config = experiment(evaluation=CALIBRATED, backtest=backtest)
    before = backtest_table(config, table)
    cutoff = cutoff_times(before)[3]  # the last of a block where every second is fitted anew
    for kind in ("1e6", "shuffled"):
        after = backtest_table(config, damaged(table.assign(wind=0.0, state="dry"), cutoff, kind))
        early = before.result.cutoffs <= cutoff.to_datetime64()
        assert early.sum() == 8
        first = before.result.quantiles
        other = after.result.quantiles
        np.testing.assert_array_equal(first[early], other[early])
        assert not np.array_equal(first[~early], other[~early])


def test_levels_that_early_calibration_windows_do_not_support_are_left_out() -> None:
    """A share of few rows is few windows: 16 at the first cutoff, 20 at the second."""
    table = hourly().query("unique_id == 'a'").reset_index(drop=True)
    sizes = {"validation_size": 10, "calibration_size": 0.25}
    backtest = {"num_windows": 2, "step": 14, "refit": "each", "models": ["net"]}
    config = experiment(evaluation=sizes, backtest=backtest)
    panel = open_panel(config.data, table)
    plan = plan_of(config, panel)
    models = make_models(config)
    blocks = [run_block(panel, plan, number, models) for number in (0, 1)]
    assert [block.levels["net"] for block in blocks] == [(0.1, 0.9), (0.025, 0.1, 0.9, 0.975)]
    assert backtest_table(config, table).result.quantile_levels == (0.1, 0.9)


WRONG = {
    "a typing error": (["seasonal_naiv"], "did you mean 'seasonal_naive'"),
    "twice": (["net", "net"], "'net' stands for two models"),
}


@pytest.mark.parametrize(("models", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_names_are_refused(models: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        names_of(experiment(backtest={"models": models}))


def test_an_experiment_called_like_a_baseline_is_refused() -> None:
    config = experiment().model_copy(update={"name": "drift"})
    with pytest.raises(ConfigError, match="'drift' stands for two models"):
        names_of(config)


def test_too_few_rows_before_the_first_cutoff_are_said_with_the_cutoff() -> None:
    config = experiment(backtest={"num_windows": 29})
    with pytest.raises(
        DataError, match="net cannot be fitted on the rows up to 2025-01-06 02:00: 1 of 1 series"
    ):
        backtest_table(config, hourly())


@pytest.mark.slow
def test_many_cutoffs_cost_no_more_than_twice_one_pass_of_their_windows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both forecast the windows of 200 cutoffs; each is timed at its best of three."""
    config = experiment(
        model={"units": 32},
        windows={"context_length": 48, "horizon": 12},
        training={"windows_per_epoch": 640},
        evaluation={"validation_size": 50, "test_size": 211},
        backtest={"num_windows": 200, "step": 1},
    )
    table = pd.concat(
        [
            hourly(1000).assign(unique_id=lambda table, k=k: table["unique_id"] + str(k))
            for k in range(40)
        ]
    )
    forecaster = Forecaster(config).fit(table)
    panel = open_panel(config.data, table)
    plan = plan_of(config, panel)
    learned = plan.learned(panel, 0)
    models = {
        name: _Given(model.fit(learned))
        for name, model in make_models(config).items()
        if name != "net"
    }
    models["net"] = _Given(FittedNetworkModel(forecaster.fitted))
    expected, once = best_of(3, forecaster.evaluate)
    block, many = best_of(3, lambda: run_block(panel, plan, 0, models))
    assert sorted(block.forecasts) == sorted(expected.forecasts)
    assert len(block.last) == len(expected.actual)
    with capsys.disabled():
        print(f"\n200 cutoffs, {len(block.last):,} windows: {many:.2f} s, one pass: {once:.2f} s")
    assert many < 2 * once


class _Given:
    """A model that was fitted before."""

    def __init__(self, fitted: FittedModel) -> None:
        self.fitted = fitted

    def fit(self, _: Any) -> FittedModel:
        return self.fitted


def best_of(times: int, work: Any) -> tuple[Any, float]:
    """Return the result of some work, and its shortest time in seconds."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - start)
    return found, min(seconds)


@pytest.mark.slow
def test_a_training_goes_on_from_its_last_epoch(tmp_path: Any) -> None:
    config: Experiment = at_a_cutoff(experiment(training={"epochs": 3}))
    panel = open_panel(config.data, hourly())
    straight = NetworkModel(config).fit(panel).fitted
    told: list[Any] = []

    def stop(event: Any) -> None:
        told.append(event)
        if getattr(event, "epoch", 0) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        NetworkModel(config, tmp_path, stop).fit(panel)
    told.clear()
    fitted = NetworkModel(config, tmp_path, told.append).fit(panel).fitted
    epochs = {event.epoch for event in told if hasattr(event, "epoch")}
    assert epochs == {2, 3}
    for weights, other in zip(
        straight.model.get_weights(), fitted.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weights, other)
    shorter = open_panel(config.data, hourly().query("unique_id != 'c'"))
    assert len(prepare_panel(config, shorter).panel.series_ids) == 2
    NetworkModel(config, tmp_path).fit(shorter)  # of other rows: a state of its own
