"""Trained once more on all rows: with what was chosen before, judged before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_ensemble import experiment, waves

from forecast.config import Experiment
from forecast.ensemble import build_ensemble
from forecast.errors import DataError
from forecast.fitting import fit_linear_member
from forecast.forecaster import Forecaster
from forecast.preparation import prepare, with_all_rows
from forecast.training import train


def refitted(**ensemble: Any) -> Experiment:
    config = experiment(**ensemble)
    return config.model_copy(update={"training": config.training.model_copy(update={"refit": True})})


def test_every_row_is_learned_from_and_none_is_held_back() -> None:
    whole = with_all_rows(prepare(refitted(), waves()))
    assert len(whole.training) == 2 * (260 - 12 - 4 + 1)
    assert len(whole.validation) == len(whole.test) == 0
    for place, values in enumerate(waves().groupby("unique_id")["y"]):
        own = whole.features.target[whole.panel.offsets[place] : whole.panel.offsets[place + 1], 0]
        expected = (values[1] - values[1].mean()) / values[1].std(ddof=0)
        np.testing.assert_allclose(own, expected, atol=1e-5)


def test_members_are_trained_anew_for_the_epochs_and_penalties_that_were_chosen() -> None:
    """Put together by hand from the parts of the package: same members, same numbers."""
    config, table = refitted(linear="residual"), waves()
    chosen, found = Forecaster(experiment(linear="residual")).fit(table).fitted, Forecaster(config).fit(table).fitted
    assert found.shares == chosen.shares
    assert found.history.val_loss == chosen.history.val_loss
    prepared = prepare(config, table)
    whole = with_all_rows(prepared)
    shape = whole.features.shape(12, 4)
    before, after = build_ensemble(config, shape), build_ensemble(config, shape)
    for one, other in zip(before.members[2:], after.members[2:], strict=True):
        fit_linear_member(whole, other, fit_linear_member(prepared, one))
    for one, other in zip(before.members[:2], after.members[:2], strict=True):
        if not chosen.shares[one.name]:
            continue  # it would be trained for nothing
        epochs = train(one.model, prepared.training, prepared.validation, config.training).best_epoch
        changes = {"epochs": epochs, "patience": None}
        train(other.model, whole.training, None, config.training.model_copy(update=changes))
    after.weigh(list(chosen.shares.values()))
    for one, other in zip(after.model.get_weights(), found.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_judgement_is_that_of_the_model_that_had_not_seen_the_test_rows() -> None:
    table = waves()
    before, after = Forecaster(experiment()).fit(table), Forecaster(refitted()).fit(table)
    for name, forecasts in before.evaluate().forecasts.items():
        np.testing.assert_array_equal(after.evaluate().forecasts[name], forecasts)
    assert not np.array_equal(after.predict().values, before.predict().values)
    with pytest.raises(DataError, match="every row of the table was seen in training"):
        after.evaluate(table)
    newer = waves(300)
    assert len(after.evaluate(newer).actual) == 2 * (40 - 4 + 1)


def test_a_refitted_model_is_saved_and_loaded(tmp_path: Path) -> None:
    table = waves()
    fitted = Forecaster(refitted()).fit(table, checkpoint=tmp_path / "state")
    fitted.save(tmp_path / "model")
    np.testing.assert_array_equal(Forecaster.load(tmp_path / "model").predict(table).values, fitted.predict().values)
    again = Forecaster(refitted()).fit(table, checkpoint=tmp_path / "state", resume=True)
    np.testing.assert_array_equal(again.predict().values, fitted.predict().values)
