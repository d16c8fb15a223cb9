"""The forecaster as a user meets it: properties of forecasts, saved models, and answers to bad
input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.baselines.moments import RidgeRows
from forecast.baselines.ridge import RidgeWindow
from forecast.errors import ArtifactError, ConfigError, DataError, NotFittedError
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import (
    DataConfig,
    EvaluationConfig,
    Experiment,
    TrainingConfig,
    TransformConfig,
    TransformsConfig,
    WindowsConfig,
)
from forecast.forecasting import forecast_steps
from forecast.forecasting import predict as prediction
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.judge import unseen_part
from forecast.models.bigru import BiGRUConfig

HOURS = 120


def hourly(*series: np.ndarray, names: str = "abcdefgh") -> pd.DataFrame:
    """A long table with one series per array."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "unique_id": name,
                    "ds": pd.date_range("2024-03-01", periods=len(values), freq="h"),
                    "y": values,
                }
            )
            for name, values in zip(names, series, strict=False)
        ],
        ignore_index=True,
    )


def wave(seed: int = 0, length: int = HOURS) -> np.ndarray:
    """A daily wave with noise."""
    draw = np.random.default_rng(seed)
    return np.sin(2 * np.pi * np.arange(length) / 24) + 0.1 * draw.normal(size=length)


def experiment(**changes: object) -> Experiment:
    """A small model on small windows; keyword arguments replace sections."""
    sections: dict[str, object] = {
        "windows": WindowsConfig(context_length=12, horizon=4),
        "model": BiGRUConfig(units=6, bidirectional=False, decoder="direct"),
        "training": TrainingConfig(epochs=2, batch_size=16, learning_rate=0.01, seed=3),
        "evaluation": EvaluationConfig(validation_size=12, test_size=20),
    }
    return Experiment(**{**sections, **changes})


@pytest.fixture(scope="module")
def plain() -> tuple[Forecaster, pd.DataFrame]:
    """A forecaster fitted on three series, and its table."""
    table = hourly(wave(0), 5 + 2 * wave(1), wave(2, 100))
    return Forecaster(experiment()).fit(table), table


def test_forecasts_follow_the_last_stamp_of_each_series(plain):
    forecaster, table = plain
    frame = forecaster.predict().frame()
    assert list(frame.columns) == ["unique_id", "ds", "cutoff", "bigru"]
    for name, one in frame.groupby("unique_id"):
        last = table.loc[table["unique_id"] == name, "ds"].max()
        assert (one["cutoff"] == last).all()
        assert one["ds"].tolist() == [last + pd.Timedelta(hours=step) for step in range(1, 5)]


def test_the_linear_baseline_counts_every_series_by_its_deviation():
    """It is the ridge of series that pandas has divided by their deviation over the training
    rows."""
    table = hourly(1e3 * np.sin(np.arange(HOURS) / 30), wave(1))
    forecaster = Forecaster(experiment()).fit(table)
    prepared = prepare(experiment(), table)
    train, targets = prepared.split.train, prepared.panel.targets.copy()
    for first, last, end in zip(train.first, train.last, prepared.panel.offsets[1:], strict=True):
        targets[first:end] /= pd.Series(targets[first:last, 0]).std(ddof=0)
    ridge = RidgeWindow.fit(
        RidgeRows(targets, np.ones((2, 1)), positions=prepared.panel.positions),
        prepared.training.index,
        prepared.validation.index,
    )
    assert forecaster.fitted.linear.penalty == ridge.penalty
    np.testing.assert_allclose(
        forecaster.fitted.linear.weights, ridge.weights, rtol=1e-8, atol=1e-10
    )


def test_the_same_rows_give_the_same_bits_from_the_table_the_file_and_the_saved_model(
    plain, tmp_path
):
    forecaster, table = plain
    expected = forecaster.predict().values
    table.sample(frac=1, random_state=1).to_csv(tmp_path / "rows.csv", index=False)
    forecaster.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    for one in (
        forecaster.predict(table),
        forecaster.predict(tmp_path / "rows.csv"),
        loaded.predict(table),
    ):
        assert one.values.tobytes() == expected.tobytes()
    assert loaded.config == forecaster.fitted.config


def test_series_order_and_batch_size_do_not_matter(plain, monkeypatch):
    forecaster, table = plain
    expected = forecaster.predict()
    turned = pd.concat([table[table["unique_id"] == name] for name in "cab"])
    renamed = turned.assign(unique_id=turned["unique_id"].map({"c": "1c", "a": "2a", "b": "3b"}))
    assert forecaster.predict(turned).values.tobytes() == expected.values.tobytes()
    alone = [forecaster.predict(table[table["unique_id"] == name]).values[0] for name in "abc"]
    assert np.stack(alone).tobytes() == expected.values.tobytes()
    monkeypatch.setattr(prediction, "WINDOWS_AT_ONCE", 2)
    assert forecaster.predict(table).values.tobytes() == expected.values.tobytes()
    assert len(forecaster.predict(renamed).series_ids) == 3


ONE_EPOCH = TrainingConfig(epochs=1, batch_size=16, seed=3)
EXACT_WAVE = np.round(wave(0) * 2**10) / 2**10
"""A wave that keeps its digits beside 1e9."""


@pytest.fixture(scope="module")
def forecast_of_wave() -> np.ndarray:
    """What a model trained on `EXACT_WAVE` forecasts."""
    return Forecaster(experiment(training=ONE_EPOCH)).fit(hourly(EXACT_WAVE)).predict().values


@pytest.mark.parametrize(
    ("factor", "offset"),
    [pytest.param(4.0, 0.0, marks=pytest.mark.proof), (0.001, 7.0), (1.0, 1e9)],
)
def test_forecasts_move_with_the_unit_of_the_data(factor, offset, forecast_of_wave):
    """forecast(a y + b) = a forecast(y) + b; with an offset of 1e9 to a millionth of the
    amplitude."""
    forecaster = Forecaster(experiment(training=ONE_EPOCH)).fit(
        hourly(factor * EXACT_WAVE + offset)
    )
    moved = forecaster.predict().values
    np.testing.assert_allclose((moved - offset) / factor, forecast_of_wave, atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    "name",
    [
        "standard",
        pytest.param("min_max", marks=pytest.mark.proof),
        pytest.param("robust", marks=pytest.mark.proof),
        pytest.param("mean_abs", marks=pytest.mark.proof),
    ],
)
def test_a_series_that_never_changes_is_forecast_exactly(name):
    config = experiment(transforms=TransformsConfig(target=(TransformConfig(name=name),)))
    constants = [0.0, 42.1, -1e-30]
    forecaster = Forecaster(config).fit(
        hourly(wave(), *(np.full(HOURS, value) for value in constants))
    )
    values, result = forecaster.predict().values, forecaster.evaluate()
    for series, value in enumerate(constants, start=1):
        assert (values[series] == value).all()
        assert (result.forecasts["bigru"][result.series == series] == value).all()


def test_a_series_that_starts_to_move_after_training_goes_on_from_its_last_value():
    forecaster = Forecaster(experiment()).fit(hourly(wave(), np.full(HOURS, 42.0)))
    moved = hourly(wave(), np.append(np.full(HOURS - 1, 42.0), 43.0))
    forecast = forecaster.predict(moved)
    assert (forecast.values[1] == 43.0).all()
    assert "1 series lie far outside the training data (first 'b')" in forecast.notes[0]


def test_a_shorter_horizon_is_the_beginning_of_the_longer_one(plain):
    forecaster, _ = plain
    assert (
        forecaster.predict(horizon=2).values.tobytes()
        == forecaster.predict().values[:, :2].tobytes()
    )


def test_a_longer_horizon_feeds_forecasts_back(plain):
    forecaster, table = plain
    first = forecaster.predict()
    longer = forecaster.predict(horizon=7)
    np.testing.assert_array_equal(longer.values[:, :4], first.values)
    fed = pd.concat([table, first.frame().rename(columns={"bigru": "y"})[["unique_id", "ds", "y"]]])
    np.testing.assert_allclose(
        forecaster.predict(fed).values[:, :3], longer.values[:, 4:], rtol=1e-12
    )


def test_known_covariates_reach_the_forecast_step_by_step():
    table = hourly(wave()).assign(load=np.arange(HOURS) % 5.0)
    config = experiment(
        data=DataConfig(known_covariates=("load",)), model=BiGRUConfig(units=6)
    )  # its recurrent decoder
    forecaster = Forecaster(config).fit(table)
    known = forecaster.make_future_frame().assign(load=1.0)
    base = forecaster.predict(known=known).values
    changed = known.copy()
    changed.loc[2, "load"] = 30.0
    difference = forecaster.predict(known=changed).values != base
    assert difference[0, :, 0].tolist() == [False, False, True, True], (
        "a step may not look at later ones"
    )
    assert len(forecaster.make_future_frame(horizon=9)) == 9
    with pytest.raises(DataError, match="are missing in 5 of 9 rows"):
        forecaster.predict(known=known, horizon=9)


def test_quantiles_are_ordered_and_the_point_is_the_median():
    config = experiment(
        training=TrainingConfig(epochs=2, loss="quantile", quantile_levels=(0.05, 0.5, 0.8, 0.95))
    )
    forecast = Forecaster(config).fit(hourly(wave(), wave(1))).predict(horizon=6)
    assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()
    np.testing.assert_array_equal(forecast.quantiles[..., 1], forecast.values)
    assert {"bigru-lo-90", "bigru-hi-60", "bigru-hi-90", "bigru-median"} <= set(
        forecast.frame().columns
    )


def test_several_targets_and_a_series_embedding(tmp_path):
    table = hourly(wave(0), wave(1)).assign(z=np.arange(2 * HOURS) * 1.0)
    data = DataConfig(
        target_cols=("y", "z"), static_covariates=("unique_id",), categorical=("unique_id",)
    )
    forecaster = Forecaster(experiment(data=data)).fit(table)
    forecast = forecaster.predict()
    assert forecast.values.shape == (2, 4, 2)
    assert {"bigru-y", "bigru-z"} <= set(forecast.frame().columns)
    same = table.assign(unique_id=table["unique_id"].map({"a": "a", "b": "a2"}))
    with pytest.raises(
        DataError,
        match=r"1 series was not seen in training: 'a2'; this model",
    ):
        forecaster.predict(same)
    forecaster.save(tmp_path / "model")
    assert (
        Forecaster.load(tmp_path / "model").predict(table).values.tobytes()
        == forecast.values.tobytes()
    )


def test_an_unseen_series_gets_a_scale_of_its_own(plain):
    forecaster, table = plain
    known = forecaster.predict().values[0]
    moved = table[table["unique_id"] == "a"].assign(unique_id="new")
    moved["y"] = 1000 + 50 * moved["y"]
    forecast = forecaster.predict(moved).values[0]
    assert np.abs((forecast - 1000) / 50 - known).max() < 0.2


@pytest.mark.parametrize(
    ("missing", "gaps"),
    [
        ("forward_fill", "skip"),
        pytest.param("interpolate", "fill", marks=pytest.mark.proof),
        pytest.param("zero", "fill", marks=pytest.mark.proof),
        ("mask", "fill"),
    ],
)
def test_holes_and_gaps_are_survived(missing, gaps):
    values = wave()
    values[[30, 31, 60]] = np.nan
    table = hourly(values, wave(1)).drop(index=[45, 46, 47])
    config = experiment(data=DataConfig(missing=missing, gaps=gaps))
    forecaster = Forecaster(config).fit(table)
    assert np.isfinite(forecaster.predict().values).all()
    assert np.isfinite(forecaster.evaluate().forecasts["bigru"]).all()


@pytest.mark.parametrize("missing", ["interpolate", "mask"])
def test_only_the_end_of_a_series_is_looked_at(missing, monkeypatch):
    values = wave()
    values[[96, 97, 104, 110, 119]] = (
        np.nan
    )  # the context of 12 and the differences begin at row 104
    target = (TransformConfig(name="difference", lag=4), TransformConfig(name="standard"))
    config = experiment(
        data=DataConfig(missing=missing), transforms=TransformsConfig(target=target)
    )
    forecaster = Forecaster(config).fit(hourly(values, wave(1)))
    short = forecaster.predict(horizon=6).values
    monkeypatch.setattr(forecast_steps, "last_rows", lambda panel, _: panel)
    assert forecaster.predict(horizon=6).values.tobytes() == short.tobytes()


def test_differences_and_logarithms_are_undone():
    positive = np.exp(wave(0)) + np.arange(HOURS) * 0.1
    maps = tuple(
        TransformConfig(**one) for one in ({"name": "log1p"}, {"name": "difference", "lag": 24})
    )
    config = experiment(transforms=TransformsConfig(target=maps))
    forecaster = Forecaster(config).fit(hourly(positive))
    forecast = forecaster.predict().values[0, :, 0]
    season_ago = positive[-24:-20]
    change = np.log1p(forecast) - np.log1p(season_ago)
    assert np.abs(change).max() < 1.0, "a seasonal difference of logarithms stays near last season"


def test_judged_rows_were_never_seen(plain):
    forecaster, table = plain
    result = forecaster.evaluate()
    for series, name in enumerate("abc"):
        one = table[table["unique_id"] == name]["ds"]
        end = table["ds"].max() - pd.Timedelta(hours=20)
        judged = result.stamps[result.series == series]
        assert (pd.DatetimeIndex(judged.ravel()) > end).all()
        assert len(judged) == max(0, (one > end).sum() - 4 + 1)
    newer = hourly(
        wave(0, HOURS + 30), 5 + 2 * wave(1, HOURS + 30), wave(2, HOURS + 30), wave(9, HOURS)
    )
    result = forecaster.evaluate(newer)
    counts = np.bincount(result.series, minlength=4).tolist()
    assert counts == [47, 47, 47, HOURS - 12 - 4 + 1], (
        "all rows after training; all of a series it never saw"
    )
    cutoff = table["ds"].max() - pd.Timedelta(hours=25)
    with pytest.raises(DataError, match="training has seen every row of the table"):
        forecaster.evaluate(table[table["ds"] <= cutoff])


def test_scores_agree_with_a_loop_over_the_frame(plain):
    result = plain[0].evaluate()
    frame, scores = result.frame(), result.scores()
    for alias in ("bigru", "linear", "seasonal_naive"):
        error = (frame[alias] - frame["y"]).abs()
        assert scores.values[alias]["MAE"] == pytest.approx(error.mean(), rel=1e-12)
        assert scores.values[alias]["MSE"] == pytest.approx((error**2).mean(), rel=1e-12)
    lagged = frame.merge(
        plain[1].assign(ds=plain[1]["ds"] + pd.Timedelta(hours=24))[["unique_id", "ds", "y"]],
        on=["unique_id", "ds"],
        suffixes=("", "_season"),
    )
    np.testing.assert_array_equal(lagged["seasonal_naive"], lagged["y_season"])


class TestBadInput:
    """What predict says to a history it cannot use."""

    def test_before_fit(self):
        with pytest.raises(NotFittedError, match="call fit"):
            Forecaster().predict()

    def test_too_few_rows(self, plain):
        forecaster, table = plain
        with pytest.raises(
            DataError,
            match=r"1 series cannot be forecast: 'a' \(5 rows\); each needs its last 12 rows",
        ):
            forecaster.predict(table[table["unique_id"] == "a"].tail(5))

    @pytest.mark.parametrize(
        ("row", "value"), [(HOURS - 2, np.nan), (HOURS - 1, np.inf), (HOURS - 1, -np.inf)]
    )
    def test_unusable_context(self, plain, row, value):
        forecaster, table = plain
        broken = table.copy()
        broken.loc[row, "y"] = value
        with pytest.raises(DataError, match="series 'a'"):
            forecaster.predict(broken)

    def test_other_frequency(self, plain):
        forecaster, _ = plain
        daily = pd.DataFrame(
            {"unique_id": "a", "ds": pd.date_range("2024-01-01", periods=40), "y": np.arange(40.0)}
        )
        with pytest.raises(DataError, match="'h'"):
            forecaster.predict(daily)

    @pytest.mark.parametrize("horizon", [0, -1])
    def test_no_horizon(self, plain, horizon):
        with pytest.raises(ConfigError, match=f"horizon is {horizon}"):
            plain[0].predict(horizon=horizon)

    def test_horizon_beyond_past_covariates(self):
        table = hourly(wave()).assign(wind=wave(1))
        forecaster = Forecaster(experiment(data=DataConfig(past_covariates=("wind",)))).fit(table)
        with pytest.raises(ConfigError, match=r"past covariates \(wind\)"):
            forecaster.predict(horizon=5)

    def test_drift_is_reported(self, plain):
        forecaster, table = plain
        usual = forecaster.predict().notes
        assert len(usual) == 1
        assert "1 of 3 series ends before" in usual[0]
        notes = forecaster.predict(table.assign(y=table["y"] * 1e6)).notes
        assert notes[:1] == usual
        assert len(notes) == 2
        assert "3 series lie far outside the training data (first 'a', 'b', 'c')" in notes[1]

    def test_loaded_models_keep_no_data(self, plain, tmp_path):
        plain[0].save(tmp_path / "model")
        with pytest.raises(ConfigError, match="pass the table"):
            Forecaster.load(tmp_path / "model").predict()

    def test_weights_of_another_model(self, plain, tmp_path):
        from forecast.forecasting import artifact

        plain[0].save(tmp_path / "model")
        stored = artifact.load_artifact(tmp_path / "model")
        first = next(iter(stored.weights))
        stored.weights[first] = stored.weights[first] + 1.0
        artifact.save_artifact(tmp_path / "model", stored)
        with pytest.raises(ArtifactError, match="differs from the stored one by"):
            Forecaster.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("purge", "freq", "tz"),
    [
        pytest.param(0, "h", None, marks=pytest.mark.proof),
        pytest.param(5, "MS", None, marks=pytest.mark.proof),
        (3, "D", "Europe/Berlin"),
    ],
)
def test_rows_of_the_training_table_that_were_not_seen_are_its_test_part(purge, freq, tz):
    stamps = pd.date_range("2000-01-01", periods=HOURS, freq=freq, tz=tz)
    table = pd.DataFrame({"ds": stamps, "y": wave()})
    sizes = EvaluationConfig(validation_size=12, test_size=20, purge=purge)
    prepared = prepare(experiment(evaluation=sizes), table)
    forecaster = Forecaster(experiment(evaluation=sizes)).fit(table)
    part = unseen_part(forecaster.fitted, prepared.panel)
    assert part.first.tolist() == prepared.split.test.first.tolist() == [HOURS - 20]


def test_a_forecaster_shows_in_one_line_what_it_is() -> None:
    config = Experiment(name="sales", model=BiGRUConfig(), windows=WindowsConfig(horizon=7))
    forecaster = Forecaster(config)
    assert repr(forecaster) == "Forecaster('sales', model='bigru', horizon=7, not fitted)"
