"""Every experiment that comes with the package: named in its own header, accepted, and runnable to
the end."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pandas as pd
import pytest

from forecast import Classification
from forecast.cli import build_parser
from forecast.experiment.file import load_experiment, load_settings
from forecast.runs.run import fit_run
from forecast.runs.use import predict_run
from forecast.training.voice import Voice

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
EMBEDDED = [path for path in CONFIGS if load_experiment(path).data.source]
"""Those whose table comes with the package; `test_accuracy.py` runs the others."""
SMOKE = [
    "model.units=3",
    "training.epochs=1",
    "training.windows_per_epoch=24",
    "training.batch_size=12",
    "evaluation.stride=200",
]
"""Overrides under which a run takes seconds."""

CONTENTS = {
    "bias_by_step.png",
    "config.yaml",
    "data.json",
    "environment.json",
    "error_by_cutoff.png",
    "error_by_step.png",
    "forecast.csv",
    "forecasts.png",
    "history.json",
    "loss.png",
    "model",
    "observed.parquet",
    "residuals.png",
    "scores.json",
    "scores.txt",
    "test_forecasts.parquet",
}


def header(path: Path) -> list[str]:
    """The comment at the head of a file, line by line, without its marks."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        line[1:].strip()
        for line in lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    ]


def test_there_are_examples() -> None:
    assert {"demo", "air_passengers", "synthetic", "weather_quantiles"} <= {
        path.stem for path in CONFIGS
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_header_gives_purpose_and_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = header(path)
    assert len(lines[0]) > 40
    assert lines[0].endswith((".", ":"))
    commands = [line for line in lines if line.startswith("forecast ")]
    assert commands
    monkeypatch.chdir(ROOT)
    for command in commands:
        options = build_parser().parse_args(shlex.split(command)[1:])
        assert options.config == f"configs/{path.name}"
        assert (options.table is None) == (path in EMBEDDED)
        assert (
            load_experiment(options.config, options.set or ()).model == load_experiment(path).model
        )


def test_the_default_is_what_one_gets_without_asking() -> None:
    assert load_experiment(ROOT / "configs" / "default.yaml") == load_experiment(None)


def test_two_transformers_have_one_preset() -> None:
    assert load_experiment(ROOT / "configs" / "etth1.yaml") == load_experiment(
        ROOT / "configs" / "etth2.yaml"
    )


QUICK = ("air_passengers", "demo")
"""Those run by the quick tests: defaults chosen by the data, and covariates with gaps."""


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem in QUICK else [pytest.mark.proof])
        for path in EMBEDDED
    ],
    ids=lambda path: path.stem,
)
def test_an_experiment_runs_to_the_end(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    config = load_experiment(path, SMOKE)
    folder = fit_run(config, out=tmp_path / "run", voice=Voice(said.append))
    capsys.readouterr()  # the progress of training
    assert {one.name for one in folder.iterdir()} >= CONTENTS
    assert all(one.stat().st_size for one in folder.iterdir())
    assert [one.name for one in tmp_path.iterdir()] == ["run"]
    scores = json.loads((folder / "scores.json").read_text())
    judged = pd.read_parquet(folder / "test_forecasts.parquet")
    assert {config.name, "linear", "seasonal_naive"} <= set(scores["values"])
    target_cols = load_experiment(folder / "config.yaml", []).data.target_cols
    suffixes = [f"-{name}" for name in target_cols] if len(target_cols) > 1 else [""]
    assert {alias + suffix for alias in scores["values"] for suffix in suffixes} <= set(
        judged.columns
    )
    again = predict_run(folder).frame()
    written = pd.read_csv(folder / "forecast.csv", parse_dates=["ds", "cutoff"])
    pd.testing.assert_frame_equal(written, again, check_dtype=False, rtol=1e-12)
    stored = load_experiment(folder / "config.yaml").training.model_dump()
    asked = config.training.model_dump()
    assert stored == {**stored, **{name: asked[name] for name in asked if asked[name] != "auto"}}
    assert [name for name, value in stored.items() if value == "auto"] == ["jit"]
    assert (folder / "scores.txt").read_text().strip() in "\n".join(said)


@pytest.mark.proof
def test_a_blend_leaves_no_checkpoint_whatever_the_folder_is_called(tmp_path: Path) -> None:
    settings = [*SMOKE, "ensemble.seeds=2", "ensemble.linear=member"]
    said: list[str] = []
    fit_run(
        load_experiment(ROOT / "configs" / "air_passengers.yaml", settings),
        out=tmp_path / "a [1]*",
        voice=Voice(said.append),
    )
    assert [one.name for one in tmp_path.iterdir()] == ["a [1]*"]
    assert any("% network" in line and "% ridge regression" in line for line in said), said


CLASSIFICATIONS = sorted((ROOT / "configs" / "classification").glob("*.yaml"))


@pytest.mark.parametrize("path", CLASSIFICATIONS, ids=lambda path: path.stem)
def test_the_header_of_a_classification_gives_purpose_and_command(path: Path) -> None:
    lines = header(path)
    assert len(lines[0]) > 40
    (command,) = (line for line in lines if line.startswith("forecast "))
    options = build_parser().parse_args(shlex.split(command)[1:])
    assert options.config == f"configs/classification/{path.name}"
    split_col = load_settings(Classification, path).data.split_col
    assert split_col == "split" or path.stem == "tune"  # which is of any table
