"""The published protocols: their scores of naive forecasts, and that every preset runs under its
own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "accuracy"
SMOKE = ("model.units=3", "training.epochs=1", "training.windows_per_epoch=24", "ensemble.seeds=1")
NAIVE: dict[str, tuple[int | str, dict[str, dict[str, float]]]] = {
    "etth1": (
        96,
        {
            "last_value": {"MSE": 1.294, "MAE": 0.713},
            "seasonal_naive": {"MSE": 0.512, "MAE": 0.433},
        },
    ),
    "etth2": (
        192,
        {
            "last_value": {"MSE": 0.534, "MAE": 0.473},
            "seasonal_naive": {"MSE": 0.482, "MAE": 0.429},
        },
    ),
    "exchange_rate": (96, {"last_value": {"MSE": 0.0811, "MAE": 0.1964}}),
    "epf": (
        "NP",
        {
            "last_value": {"MSE": 0.701, "MAE": 0.505},
            "seasonal_naive": {"MSE": 0.4405, "MAE": 0.367},
        },
    ),
    "bike_sharing": (
        "all",
        {
            "last_value": {"MSE": 3.739, "MAE": 1.465},
            "seasonal_naive": {"MSE": 0.769, "MAE": 0.521},
        },
    ),
    "hospital": ("all", {"last_value": {"MASE": 0.9676}, "seasonal_naive": {"MASE": 0.9205}}),
    "us_births": ("all", {"last_value": {"MASE": 4.199}, "seasonal_naive": {"MASE": 1.700}}),
    "m4_hourly": ("all", {"last_value": {"sMAPE": 43.003, "MASE": 11.608, "OWA": 3.593}}),
    "m4_weekly": ("all", {"last_value": {"sMAPE": 9.161, "MASE": 2.777, "OWA": 1.0}}),
}
"""Set -> one of its cases, and the published scores of naive forecasts."""


@pytest.fixture
def protocols(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("FORECAST_DATA", str(shared_data))
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("protocols", "published", "tables"):  # other benchmarks have a `tables` too
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module("protocols")
    for name in ("protocols", "published", "tables"):
        sys.modules.pop(name, None)


def test_every_protocol_has_its_naive_scores(protocols: Any) -> None:
    assert list(NAIVE) == [name for name, one in protocols.PROTOCOLS.items() if not one.changes]


@pytest.mark.parametrize(("group", "season"), [("hourly", 24), ("weekly", 1)])
def test_scores_of_the_competition(protocols: Any, group: str, season: int) -> None:
    train, test = (
        pd.read_parquet(protocols.DATA / "m4" / f"m4_{group}_{part}.parquet")
        for part in ("train", "test")
    )
    naive = protocols.last_values(train, test, "naive")
    found = protocols.m4_scores(train, test, naive, "naive", season, protocols.NAIVE2[group])
    assert found == pytest.approx(NAIVE[f"m4_{group}"][1]["last_value"], abs=6e-4)
    with pytest.raises(ValueError, match="test rows were forecast"):
        protocols.m4_scores(train, test, naive.iloc[1:], "naive", season, protocols.NAIVE2[group])


def test_the_page_shows_the_results_that_are_there(protocols: Any) -> None:
    tables = importlib.import_module("tables")
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in protocols.PROTOCOLS:
        assert page.count(f"<!-- {name} -->") == page.count(f"<!-- end of {name} -->") == 1
        assert tables.table_of(name, {}) == "not run yet\n"
        assert tables.table_of(name, tables.results_of(name)).strip() in page


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAIVE)
def test_a_preset_runs_and_the_naive_rows_come_out_as_published(protocols: Any, name: str) -> None:
    case, published = NAIVE[name]
    found = protocols.run_case(name, case, 0, SMOKE)
    for model, scores in published.items():
        assert {score: found["scores"][model][score] for score in scores} == pytest.approx(
            scores, abs=6e-4
        )
