"""The table of recurrent cells: equal parameters, differences by hand, what is run again, and what
the page shows."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "cells"
MODULES = ("grid", "cases", "compare", "picture", "page")


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules of the benchmark, by name."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    for name in MODULES:
        sys.modules.pop(name, None)


def settings_of(cells: Any, name: str, case: Any) -> Any:
    """The model section of one network."""
    model = cells.cases.preset(name).model
    return type(model)(**{**model.model_dump(), **case.choice.settings, "units": case.widths})


def test_every_network_keeps_to_the_budget(cells: Any) -> None:
    for name, one in cells.grid.SETS.items():
        found = list(cells.cases.cases(name, "grid"))
        assert len({case.key for case in found}) == len(cells.grid.GRID) == 30
        for case in found:
            count = cells.grid.count_parameters(settings_of(cells, name, case), one.shape)
            assert abs(count / cells.grid.BUDGET - 1) < cells.grid.TOLERANCE, (
                name,
                case.key,
                count,
            )


def test_no_other_width_comes_nearer(cells: Any) -> None:
    """Found by trying all widths that are equal or differ by one."""
    shape, fields = cells.grid.SETS["etth1"].shape, cells.cases.preset("etth1").model.model_dump()
    choice = cells.grid.Choice("BiLSTM", "dot", 2)

    def distance(widths: tuple[int, ...]) -> int:
        config = settings_of(cells, "etth1", SimpleNamespace(choice=choice, widths=widths))
        return abs(cells.grid.count_parameters(config, shape) - 20_000)

    tried = [(width + wider, width) for width in range(1, 60) for wider in (0, 1)]
    assert cells.grid.within_budget(choice, fields, shape, 20_000) == min(tried, key=distance)


def test_parameters_are_those_of_the_network(cells: Any) -> None:
    from forecast.models import build_model

    names = list(cells.grid.SETS)
    for place in range(0, len(cells.grid.GRID), 4):
        name = names[place % len(names)]
        case, shape = list(cells.cases.cases(name, "grid"))[place], cells.grid.SETS[name].shape
        config = settings_of(cells, name, case)
        assert build_model(config, shape).count_params() == cells.grid.count_parameters(
            config, shape
        ), case.key


def test_the_trained_networks_had_the_parameters_that_were_counted(cells: Any) -> None:
    for name, one in cells.grid.SETS.items():
        rows = cells.cases.result_of(name)["rows"]
        for part in cells.cases.PARTS:
            for case in cells.cases.cases(name, part):
                count = cells.grid.count_parameters(settings_of(cells, name, case), one.shape)
                trained = [
                    row["parameters"]
                    for key, row in rows.items()
                    if key.rpartition("-")[0] == case.key
                ]
                assert trained == [count] * len(trained)


def test_at_equal_units_only_the_cell_differs(cells: Any) -> None:
    grid = {case.key: case for case in cells.cases.cases("etth1", "grid")}
    found = list(cells.cases.cases("etth1", "units"))
    assert len(found) == 6
    for case in found:
        other = grid[case.key.replace("LSTM", "GRU").removesuffix("-units")]
        assert case.widths == other.widths
        assert {**case.choice.settings, "cell": "gru"} == other.choice.settings


def test_every_pair_differs_in_what_the_question_asks(cells: Any) -> None:
    asked = {"GRU": {"cell"}, "LSTM": {"cell"}, "both": {"bidirectional"}, "dot": {"attention"}}
    for question, pairs in cells.compare.QUESTIONS.items():
        assert len(pairs) - 1 in cells.compare.STUDENT, question
        assert len({one.key for pair in pairs for one in pair}) == 2 * len(pairs), (
            "each network once"
        )
        for new, old in pairs:
            differing = {key for key, value in new.settings.items() if old.settings[key] != value}
            assert differing == asked.get(question.split()[0], {"num_layers"})
    assert [len(pairs) for pairs in cells.compare.QUESTIONS.values()] == [6, 12, 12, 15, 10, 10]


def test_a_difference_by_hand(cells: Any) -> None:
    """Six pairs, 1 to 6 % worse: mean 3.5, deviation sqrt(17.5 / 5), error sqrt(3.5 / 6), 2.571 of
    them each way."""
    rows = {}
    for place in range(6):
        for seed, error in ((0, 1.0), (100, 2.0), (200, 3.0)):
            rows[f"old{place}-{seed}"] = {"scores": {"MSE": error}}
            rows[f"new{place}-{seed}"] = {
                "scores": {"MSE": error + (place + 1) / 100 * 2}
            }  # 2 is the mean of old
    pairs = [(f"new{place}", f"old{place}") for place in range(6)]
    found = cells.compare.Results("etth1", rows).difference(pairs, (0, 100, 200))
    assert found.each == pytest.approx((1, 2, 3, 4, 5, 6))
    assert (found.mean, found.error) == pytest.approx((3.5, 0.763763))
    assert found.interval == pytest.approx((1.536366, 5.463634), abs=1e-5)
    assert found.is_measurable
    assert found.num_better == 0
    around_nothing = cells.compare.Difference((-1.0, 1.0, -2.0, 2.0, -3.0, 3.5))
    assert not around_nothing.is_measurable
    assert around_nothing.num_better == 3
    assert cells.page.shown(around_nothing) == "+0.1 (-2.5 to +2.7); 3 better"


def test_the_spread_over_seeds_by_hand(cells: Any) -> None:
    """Errors 1, 2, 3 have mean 2 and deviation 1: half of it, for every network."""
    errors = dict(zip(cells.grid.SEEDS, (1.0, 2.0, 3.0), strict=True))
    rows = {
        f"{one.key}-{seed}": {"scores": {"MSE": errors[seed]}}
        for one in cells.grid.GRID
        for seed in errors
    }
    found = cells.compare.Results("etth1", rows)
    assert found.seeds() == cells.grid.SEEDS
    assert found.seed_spread(found.seeds()) == pytest.approx(50.0)
    del rows[f"{cells.grid.GRID[-1].key}-100"]
    assert found.seeds() == (0, 200), "a seed counts where its whole grid is there"


def test_what_is_there_is_not_run_again(
    cells: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cells.cases, "RESULTS", tmp_path)
    first, second, *others = cells.cases.missing("etth1", "grid", 0)
    assert len(others) == 28
    result = cells.cases.result_of("etth1")
    result["rows"][f"{first.key}-0"] = {"units": list(first.widths)}
    result["rows"][f"{second.key}-0"] = {"units": [1]}
    cells.cases.write_result("etth1", result)
    assert cells.cases.result_of("etth1") == result
    assert cells.cases.missing("etth1", "grid", 0) == [second, *others]
    assert len(cells.cases.missing("etth1", "grid", 100)) == 30
    result["settings"]["training"]["epochs"] += 1
    cells.cases.write_result("etth1", result)
    assert len(cells.cases.missing("etth1", "grid", 0)) == 30


def test_the_page_shows_the_results_that_are_there(cells: Any, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "cells.md").read_text(encoding="utf-8")
    for name, table in cells.page.tables().items():
        begin, end = f"<!-- {name} -->\n\n", f"\n\n<!-- end of {name} -->"
        assert page.split(begin)[1].split(end)[0] == table, name
    copy = tmp_path / "cells.md"
    copy.write_text(page, encoding="utf-8")
    cells.page.write_page(copy)
    assert copy.read_text(encoding="utf-8") == page
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        "cells.png",
        "cells_errors.png",
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["etth1", "bike_sharing", "m4_weekly"])
def test_a_network_runs_under_its_protocol(
    cells: Any, name: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setenv("FORECAST_DATA", str(shared_data))
    monkeypatch.syspath_prepend(str(FOLDER.parent / "accuracy"))
    run, one = importlib.import_module("run"), cells.grid.SETS[name]
    short = (*one.overrides, "training.epochs=1", "training.windows_per_epoch=24")
    monkeypatch.setitem(run.SETS, name, replace(one, overrides=short))
    case = next(iter(cells.cases.cases(name, "grid")))
    row, baselines = run.run_one(name, case, 0)
    assert set(row["scores"]) == set(one.scores)
    assert row["parameters"] == cells.grid.count_parameters(
        settings_of(cells, name, case), one.shape
    )
    assert baselines["last_value"]
    for module in ("run", "protocols"):
        sys.modules.pop(module, None)
