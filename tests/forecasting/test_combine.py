"""Simple members beside the model: sums, weights, short tables, new series, saved models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import Forecaster
from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.simple import BASELINE_NAMES
from forecast.baselines.smoothing import Smoothing
from forecast.experiment.enough import context_length_of
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import Experiment
from forecast.experiment.training_settings import EnsembleConfig
from forecast.forecasting import combine, rolled_members
from forecast.forecasting.fitted import MODEL
from forecast.forecasting.reference import baseline_ahead
from forecast.forecasting.rolled_members import roll_linear, roll_regression, roll_smoothing
from forecast.forecasting.simple_members import linear_rows
from forecast.runs.run import fit_run
from forecast.runs.use import predict_run
from forecast.training.earned_weights import Errors
from forecast.training.voice import Voice
from forecast.windows import calendar
from forecast.windows.index import index_windows
from forecast.windows.splits import Part

SMALL = {"units": 3, "epochs": 1, "seeds": 1}


def days(num_rows: int, seed: int = 0, name: str = "a", noise: float = 1.0) -> pd.DataFrame:
    """A week's pattern with noise."""
    rng = np.random.default_rng(seed)
    pattern = np.array([20.0, 22, 21, 25, 30, 12, 8])
    values = pattern[np.arange(num_rows) % 7] + rng.normal(0, noise, num_rows)
    stamps = pd.date_range("2024-01-01", periods=num_rows)
    return pd.DataFrame({"unique_id": name, "ds": stamps, "y": values})


@pytest.fixture(scope="module")
def fitted_on_days() -> Forecaster:
    table = pd.concat([days(160, 0, "a"), days(120, 1, "b")])
    return Forecaster(horizon=7, **SMALL).fit(table, verbose=0)


def with_weights(forecaster: Forecaster, **weights: float) -> Forecaster:
    changed = Forecaster(forecaster.config)
    changed._fitted = replace(forecaster.fitted, weights={MODEL: 0.0, **weights})
    changed._prepared = forecaster._prepared
    return changed


@pytest.mark.parametrize("horizon", [7, 17])
def test_the_forecast_is_the_weighted_sum_of_its_members(
    fitted_on_days: Forecaster, horizon: int
) -> None:
    """Longer horizons are forecast from forecasts of the sum; those of one horizon at once."""
    weights = {MODEL: 0.25, "ets": 0.35, "seasonal_naive": 0.3, "linear": 0.1}
    together = with_weights(fitted_on_days, **weights).predict(horizon=horizon).values
    panel = fitted_on_days._prepared.panel
    expected = 0.25 * with_weights(fitted_on_days, **{MODEL: 1.0}).predict(horizon=7).values
    for name in ("ets", "seasonal_naive", "linear"):
        expected += weights[name] * baseline_ahead(fitted_on_days.fitted, panel, name, 7)
    np.testing.assert_allclose(together[:, :7], expected, rtol=1e-6)
    assert together.shape[1] == horizon


def test_every_baseline_may_be_a_member() -> None:
    names = EnsembleConfig.model_fields["simple"].annotation
    assert EnsembleConfig(simple=BASELINE_NAMES).simple == BASELINE_NAMES
    assert all(name in str(names) for name in BASELINE_NAMES)


def test_without_simple_members_the_model_forecasts_alone() -> None:
    forecaster = Forecaster(horizon=7, simple=(), **SMALL).fit(days(120), verbose=0)
    assert forecaster.fitted.weights == {MODEL: 1.0}
    assert all("context" in name for name in forecaster.fitted.members)


def test_a_week_that_repeats_is_forecast_as_well_as_by_the_best_baseline() -> None:
    """On average over six series: on one alone it is chance which baseline is best."""
    series = [days(140, seed, str(seed), noise=0.3) for seed in range(6)]
    table = pd.concat([each.head(126) for each in series])
    forecaster = Forecaster(horizon=7).fit(table, verbose=0)
    made = forecaster.predict(horizon=14).values[:, :, 0]
    actual = np.stack([each["y"].to_numpy()[126:] for each in series])
    panel = forecaster._prepared.panel
    errors = [
        np.abs(baseline_ahead(forecaster.fitted, panel, name, 14)[:, :, 0] - actual).mean()
        for name in BASELINE_NAMES
    ]
    assert np.abs(made - actual).mean() <= 1.05 * min(errors)


def test_a_short_table_is_judged_at_earlier_cutoffs_and_has_intervals(tmp_path: Path) -> None:
    """No network, no test set: scores, figures, report and forecast all the same."""
    table = days(36, noise=2.0)
    table.to_csv(tmp_path / "t.csv", index=False)
    said: list[str] = []
    folder = fit_run(
        Experiment().with_settings({"windows.horizon": 7}),
        str(tmp_path / "t.csv"),
        out=tmp_path / "run",
        voice=Voice(said.append),
    )
    text = "\n".join(said)
    assert "the scores are those of forecasts from earlier cutoffs" in text
    assert "no test set: less than two seasons" in text
    assert "no network is trained: the validation set is too short to judge a network" in text
    forecast = pd.read_csv(folder / "forecast.csv")
    assert {"ensemble", "ensemble-lo-80", "ensemble-hi-80"} <= set(forecast)
    assert (folder / "scores.json").is_file()
    assert (folder / "report.html").is_file()
    again = predict_run(folder).frame()["ensemble"]
    np.testing.assert_allclose(again, forecast["ensemble"])

    prepared = prepare(Experiment().with_settings({"windows.horizon": 7}), table)
    assert prepared.config.ensemble.seeds == 0
    assert prepared.config.evaluation.test_size == 0


def test_settings_of_the_network_are_a_reason_to_train_it() -> None:
    """A setting that does nothing would be a lie."""
    for settings in ({"model.units": 8}, {"training.epochs": 2}, {"ensemble.seeds": 1}):
        config = Experiment().with_settings({"windows.horizon": 7, **settings})
        assert prepare(config, days(36)).config.ensemble.seeds != 0
    many = pd.concat([days(36, seed, f"s{seed}") for seed in range(9)])
    config = Experiment().with_settings({"windows.horizon": 7})
    assert prepare(config, many).config.ensemble.seeds != 0


def test_weights_at_a_cutoff_come_from_the_other_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(8), 3)
    made = rng.normal(size=(3, 24, 5, 1))
    made[2] *= 0.1  # the third is good

    def errors_of(_: object, values: np.ndarray, last: np.ndarray, some: np.ndarray) -> Errors:
        return Errors(values[..., 0], some, np.zeros(len(last), int))

    monkeypatch.setattr(combine, "_errors_of", errors_of)
    names = ("theta", "ets", "drift")
    rolled = combine.Rolled(
        names, made, np.arange(24), blocks, np.array([0.5, 0.5, 0]), np.ones(3) / 3
    )
    before = combine.weights_of_others(None, rolled)
    assert (before[2] > 0.5).all()
    made[2, blocks == 4] = 1e3  # and fails in one stretch
    after = combine.weights_of_others(None, rolled)
    np.testing.assert_array_equal(after[:, blocks == 4], before[:, blocks == 4])
    assert (after[2, np.abs(blocks - 4) > 1] < 0.5).all()


def hours(num_days: int, holidays: range = range(0)) -> pd.DataFrame:
    """Hours of days with two peaks, and of weekends and holidays without them."""
    rng = np.random.default_rng(1)
    hour = np.arange(24)
    of_day = 10 + 20 * np.exp(-((hour - 8) ** 2) / 4) + 15 * np.exp(-((hour - 17) ** 2) / 8)
    of_weekend = 8 + 5 * np.exp(-((hour - 14) ** 2) / 20)
    is_free = [day % 7 >= 5 or day in holidays for day in range(num_days)]
    values = np.concatenate([of_weekend if free else of_day for free in is_free])
    stamps = pd.date_range("2024-01-01", periods=24 * num_days, freq="h")
    noise = rng.normal(0, 1, len(values))
    return pd.DataFrame({"unique_id": "a", "ds": stamps, "y": values + noise})


@pytest.mark.parametrize(
    ("table", "horizon", "stretches"),
    [
        (hours(30), 24, 28),
        (hours(30), 48, 14),
        (hours(30), 1, 28),
        (hours(60), 168, 12),
        (days(160), 7, 12),
    ],
)
def test_members_are_compared_on_four_weeks_of_days_with_hours(
    table: pd.DataFrame, horizon: int, stretches: int
) -> None:
    prepared = prepare(Experiment().with_settings({"windows.horizon": horizon}), table)
    assert combine._most_blocks(prepared) == stretches


def test_holidays_before_the_cutoff_do_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """After eleven days without work the errors of these alone would leave the usual weeks."""
    table = hours(63, holidays=range(40, 51))
    history = table.head(24 * 52)
    actual = table["y"].to_numpy()[24 * 56 : 24 * 63]  # a week from the second Monday on
    errors = []
    for most in (combine.MOST_BLOCKS, combine.ROLLED_BLOCKS):
        monkeypatch.setattr(combine, "MOST_BLOCKS", most)
        forecaster = Forecaster(horizon=24, seeds=0, linear="member").fit(history, verbose=0)
        made = [forecaster.predict(table.head(24 * day)).values[0, :, 0] for day in range(56, 63)]
        errors.append(float(np.abs(np.concatenate(made) - actual).mean()))
    assert errors[0] < 0.95 * errors[1]


def test_a_new_series_is_smoothed_by_its_own_rows(fitted_on_days: Forecaster) -> None:
    forecaster = with_weights(fitted_on_days, ets=1.0)
    table = days(90, 5, "new")
    made = forecaster.predict(table).values[0, :, 0]
    history = table["y"].to_numpy()[None, :, None]
    expected = Smoothing.fit(history, 7).predict(history, np.array([0]), 7)[0, :, 0]
    np.testing.assert_allclose(made, expected)


def test_no_calendar_is_made_that_no_member_reads(
    fitted_on_days: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = days(160, 0, "a")
    simple = with_weights(fitted_on_days, theta=0.5, ets=0.5)
    assert simple.fitted.feature_map.settings.calendar
    expected = with_weights(fitted_on_days, theta=0.5, ets=0.5, **{MODEL: 1e-300}).predict(table)

    def refuse(*_: object) -> None:
        raise AssertionError("a calendar was made")

    monkeypatch.setattr(calendar, "_columns", refuse)
    np.testing.assert_array_equal(simple.predict(table).values, expected.values)
    with pytest.raises(AssertionError, match="a calendar was made"):
        with_weights(fitted_on_days, **{MODEL: 1.0}).predict(table)


def test_a_saved_model_forecasts_the_same(fitted_on_days: Forecaster, tmp_path: Path) -> None:
    forecaster = with_weights(fitted_on_days, ets=0.4, theta=0.3, **{MODEL: 0.3})
    forecaster.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.fitted.members == forecaster.fitted.members
    table = pd.concat([days(160, 0, "a"), days(120, 1, "b")])
    np.testing.assert_array_equal(loaded.predict(table).values, forecaster.predict(table).values)


def test_rows_after_the_cutoff_change_no_window(fitted_on_days: Forecaster) -> None:
    forecaster = with_weights(fitted_on_days, ets=0.5, seasonal_median=0.3, linear=0.2)
    table = days(200, 0, "a")
    later = days(200, 0, "a")
    later.loc[190:, "y"] = 1e3
    judged = [forecaster.evaluate(each) for each in (table, later)]
    is_before = judged[0].stamps[:, 0] <= np.datetime64("2024-07-08")  # row 189
    assert is_before.sum() > 10
    made = [result.forecasts["ensemble"][is_before] for result in judged]
    np.testing.assert_array_equal(made[0], made[1])


def weeks_with_promotions(noise: float, effect: float) -> pd.DataFrame:
    """Weekly sales, a quarter of the weeks with a promotion that is known ahead."""
    rng = np.random.default_rng(3)
    promo = (rng.random(120) < 0.25).astype(float)
    sales = 100 + effect * promo + rng.normal(0, noise, 120)
    stamps = pd.date_range("2023-01-02", periods=120, freq="W-MON")
    return pd.DataFrame({"ds": stamps, "y": sales, "promo": promo})


def test_known_covariates_count_on_a_short_table() -> None:
    table = weeks_with_promotions(noise=2.0, effect=40.0)
    history = table.assign(y=table["y"].where(table.index < 112))
    settings = {"horizon": 8, "target": "y", "time": "ds", "context_length": 4}
    with_promo = Forecaster(known="promo", **settings).fit(history, verbose=0)
    without = Forecaster(**settings).fit(history[["ds", "y"]].head(112), verbose=0)
    assert with_promo.fitted.config.ensemble.seeds == 0
    assert with_promo.fitted.weights[MODEL] > 0.7
    is_promoted = table["promo"].to_numpy()[112:] > 0
    assert 0 < is_promoted.sum() < 8
    gains = []
    for each in (with_promo, without):
        made = each.predict().values[0, :, 0]
        gains.append(made[is_promoted].mean() - made[~is_promoted].mean())
    assert gains[0] == pytest.approx(40.0, abs=15.0)
    assert abs(gains[1]) < 15.0


def test_a_note_says_that_known_covariates_do_not_count(fitted_on_days: Forecaster) -> None:
    table = weeks_with_promotions(noise=2.0, effect=0.0)
    forecaster = Forecaster(horizon=8, target="y", time="ds", known="promo").fit(
        table.assign(y=table["y"].where(table.index < 112)), verbose=0
    )
    changed = with_weights(forecaster, ets=1.0)
    said = [note for note in changed.predict().notes if "does not count" in note]
    assert len(said) == 1
    assert said[0].startswith("'promo'")
    assert not [note for note in fitted_on_days.predict().notes if "does not count" in note]


def test_a_regression_at_a_cutoff_learns_from_rows_before_its_stretch() -> None:
    table = weeks_with_promotions(noise=5.0, effect=20.0)
    later = table.assign(y=table["y"].where(table.index < 100, 1e3))
    config = Experiment().with_settings(
        {"windows.horizon": 8, "windows.context_length": 4, "data.known_covariates": ["promo"]}
    )
    prepared = [prepare(config, each) for each in (table, later)]
    fitted = Forecaster(prepared[0].config).fit_prepared(prepared[0]).fitted
    made = []
    for each in prepared:
        # The scale is that of one table, since it comes from all training rows.
        features = fitted.feature_map.apply(each.panel, each.filled)
        stops = {0: np.array([61])}
        last = np.array([60, 70, 80])
        scaled = replace(each, features=features)
        made.append(roll_regression(fitted, scaled, last, np.zeros(3, int), stops))
    assert np.isfinite(made[0]).all()
    np.testing.assert_allclose(made[0], made[1])


def test_smoothing_at_a_cutoff_learns_from_rows_before_its_stretch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At each cutoff, or as a fit on the rows before each stretch, or before the earliest one."""
    table = days(120, noise=3.0)
    prepared = prepare(Experiment().with_settings({"windows.horizon": 7}), table)
    fitted = Forecaster(prepared.config).fit_prepared(prepared).fitted
    values = table["y"].to_numpy()
    last = np.array([70, 90])
    stops = {1: np.array([65]), 0: np.array([85])}
    ways = ((10**9, 0, (71, 91)), (0, 10**9, (65, 85)), (0, 0, (65, 65)))
    for at_cutoffs, before_stretches, learned in ways:
        monkeypatch.setattr(rolled_members, "CUTOFF_WORK", at_cutoffs)
        monkeypatch.setattr(rolled_members, "SMOOTHING_WORK", before_stretches)
        made = roll_smoothing(fitted, prepared, last, np.array([1, 0]), stops)
        for window, (end, stop) in enumerate(zip(last, learned, strict=True)):
            smoothing = Smoothing.fit(values[None, :stop, None], 7)
            history = values[None, : end + 1, None]
            expected = smoothing.predict(history, np.array([0]), 7)[0]
            np.testing.assert_allclose(made[window], expected)


def test_regressions_at_cutoffs_are_those_of_the_rows_before_each_stretch() -> None:
    """Sums over windows that are added up give what a fit on the windows alone gives."""
    table = pd.concat([days(200, 0, "a", noise=3.0), days(160, 1, "b", noise=3.0)])
    settings = {"windows.horizon": 7, "windows.context_length": 14}
    prepared = prepare(Experiment().with_settings(settings), table)
    fitted = Forecaster(prepared.config).fit_prepared(prepared).fitted
    first = prepared.panel.offsets[:-1]
    stops = {block: first + np.array([100, 60]) - 7 * block for block in (2, 1, 0)}
    last = np.concatenate([stop + 3 for stop in stops.values()])
    blocks = np.repeat(list(stops), 2)
    made = roll_linear(fitted, prepared, last, blocks, stops)

    rows = linear_rows(prepared)
    length = context_length_of(prepared.config)
    for block, stop in stops.items():
        windows = [
            index_windows(prepared.panel, length, 7, part=part)
            for part in (Part(first, stop), Part(stop, stop))
        ]
        ridge = RidgeWindow.fit(rows, *windows, penalty=fitted.linear.penalty)
        for window in np.flatnonzero(blocks == block):
            history = rows.targets[None, last[window] + 1 - length : last[window] + 1]
            np.testing.assert_allclose(made[window], ridge.predict(history)[0], rtol=1e-7)


@pytest.mark.parametrize(("weight", "kept"), [(0.04, 0.0), (0.06, 0.06)])
def test_a_model_of_little_weight_is_left_out(
    monkeypatch: pytest.MonkeyPatch, weight: float, kept: float
) -> None:
    def earned(*_: object, **__: object) -> tuple[np.ndarray, float]:
        return np.array([0.7 - weight, 0.3, weight]), 1.0

    monkeypatch.setattr(combine, "earned_weights", earned)
    found = combine._beside_simple(Errors(np.zeros((3, 1, 1)), np.zeros(1, int), np.zeros(1, int)))
    assert found[-1] == kept
    assert found.sum() == pytest.approx(1.0)


def test_the_rows_held_back_for_the_score_count_for_the_last_weights() -> None:
    """A week that is gone from the newest rows on: a member that forecasts it loses its weight."""
    table = days(240, 0, "a")
    newest = table["ds"] >= table["ds"].max() - pd.Timedelta(days=42)
    noise = np.random.default_rng(0).normal(0, 0.3, len(table))
    table["y"] = np.where(newest, table["y"].mean() + noise, table["y"])
    forecaster = Forecaster(horizon=7, seeds=0, linear="member").fit(table, verbose=0)
    prepared = prepare(forecaster.config, table)
    assert prepared.split.test.first[0] <= np.flatnonzero(newest)[0]
    of_rows_before = combine.roll_simple(forecaster.fitted, prepared)
    assert of_rows_before is not None
    before = dict(zip(of_rows_before.names, of_rows_before.weights, strict=True))
    after = forecaster.fitted.weights
    assert after.get("window_mean", 0.0) > before["window_mean"]
