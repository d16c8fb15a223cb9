"""Importance of columns and what-if, on generated data whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import Forecaster
from forecast.cli import main
from forecast.errors import ConfigError
from forecast.forecasting.importance import (
    Group,
    copy_windows,
    exchanged,
    groups_of,
    importance,
)
from forecast.forecasting.judge import unseen_part

EFFECT = 10.0
SETTINGS = {"seeds": 0, "linear": "member", "simple": (), "training.refit": False}


def table_of(num_days: int = 900) -> pd.DataFrame:
    """Sales that follow `promo` of the day by a known effect, and `junk` not at all."""
    draw = np.random.default_rng(0)
    promo = draw.normal(size=num_days)
    week = 5 * np.sin(2 * np.pi * np.arange(num_days) / 7)
    sales = 30 + EFFECT * promo + week + draw.normal(size=num_days)
    return pd.DataFrame(
        {
            "day": pd.date_range("2022-01-01", periods=num_days),
            "sales": sales,
            "promo": promo,
            "junk": draw.normal(size=num_days),
        }
    )


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    forecaster = Forecaster(
        time="day", target="sales", known=["promo", "junk"], horizon=4, **SETTINGS
    )
    return forecaster.fit(table_of(), verbose=0)


def test_an_exchange_starts_from_a_seed(fitted: Forecaster) -> None:
    panel = fitted._prepared.panel  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="seed= is -1; expected a whole number of at least 0"):
        importance(fitted.fitted, panel, seed=-1)


def test_a_known_effect_is_found_and_noise_is_not(fitted: Forecaster) -> None:
    panel = fitted._prepared.panel  # type: ignore[union-attr]
    found = importance(fitted.fitted, panel).set_index(["group", "step"])
    overall = found.xs("all", level="step")
    assert overall["increase"].idxmax() == "promo"
    assert overall.loc["promo", "low"] > 100
    assert overall.loc["junk", "low"] < 0 < overall.loc["junk", "high"] < 5
    assert overall.loc["calendar", "low"] > 20  # the week
    # the error is then that of two promotions that have nothing to do with each other, and noise
    result = fitted.evaluate()
    promo = table_of()["promo"].to_numpy()[-len(result.series) - 3 :]
    difference = EFFECT * (promo[:, None] - promo[None])
    expected = np.abs(difference + np.random.default_rng(1).normal(size=difference.shape)).mean()
    assert overall.loc["promo", "exchanged"] == pytest.approx(expected, rel=0.15)
    assert [step for name, step in found.index if name == "promo"] == ["all", 1, 2, 3, 4]


def test_the_error_as_it_is_is_that_of_the_evaluation(fitted: Forecaster) -> None:
    panel = fitted._prepared.panel  # type: ignore[union-attr]
    found = importance(fitted.fitted, panel, repeats=1, most_windows=10**6)
    result = fitted.evaluate()
    error = np.abs(result.actual - result.forecasts[result.alias]).mean()
    assert found["error"].iloc[0] == pytest.approx(error, rel=1e-9)


def test_a_random_walk_lives_by_its_last_value() -> None:
    draw = np.random.default_rng(2)
    walk = np.cumsum(draw.normal(size=600))
    table = pd.DataFrame({"day": pd.date_range("2023-01-01", periods=600), "y": walk})
    forecaster = Forecaster(time="day", target="y", horizon=2, **SETTINGS).fit(table, verbose=0)
    found = importance(forecaster.fitted, forecaster._prepared.panel)  # type: ignore[union-attr]
    overall = found[found["step"] == "all"].set_index("group")["increase"]
    assert overall.idxmax() == "own past, lag 1"


def test_only_the_values_of_the_group_are_exchanged(fitted: Forecaster) -> None:
    panel = fitted._prepared.panel  # type: ignore[union-attr]
    part = unseen_part(fitted.fitted, panel)
    copies = copy_windows(fitted.fitted, panel, part, 20)
    draw = np.random.default_rng(0)
    changed = exchanged(copies, Group("own past", "sales", (2, 3)), draw)
    differs = ~np.isclose(changed.values, copies.panel.values, equal_nan=True)
    back = np.concatenate([np.arange(n, 0, -1) for n in copies.panel.lengths])
    assert set(back[differs[:, 0]]) == {4 + 2, 4 + 3}
    assert not differs[:, 1:].any()
    for group in groups_of(fitted.fitted, panel):
        after = exchanged(copies, group, draw)
        if group.column is None:
            assert (after.timestamps != copies.panel.timestamps).all()
            continue
        number = panel.columns.dynamic.index(group.column)
        others = np.delete(np.arange(after.values.shape[1]), number)
        np.testing.assert_array_equal(after.values[:, others], copies.panel.values[:, others])


def test_explain_writes_a_table_and_a_picture_and_what_if_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_of(400)
    history = table.iloc[:-4]
    history.to_csv(tmp_path / "old.csv", index=False)
    planned = table.iloc[-4:].drop(columns="sales")
    planned.to_csv(tmp_path / "planned.csv", index=False)
    planned.assign(promo=planned["promo"] + [1.0, 0.0, 0.0, 0.0]).to_csv(
        tmp_path / "other.csv", index=False
    )
    run = str(tmp_path / "run")
    fit = ["fit", str(tmp_path / "old.csv"), "--time", "day", "--target", "sales", "--out", run]
    fit += ["--known", "promo,junk", "--horizon", "4", "--quiet", "--set", "ensemble.seeds=0"]
    assert main([*fit, "--set", "ensemble.linear=member", "--set", "ensemble.simple=[]"]) == 0
    output = tmp_path / "importance.csv"
    picture = tmp_path / "importance.png"
    explain = ["explain", run, "--output", str(output), "--picture", str(picture)]
    capsys.readouterr()
    for _ in range(2):  # written over by itself
        assert main(explain) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("promo: error +")
    assert set(pd.read_csv(output)["group"]) >= {"promo", "junk", "calendar", "own past, lag 1"}
    assert picture.read_bytes().startswith(b"\x89PNG")

    output.unlink()
    known = ["--known", str(tmp_path / "planned.csv"), "--output", str(output)]
    assert main(["explain", run, "--what-if", str(tmp_path / "other.csv"), *known]) == 0
    difference = pd.read_csv(output)["ensemble-difference"]
    assert difference[0] == pytest.approx(EFFECT, rel=0.1)
    assert (difference[1:].abs() < 0.5).all()
    assert main(["explain", run, *known]) == 2
    assert "--known is read with --what-if alone" in capsys.readouterr().err
