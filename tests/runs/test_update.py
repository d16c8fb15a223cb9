"""Updates of a run: rows taken in, the better model current, the way back, and kills."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from killed import killed_runs

from forecast import Forecaster
from forecast.cli import main
from forecast.errors import DataError
from forecast.experiment.prepare import prepare
from forecast.runs import load_run, update
from forecast.runs.stored import read_result
from forecast.runs.update import NEW, OLD, adopt, judge_update, panel_of_run
from forecast.runs.versions import KEPT_VERSIONS, Pointer, read_pointer, version_folder

SETTINGS = ["--set", "ensemble.seeds=0", "--set", "ensemble.linear=member"]
SETTINGS += ["--set", "ensemble.simple=[]", "--set", "evaluation.test_size=80"]
COLUMNS = ["--id", "store", "--time", "day", "--target", "sales", "--known", "price"]


def sales(days: int) -> pd.DataFrame:
    """Two stores with a price that lowers sales."""
    draw = np.random.default_rng(3)
    tables = []
    for number, store in enumerate(("1", "2")):
        price = draw.uniform(1, 2, days).round(2)
        level = 50 + 9 * number + 8 * np.sin(2 * np.pi * np.arange(days) / 7)
        values = (level - 9 * price + draw.normal(0, 1, days)).round(3)
        stamps = pd.date_range("2025-01-01", periods=days)
        tables.append(
            pd.DataFrame({"store": store, "day": stamps, "sales": values, "price": price})
        )
    return pd.concat(tables)


def write(table: pd.DataFrame, path: Path) -> str:
    table.to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 160 days of each store; copied by each test."""
    folder = tmp_path_factory.mktemp("first")
    table = sales(400)
    old = write(table[table["day"] < "2025-06-10"], folder / "old.csv")
    out = str(folder / "run")
    assert main(["fit", old, *COLUMNS, "--horizon", "4", "--out", out, "--quiet", *SETTINGS]) == 0
    return folder


@pytest.fixture
def run(first: Path, tmp_path: Path) -> Path:
    shutil.copytree(first / "run", tmp_path / "run")
    return tmp_path / "run"


def newer(tmp_path: Path, first_day: str, until: str) -> str:
    table = sales(400)
    is_new = (table["day"] >= first_day) & (table["day"] < until)
    return write(table[is_new], tmp_path / "newer.csv")


def test_an_update_takes_in_rows_and_makes_the_new_model_current(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_run(run)
    assert main(["update", str(run), newer(tmp_path, "2025-06-05", "2025-07-20")]) == 0
    printed = capsys.readouterr().out
    assert "10 rows were in the run already" in printed
    assert f"{run}: took in 80 rows; version 2 is current" in printed
    # the rows of the run are those of the whole table, the future known prices among them
    table = sales(400)
    whole = table[table["day"] < "2025-07-20"]
    after = load_run(run)
    panel = panel_of_run(run, after)
    np.testing.assert_allclose(np.sort(panel.targets[:, 0]), np.sort(whole["sales"]))
    assert panel.series_ids.tolist() == before.fitted.series.ids.tolist()
    # a model fitted on this table with the settings of the run is the same
    again = Forecaster(before.fitted.config).fit(whole, verbose=0)
    known = table[(table["day"] >= "2025-07-20") & (table["day"] < "2025-07-24")]
    expected = again.predict(whole, known=known.drop(columns="sales")).values
    found = after.predict(panel, known=known.drop(columns="sales")).values
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_predict_and_others_read_the_current_version(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["update", str(run), newer(tmp_path, "2025-06-10", "2025-07-20"), "--quiet"])
    table = sales(400)
    known = write(table[table["day"] >= "2025-07-20"].drop(columns="sales"), tmp_path / "k.csv")
    capsys.readouterr()
    assert main(["predict", str(run), "--known", known]) == 0
    assert "2025-07-20,2025-07-19," in capsys.readouterr().out
    assert main(["evaluate", str(run)]) == 0
    evaluated = capsys.readouterr().out
    assert (run / "versions" / "2" / "scores.txt").read_text().splitlines()[0] in evaluated
    assert main(["report", str(run)]) == 0
    assert str(Path("versions", "2", "report.html")) in capsys.readouterr().out
    assert main(["rollback", str(run)]) == 0
    assert "version 1 is current again, after version 2" in capsys.readouterr().out
    assert version_folder(run) == run
    assert main(["predict", str(run), "--known", known]) == 0
    assert "2025-07-20,2025-07-19," in capsys.readouterr().out  # the rows stay
    assert main(["rollback", str(run)]) == 2
    assert "no earlier version than 1" in capsys.readouterr().err


def test_a_worse_model_does_not_become_current(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fit_prepared = Forecaster.fit_prepared

    def spoiled(self: Forecaster, *given: object, **options: object) -> Forecaster:
        """A model whose evaluation and forecasts are noise."""
        fitted = fit_prepared(self, *given, **options)  # type: ignore[arg-type]
        result = fitted.own_result()
        assert result is not None
        noise = np.random.default_rng(0).normal(0, 9, result.actual.shape)
        result.forecasts[result.alias][:] += noise
        fitted._evaluated = result
        return fitted

    monkeypatch.setattr(Forecaster, "fit_prepared", spoiled)
    assert main(["update", str(run), newer(tmp_path, "2025-06-10", "2025-07-20")]) == 0
    printed = capsys.readouterr().out
    assert "took in 80 rows; version 1 stays" in printed
    assert "worse beyond chance" in printed
    assert read_pointer(run) == Pointer(version=1, table=1)
    assert not (run / "versions").exists()
    assert panel_of_run(run, load_run(run)).num_rows == 400


def test_only_windows_that_neither_has_learned_from_count(first: Path) -> None:
    table = sales(400)
    old = load_run(first / "run")
    whole = table[table["day"] < "2025-07-20"]
    prepared = prepare(old.fitted.config, whole)
    new = Forecaster(old.fitted.config).fit_prepared(prepared)
    verdict = judge_update(old.fitted, None, new, prepared)
    # 40 newer days: 37 windows of 4 days per store
    assert verdict.num_windows == 2 * 37
    assert {NEW, OLD, "seasonal_naive"} <= verdict.errors.keys()
    short = prepare(old.fitted.config, table[table["day"] < "2025-06-20"])
    new = Forecaster(old.fitted.config).fit_prepared(short)
    verdict = judge_update(old.fitted, None, new, short)
    assert verdict.num_windows == 2 * 7  # 10 new days
    assert verdict.accepted
    assert "too few to tell them apart" in verdict.reason
    # with what the old one forecast before its refit, all windows of the test set but those that
    # begin before the newer rows and end in them
    stored = read_result(first / "run")
    verdict = judge_update(old.fitted, stored, new, short)
    assert verdict.num_windows == 2 * (77 - 3)
    assert "too few" not in verdict.reason


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (("2025-06-13", "2025-07-20"), "3 steps before that are missing"),
        (("2025-05-01", "2025-06-01"), "no row that the run does not have, which ends at 2025-06"),
    ],
)
def test_a_gap_and_no_new_rows_are_refused(
    run: Path,
    tmp_path: Path,
    days: tuple[str, str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["update", str(run), newer(tmp_path, *days)]) == 2
    assert message in capsys.readouterr().err
    assert not (run / "current.json").exists()


def test_revised_rows_are_named_and_count(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = sales(400)
    rows = table[(table["day"] >= "2025-06-08") & (table["day"] < "2025-06-20")].copy()
    rows.loc[(rows["day"] == "2025-06-09") & (rows["store"] == "2"), "sales"] = 77.0
    assert main(["update", str(run), write(rows, tmp_path / "revised.csv")]) == 0
    assert "4 rows were in the run already, 1 of them with other values (first: 2, 2025-06-09" in (
        capsys.readouterr().out
    )
    panel = panel_of_run(run, load_run(run))
    assert 77.0 in panel.targets[:, 0]


def test_a_saved_model_and_a_damaged_pointer_say_so(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = newer(tmp_path, "2025-06-10", "2025-07-20")
    assert main(["update", str(run / "model"), rows]) == 2
    assert "is no run of fit" in capsys.readouterr().err
    (run / "current.json").write_text("{")
    with pytest.raises(DataError, match=r"current[.]json: cannot be read"):
        load_run(run)


def test_old_versions_and_tables_are_deleted_and_nothing_else(run: Path) -> None:
    (run / "versions").mkdir()
    (run / "versions" / "mine").write_text("keep")
    rows = pd.DataFrame({"a": [1]})
    for _ in range(KEPT_VERSIONS + 3):
        adopt(run, read_pointer(run), rows, lambda folder: copy_into(run, folder))
    names = {path.name for path in (run / "versions").iterdir()}
    latest = KEPT_VERSIONS + 4
    assert names == {"mine", *map(str, range(latest - KEPT_VERSIONS + 1, latest + 1))}
    assert [path.name for path in (run / "tables").iterdir()] == [f"{latest - 1}.parquet"]
    for _ in range(KEPT_VERSIONS):
        assert main(["rollback", str(run), "--quiet"]) == 0
    assert version_folder(run) == run


def copy_into(run: Path, folder: Path) -> None:
    """Fill the folder of a version as that of the first one."""
    shutil.copytree(run / "model", folder / "model")
    for name in ("environment.json", "history.json"):
        shutil.copyfile(run / name, folder / name)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_every_write_the_old_or_the_new_version_serves(run: Path) -> None:
    """And never neither, nor the rows of one with the model of the other."""
    before = Pointer(version=1, table=0)
    after = Pointer(version=2, earlier=(1,), latest=2, table=1)
    rows = pd.DataFrame({"a": [1, 2]})
    seen = set()
    for number, killed in killed_runs(
        lambda: adopt(run, Pointer(), rows, lambda folder: copy_into(run, folder)) and None
    ):
        now = read_pointer(run)
        assert now in (before, after), number
        assert killed or now == after
        model = json.loads((version_folder(run) / "model" / "manifest.json").read_bytes())
        assert model["format"] == 1
        load_run(run)
        if now.table:
            assert len(pd.read_parquet(run / "tables" / "1.parquet")) == 2
        seen.add((now.version, killed))
        (run / "current.json").unlink(missing_ok=True)
    assert seen == {(1, True), (2, True), (2, False)}


def test_rows_of_a_wide_table_are_taken_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = pd.date_range("2025-01-01", periods=200)
    draw = np.random.default_rng(0)
    week = 5 * np.sin(2 * np.pi * np.arange(200) / 7)
    table = pd.DataFrame({"day": days})
    for number, name in enumerate(("north", "south")):
        table[name] = 30 + 9 * number + week + draw.normal(size=200)
    old = write(table.iloc[:180], tmp_path / "old.csv")
    run = str(tmp_path / "run")
    wide = ["--time", "day", "--target", "north,south", "--set", "data.layout=wide"]
    small = ["--set", "ensemble.seeds=0", "--set", "ensemble.linear=member", "--horizon", "4"]
    main(["fit", old, *wide, *small, "--set", "ensemble.simple=[]", "--out", run, "--quiet"])
    assert "could not" not in capsys.readouterr().err  # figures and report
    assert Path(run, "report.html").is_file()
    assert main(["update", run, write(table.iloc[170:], tmp_path / "new.csv"), "--quiet"]) == 0
    assert "took in 40 rows" in capsys.readouterr().out
    assert main(["predict", run]) == 0
    assert "north,2025-07-20,2025-07-19," in capsys.readouterr().out


def test_networks_go_on_from_the_weights_of_the_current_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sales(200)
    old = write(table[table["day"] < "2025-06-10"], tmp_path / "old.csv")
    small = ["--set", "model.units=4", "--set", "training.epochs=4", "--set", "ensemble.seeds=1"]
    small += ["--set", "ensemble.simple=[]", "--set", "ensemble.linear=none"]
    small += ["--set", "training.refit=false"]
    out = tmp_path / "run"
    main(["fit", old, *COLUMNS, "--horizon", "4", "--out", str(out), "--quiet", *small])
    rows = newer(tmp_path, "2025-06-10", "2025-07-10")
    monkeypatch.setattr(update, "judge_update", lambda *_: update.Verdict(True, "a test", 0, {}))
    losses = {}
    for kind in ("start", "tuned", "set"):
        copy = tmp_path / kind
        if kind == "set":  # by the setting of the run
            extra = ["--set", "training.update=fine_tune"]
            main(
                [
                    "fit",
                    old,
                    *COLUMNS,
                    "--horizon",
                    "4",
                    "--out",
                    str(copy),
                    "--quiet",
                    *small,
                    *extra,
                ]
            )
        else:
            shutil.copytree(out, copy)
        extra = ["--fine-tune"] if kind == "tuned" else []
        assert main(["update", str(copy), rows, "--quiet", *extra]) == 0
        losses[kind] = load_run(copy).fitted.history.loss
    assert len(losses["start"]) == 4
    assert len(losses["tuned"]) == 1  # a quarter of the epochs
    assert losses["tuned"][0] < losses["start"][0]
    assert losses["set"] == losses["tuned"]
