"""A model for each segment: that of a fit to its rows alone, and one table of forecasts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cluster.stations import daily
from cluster.workers_here import in_this_process

from forecast.cli import main
from forecast.cluster.segments.fit_segments import SegmentsEnd, fit_segments
from forecast.cluster.segments.predict_segments import predict_segments
from forecast.cluster.segments.segment_names import folder_names
from forecast.errors import ConfigError, DataError, OutputError
from forecast.experiment.keywords import with_keywords
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster

REGIONS = {"s0": "north", "s1": "north", "s2": "a/b", "s3": "a/b", "s4": "A", "s5": "a"}
SETTINGS: dict[str, Any] = {
    "id": "store",
    "time": "day",
    "target": "sales",
    "horizon": 4,
    "seeds": 0,
    "linear": "member",
    "simple": (),
}
OPTIONS = [
    "--id=store",
    "--time=day",
    "--target=sales",
    "--horizon=4",
    "--set=ensemble.seeds=0",
    "--set=ensemble.linear=member",
    "--set=ensemble.simple=[]",
]
CONFIG = with_keywords(Experiment(), SETTINGS)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit here, and draw nothing."""
    in_this_process(monkeypatch)
    monkeypatch.setattr("forecast.runs.run.show_run", lambda *_: ([], []))


def sales(num_rows: int = 60) -> pd.DataFrame:
    """Sales of six stores in four regions."""
    table = daily(6, num_rows).drop(columns="promo")
    return table.assign(region=table["store"].map(REGIONS))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, and the models of its segments."""
    folder = tmp_path_factory.mktemp("segments")
    sales().to_csv(folder / "t.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        patch.setattr("forecast.runs.run.show_run", lambda *_: ([], []))
        words = ["fit", str(folder / "t.csv"), "--by", "region", *OPTIONS]
        assert main([*words, "--out", str(folder / "out")]) == 0
    return folder


def runs_in(folder: Path) -> dict[str, Path]:
    """The run of each segment."""
    segments = json.loads((folder / "segments.json").read_text())["segments"]
    return {segment["value"]: folder / "runs" / segment["name"] for segment in segments}


def lines_of(path: Path, region: str) -> str:
    """The lines of a CSV file, as a text editor would find those of one region."""
    head, *lines = path.read_text().splitlines(keepends=True)
    return head + "".join(line for line in lines if line.rstrip("\n").endswith(f",{region}"))


@pytest.mark.parametrize("region", ["north", "a/b", "A", "a"])
def test_the_model_is_that_of_a_fit_to_the_rows_alone(
    made: Path, tmp_path: Path, region: str
) -> None:
    alone = tmp_path / "alone.csv"
    alone.write_text(lines_of(made / "t.csv", region))
    assert main(["fit", str(alone), *OPTIONS, "--out", str(tmp_path / "run")]) == 0
    run = runs_in(made / "out")[region]
    for name in ("forecast.csv", "scores.json", "model/weights.safetensors"):
        assert (run / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name


def test_each_series_is_forecast_by_the_model_of_its_segment(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = tmp_path / "newer.csv"
    sales(70).sort_values(["day", "store"]).to_csv(newer, index=False)
    output = tmp_path / "next.csv"
    assert main(["predict", str(made / "out"), str(newer), "--output", str(output)]) == 0
    capsys.readouterr()
    found = pd.read_csv(output).set_index("store")
    assert sorted(found.index.unique()) == sorted(REGIONS)
    for region, run in runs_in(made / "out").items():
        alone = tmp_path / "alone.csv"
        alone.write_text(lines_of(newer, region))
        expected = Forecaster.load(run / "model").predict(str(alone), level="auto").frame()
        assert len(expected) == 4 * sum(name == region for name in REGIONS.values())
        for store, rows in expected.groupby("store"):
            mine = found.loc[store].reset_index(drop=True)
            for name in rows.columns[3:]:
                assert mine[name].tolist() == rows[name].tolist(), (store, name)
    assert main(["predict", str(made / "out"), str(newer), "--output", str(output)]) == 0


def test_the_last_row_has_the_scores_of_all_windows_together(made: Path) -> None:
    table = pd.read_csv(made / "out" / "segments.csv", keep_default_na=False, na_values=[""])
    runs = runs_in(made / "out")
    assert table["segment"].tolist() == [*runs, "all"]
    errors = []
    best = []
    for value, run in runs.items():
        rows = pd.read_parquet(run / "test_forecasts.parquet")
        mine = (rows["segment_bigru"] - rows["sales"]).abs()
        baseline = json.loads((run / "forecast.json").read_text())["baseline"]
        theirs = (rows[baseline] - rows["sales"]).abs()
        row = table[table["segment"] == value].iloc[0]
        assert row["error"] == pytest.approx(mine.mean(), rel=1e-6)
        assert row["best_baseline"] == baseline
        assert row["skill"] == pytest.approx(1 - mine.mean() / theirs.mean(), rel=1e-6)
        errors.append(mine)
        best.append(theirs)
    total = table.iloc[-1]
    assert total["error"] == pytest.approx(pd.concat(errors).mean(), rel=1e-6)
    skill = 1 - pd.concat(errors).mean() / pd.concat(best).mean()
    assert total["skill"] == pytest.approx(skill, rel=1e-6)
    assert (total["series"], total["rows"]) == (6, 360)
    page = (made / "out" / "segments.html").read_text()
    for run in runs.values():
        assert f'href="runs/{run.name}/report.html"' in page


def test_names_of_folders_are_safe_and_differ() -> None:
    values = ["a/b", "a_b", "A", "a", "..", ".", "", " ", "-rf", "x" * 300, "x" * 299 + "y"]
    values += ["\x00\x1b[2J", "\n", "Zürich", "Zurich", "日本", "京都", "con", "NUL", "north"]
    names = folder_names(values)
    assert names["north"] == "north"
    names |= folder_names(["a_b-" + names["a/b"].rpartition("-")[2]], names)
    assert len({name.casefold() for name in names.values()}) == len(values) + 1
    for name in names.values():
        assert len(name) < 100
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
        assert name[0] not in "-_"
        assert name.lower() not in ("con", "nul")
    assert folder_names(["b/a", "a/b"], {"a/b": "first"}) == {"b/a": "b_a", "a/b": "first"}


def fitted(folder: Path, table: Any, **options: Any) -> SegmentsEnd:
    return fit_segments(CONFIG, "region", table, out=folder, **options)


def test_a_refused_segment_leaves_its_line_and_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    whole = sales()
    short = whole[(whole["region"] != "A") | (whole["day"] < "2026-01-04")]
    short.to_csv(table, index=False)
    words = ["fit", str(table), "--by", "region", *OPTIONS, "--out", str(tmp_path / "out")]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "1 of 4 segments has no model: see" in captured.err
    rows = pd.read_csv(tmp_path / "out" / "segments.csv").set_index("segment")
    assert "'s4' (3 rows)" in rows.loc["A", "refused"]
    assert rows.loc["all", "series"] == 5
    assert "s4" in (tmp_path / "out" / "segments.html").read_text()

    # a forecast names the series that have no model, and why
    assert main(["predict", str(tmp_path / "out"), str(table)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in ("'store'", "'s4'", "'region'", "'A'", "was refused"):
        assert word in error

    whole.to_csv(table, index=False)
    assert main(words) == 2
    assert "of other rows (in 1 of 4 segments, such as 'A')" in capsys.readouterr().err
    assert main([*words, "--replace"]) == 0
    assert "models of 4 segments, 3 of them from before" in capsys.readouterr().out


def test_an_interrupted_command_goes_on(tmp_path: Path) -> None:
    said: list[str] = []

    def interrupted(line: str) -> None:
        said.append(line)
        if line.startswith("2 of 4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "out", sales(), say=interrupted)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").rglob("*.yaml")}
    assert 2 <= len(times) < 4
    end = fitted(tmp_path / "out", sales())
    assert (end.num_fitted, end.num_kept) == (4, len(times))
    assert {path: path.stat().st_mtime_ns for path in times} == times

    model = next(iter(runs_in(tmp_path / "out").values())) / "model" / "manifest.json"
    shutil.rmtree(model.parent)  # a run that is no longer whole is fitted again
    assert fitted(tmp_path / "out", sales()).num_kept == 3
    assert model.is_file()


def test_other_rows_settings_or_columns_are_replaced_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    table = sales()
    fitted(out, table)
    gone = runs_in(out)["a"]
    less = table[table["region"] != "a"]
    with pytest.raises(OutputError, match=r"of other rows \(in 1 of 3 segments, such as 'a'\)"):
        fitted(out, less)
    assert gone.is_dir()
    assert fitted(out, less, replace=True).num_kept == 3
    assert not gone.exists()
    with pytest.raises(OutputError, match="with other settings"):
        fit_segments(with_keywords(CONFIG, {"horizon": 5}), "region", less, out=out)
    with pytest.raises(OutputError, match="of column 'region' instead of 'store'"):
        fit_segments(CONFIG, "store", less, out=out)
    (out / "tables" / "mine.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"mine\.csv"):
        fitted(out, less)


def test_tables_of_every_kind_give_the_same_models(made: Path, tmp_path: Path) -> None:
    table = pd.read_csv(made / "t.csv")
    table.to_parquet(tmp_path / "t.parquet")
    table.to_excel(tmp_path / "t.xlsx", index=False)
    (tmp_path / "t2.csv").write_text((made / "t.csv").read_text().replace(",", ";"))
    sources: list[Any] = [
        table,
        *(str(tmp_path / name) for name in ("t.parquet", "t.xlsx", "t2.csv")),
    ]
    expected = predict_segments(made / "out")[0].drop(columns=["day", "cutoff"])
    for number, source in enumerate(sources):
        end = fitted(tmp_path / str(number), source)
        assert end.errors == {}
        frame = predict_segments(end.folder)[0].drop(columns=["day", "cutoff"])
        pd.testing.assert_frame_equal(frame, expected, check_exact=True)


def test_known_covariates_and_other_types_of_ids(tmp_path: Path) -> None:
    table = daily(4, 64)
    names = {"s0": "1", "s1": "2", "s2": "x", "s3": "y"}
    table["store"] = table["store"].map(names)
    table["kind"] = np.where(table["store"].isin(["1", "2"]), "numbers", "words")
    config = with_keywords(Experiment(), {**SETTINGS, "known": ["promo"]})
    later = table[table["day"] > table["day"].max() - pd.Timedelta(days=4)]
    history = table.drop(later.index)
    history.to_csv(tmp_path / "t.csv", index=False)
    later[["store", "day", "promo"]].to_csv(tmp_path / "later.csv", index=False)
    out = tmp_path / "out"
    fit_segments(config, "kind", str(tmp_path / "t.csv"), out=out)
    expected = []
    for kind, run in runs_in(out).items():
        rows = history[history["kind"] == kind]
        known = later[later["store"].isin(rows["store"])]
        forecaster = Forecaster.load(run / "model")
        expected += forecaster.predict(rows, known=known).frame().iloc[:, -1].tolist()
    for source in (None, str(tmp_path / "t.csv")):
        frame, _ = predict_segments(
            out, source, known=str(tmp_path / "later.csv"), output=tmp_path / "f.parquet"
        )
        assert frame["store"].unique().tolist() == ["1", "2", "x", "y"]
        assert frame["segment_bigru"].tolist() == pytest.approx(expected, rel=1e-6)


def test_what_is_refused_is_refused_in_one_line(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = sales()
    table.loc[5, "region"] = "A"
    table.to_csv(tmp_path / "two.csv", index=False)
    table.loc[5, "region"] = ""
    table.to_csv(tmp_path / "empty.csv", index=False)
    two = str(tmp_path / "two.csv")
    out = f"--out={tmp_path / 'out'}"
    fit = ["fit", two, *OPTIONS, out]
    run = str(made / "out")
    refused: dict[tuple[str, ...], str] = {
        (*fit, "--by=region"): "series 's0' has 'north' and 'A' in column 'region'",
        (*fit, "--by=regio"): "no column 'regio' to name the segments (did you mean 'region'?)",
        ("fit", str(tmp_path / "empty.csv"), *OPTIONS, out, "--by=region"): "is empty in rows of",
        (*fit, "--by=region", "--mlflow=x"): "--mlflow is not read with --by",
        (*fit, "--by=region", "--require-skill"): "--require-skill is not read with --by",
        (
            "fit",
            two,
            out,
            "--by=region",
            "--set=data.layout=wide",
        ): "so no column names the segments",
        (*fit, "--workers=2"): "--workers is read with --by or --ray alone",
        ("predict", run, two): "series 's0' has 'north' and 'A'",
        ("predict", run, "--parts=x"): "--parts is not read with the models of segments",
        ("predict", run, "--total=week"): "--total is not read with the models of segments",
        ("predict", run, f"--output={run}/segments.csv"): "is not a forecast of these segments",
        ("evaluate", run): "has a run for each of 4 segments, and this command takes one",
        ("fit", two, *OPTIONS, f"--out={run}"): "contains files but no run of fit",
    }
    for words, expected in refused.items():
        before = sorted(tmp_path.rglob("*"))
        assert main(list(words)) == 2, words
        error = capsys.readouterr().err
        assert expected in error, words
        assert error.count("\n") == 1, error
        assert sorted(tmp_path.rglob("*")) == before


def test_one_series_without_a_column_of_ids_is_in_one_segment(tmp_path: Path) -> None:
    table = pd.DataFrame({"ds": pd.date_range("2026-01-01", periods=40), "y": np.arange(40.0)})
    with pytest.raises(DataError, match="no column of ids, so one series, with 'a' and 'b'"):
        fit_segments(
            with_keywords(Experiment(), {"id": "unique_id", "seeds": 0}),
            "part",
            table.assign(part=["a"] * 20 + ["b"] * 20),
            out=tmp_path / "out",
        )
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="no table was given"):
        fit_segments(Experiment(), "part", out=tmp_path / "out")
