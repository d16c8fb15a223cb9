"""Searches of a forecast of categories: folds in time, and `forecast categories tune`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from classification.test_categories import cycle

from forecast import CategorySettings
from forecast.cli.entry import main
from forecast.errors import ConfigError, DataError
from forecast.experiment.file import load_settings
from forecast.search.category_trial import make_category_bench
from forecast.search.space import check_space
from forecast.search.state import Task

SETTINGS = """
data: {target_col: state}
windows: {context_length: 6, horizon: 2}
model: {units: 4}
training: {epochs: 2}
search:
  max_trials: 2
  folds: 2
  space:
    model.units: {choice: [3, 5]}
    windows.context_length: {choice: [4, 6]}
"""


def settings(**search: object) -> CategorySettings:
    space = {"model.units": {"choice": [3, 5]}}
    return CategorySettings(
        windows={"context_length": 6, "horizon": 2},
        model={"units": 4},
        training={"epochs": 2},
        search={"space": space, "folds": 3, **search},
    )


def test_a_fold_is_judged_by_what_comes_before_it() -> None:
    config = settings()
    bench = make_category_bench(config, cycle(2, 100), Path("search"))
    judged: list[np.ndarray] = []
    for sets in bench.folds(config):
        for series in range(2):
            train, validation, test = (
                part.take(part.series == series).ahead(2) - 100 * series
                for part in (sets.train, sets.validation, sets.test)
            )
            assert train.max() < validation.min()
            assert validation.max() < test.min()
        judged.append(test)
    rows = np.unique(np.concatenate(judged))
    # the first quarter of the 80 rows before the test set is judged in no fold
    assert rows.tolist() == list(range(20, 80))


def test_a_trial_does_not_see_its_fold(tmp_path: Path) -> None:
    table = cycle(2, 80)
    task = Task(0, {}, {"model.units": 3})
    score = make_category_bench(settings(), table, tmp_path).train_fold(task, 1, 0)
    # 64 rows before the test set, 4 stretches of 16: the second fold judges rows 32 to 47
    later = table.assign(
        state=table["state"].where(table["step"] < 48, "idle"),
        load=table["load"].where(table["step"] < 48, 99),
    )
    same = make_category_bench(settings(), later, tmp_path).train_fold(task, 1, 0)
    assert same.scores == score.scores
    assert score.scores["error"] == pytest.approx(1 - score.scores["accuracy"])
    assert score.parameters > 0


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"windows.horizon": {"choice": [1, 2]}}, "other steps cannot be compared"),
        ({"split.test": {"choice": [0.1, 0.2]}}, "other rows cannot be compared"),
        ({"training.seeds": {"choice": [1, 2]}}, "a trial trains one network"),
        ({"model.pooling": {"choice": ["last", "sum"]}}, r"search\.space\.model\.pooling: .*sum"),
    ],
)
def test_ranges_are_checked_against_the_settings(space: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_space(settings(space=space))


def test_too_few_rows_are_refused() -> None:
    bench = make_category_bench(settings(folds=20), cycle(1, 30), Path("search"))
    with pytest.raises(DataError, match="fold 1 of the search has 0 windows to learn"):
        bench.check_folds()


@pytest.mark.proof
def test_the_command_writes_what_fit_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cycle().to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "s.yaml").write_text(SETTINGS)
    out = tmp_path / "search"
    command = ["categories", "tune", str(tmp_path / "t.csv"), "--config", str(tmp_path / "s.yaml")]
    assert main([*command, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "retrained: bitwise identical" in printed
    assert "unseen windows" in printed
    assert "forecast categories fit --config" in printed
    rows = pd.read_csv(out / "trials.csv")
    assert rows["status"].tolist() == ["completed", "completed"]
    best = load_settings(CategorySettings, out / "best.yaml")
    assert best.search is None
    chosen = rows.loc[rows["log loss"].idxmin()]
    assert best.model.units == chosen["model.units"]
    assert best.windows.context_length == chosen["windows.context_length"]
