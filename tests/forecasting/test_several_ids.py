"""Series that several columns name, from a fit to every table that it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.data.names import name_of
from forecast.errors import DataError
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.report.plots import plot_forecasts
from forecast.runs.pictures import report_run
from forecast.runs.records import write_result
from forecast.runs.stored import read_result
from forecast.scores.breakdown import scores_by
from forecast.scores.forecast import Forecast

KEYS = [(2, "01"), (2, "1/x"), (10, "01"), (10, "a, b"), (1, "Ü\nz")]
DAYS, HORIZON = 40, 4
CONFIG = Experiment.model_validate(
    {
        "model": {"name": "bigru", "bidirectional": False, "decoder": "direct", "units": [4]},
        "windows": {"context_length": 8, "horizon": HORIZON},
        "training": {"epochs": 1, "seed": 3},
        "evaluation": {"validation_size": 4, "test_size": 12},
        "data": {"id_col": ["store", "item"], "known_covariates": ["promo"]},
    }
)


def history() -> pd.DataFrame:
    draw = np.random.default_rng(2)
    frames = []
    for place, (store, item) in enumerate(KEYS):
        step = np.arange(DAYS)
        days = pd.date_range("2024-01-01", periods=DAYS)
        frame = pd.DataFrame({"store": store, "item": item, "ds": days})
        frame["promo"] = step % 4 == place
        frame["y"] = 10 * place + np.sin(step) + draw.normal(0, 0.1, DAYS)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def joined(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with one id column, whose names sort as the pairs do."""
    ids = frame["store"].map("{:02}".format) + "|" + frame["item"]
    return frame.drop(columns=["store", "item"]).assign(unique_id=ids)


@pytest.fixture(scope="module", name="fitted")
def _fitted() -> Forecaster:
    return Forecaster(CONFIG).fit(history())


@pytest.fixture(scope="module", name="forecast")
def _forecast(fitted: Forecaster) -> Forecast:
    return fitted.predict(known=fitted.make_future_frame().assign(promo=True))


def test_the_forecast_is_that_of_one_column_with_both_values(forecast: Forecast) -> None:
    one = Forecaster(CONFIG.with_settings({"data.id_col": "unique_id"})).fit(joined(history()))
    expected = one.predict(known=one.make_future_frame().assign(promo=True))
    np.testing.assert_array_equal(forecast.values, expected.values)
    assert joined(forecast.frame())["unique_id"].tolist() == expected.frame()["unique_id"].tolist()


def test_tables_have_both_columns_with_their_types(fitted: Forecaster, forecast: Forecast) -> None:
    table = history()
    for frame, first in (
        (forecast.frame(), ["store", "item", "ds", "cutoff"]),
        (fitted.make_future_frame().infer_objects(), ["store", "item", "ds", "promo"]),
        (fitted.evaluate().frame(), ["store", "item", "ds", "cutoff"]),
        (scores_by(fitted.evaluate(), "series"), ["store", "item", "model", "windows"]),
    ):
        assert list(frame)[:4] == first
        assert frame.dtypes[:2].tolist() == table.dtypes[:2].tolist()
        together = frame.merge(table[["store", "item"]].drop_duplicates(), how="left")
        assert len(together) == len(frame)
        assert set(zip(frame["store"], frame["item"], strict=True)) == set(KEYS)


def test_a_forecast_comes_back_from_its_table(forecast: Forecast) -> None:
    back = Forecast.from_frame(
        forecast.frame(), forecast.alias, columns=forecast.columns, freq=forecast.freq
    )
    assert back.series_ids.tolist() == forecast.series_ids.tolist()
    np.testing.assert_array_equal(back.values, forecast.values)


def test_scores_of_each_series_are_those_of_its_rows(fitted: Forecaster) -> None:
    result = fitted.evaluate()
    frame = result.frame()
    error = (frame[result.alias] - frame["y"]).abs()
    expected = error.groupby([frame["store"], frame["item"]]).mean()
    scores = scores_by(result, "series")
    own = scores[scores["model"] == result.alias].set_index(["store", "item"])["MAE"]
    pd.testing.assert_series_equal(own.sort_index(), expected.sort_index(), check_names=False)


def test_a_saved_model_forecasts_the_same(
    fitted: Forecaster, forecast: Forecast, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.fitted.series.ids.tolist() == fitted.fitted.series.ids.tolist()
    known = fitted.make_future_frame().assign(promo=True)
    for table in (history(), history().astype({"store": str})[::-1]):
        again = loaded.predict(table, known=known)
        assert again.notes == forecast.notes
        names = [name_of(series_id) for series_id in fitted._history(None).series_ids]
        order = [names.index(name_of(series_id)) for series_id in again.series_ids]
        np.testing.assert_array_equal(again.values, forecast.values[order])


def test_new_pairs_of_known_values_are_new_series(fitted: Forecaster) -> None:
    table = history().query("store == 2 and item == '01'").assign(item="a, b")
    known = fitted.make_future_frame(table).assign(promo=False)
    notes = fitted.predict(table, known=known).notes
    assert "1 series was not seen in training: '2,\"a, b\"'" in notes[0]


def test_an_evaluation_is_stored_and_drawn(fitted: Forecaster, tmp_path: Path) -> None:
    result = fitted.evaluate()
    write_result(tmp_path, result, history())
    back = read_result(tmp_path)
    assert back is not None
    assert back.series_ids.tolist() == result.series_ids.tolist()
    assert back.frame().equals(result.frame())

    windows = result.examples(9)
    figure = plot_forecasts(result.forecast(result.alias, windows), history())
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert any("2,01" in title for title in titles)
    drawn = figure.axes[0].get_lines()[0].get_ydata()
    assert np.isfinite(np.asarray(drawn, float)).all()


def test_an_id_column_may_be_learned() -> None:
    settings = {"data.static_covariates": ["store"], "data.categorical": ["store"]}
    learned = Forecaster(CONFIG.with_settings(settings)).fit(history())
    table = history().query("store == 2 and item == '01'").assign(item="new")
    known = learned.make_future_frame(table).assign(promo=False)
    assert np.isfinite(learned.predict(table, known=known).values).all()
    with pytest.raises(DataError, match="without 'store' among the static covariates"):
        learned.predict(table.assign(store=3), known=known.assign(store=3))


def test_a_column_with_a_comma_is_one_column_after_loading(tmp_path: Path) -> None:
    table = history().query("store == 2").rename(columns={"item": "item, no"})
    config = CONFIG.with_settings({"data.id_col": "item, no"})
    Forecaster(config).fit(table).save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.fitted.feature_map.columns.id_cols == ("item, no",)
    frame = loaded.make_future_frame(table)
    assert list(frame) == ["item, no", "ds", "promo"]


@pytest.mark.proof
def test_the_command_line_from_the_table_to_the_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    history().to_csv("sales.csv", index=False)
    small = ["--set", "model.name=bigru", "--set", "model.units=4", "--set", "training.epochs=1"]
    small += ["--set", "data.known_covariates=[promo]", "--horizon", "4"]
    assert main(["leak-check", "sales.csv", "--id", "store,item", *small]) == 0
    assert main(["fit", "sales.csv", "--id", "store,item", "--out", "run", *small]) == 0
    assert main(["predict", "run", "--template", "known.csv"]) == 0
    assert main(["predict", "run", "--template", "known.csv"]) == 0
    pd.read_csv("known.csv").assign(promo=True).to_csv("filled.csv", index=False)
    predict = ["predict", "run", "--known", "filled.csv", "--output", "forecast.csv"]
    assert main(predict) == 0
    assert main(predict) == 0, "its own forecast is replaced"
    table = pd.read_csv("forecast.csv", dtype={"item": str})
    assert list(table)[:4] == ["store", "item", "ds", "cutoff"]
    assert set(zip(table["store"], table["item"], strict=True)) == set(KEYS)
    observed = pd.read_parquet("run/observed.parquet")
    assert list(observed)[:2] == ["store", "item"]
    page = report_run("run").read_text(encoding="utf-8")
    assert "10,01" in page
    backtest = ["--num-windows", "2", "--models", "seasonal_naive,drift", "--out", "backtest"]
    assert main(["backtest", "sales.csv", "--id", "store,item", *small, *backtest]) == 0
    assert list(pd.read_parquet("backtest/forecasts.parquet"))[:2] == ["store", "item"]
    capsys.readouterr()
