"""Trained once more on all rows: with what was chosen before, judged before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from training.test_ensemble import experiment, waves

from forecast.baselines import ridge as baselines
from forecast.errors import DataError
from forecast.experiment.file import experiment_from
from forecast.experiment.prepare import prepare, with_all_rows
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.run import fit_run
from forecast.runs.use import predict_run
from forecast.training import train
from forecast.training.ensemble import build_ensemble
from forecast.training.linear_members import fit_linear_member
from forecast.training.voice import Voice


def refitted(**ensemble: Any) -> Experiment:
    config = experiment(**ensemble)
    return config.model_copy(
        update={"training": config.training.model_copy(update={"refit": True})}
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the fit of `after` left its state."""
    return tmp_path_factory.mktemp("refit") / "state"


@pytest.fixture(scope="module")
def after(checkpoint: Path) -> Forecaster:
    """The refitted model, to be read and not fitted again."""
    return Forecaster(refitted()).fit(waves(), checkpoint=checkpoint)


def test_every_row_is_learned_from_and_none_is_held_back() -> None:
    whole = with_all_rows(prepare(refitted(), waves()))
    assert len(whole.training) == 2 * (260 - 12 - 4 + 1)
    assert len(whole.validation) == len(whole.test) == 0
    for place, values in enumerate(waves().groupby("unique_id")["y"]):
        own = whole.features.target[whole.panel.offsets[place] : whole.panel.offsets[place + 1], 0]
        expected = (values[1] - values[1].mean()) / values[1].std(ddof=0)
        np.testing.assert_allclose(own, expected, atol=1e-5)


@pytest.mark.proof
def test_members_go_on_for_a_quarter_of_the_epochs_with_the_penalties_that_were_chosen() -> None:
    """Put together by hand from the parts of the package: same members, same numbers."""
    config, table = refitted(linear="residual"), waves()
    chosen, found = (
        Forecaster(experiment(linear="residual")).fit(table).fitted,
        Forecaster(config).fit(table).fitted,
    )
    assert found.training.weights == chosen.training.weights
    assert found.history.val_loss == chosen.history.val_loss
    prepared = prepare(config, table)
    whole = with_all_rows(prepared)
    shape = whole.features.shape(12, 4)
    before, after = build_ensemble(config, shape), build_ensemble(config, shape)
    penalties = [fit_linear_member(prepared, one) for one in before.members[2:]]
    epochs = [
        train(one.model, prepared.training, prepared.validation, config.training).best_epoch
        for one in before.members[:2]
    ]
    after.model.set_weights(before.model.get_weights())
    for other, penalty in zip(after.members[2:], penalties, strict=True):
        fit_linear_member(whole, other, penalty)
    for other, best in zip(after.members[:2], epochs, strict=True):
        if not chosen.training.weights[other.name]:
            continue  # it would be trained for nothing
        changes = {"epochs": -(-best // 4), "patience": None}
        train(other.model, whole.training, None, config.training.model_copy(update=changes))
    after.set_weights(list(chosen.training.weights.values()))
    for one, other in zip(after.model.get_weights(), found.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_judgement_is_that_of_the_model_that_had_not_seen_the_test_rows(
    after: Forecaster,
) -> None:
    table = waves()
    before = Forecaster(experiment()).fit(table)
    for name, forecasts in before.evaluate().forecasts.items():
        np.testing.assert_array_equal(after.evaluate().forecasts[name], forecasts)
    assert not np.array_equal(after.predict().values, before.predict().values)
    with pytest.raises(DataError, match="training has seen every row of the table"):
        after.evaluate(table)
    newer = waves(300)
    assert len(after.evaluate(newer).actual) == 2 * (40 - 4 + 1)


def test_a_refitted_model_is_saved_and_loaded(
    after: Forecaster, checkpoint: Path, tmp_path: Path
) -> None:
    table = waves()
    after.save(tmp_path / "model")
    np.testing.assert_array_equal(
        Forecaster.load(tmp_path / "model").predict(table).values, after.predict().values
    )
    again = Forecaster(refitted()).fit(table, checkpoint=checkpoint, resume=True)
    np.testing.assert_array_equal(again.predict().values, after.predict().values)


def months(draw: np.random.Generator) -> pd.DataFrame:
    """Three years of months around 85, 25 more in December: one window to learn from, 13 when all
    rows are in."""
    month = np.arange(36)
    values = (
        85
        + 0.1 * month
        + 25.0 * (month % 12 == 11)
        + 5 * np.sin(np.pi * month / 6)
        + 4 * draw.normal(size=36)
    )
    stamps = pd.date_range("2015-01-01", periods=36, freq="MS")
    return pd.DataFrame({"unique_id": "a", "ds": stamps, "y": values})


CHOSEN_BY_ITSELF = experiment_from(
    {
        "windows": {"horizon": 12},
        "model": {"units": 4},
        "training": {"epochs": 1},
        "ensemble": {"seeds": 1, "simple": []},
    }
)
"""With a network that costs little; in a blend of so few windows the linear map weighs all."""


def test_a_short_series_is_forecast_near_its_history() -> None:
    """36 months: the penalty chosen on one window, 1e-5, is not taken over by a fit on 13 with 36
    unknowns."""
    table = months(np.random.default_rng(2))
    forecaster = Forecaster(CHOSEN_BY_ITSELF).fit(table)
    assert forecaster.fitted.training.weights["linear, context 12"] == 1.0
    made = forecaster.predict()
    season = table["y"].to_numpy().reshape(3, 12)
    spread = season.max() - season.min()
    assert made.values.min() > season.min() - 0.2 * spread
    assert made.values.max() < season.max() + 0.2 * spread
    error = np.abs(made.values[0, :, 0] - season.mean(axis=0)).mean()
    assert error < 2 * np.abs(season[2] - season.mean(axis=0)).mean()
    assert made.notes == ()


def test_a_forecast_that_leaves_its_history_is_named_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the guard the same months are forecast as 3: `fit`, which writes the forecast, and
    `predict` say so."""
    monkeypatch.setattr(baselines, "LEAST_PENALTY_OF_FEW", 0.0)
    months(np.random.default_rng(2)).to_csv(tmp_path / "months.csv", index=False)
    said: list[str] = []
    folder = fit_run(
        CHOSEN_BY_ITSELF,
        str(tmp_path / "months.csv"),
        out=tmp_path / "run",
        voice=Voice(said.append),
    )
    expected = "the forecast of 1 of 1 series leaves the range of its history by more than"
    assert [line for line in said if line.startswith(f"note: {expected}")]
    notes = predict_run(folder).notes
    assert notes[0].startswith(expected)
    assert pd.read_csv(folder / "forecast.csv")["ensemble"].min() < 30


@pytest.mark.slow
def test_three_years_of_retail_turnover_are_forecast_better_than_by_the_last_one(
    shared_data: Path,
) -> None:
    """A real series between 75 and 110 that was forecast as 42 in one month and as 138 in
    another."""
    path = shared_data.parent / "cases" / "everyday" / "retail36_alone.parquet"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the real data")
    table = pd.read_parquet(path).query("unique_id == 'A3349508C'")
    learned, later = np.split(table["y"].to_numpy(), [36])
    made = Forecaster(CHOSEN_BY_ITSELF).fit(table.head(36)).predict()
    forecast = made.values[0, :, 0]
    assert made.notes == ()
    assert np.abs(forecast - later).mean() < np.abs(learned[-12:] - later).mean()
    assert forecast.min() > learned.min() - 10
    assert forecast.max() < learned.max() + 10
