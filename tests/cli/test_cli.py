"""The command line as users see it: exit codes, one-line errors, files that remain."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data.bad_tables import BAD_TABLES, BadTable, clean
from reports import a_result, write_run

import forecast
from forecast.cli import main
from forecast.cli.backtesting import BACKTEST_SHORTCUTS
from forecast.cli.parser import SHORTCUTS
from forecast.experiment.settings import Experiment
from forecast.runs.pictures import show_run
from forecast.scores.history import History

ROOT = Path(__file__).parents[2]
PICTURES = (
    "forecast",
    "loss",
    "forecasts",
    "error_by_step",
    "error_by_cutoff",
    "bias_by_step",
    "residuals",
)
SMALL = [
    "--set=windows.context_length=24",
    "--set=windows.horizon=6",
    "--set=model.units=4",
    "--set=training.epochs=1",
]
ONE_NETWORK = [
    *SMALL,
    "--set=model.name=bigru",
    "--set=model.cell=rnn",
    "--set=model.bidirectional=false",
    "--set=model.decoder=direct",
]
"""One network in place of an ensemble, the one that is traced fastest."""
TABLES = [(number, table) for number, tables in BAD_TABLES.items() for table in tables]
WRITTEN = [pytest.param(t, id=f"{n}-{t.name}") for n, t in TABLES if t.survives_csv]


def settings_of(table: BadTable) -> list[str]:
    """Return the options that describe the columns and format of a table."""
    columns, form = table.columns, table.table_format
    values = {
        "id_col": columns.id_col,
        "time_col": columns.time_col,
        "target_cols": columns.target_cols,
        "past_covariates": list(columns.past_covariates),
        "known_covariates": list(columns.known_covariates),
        "static_covariates": list(columns.static_covariates),
        "categorical": list(columns.categorical),
        "freq": table.freq,
        "layout": form.layout,
        "separator": form.separator,
        "decimal": form.decimal,
        "encoding": form.encoding,
        "time_format": form.time_format,
        "tz": form.tz,
    }
    return [
        f"--set=data.{name}={json.dumps(value)}"
        for name, value in values.items()
        if value not in (None, [])
    ]


IN_A_FILE = {"complex": ("no number",)}
"""Words of the message where writing the table to a file changes the problem."""


@pytest.mark.parametrize("table", WRITTEN)
def test_check_reports_the_errors_of_loading(table, tmp_path, capsys):
    code = main(["check", str(table.file(tmp_path)), *settings_of(table)])
    out, err = capsys.readouterr()
    said = " ".join((out + err).split()).lower()
    assert code == (2 if table.words else 0), said
    assert "traceback" not in said
    words = IN_A_FILE.get(table.name, table.words)
    rows_apart = [
        word for word in words if not word.lower().startswith("row ")
    ]  # a file counts lines
    for word in (*rows_apart, *table.notes):
        assert word.lower() in said


@pytest.mark.parametrize("table", [case for case in WRITTEN if case.values[0].words])
def test_fit_refuses_in_one_line_and_writes_nothing(table, tmp_path, capsys):
    source = table.file(tmp_path)
    code = main(["fit", str(source), *settings_of(table), *SMALL, f"--out={tmp_path / 'run'}"])
    out, err = capsys.readouterr()
    assert code == 2
    errors = [line for line in err.splitlines() if not line.startswith("try")]
    assert errors
    assert all(line.startswith("forecast: error: ") for line in errors)
    assert "Traceback" not in out + err
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A small run on 200 clean hourly rows."""
    folder = tmp_path_factory.mktemp("cli")
    clean().to_csv(folder / "clean.csv", index=False)
    assert main(["fit", str(folder / "clean.csv"), *SMALL, f"--out={folder / 'run'}"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def run_with_load(tmp_path_factory) -> Path:
    """The same with a known covariate."""
    folder = tmp_path_factory.mktemp("cli_known")
    clean().assign(load=1.0).to_csv(folder / "clean.csv", index=False)
    options = [*ONE_NETWORK, "--set=data.known_covariates=[load]", f"--out={folder / 'run'}"]
    assert main(["fit", str(folder / "clean.csv"), *options]) == 0
    return folder / "run"


def test_a_run_folder_contains_everything(run):
    names = {path.name for path in run.iterdir()}
    pictures = {f"{name}.png" for name in PICTURES}
    records = {
        "config.yaml",
        "environment.json",
        "data.json",
        "history.json",
        "scores.json",
        "scores.txt",
    }
    assert names >= pictures | records | {
        "forecast.csv",
        "test_forecasts.parquet",
        "report.html",
        "model",
    }
    assert not list(run.parent.glob(".run*")), "no checkpoint or temporary folder is left"
    forecast = pd.read_csv(run / "forecast.csv")
    ends = [f"ensemble-{side}-{level}" for side, level in (("lo", 95), ("lo", 80), ("hi", 80))]
    baseline = json.loads((run / "forecast.json").read_text())["baseline"]
    columns = ["unique_id", "ds", "cutoff", "ensemble", *ends, "ensemble-hi-95", baseline]
    assert list(forecast.columns) == columns
    scores = json.loads((run / "scores.json").read_text())
    stored = pd.read_parquet(run / "test_forecasts.parquet")
    assert scores["values"]["linear"]["MAE"] == pytest.approx(
        (stored["linear"] - stored["y"]).abs().mean()
    )


def test_a_figure_or_report_that_fails_loses_no_model(tmp_path, monkeypatch, capsys):
    clean().to_csv(tmp_path / "clean.csv", index=False)

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("forecast.runs.pictures.report_page", fail)
    monkeypatch.setattr("forecast.runs.pictures.plot_residuals", fail)
    folder = tmp_path / "run"
    assert main(["fit", str(tmp_path / "clean.csv"), *ONE_NETWORK, f"--out={folder}"]) == 0
    printed = capsys.readouterr()
    assert f"wrote {folder}: model, forecasts and scores" in printed.out.splitlines()
    said = printed.err.splitlines()
    for what, command in (
        ("figures could not be drawn", "plot"),
        ("report could not be written", "report"),
    ):
        reason = "(ZeroDivisionError: by zero)"
        assert f"the {what} {reason}: try forecast {command} on the folder" in said
    assert not (folder / "report.html").exists()
    assert not list(folder.glob("*.png"))
    monkeypatch.undo()
    assert main(["predict", str(folder)]) == 0
    assert main(["plot", str(folder)]) == 0
    assert main(["report", str(folder)]) == 0
    assert {f"{name}.png" for name in PICTURES} | {"report.html"} <= {
        path.name for path in folder.iterdir()
    }
    assert not list(tmp_path.glob(".run*")), "no checkpoint or temporary folder is left"


def test_figures_are_drawn_if_only_the_report_fails(tmp_path):
    folder = write_run(tmp_path / "run", a_result())
    (folder / "environment.json").unlink()
    histories = {"seed 0": History((1.0,), (), (1e-3,), (1.0,), 1)}
    made, failures = show_run(folder, histories, a_result(), a_result().frame())
    assert made == ["7 figures"]
    assert [line.split(" (")[0] for line in failures] == ["the report could not be written"]
    assert {path.name for path in folder.glob("*.png")} == {f"{name}.png" for name in PICTURES}


@pytest.mark.proof
def test_the_stored_config_repeats_the_run(tmp_path, capsys):
    assert fit_small(clean(), tmp_path) == 0
    run = tmp_path / "run"
    options = [f"--config={run / 'config.yaml'}", f"--out={tmp_path / 'again'}"]
    assert main(["fit", *options]) == 0
    capsys.readouterr()
    assert (tmp_path / "again" / "forecast.csv").read_bytes() == (run / "forecast.csv").read_bytes()
    first, second = (
        (folder / "model" / "weights.safetensors").read_bytes()
        for folder in (run, tmp_path / "again")
    )
    assert first == second


def test_predict_prints_or_writes_the_forecast(run, tmp_path, capsys):
    assert main(["predict", str(run)]) == 0
    assert capsys.readouterr().out == (run / "forecast.csv").read_text()
    assert main(["predict", str(run), f"--output={tmp_path / 'next.parquet'}", "--horizon=9"]) == 0
    assert len(pd.read_parquet(tmp_path / "next.parquet")) == 9


def test_evaluate_prints_the_table_of_the_run(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    printed = capsys.readouterr().out
    scores = (run / "scores.txt").read_text()
    assert printed.startswith(scores)
    coverage = printed.removeprefix(scores).splitlines()
    assert [line.split(" of actual")[0].split(" cover")[0] for line in coverage] == [
        "80 % intervals",
        "95 % intervals",
    ]


@pytest.mark.proof
def test_plot_draws_the_same_figures_without_tensorflow(run, tmp_path):
    code = (
        "import sys; from forecast.cli import main; "
        f"code = main(['plot', {str(run)!r}, '--out', {str(tmp_path)!r}]); "
        "assert not {'tensorflow', 'keras'} & set(sys.modules); sys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
    for name in PICTURES:
        assert (tmp_path / f"{name}.png").read_bytes() == (run / f"{name}.png").read_bytes()


def driven_table(strength: float) -> pd.DataFrame:
    """Return 400 hours of noise around a known covariate, which no baseline reads."""
    rng = np.random.default_rng(0)
    load = rng.normal(size=400)
    stamps = pd.date_range("2024-01-01", periods=400, freq="h")
    return pd.DataFrame(
        {"unique_id": "a", "ds": stamps, "y": strength * load + rng.normal(size=400), "load": load}
    )


@pytest.mark.parametrize(
    ("strength", "code"), [pytest.param(10.0, 0, marks=pytest.mark.proof), (0.0, 1)]
)
def test_required_skill_decides_the_exit_code_and_the_run_is_written(
    strength, code, tmp_path, capsys
):
    options = [
        "--set=data.known_covariates=[load]",
        "--set=ensemble.linear=member",
        "--set=windows.horizon=1",
    ]
    options += ["--set=training.refit=false"]
    driven_table(strength).to_csv(tmp_path / "table.csv", index=False)
    run = tmp_path / "run"
    assert (
        main(
            [
                "fit",
                str(tmp_path / "table.csv"),
                *ONE_NETWORK,
                *options,
                f"--out={run}",
                "--require-skill",
            ]
        )
        == code
    )
    out, err = capsys.readouterr()
    said = json.loads((run / "scores.json").read_text())["comparisons"]["ensemble"]
    assert (said["low"] > 0) == (code == 0)
    assert f"wrote {run}" in out
    refusals = [line for line in err.splitlines() if line.startswith("forecast: error: ")]
    assert len(refusals) == code
    assert all("skill was required: ensemble" in refusal for refusal in refusals)
    assert main(["evaluate", str(run), "--require-skill"]) == code
    out, err = capsys.readouterr()
    assert out == (run / "scores.txt").read_text()
    assert err.count("\n") == code
    assert main(["evaluate", str(run)]) == 0


def test_required_skill_needs_a_test_set(tmp_path, capsys):
    clean().to_csv(tmp_path / "clean.csv", index=False)
    options = ["--set=evaluation.test_size=0", f"--out={tmp_path / 'run'}", "--require-skill"]
    assert main(["fit", str(tmp_path / "clean.csv"), *SMALL, *options]) == 2
    assert "evaluation.test_size above 0" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


HISTORIES = {
    "44-nan": (lambda t: t.assign(y=t["y"].where(t.index != 198)), "missing"),
    "47-inf": (lambda t: t.assign(y=t["y"].where(t.index != 190, np.inf)), "inf"),
    "48-all_nan": (lambda t: t.assign(y=np.nan), "y has no value at all"),
    "49-five_rows": (lambda t: t.tail(5), "each needs its last 24 rows"),
    "51-daily": (lambda t: t.assign(ds=pd.date_range("2020-01-01", periods=200)), "'h'"),
    "42-no_target": (lambda t: t.drop(columns="y"), "'y'"),
}


@pytest.mark.parametrize("case", HISTORIES)
def test_predict_refuses_an_unusable_history(case, run, tmp_path, capsys):
    build, word = HISTORIES[case]
    build(clean()).to_csv(tmp_path / "history.csv", index=False)
    assert (
        main(
            ["predict", str(run), str(tmp_path / "history.csv"), f"--output={tmp_path / 'out.csv'}"]
        )
        == 2
    )
    err = capsys.readouterr().err
    assert word in err
    assert len([line for line in err.splitlines() if not line.startswith("try: ")]) == 1
    assert not (tmp_path / "out.csv").exists()


KNOWN = {
    "43-none": (None, "no known covariates were given"),
    "43-three_of_six": (
        lambda k: k.head(3),
        "are missing in 3 of 6 rows, first series 'a' at 2020-01-09 11:00:",
    ),
    "43-wrong_dates": (
        lambda k: k.assign(ds=k["ds"] + pd.Timedelta(days=9)),
        "are missing in 6 of 6 rows",
    ),
    "43-no_column": (lambda k: k.drop(columns="load"), "'load'"),
    "44-nan": (lambda k: k.assign(load=[1, 1, None, 1, 1, 1]), "'load' is empty in 1 cell"),
    "45-inf": (lambda k: k.assign(load=np.inf), "inf"),
    "46-text": (lambda k: k.assign(load="warm"), "'warm'"),
}


@pytest.mark.parametrize("case", KNOWN)
def test_predict_refuses_unusable_known_covariates(case, run_with_load, tmp_path, capsys):
    build, word = KNOWN[case]
    known = pd.DataFrame(
        {
            "unique_id": "a",
            "ds": pd.date_range("2020-01-09 08:00", periods=6, freq="h"),
            "load": 1.0,
        }
    )
    options = []
    if build:
        build(known).to_csv(tmp_path / "known.csv", index=False)
        options = [f"--known={tmp_path / 'known.csv'}"]
    assert main(["predict", str(run_with_load), *options]) == 2
    err = capsys.readouterr().err
    assert word in err
    assert len([line for line in err.splitlines() if not line.startswith("try: ")]) == 1


def test_50_an_unseen_series_is_forecast(run, tmp_path, capsys):
    clean().assign(unique_id="new").to_csv(tmp_path / "new.csv", index=False)
    assert main(["predict", str(run), str(tmp_path / "new.csv")]) == 0
    assert capsys.readouterr().out.count("new,") == 6


def test_52_a_context_in_another_unit_is_reported(run, tmp_path, capsys):
    table = clean()
    table.assign(y=table["y"] * 1e6).to_csv(tmp_path / "large.csv", index=False)
    assert main(["predict", str(run), str(tmp_path / "large.csv")]) == 0
    assert "far outside the training data (first 'a')" in capsys.readouterr().err


def test_53_an_extra_column_is_ignored(run, tmp_path, capsys):
    clean().assign(extra=1.0).to_csv(tmp_path / "extra.csv", index=False)
    assert main(["predict", str(run), str(tmp_path / "extra.csv")]) == 0
    assert capsys.readouterr().out == (run / "forecast.csv").read_text()


def fit_small(table: pd.DataFrame, folder: Path, *options: str) -> int:
    """Fit the small model on a table, in a folder."""
    table.to_csv(folder / "table.csv", index=False)
    words = [str(folder / "table.csv"), *ONE_NETWORK, *options, f"--out={folder / 'run'}"]
    return main(["fit", *words])


def test_31_a_series_that_is_too_short_is_named(tmp_path, capsys):
    assert fit_small(clean(10), tmp_path) == 2
    assert "'a' (10 rows)" in capsys.readouterr().err


def test_32_one_window_is_enough_to_train_and_none_to_evaluate(tmp_path, capsys):
    alone = [
        "--set=evaluation.test_size=0",
        "--set=evaluation.validation_size=0",
        "--set=training.patience=null",
    ]
    assert fit_small(clean(30), tmp_path) == 2
    assert "set has no window" in capsys.readouterr().err
    assert fit_small(clean(30), tmp_path, *alone) == 0
    out = capsys.readouterr().out
    assert "1 for training" in out
    assert "no test set: evaluation.test_size is 0" in out
    assert f"wrote {tmp_path / 'run'}: model, forecasts, 2 figures and report.html" in out


def test_34_a_short_series_among_others_is_named_or_left_out(tmp_path, capsys):
    table = pd.concat([clean(), clean(12).assign(unique_id="tiny")])
    assert fit_small(table, tmp_path) == 2
    assert "'tiny' (12 rows)" in capsys.readouterr().err
    assert fit_small(table, tmp_path, "--set=data.short_series=skip") == 0
    assert "left out: 1 of 2 series" in capsys.readouterr().out


def test_fit_notes_values_that_the_forecast_reads_and_training_did_not_see(tmp_path, capsys):
    table = clean().assign(load=1.0)
    table.loc[table.index[-1], "load"] = 2.0
    options = ["--set=evaluation.test_size=0"]
    assert fit_small(table, tmp_path, '--set=data.past_covariates=["load"]', *options) == 0
    assert (
        "\nnote: 'load' was 1 throughout training and differs in 1 of 24 values"
        in capsys.readouterr().out
    )


WRONG = {
    "54-horizon_0": (["fit", "dataset:air_passengers", "--horizon=0"], "windows.horizon"),
    "54-horizon_-1": (["fit", "dataset:air_passengers", "--horizon=-1"], "windows.horizon"),
    "55-horizon_1000": (["fit", "dataset:air_passengers", "--horizon=1000"], "shorter than the"),
    "56-no_run": (["predict", "nowhere"], "nowhere"),
    "no_table": (["fit"], "no table was given"),
    "no_file": (["fit", "nothing.csv"], "nothing.csv"),
    "no_dataset": (["check", "dataset:air_passenger"], "air_passengers"),
    "no_config": (["fit", "--config=none.yaml"], "none.yaml"),
    "wrong_key": (["show-config", "--set=model.unit=3"], "units"),
    "wrong_value": (["show-config", "--set=model.units=many"], "model.units"),
    "no_run_to_plot": (["plot", "nowhere"], "nowhere"),
    "no_run_to_report": (["report", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests_end_in_one_line(case, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments, word = WRONG[case]
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert word in err
    assert len([line for line in err.splitlines() if not line.startswith("try: ")]) == 1
    assert not list(tmp_path.iterdir())


def test_wrong_arguments_leave_with_code_2(capsys):
    for arguments in (["fit", "--nonsense"], ["forecst"], [], ["predict", "run", "--horizon=x"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        assert capsys.readouterr().err.count("\n") == 1


def test_debug_shows_the_traceback(capsys):
    assert main(["fit", "nothing.csv", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.proof
def test_diverged_training_is_a_failure_that_writes_nothing(tmp_path, capsys):
    clean().to_csv(tmp_path / "clean.csv", index=False)
    options = [
        "--set=training.optimizer=sgd",
        "--set=training.learning_rate=10",
        "--set=training.gradient_clip=null",
    ]
    options += ["--set=training.epochs=50", "--set=training.patience=null", "--set=model.cell=rnn"]
    options += ["--set=model.name=bigru"]
    code = main(["fit", str(tmp_path / "clean.csv"), *SMALL, *options, f"--out={tmp_path / 'run'}"])
    err = capsys.readouterr().err
    if code == 0:
        pytest.fail("training with a learning rate of 10 was expected to diverge")
    assert code == 1
    assert "epoch" in err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.proof
def test_killed_training_resumes_to_the_same_bits(tmp_path, capsys):
    clean(600).to_csv(tmp_path / "clean.csv", index=False)
    options = [
        str(tmp_path / "clean.csv"),
        "--verbose",
        *SMALL,
        "--set=training.epochs=6",
        "--set=model.dropout=0.2",
    ]
    assert main(["fit", *options, f"--out={tmp_path / 'whole'}"]) == 0
    command = [sys.executable, "-m", "forecast", "fit", *options, f"--out={tmp_path / 'killed'}"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    for line in process.stderr:
        if "epoch 2/6" in line:
            break
    checkpoint = tmp_path / ".killed.checkpoint"
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert not (tmp_path / "killed").exists()
    assert main(["fit", *options, f"--out={tmp_path / 'killed'}", "--resume"]) == 0
    capsys.readouterr()
    first, second = (
        (tmp_path / name / "model" / "weights.safetensors").read_bytes()
        for name in ("whole", "killed")
    )
    assert first == second


COMMANDS = (
    "check",
    "fit",
    "split",
    "predict",
    "evaluate",
    "export",
    "serve",
    "explain",
    "update",
    "rollback",
    "sign",
    "monitor",
    "plot",
    "report",
    "backtest",
    "tune",
    "classify",
    "categories",
    "symbols",
    "leak-check",
    "show-config",
    "completion",
)


def help_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit, match="0"):
        main([*arguments, "--help"])
    return capsys.readouterr().out


def test_help_lists_every_command_with_its_summary_on_one_line(capsys):
    lines = help_of([], capsys).splitlines()
    listed = [line.split()[0] for line in lines if re.match(r"    [a-z-]+ +[a-z]", line)]
    assert listed == list(COMMANDS)
    assert "examples:" in lines


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    text = help_of([command], capsys)
    options = text.partition("options:\n")[2].splitlines()
    options = list(itertools.takewhile(str.strip, options))  # `classify` has commands below them
    assert [line for line in options if not re.match(r"  (-|  ).*  \S", line)] == []
    assert "left out" not in text


def test_the_defaults_in_the_help_are_those_of_the_settings():
    config = Experiment()
    defaults = {
        "--id": config.data.id_col,
        "--time": config.data.time_col,
        "--target": config.data.target_cols,
        "--horizon": str(config.windows.horizon),
        "--num-windows": str(config.backtest.num_windows),
        "--refit": config.backtest.refit,
    }
    texts = {shortcut.option: shortcut.help for shortcut in (*SHORTCUTS, *BACKTEST_SHORTCUTS)}
    for option, default in defaults.items():
        assert texts[option].endswith(f"; default: {default}")


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"forecast {forecast.__version__}\n"
