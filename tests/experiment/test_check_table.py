"""Tables that `check` calls fine are accepted by `prepare`, and others are refused by both."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ConfigError, DataError
from forecast.experiment.check_table import check_table, proposals
from forecast.experiment.prepare import prepare, refuse_no_forecast
from forecast.experiment.settings import Experiment

SETTINGS = {
    "windows.horizon": [1, 2, 5, 12, 24],
    "windows.context_length": ["auto", "auto", 1, 3, 14, 60],
    "data.gaps": ["refuse", "skip", "fill"],
    "data.missing": ["refuse", "forward_fill", "interpolate", "zero", "mask"],
    "data.short_series": ["refuse", "skip"],
    "data.ended_series": ["own_end", "leave_out"],
    "model.name": ["segment_bigru", "bigru"],
    "evaluation.test_size": ["auto", "auto", 0, 3, 0.3],
    "evaluation.validation_size": ["auto", "auto", 4, 0.2],
    "evaluation.purge": [0, 0, 2],
}


def random_table(rng: np.random.Generator) -> pd.DataFrame:
    """One to three series, perhaps short or constant, with gaps and empty cells."""
    series = []
    for number in range(int(rng.integers(1, 4))):
        rows = int(rng.choice([3, 8, 20, 45, 120]))
        frame = pd.DataFrame(
            {
                "unique_id": f"s{number}",
                "ds": pd.date_range("2024-01-01", periods=rows, freq="D"),
                "y": rng.normal(size=rows).round(2),
                "price": rng.normal(size=rows).round(2),
                "size": float(number),
            }
        )
        if rng.random() < 0.2:
            frame["y"] = 2.5
        for column in ("y", "price"):
            if rng.random() < 0.3:
                frame.loc[rng.random(rows) < 0.1, column] = np.nan
        if rng.random() < 0.3:
            frame = frame[rng.random(rows) < 0.93]
        series.append(frame)
    return pd.concat(series, ignore_index=True)


def random_experiment(rng: np.random.Generator) -> Experiment | None:
    """Some settings at random; None where they contradict each other."""
    changed = {}
    for path, values in SETTINGS.items():
        if rng.random() < 0.5:
            changed[path] = values[int(rng.integers(len(values)))]
    roles = {
        "past_covariates": ("price",),
        "known_covariates": ("price",),
        "static_covariates": ("size",),
    }
    for role, columns in roles.items():
        if rng.random() < 0.25 and "data.past_covariates" not in changed:
            changed[f"data.{role}"] = columns
    try:
        return Experiment().with_settings(
            {"data.id_col": "unique_id", "data.target_cols": ("y",), **changed}
        )
    except ConfigError:
        return None


def is_accepted(config: Experiment, table: pd.DataFrame) -> bool:
    try:
        refuse_no_forecast(config, prepare(config, table))
    except DataError:
        return False
    return True


@pytest.mark.parametrize("seed", range(8))
def test_check_accepts_what_prepare_accepts_and_its_proposals_are_accepted(seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        table = random_table(rng)
        config = random_experiment(rng)
        if config is None:
            continue
        try:
            diagnosis = check_table(config, table)
        except ConfigError:
            with pytest.raises(ConfigError):
                prepare(config, table)
            continue
        assert (not diagnosis.errors) == is_accepted(config, table), diagnosis.errors
        assert (diagnosis.panel is None) == bool(diagnosis.errors)
        for proposal in proposals(config, table, diagnosis):
            accepted = is_accepted(config.with_settings(proposal.settings), table)
            assert accepted == proposal.is_enough, proposal


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(100, 106))
def test_what_check_calls_fine_is_fitted(seed, tmp_path):
    from forecast.cli.entry import main
    from forecast.experiment.file import dump_experiment

    rng = np.random.default_rng(seed)
    small = {"training.epochs": 1, "model.units": 4, "training.batch_size": 64}
    while True:
        table = random_table(rng)
        config = random_experiment(rng)
        if config is None:
            continue
        config = config.with_settings(small)  # with which a network is trained
        if is_accepted(config, table):
            break
    table.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "c.yaml").write_text(dump_experiment(config, full=True))
    given = [str(tmp_path / "t.csv"), "--config", str(tmp_path / "c.yaml")]
    assert main(["check", *given]) == 0
    assert main(["fit", *given, "--out", str(tmp_path / "run")]) == 0
