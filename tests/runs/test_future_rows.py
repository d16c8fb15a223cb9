"""Future rows from table to forecast: they change neither training nor forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from backtests import experiment, hourly

from forecast.backtest.folder import backtest_table
from forecast.cli import main
from forecast.errors import DataError
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.leakage.own import check_experiment
from forecast.runs.stored import read_result

ROLES = {
    "past_covariates": ["wind"],
    "known_covariates": ["price", "state"],
    "categorical": ["state"],
}
END = {"a": 86, "b": 76, "c": 70}
"""Hours with a target of each series of `hourly()`; 4, 4 and none follow."""


def known(**data: Any) -> Experiment:
    """An experiment with covariates of every kind."""
    return experiment(data={**ROLES, **data}, evaluation={"validation_size": 8, "test_size": 12})


def planned() -> pd.DataFrame:
    """The last four rows of two of three series have no target, and one a state that was never seen
    before."""
    table = hourly()
    place = table.groupby("unique_id").cumcount()
    ahead = place >= table["unique_id"].map(END)
    table.loc[ahead, "y"] = np.nan
    table.loc[ahead & (place == 76), "state"] = "a storm"
    return table


def steps_of(series: str) -> pd.DataFrame:
    """Four hours after the last row of a series."""
    last = planned().query("unique_id == @series")["ds"].max()
    stamps = pd.date_range(last, periods=5, freq="h")[1:]
    return pd.DataFrame({"unique_id": series, "ds": stamps, "price": 0.5, "state": "dry"})


@pytest.fixture(name="fitted", scope="module")
def _fitted() -> Forecaster:
    return Forecaster(known()).fit(planned())


def test_fit_and_predict_are_those_of_the_table_without_them(
    fitted: Forecaster, tmp_path: Path
) -> None:
    table = planned()
    cut, ahead = table[table["y"].notna()], table[table["y"].isna()]
    plain = Forecaster(known()).fit(cut)
    expected = plain.predict(known=pd.concat([ahead, steps_of("c")]))
    table.to_csv(tmp_path / "planned.csv", index=False)
    for history in (None, table, tmp_path / "planned.csv"):
        forecast = fitted.predict(history, known=steps_of("c"))
        assert forecast.values.tobytes() == expected.values.tobytes()
        assert (forecast.cutoffs == expected.cutoffs).all()
        assert any(
            "8 rows at the end of 2 of 3 series have no y" in note for note in forecast.notes
        )
    assert fitted.evaluate().frame().equals(plain.evaluate().frame())
    assert plain.predict(table, known=steps_of("c")).values.tobytes() == expected.values.tobytes()


def test_missing_covariates_are_named_and_the_template_has_them(fitted: Forecaster) -> None:
    with pytest.raises(
        DataError, match="known covariates are missing in 3 of 9 rows, first series 'c'"
    ):
        fitted.predict()
    template = fitted.make_future_frame()
    assert template["price"].isna().tolist() == [False] * 6 + [True] * 3
    filled = template.assign(
        price=template["price"].fillna(0.5), state=template["state"].fillna("dry")
    )
    expected = fitted.predict(known=steps_of("c"))
    assert fitted.predict(known=filled).values.tobytes() == expected.values.tobytes()
    changed = fitted.predict(known=filled.assign(price=7.0)).values
    assert (changed != expected.values).any(axis=(1, 2)).all(), "what is passed counts"


def test_backtest_and_leak_check_see_the_history_alone() -> None:
    table = planned()
    settings = {
        "data": ROLES,
        "backtest": {"num_windows": 2, "models": ["linear", "drift"]},
        "evaluation": {"validation_size": 8, "test_size": 12},
    }
    cut = table[table["y"].notna()]
    results = [backtest_table(experiment(**settings), one).frame() for one in (table, cut)]
    assert results[0].equals(results[1])
    reports = [check_experiment(known(missing="forward_fill"), one) for one in (table, cut)]
    assert reports[0].ok, reports[0].text()
    assert reports[0].compared == reports[1].compared


@pytest.fixture(name="no_pictures")
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.runs.pictures.draw_pictures", lambda *_: [])


SMALL = [
    "--set=windows.context_length=8", "--set=windows.horizon=3", "--set=model.name=bigru",
    "--set=model.units=2",
    "--set=model.bidirectional=false", "--set=model.decoder=direct", "--set=training.epochs=1",
]  # fmt: skip


@pytest.mark.usefixtures("no_pictures")
def test_the_command_line_takes_them_as_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = planned().query("unique_id != 'c'")
    table.to_csv(tmp_path / "planned.csv", index=False)
    options = [*SMALL, "--set=data.known_covariates=[price]", f"--out={tmp_path / 'run'}"]
    assert (
        main(["check", str(tmp_path / "planned.csv"), "--set=data.known_covariates=[price]"]) == 0
    )
    note = (
        "8 rows at the end of 2 of 2 series have no y: they are the future from 2025-01-09 14:00 "
        "on, not history"
    )
    assert f"note    {note}; forecasts use price of these rows" in capsys.readouterr().out
    assert main(["fit", str(tmp_path / "planned.csv"), *options]) == 0
    assert f"note: {note}" in capsys.readouterr().out
    assert main(["predict", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    assert out == (tmp_path / "run/forecast.csv").read_text(), (
        "all that must be known is, so fit forecasts too"
    )
    assert f"note: {note}" in err
    assert main(["predict", str(tmp_path / "run"), f"--template={tmp_path / 'known.csv'}"]) == 0
    template = pd.read_csv(tmp_path / "known.csv")
    assert template["price"].notna().all()
    template.assign(price=99.0).to_csv(tmp_path / "known.csv", index=False)
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "run"), f"--known={tmp_path / 'known.csv'}"]) == 0
    assert capsys.readouterr().out != out


@pytest.mark.usefixtures("no_pictures")
def test_series_that_ended_are_named_and_not_in_the_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = hourly().drop(columns=["wind", "state", "price"])
    table = table[(table["unique_id"] != "c") | (table["ds"] < "2025-01-07 12:00")]
    table.to_csv(tmp_path / "hours.csv", index=False)
    sizes = ["--set=evaluation.validation_size=8", "--set=evaluation.test_size=20"]
    assert (
        main(["fit", str(tmp_path / "hours.csv"), *SMALL, *sizes, f"--out={tmp_path / 'run'}"]) == 0
    )
    note = (
        "1 of 3 series ends before 2025-01-09 17:00 and is forecast from its last row: "
        "'c' (2025-01-07 11:00"
    )
    left_out = "1 of 3 series has no test window and is not in the scores: 'c'"
    said = capsys.readouterr().out
    assert f"note: {note}, 54 steps behind)" in said
    assert f"Note: {left_out}." in said
    assert main(["predict", str(tmp_path / "run")]) == 0
    assert f"note: {note}" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert left_out in capsys.readouterr().out
    stored = read_result(tmp_path / "run")
    assert stored is not None
    assert left_out in stored.scores().notes
    assert list(stored.unjudged_ids) == ["c"]
    page = (tmp_path / "run/report.html").read_text()
    assert "Shown are 2 of 3 series:" in page
    assert "2 of 3 series have test windows; without: &#x27;c&#x27;." in page
    assert "1 of 3 series ends before the others: c (2025-01-07 11:00)" in page
    assert "c, ends 2025-01-07 11:00: forecast of the 3 steps after the end of the table" in page
