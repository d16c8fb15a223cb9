"""Forecasts of parts: those of the whole table, kept where nothing changed, errors beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from cluster.stations import daily
from cluster.workers_here import in_this_process

from forecast import Forecaster
from forecast.cli import main
from forecast.cluster import part_station
from forecast.cluster.part_station import Ending, ForecastOptions
from forecast.cluster.predict_parts import PartsEnd, predict_parts
from forecast.cluster.split_table import split_table
from forecast.errors import DataError
from forecast.experiment.settings import DataConfig
from forecast.search.processes import LocalProcesses

NUM_SERIES = 24
HORIZON = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a known covariate, a table of more series, and its parts."""
    folder = tmp_path_factory.mktemp("parts")
    forecaster = Forecaster(
        time="day", target="sales", id="store", known="promo", horizon=HORIZON, model="bigru"
    )
    settings = {"units": 4, "epochs": 2, "test_size": 12}
    forecaster = Forecaster(forecaster.config, **settings).fit(daily(6), verbose=0)
    forecaster.save(folder / "model")

    whole = daily(NUM_SERIES, seed=1)
    last = whole["day"].max()
    whole[whole["day"] <= last - pd.Timedelta(days=HORIZON)].to_csv(folder / "t.csv", index=False)
    later = whole[whole["day"] > last - pd.Timedelta(days=HORIZON)]
    later[["store", "day", "promo"]].to_csv(folder / "later.csv", index=False)
    split_table(
        folder / "t.csv",
        DataConfig(id_col="store"),
        num_parts=5,
        known=folder / "later.csv",
        output=folder / "parts",
    )
    return folder


def tables(output: Path) -> dict[str, bytes]:
    """The forecasts of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(output.glob("*.parquet"))}


def by_row(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["store", "day"], ignore_index=True)


def predicted(folder: Path, output: Path, workers: int = 1) -> PartsEnd:
    return predict_parts(
        folder / "model", folder / "parts", output, executor=LocalProcesses(workers)
    )


def test_parts_are_forecast_as_the_whole_table_is(folder: Path, tmp_path: Path) -> None:
    end = predicted(folder, tmp_path / "one")
    assert (end.num_series, end.num_kept, end.errors) == (NUM_SERIES, 0, {})
    frames = [pd.read_parquet(path) for path in (tmp_path / "one").glob("*.parquet")]
    assert len(frames) == end.num_parts > 3
    forecaster = Forecaster.load(folder / "model")
    whole = forecaster.predict(
        str(folder / "t.csv"), known=str(folder / "later.csv"), level="auto"
    ).frame()
    assert [name for name in whole if "-lo-" in name]
    pd.testing.assert_frame_equal(by_row(pd.concat(frames)), by_row(whole), rtol=1e-5)

    predicted(folder, tmp_path / "two", workers=2)
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


def test_forecasts_are_kept_where_nothing_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_this_process(monkeypatch)
    output = tmp_path / "out"
    first = predicted(folder, output)
    before = tables(output)
    times = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    again = predicted(folder, output)
    assert (again.num_kept, again.num_series) == (first.num_parts, NUM_SERIES)
    assert {path.name: path.stat().st_mtime_ns for path in output.iterdir()} == times

    damaged, lost = list(before)[:2]
    (output / damaged).write_bytes(before[damaged][:-1])
    (output / lost).unlink()
    assert predicted(folder, output).num_kept == first.num_parts - 2
    assert tables(output) == before


def test_a_part_that_changed_is_forecast_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_this_process(monkeypatch)
    table = daily(3).rename(columns={"promo": "Promo"}).assign(promo=0)
    parts = tmp_path / "parts"
    parts.mkdir()
    history = table[table["day"] < "2026-02-01"]
    for store, rows in history.groupby("store"):
        # the steps to forecast are in the table, with nothing to forecast yet
        later = table[(table["store"] == store) & (table["day"] >= "2026-02-01")].head(HORIZON)
        pd.concat([rows, later.assign(sales=float("nan"))]).to_parquet(parts / f"{store}.parquet")
    output = tmp_path / "out"

    def run() -> PartsEnd:
        return predict_parts(folder / "model", parts, output)

    assert run().num_parts == 3
    before = tables(output)
    changed = pd.read_parquet(parts / "s1.parquet")
    changed.loc[changed.index[-HORIZON - 1], "sales"] *= 2
    changed.to_parquet(parts / "s1.parquet")
    assert run().num_kept == 2
    different = {name for name, content in tables(output).items() if content != before[name]}
    assert different == {"s1.parquet"}


def test_a_bad_part_leaves_its_error_and_the_others(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    in_this_process(monkeypatch)
    parts = tmp_path / "parts"
    split_table(
        folder / "t.csv",
        DataConfig(id_col="store"),
        num_parts=5,
        known=folder / "later.csv",
        output=parts,
    )
    bad = sorted(parts.glob("part-*"))[1]
    good = bad.read_text()
    bad.write_text(good.replace("2026-01-09", "2026-01-0x"))
    output = tmp_path / "out"
    words = ["predict", str(folder / "model"), "--parts", str(parts), "--output", str(output)]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert "1 of 5 parts has no forecasts" in captured.err
    assert "2026-01-0x" in json.loads((output / f"{bad.stem}.error.json").read_text())["error"]
    assert len(tables(output)) == 4
    assert not (output / f"{bad.stem}.parquet").exists()

    bad.write_text(good)
    assert main(words) == 0
    assert "4 of them from before" in capsys.readouterr().out
    assert len(tables(output)) == 5
    assert not list(output.glob("*.error.json"))


def test_a_worker_that_is_lost_twice_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from forecast.search.processes import Lost

    class Dies:
        def __init__(self, *_):
            pass

        def ask(self, *_):
            return Lost("its process was ended by SIGKILL")

        def stop(self):
            pass

        close = stop

    monkeypatch.setattr("forecast.search.processes.ProcessWorker", Dies)
    end = predicted(folder, tmp_path / "out")
    assert end.num_parts == 0
    assert set(end.errors.values()) == {"its process was ended by SIGKILL"}
    assert len(list((tmp_path / "out").glob("*.error.json"))) == len(end.errors)


def test_a_model_that_was_replaced_meanwhile_forecasts_nothing(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    in_this_process(monkeypatch)
    fingerprints = iter(["that of the start", "another"])
    monkeypatch.setattr(part_station, "fingerprint_of", lambda _: next(fingerprints))
    output = str(tmp_path / "out")
    parts = str(folder / "parts")
    assert main(["predict", str(folder / "model"), "--parts", parts, "--output", output]) == 2
    assert "another model than when this command began" in capsys.readouterr().err


def run_command(folder: Path, *words: str) -> int:
    return main(["predict", str(folder / "model"), *words])


def test_what_is_refused_is_refused_in_one_line(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    in_this_process(monkeypatch)
    parts = str(folder / "parts")
    out = str(tmp_path / "out")
    assert run_command(folder, "--parts", parts, "--output", out) == 0
    capsys.readouterr()
    refused = {
        ("--parts", parts): "name it with --output FOLDER",
        ("--parts", parts, "--output", parts): "has the parts themselves",
        ("--parts", parts, "--output", out, "--known", "x.csv"): "--known is not read with --parts",
        ("--parts", parts, "--output", out, "--format", "xlsx"): "ask for parquet or csv",
        ("--parts", parts, "--output", out, "--horizon", "3"): "with horizon null instead of 3",
        ("--parts", parts, "--output", out, "--level", "90"): 'with level "auto" instead of [90.0]',
        ("--parts", "nowhere", "--output", out): "nowhere is no folder",
        ("--parts", str(tmp_path), "--output", out): "has no CSV or parquet file",
        ("--workers", "2"): "--workers is read with --parts alone",
    }
    for words, expected in refused.items():
        assert run_command(folder, *words) == 2, words
        error = capsys.readouterr().err
        assert expected in error
        assert error.count("\n") == 1


def test_another_model_and_a_part_without_its_columns_are_refused(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    in_this_process(monkeypatch)
    out = str(tmp_path / "out")
    parts = str(folder / "parts")
    assert run_command(folder, "--parts", parts, "--output", out) == 0
    other = Forecaster(
        time="day",
        target="sales",
        id="store",
        known="promo",
        horizon=HORIZON,
        model="bigru",
        units=2,
        epochs=1,
    ).fit(daily(6), verbose=0)
    other.save(tmp_path / "other")
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "other"), "--parts", parts, "--output", out]) == 2
    error = capsys.readouterr().err
    assert (error.count("\n"), "has forecasts of another model" in error) == (1, True)

    lacking = tmp_path / "lacking"
    lacking.mkdir()
    pd.read_csv(folder / "t.csv").drop(columns="promo").to_parquet(lacking / "a.parquet")
    assert run_command(folder, "--parts", str(lacking), "--output", str(tmp_path / "no")) == 2
    error = capsys.readouterr().err
    assert (error.count("\n"), "a.parquet" in error, "lacks 'promo'" in error) == (1, True, True)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_series_in_two_files_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: Ending
) -> None:
    in_this_process(monkeypatch)
    table = pd.concat([pd.read_csv(folder / "t.csv"), pd.read_csv(folder / "later.csv")])
    parts = tmp_path / "parts"
    parts.mkdir()
    options = ForecastOptions(ending=ending)
    for name, stores in {"a": ["s0", "s1"], "b": ["s2"], "c": ["s3", "s1"]}.items():
        table[table["store"].isin(stores)].to_csv(parts / f"{name}.csv", index=False)
    for _ in range(2):  # forecasts that are kept are looked at too
        with pytest.raises(DataError, match=r"series 's1' and 0 more .* such as a and c"):
            predict_parts(folder / "model", parts, tmp_path / "out", options=options)
    rows = pd.read_csv(parts / "c.csv")
    rows[rows["store"] != "s1"].to_csv(parts / "c.csv", index=False)
    end = predict_parts(folder / "model", parts, tmp_path / "out", options=options)
    assert (end.num_series, end.errors) == (4, {})
