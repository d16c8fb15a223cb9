"""Outputs: no command changes or deletes what it did not write, and it refuses before it works."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from reports import a_result, write_run
from search.searches import experiment, search_in

from forecast.backtest import folder as backtesting
from forecast.cli import main
from forecast.errors import ForecastError, OutputError
from forecast.experiment.file import load_experiment
from forecast.experiment.identity import PACKAGES
from forecast.files.atomic import replace_folder
from forecast.files.outputs import LITTER, Content, check_folder, foreign_paths, remove_own
from forecast.forecasting.artifact import SAVED_MODEL, Artifact, load_artifact, save_artifact
from forecast.forecasting.forecaster import Forecaster
from forecast.report.plots import plot_loss, save_figure
from forecast.runs import pictures, use
from forecast.runs import run as run_folder
from forecast.runs.pictures import PICTURES
from forecast.runs.run import RUN, RUN_FILES
from forecast.scores.history import History
from forecast.search.roles import GOES
from forecast.search.start import SEARCH as SEARCH_FOLDER
from forecast.search.state import Task
from forecast.training.checkpoint import Checkpoint, check_place_for_checkpoint, save_checkpoint

SMALL = [
    "--set=windows.context_length=8",
    "--set=windows.horizon=3",
    "--set=model={name: bigru, units: 2, cell: rnn, bidirectional: false, decoder: direct}",
    "--set=training.epochs=1",
    "--set=data.known_covariates=[promo]",
]
SEARCH = "--set=search={space: {model.units: {choice: [2, 3]}}}"


def sales() -> pd.DataFrame:
    """Return eighty days with a known covariate."""
    days = np.arange(80)
    stamps = pd.date_range("2024-01-01", periods=80)
    return pd.DataFrame({"unique_id": "a", "ds": stamps, "y": 10.0 + days % 7, "promo": days % 5})


def an_artifact(seed: int = 0) -> Artifact:
    return Artifact({"model": {"name": "bigru"}}, {}, {"w": np.full(3, float(seed))}, {}, {})


def put(folder: Path, texts: dict[str, str]) -> None:
    """Write files, by their names below a folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def everything(place: Path) -> dict[str, bytes | str]:
    """Return the content of a folder: bytes of files, targets of links, and folders."""
    found: dict[str, bytes | str] = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_symlink():
            found[name] = f"link to {os.readlink(path)}"
        else:
            found[name] = path.read_bytes() if path.is_file() else "folder"
    return found


# Each lays out `place`, in which the working folder `work` is, and returns what --out is.
Layout = Callable[[Path], str]


def in_mine(texts: dict[str, str]) -> Layout:
    def lay(place: Path) -> str:
        put(place / "work" / "mine", texts)
        return "mine"

    return lay


def the_table(place: Path) -> str:
    (place / "work" / "mine").mkdir()
    sales().to_csv(place / "work" / "mine" / "table.csv", index=False)
    return "mine"


def the_table_below(place: Path) -> str:
    (place / "work" / "mine" / "data").mkdir(parents=True)
    sales().to_csv(place / "work" / "mine" / "data" / "table.csv", index=False)
    return "mine"


def an_empty_folder_in_it(place: Path) -> str:
    (place / "work" / "mine" / "drafts").mkdir(parents=True)
    return "mine"


def the_working_folder(place: Path) -> str:
    put(place / "work", {"notes.txt": "mine"})
    return "."


def the_folder_above(place: Path) -> str:
    put(place / "work", {"notes.txt": "mine"})
    return ".."


def the_working_folder_by_its_whole_name(place: Path) -> str:
    put(place / "work", {"notes.txt": "mine"})
    return str(place / "work")


def the_root(_: Path) -> str:
    return "/"


def a_link(place: Path) -> str:
    put(place / "elsewhere", {"thesis.tex": "years of work"})
    (place / "work" / "mine").symlink_to(place / "elsewhere")
    return "mine"


def links_in_a_circle(place: Path) -> str:
    (place / "work" / "mine").symlink_to(place / "work" / "yours")
    (place / "work" / "yours").symlink_to(place / "work" / "mine")
    return "mine"


def a_link_in_it(place: Path) -> str:
    put(place / "elsewhere", {"weights.safetensors": "years of work"})
    (place / "work" / "mine").mkdir()
    (place / "work" / "mine" / "model").symlink_to(place / "elsewhere")
    return "mine"


def a_file(place: Path) -> str:
    put(place / "work", {"mine": "a table"})
    return "mine"


def a_place_in_a_file(place: Path) -> str:
    put(place / "work", {"mine": "a table"})
    return "mine/run"


def runs_of_others(place: Path) -> str:
    put(
        place / "work" / "runs" / "a",
        {
            "config.yaml": "name: a",
            "environment.json": "{}",
        },
    )
    return "runs"


def whole_runs(place: Path) -> str:
    shutil.copytree(place / "a_run", place / "work" / "runs" / "a")
    return "runs"


def whole_runs_from_below(place: Path) -> str:
    return f"{whole_runs(place)}/a/.."


def half_a_run(place: Path) -> str:
    """A run of which a file is gone by which it is recognised."""
    shutil.copytree(place / "a_run", place / "work" / "mine")
    (place / "work" / "mine" / "history.json").unlink()
    return "mine"


def a_pipe_in_it(place: Path) -> str:
    (place / "work" / "mine").mkdir()
    os.mkfifo(place / "work" / "mine" / "pipe")
    return "mine"


def a_link_that_leads_nowhere_in_it(place: Path) -> str:
    (place / "work" / "mine").mkdir()
    (place / "work" / "mine" / "config.yaml").symlink_to("nowhere")
    return "mine"


def a_slash_behind_its_name(place: Path) -> str:
    put(place / "work" / "my folder", {"notes.txt": "mine"})
    return "my folder/"


FOREIGN: dict[str, Layout] = {
    "whole runs": whole_runs,
    "whole runs from below": whole_runs_from_below,
    "half a run": half_a_run,
    "a pipe in it": a_pipe_in_it,
    "a link that leads nowhere in it": a_link_that_leads_nowhere_in_it,
    "a slash behind its name": a_slash_behind_its_name,
    "notes": in_mine({"notes.txt": "mine"}),
    "a hidden file": in_mine({".env": "secret"}),
    "an empty folder in it": an_empty_folder_in_it,
    "the table": the_table,
    "the table further down": the_table_below,
    "names of a run": in_mine(
        {
            "config.yaml": "lr: 1",
            "environment.json": '{"python": "3.12"}',
            "data.json": "{}",
            "history.json": '{"loss": [1]}',
            "forecast.csv": "a,b\n1,2\n",
            "report.html": "<!DOCTYPE html><title>my report</title>",
            "loss.png": "my picture",
            "model/weights.safetensors": "mine",
        }
    ),
    "names of a saved model": in_mine(
        {
            "manifest.json": '{"name": "my app", "files": {}}',
            "config.json": "{}",
            "weights.safetensors": "mine",
        }
    ),
    "one name of a saved model": in_mine({"config.json": "{}"}),
    "names of a backtest": in_mine(
        {
            "backtest.json": '{"strategy": "mine"}',
            "blocks/00000.npz": "mine",
            "forecasts.json": "{}",
            ".lock": "",
        }
    ),
    "a lock that is not empty": in_mine({".lock": "mine"}),
    "names of a search": in_mine(
        {
            "journal.jsonl": '{"day": "Monday"}',  # no end of line, as if torn
            "trials.csv": "a,b\n1,2\n",
            "best.yaml": "mine",
            "training/notes.txt": "mine",
        }
    ),
    "folder of trainings": in_mine(
        {
            "training/notes.txt": "mine",
            "training/model.checkpoint": "mine",
        }
    ),
    "pictures": in_mine(
        {
            "loss.png": "my picture",
            "fan.png": "my fan",
        }
    ),
    "runs": runs_of_others,
    "working folder": the_working_folder,
    "folder above": the_folder_above,
    "working folder by its whole name": the_working_folder_by_its_whole_name,
    "root": the_root,
    "link": a_link,
    "links in a circle": links_in_a_circle,
    "link in it": a_link_in_it,
    "file": a_file,
    "place in a file": a_place_in_a_file,
}


def save(out: str) -> int:
    """Do what `Forecaster.save` does, with the exit code of a command."""
    try:
        save_artifact(out, an_artifact())
    except ForecastError as error:
        print(f"forecast: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, OutputError) else 1
    return 0


# The table is not there: who reads before looking at the folder complains about the table.
COMMANDS: dict[str, Callable[[str], int]] = {
    "fit": lambda out: main(["fit", "none.csv", *SMALL, "--out", out]),
    "fit --resume": lambda out: main(["fit", "none.csv", *SMALL, "--out", out, "--resume"]),
    "backtest": lambda out: main(["backtest", "none.csv", *SMALL, "--out", out]),
    "backtest --resume": lambda out: main(
        ["backtest", "none.csv", *SMALL, "--out", out, "--resume"]
    ),
    "tune": lambda out: main(["tune", "none.csv", *SMALL, SEARCH, "--out", out]),
    "tune --resume": lambda out: main(
        ["tune", "none.csv", *SMALL, SEARCH, "--out", out, "--resume"]
    ),
    "tune --chief": lambda out: main(["tune", "none.csv", *SMALL, SEARCH, "--out", out, "--chief"]),
    "tune --worker": lambda out: main(
        ["tune", "none.csv", *SMALL, SEARCH, "--out", out, "--worker"]
    ),
    "save": save,
    "plot": lambda out: main(["plot", "../a_run", "--out", out]),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the working folder in it, beside a run."""
    (tmp_path / "place" / "work").mkdir(parents=True)
    write_run(tmp_path / "place" / "a_run", a_result())
    monkeypatch.chdir(tmp_path / "place" / "work")
    return tmp_path / "place"


def refusal(capsys: pytest.CaptureFixture[str], code: int) -> str:
    """Return the one line of the error; before it may stand that an option is to go."""
    out, err = capsys.readouterr()
    assert code == 2, err
    said = [line for line in err.splitlines(keepends=True) if line != f"{GOES}\n"]
    assert len(said) == 1, err
    assert said[0].startswith("forecast: error: ")
    assert "Traceback" not in out + err
    return said[0]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("layout", FOREIGN)
def test_files_of_others_stay(
    command: str,
    layout: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        pictures, "draw_pictures", lambda *_: []
    )  # takes seconds, and only where it was allowed to
    out = FOREIGN[layout](place)
    before = everything(tmp_path)
    said = refusal(capsys, COMMANDS[command](out))
    assert "none.csv" not in said
    assert everything(tmp_path) == before
    if layout == "root":  # what is proposed lies beside everything else of this machine
        return
    proposed = said.rpartition("such as ")[2].strip()
    assert not os.path.lexists(proposed)
    code = COMMANDS[command](proposed)
    said = capsys.readouterr().err
    if command in ("save", "plot"):
        assert code == 0, said
    else:  # now it is the table that is complained about
        assert "none.csv" in said
    after = everything(tmp_path)
    assert {name: after.get(name) for name in before} == before


# ---------------------------------------------------------------------------- our own folders


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and its run."""
    folder = tmp_path_factory.mktemp("made")
    sales().to_csv(folder / "sales.csv", index=False)
    assert main(["fit", str(folder / "sales.csv"), *SMALL, "--out", str(folder / "run")]) == 0
    return folder


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy of it that may be changed; the run reads the original table."""
    shutil.copytree(made, tmp_path / "own")
    return tmp_path / "own"


def fit_again(own: Path, *options: str) -> int:
    words = [
        "fit",
        str(own / "sales.csv"),
        *SMALL,
        "--set=training.seed=1",
        "--replace",
        "--out",
        str(own / "run"),
        *options,
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw_pictures", lambda *_: [])  # they take most of the time
        return main(words)


def weights_of(run: Path) -> bytes:
    return (run / "model" / "weights.safetensors").read_bytes()


def test_every_file_of_a_run_is_known(made: Path) -> None:
    assert foreign_paths(made / "run", RUN_FILES) == []
    assert RUN.is_own(made / "run")
    assert set(foreign_paths(made / "run", ())) >= {"config.yaml", "model", *(PICTURES[:7])}
    assert SAVED_MODEL.is_own(made / "run" / "model")


def test_every_picture_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in vars(pictures).copy():
        if name.startswith("plot_") and name != "plot_run":
            monkeypatch.setattr(pictures, name, lambda *_, **__: None)
    monkeypatch.setattr(pictures, "save_figure", lambda _, path: path)
    result = a_result(fan=True)
    drawn = pictures.draw_pictures(
        tmp_path, {"seed 0": History((1.0,), (), (1e-3,), (1.0,), 1)}, result, result.frame()
    )
    assert sorted(path.name for path in drawn) == sorted(PICTURES)


def test_a_run_is_replaced_with_the_litter_in_it(own: Path) -> None:
    """File managers and killed writers leave files there; an empty folder may be written too."""
    run, before = own / "run", weights_of(own / "run")
    put(run, {LITTER[0]: "", ".loss.png.writer-999999999.0123abcd.tmp": "half a picture"})
    assert fit_again(own) == 0
    assert weights_of(run) != before
    assert set(os.listdir(own)) == {"sales.csv", "run"}
    assert foreign_paths(run, RUN_FILES) == []
    shutil.rmtree(run)
    run.mkdir()
    check_folder(run, RUN)


IN_A_RUN: dict[str, Callable[[Path], None]] = {
    "notes": lambda run: put(run, {"notes.txt": "mine"}),
    "a table": lambda run: sales().to_csv(run / "table.csv", index=False),
    "a picture": lambda run: put(run, {"mine.png": "mine"}),
    "notes beside the model": lambda run: put(run, {"model/notes.txt": "mine"}),
    "a folder": lambda run: (run / "drafts").mkdir(),
    "a link": lambda run: (run / "forecast.csv").symlink_to(run.parent / "sales.csv"),
    "a model under the name that swaps": lambda run: put(
        run.with_name(".run.old"), {"thesis.tex": "mine"}
    ),
    "a file under the name that swaps": lambda run: put(run.parent, {".run.old": "mine"}),
    "a checkpoint that is none": lambda run: put(run.parent, {".run.checkpoint": "mine"}),
    "a later checkpoint that is none": lambda run: put(run.parent, {".run.checkpoint-3": "mine"}),
}


MADE = {"sales.csv", "run", *(f"run/{name}" for name in (*RUN_FILES, "model"))} - {
    "run/forecast.csv"
}
"""Paths in `own`; there is no forecast, since its covariates are not known."""


@pytest.mark.parametrize("case", IN_A_RUN)
def test_a_run_with_other_files_is_not_replaced(
    case: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    IN_A_RUN[case](own / "run")
    before = everything(own)
    name = next(path for path in before if path not in MADE)
    assert Path(name).name in refusal(capsys, fit_again(own))
    assert everything(own) == before


def test_a_run_is_not_replaced_while_its_table_is_read(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(own)
    table = own / "run" / "test_forecasts.parquet"
    assert "contains the table that is read" in refusal(
        capsys, main(["fit", str(table), "--out", str(own / "run")])
    )
    assert everything(own) == before


def test_files_that_come_while_a_model_is_trained_stay(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, before = own / "run", weights_of(own / "run")
    with pytest.MonkeyPatch.context() as patch:
        real = run_folder.show_run

        def meanwhile(*given: object) -> object:
            put(run, {"notes.txt": "mine"})
            return real(*given)  # type: ignore[arg-type]

        patch.setattr(run_folder, "show_run", meanwhile)
        assert fit_again(own) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "'notes.txt'" in said
    assert "the training is kept: move them away and resume with --resume" in said
    assert (run / "notes.txt").read_text() == "mine"
    assert weights_of(run) == before
    (run / "notes.txt").unlink()
    assert fit_again(own, "--resume", "--verbose") == 0
    assert "epoch 1/1" not in capsys.readouterr().err, "nothing is trained again"
    assert set(os.listdir(own)) == {"sales.csv", "run"}


class TrainingBeginsError(Exception):
    """Raised in place of a training."""


@pytest.fixture
def begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fit end where it would begin to train."""

    def begin(*_: object, **__: object) -> None:
        raise TrainingBeginsError

    monkeypatch.setattr(Forecaster, "fit_prepared", begin)


def fit_table(own: Path, table: pd.DataFrame, *options: str) -> int:
    """Fit as the run in `own` was, on another table."""
    table.to_csv(own / "other.csv", index=False)
    return main(["fit", str(own / "other.csv"), *SMALL, f"--out={own / 'run'}", *options])


OTHER_DATA: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "another value": lambda table: table.assign(y=table["y"].where(table.index != 40, 99.0)),
    "another covariate": lambda table: table.assign(promo=1 - table["promo"]),
    "a row less": lambda table: table.iloc[:-1],
    "other days": lambda table: table.assign(ds=table["ds"] + pd.Timedelta(days=1)),
    "another series": lambda table: table.assign(unique_id="b"),
}
OTHER_SETTINGS = {
    "training.seed": "training.seed was 0 and is 1",
    "training.epochs": "training.epochs was 1 and is 2",
    "windows.horizon": "windows.horizon was 3 and is 2",
    "data.missing": 'data.missing was "refuse" and is "zero"',
}


@pytest.mark.parametrize("case", OTHER_DATA)
@pytest.mark.usefixtures("begins")
def test_a_run_of_other_data_is_replaced_only_if_told(
    case: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = OTHER_DATA[case](sales())
    table.to_csv(own / "other.csv", index=False)
    before = everything(own)
    said = refusal(capsys, fit_table(own, table))
    assert everything(own) == before
    found = re.search(r"run contains a run of other data \((.+)\): replace it", said)
    assert found
    source, rows, fingerprint = found[1].split(", ")
    assert (source, rows) == ("sales.csv", "80 rows")
    assert f'"{fingerprint.removeprefix("fingerprint ")}' in (own / "run/data.json").read_text()
    with pytest.raises(TrainingBeginsError):
        fit_table(own, table, "--replace")
    assert "it is replaced at the end" in capsys.readouterr().out
    proposed = said.rpartition("such as ")[2].strip()
    with pytest.raises(TrainingBeginsError):
        fit_table(own, table, f"--out={proposed}")
    assert everything(own) == before


@pytest.mark.parametrize("setting", OTHER_SETTINGS)
@pytest.mark.usefixtures("begins")
def test_a_run_with_other_settings_is_replaced_only_if_told(
    setting: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = OTHER_SETTINGS[setting]
    option = f"--set={setting}={words.rpartition(' is ')[2]}"
    before = everything(own)
    assert words in refusal(capsys, fit_table(own, sales(), option))
    (own / "other.csv").unlink()
    assert everything(own) == before
    with pytest.raises(TrainingBeginsError):
        fit_table(own, sales(), option, "--replace")


@pytest.mark.usefixtures("begins")
def test_a_run_of_the_same_work_is_replaced_unasked(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name of the table and the order of its rows do not count, nor does another command."""
    for table, *options in (
        [sales()],
        [sales().iloc[::-1]],
        [sales(), "--set=backtest.num_windows=9", SEARCH],
        [sales(), f"--config={own / 'run' / 'config.yaml'}"],
    ):
        with pytest.raises(TrainingBeginsError):
            fit_table(own, table, *options)
        assert "contains a run" not in capsys.readouterr().out


@pytest.mark.usefixtures("begins")
def test_a_run_that_cannot_be_compared_is_not_replaced(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an older version, or damaged: whatever it is, it may be all there is of it."""
    config = own / "run" / "config.yaml"
    for text in ("model: {name: of_version_0}", "", "a: [b"):
        config.write_text(text)
        assert "a run of another version" in refusal(capsys, fit_table(own, sales()))
    config.unlink()
    assert "without its config.yaml" in refusal(capsys, fit_table(own, sales()))


OF_OTHER_COMMANDS: dict[str, dict[str, str]] = {
    "backtest": {
        "backtest.json": json.dumps(dict.fromkeys(["the data", "Python", *PACKAGES], "")),
        "blocks/00000.npz": "hours of work",
    },
    "tune": {
        "journal.jsonl": '0123456789abcdef {"event": "search", "format": 1}\n',
        "trials.csv": "trial,status\n",
    },
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("owner", OF_OTHER_COMMANDS)
def test_a_folder_of_a_command_is_none_of_another(
    command: str, owner: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(place / "work" / "mine", OF_OTHER_COMMANDS[owner])
    before = everything(place)
    code = COMMANDS[command]("mine")
    if (
        command.split(maxsplit=1)[0] == owner
    ):  # its own: then it is the table that is complained about
        said = capsys.readouterr().err
        assert "none.csv" in said or "resume it with --resume" in said
        assert everything(place).items() >= before.items()
        return
    assert "mine" in refusal(capsys, code)
    assert everything(place) == before


def test_a_mounted_folder_is_not_replaced(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == own / "run")
    before = everything(own)
    assert "is a mounted folder" in refusal(capsys, fit_again(own))
    assert everything(own) == before


@pytest.mark.parametrize("logs", ["run", "run/logs", "./run/../run/logs"])
def test_logs_do_not_go_into_the_run(
    logs: str, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would be files of others there, which is found out only after the training."""
    monkeypatch.chdir(own)
    before = everything(own)
    said = refusal(capsys, fit_again(own, "--out=run", f"--tensorboard={logs}"))
    assert "the run folder, which has no other files" in said
    assert everything(own) == before


OTHERS = [name for name in COMMANDS if not name.startswith("fit")]


@pytest.mark.parametrize("command", OTHERS)
@pytest.mark.usefixtures("place")
def test_a_run_is_no_folder_of_another_command(
    command: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(own)
    refusal(capsys, COMMANDS[command](str(own / "run")))
    assert everything(own) == before


@pytest.mark.usefixtures("place")
def test_a_saved_model_is_replaced_and_no_more() -> None:
    save_artifact("model", an_artifact())
    save_artifact("model", an_artifact(1))
    assert load_artifact("model").weights["w"][0] == 1
    put(Path("model"), {"notes.txt": "mine"})
    with pytest.raises(
        OutputError, match=r"'notes\.txt'\): move those away, or name .* such as model-2"
    ):
        save_artifact("model", an_artifact(2))
    assert load_artifact_weights() == 1
    save_artifact("model-2", an_artifact(2))


def load_artifact_weights() -> float:
    """Read from a folder with another file, which `load_artifact` refuses."""
    (Path("model") / "notes.txt").rename("notes.txt")
    return float(load_artifact("model").weights["w"][0])


def test_a_folder_filled_meanwhile_is_not_replaced(place: Path) -> None:
    content = Content(
        "make", "thing", lambda folder: (folder / "mark").exists(), ("mark", "part/*")
    )
    check = lambda: check_folder("out", content)  # noqa: E731
    with replace_folder("out", check) as folder:
        put(folder, {"mark": "", "part/a": "1"})
    before = everything(place)
    with pytest.raises(OutputError, match="'part/b', 'z'"), replace_folder("out", check) as folder:  # noqa: PT012
        put(folder, {"mark": ""})
        put(Path("out"), {"part/b/c": "mine", "z": "mine"})
    assert {name: found for name, found in everything(place).items() if name in before} == before
    assert Path("out/z").read_text() == Path("out/part/b/c").read_text() == "mine"
    assert set(os.listdir()) == {"out"}


def test_only_what_was_written_is_removed(tmp_path: Path) -> None:
    put(
        tmp_path / "a",
        {"1.state": "", ".1.state.writer-1.0123abcd.tmp": "", "1.state.bak": "", "b/1.state": ""},
    )
    (tmp_path / "a" / "2.state").symlink_to(tmp_path)
    remove_own(tmp_path / "a", re.compile(r"\d\.state"))
    assert set(everything(tmp_path)) == {"a", "a/1.state.bak", "a/2.state", "a/b", "a/b/1.state"}
    put(tmp_path / "c", {"1.state": ""})
    remove_own(tmp_path / "c", re.compile(r"\d\.state"))
    assert not (tmp_path / "c").exists()
    remove_own(tmp_path / "c", re.compile(""))


def test_a_backtest_resumes_beside_files_of_others(
    own: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtesting, "show_run", lambda *_: ([], []))
    words = [
        "backtest",
        str(own / "sales.csv"),
        *SMALL,
        "--models=last_value,drift",
        "--num-windows=2",
    ]
    assert main([*words, "--out", str(own / "b")]) == 0
    mine = {"notes.txt": "mine", "training/notes.txt": "mine", "training/sub/a": "mine"}
    put(own / "b", mine)
    (own / "b" / "blocks" / "00000.npz").unlink()
    assert main([*words, "--out", str(own / "b"), "--resume"]) == 0
    assert {name: (own / "b" / name).read_text() for name in mine} == mine
    capsys.readouterr()
    before = everything(own)
    other = [*words, "--step=1", "--out", str(own / "b")]
    assert "replace it with --replace, or name another folder with --out" in refusal(
        capsys, main(other)
    )
    assert everything(own) == before
    assert main([*other, "--replace"]) == 0
    assert {name: (own / "b" / name).read_text() for name in mine} == mine
    capsys.readouterr()
    assert "contains the table" in refusal(
        capsys,
        main(
            [
                *words[:1],
                str(own / "b" / "forecasts.parquet"),
                *words[2:],
                "--out",
                str(own / "b"),
                "--resume",
            ]
        ),
    )
    assert "no run of fit" in refusal(
        capsys, main(["fit", str(own / "sales.csv"), *SMALL, "--out", str(own / "b")])
    )


def test_a_search_resumes_beside_files_of_others(tmp_path: Path) -> None:
    config = experiment(max_trials=2)
    mine = {
        "notes.txt": "mine",
        "training/notes.txt": "mine",
        "training/0000-x.checkpoint.bak": "mine",
    }
    (tmp_path / "s").mkdir()
    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path / "s", config, before=interrupt_second)
    put(tmp_path / "s", mine)
    check_folder(tmp_path / "s", SEARCH_FOLDER)
    search_in(tmp_path / "s", config)
    assert {name: (tmp_path / "s" / name).read_text() for name in mine} == mine
    assert set(os.listdir(tmp_path / "s" / "training")) == {"notes.txt", "0000-x.checkpoint.bak"}


def interrupt_second(task: Task) -> None:
    if task.number == 1:
        raise KeyboardInterrupt


def test_folders_of_a_search_are_known(tmp_path: Path) -> None:
    line = b'0123456789abcdef {"event": "search", "format": 1}\n'
    for size in range(len(line) + 1):  # killed anywhere in its first record
        (tmp_path / "journal.jsonl").write_bytes(line[:size])
        assert SEARCH_FOLDER.is_own(tmp_path), line[:size]
    for text in (
        "{}",
        '{"day": 1}\n',
        "0123456789abcdef [1]",
        "0123456789abcdef\n",
        "0123456789 abcdef",
        "notes",
    ):
        (tmp_path / "journal.jsonl").write_text(text)
        assert not SEARCH_FOLDER.is_own(tmp_path), text
    (tmp_path / "journal.jsonl").unlink()
    put(
        tmp_path,
        {
            "training/0001-0-0.checkpoint": "",
            "training/.best.checkpoint-2.writer-1.0123abcd.tmp": "",
        },
    )
    assert SEARCH_FOLDER.is_own(tmp_path), "of a worker whose chief is elsewhere"
    put(tmp_path, {"training/0001.checkpoint": ""})
    assert not SEARCH_FOLDER.is_own(tmp_path)


# ------------------------------------------------------------------------------------------ files


def known_of(own: Path) -> Path:
    stamps = pd.date_range("2024-03-21", periods=3)
    pd.DataFrame({"unique_id": "a", "ds": stamps, "promo": 1}).to_csv(
        own / "known.csv", index=False
    )
    return own / "known.csv"


def predict(own: Path, output: Path | str, *options: str) -> int:
    words = [
        str(own / "run"),
        str(own / "sales.csv"),
        f"--known={known_of(own)}",
        f"--output={output}",
    ]
    return main(["predict", *words, *options])


@pytest.fixture(scope="module")
def forecaster(made: Path) -> Forecaster:
    """The model of the run."""
    return use.load_run(made / "run")


@pytest.fixture
def loaded(forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The model of the run is not read again for every command, which takes seconds."""
    monkeypatch.setattr(use, "load_run", lambda _: forecaster)
    return monkeypatch


@pytest.mark.usefixtures("loaded")
def test_a_forecast_is_written_over_the_last_one(own: Path) -> None:
    """Every night the same command, and once with intervals or fewer steps."""
    for name in ("next.csv", "next.parquet"):
        assert predict(own, own / name) == 0
        first = (own / name).read_bytes()
        (own / name).unlink()
        (own / name).touch()
        assert predict(own, own / name) == 0
        assert predict(own, own / name, "--horizon=2") == 0
        assert (own / name).read_bytes() != first
        assert predict(own, own / name) == 0
        assert (own / name).read_bytes() == first
    (own / "latest.csv").symlink_to(own / "next.csv")
    assert predict(own, own / "latest.csv") == 0
    assert (own / "latest.csv").is_symlink()


def columns(*names: str) -> Callable[[Path], str]:
    def write(own: Path) -> str:
        pd.DataFrame([dict.fromkeys(names, 1)]).to_csv(own / "next.csv", index=False)
        return "next.csv"

    return write


def linked(aim: str) -> Callable[[Path], str]:
    def write(own: Path) -> str:
        (own / "next.csv").symlink_to(own / aim)
        return "next.csv"

    return write


def same_file(own: Path) -> str:
    os.link(own / "sales.csv", own / "next.csv")
    return "next.csv"


def with_text(text: bytes, name: str = "next.csv") -> Callable[[Path], str]:
    def write(own: Path) -> str:
        (own / name).write_bytes(text)
        return name

    return write


def a_folder(own: Path) -> str:
    put(own / "next.csv", {"notes.txt": "mine"})
    return "next.csv"


def forecast_of_the_run(own: Path) -> str:
    columns("unique_id", "ds", "cutoff", "bigru")(own)
    (own / "next.csv").rename(own / "run" / "forecast.csv")
    return "run/forecast.csv"


def link_to_the_forecast_of_the_run(own: Path) -> str:
    (own / "next.csv").symlink_to(own / forecast_of_the_run(own))
    return "next.csv"


def the_table_through_a_linked_folder(own: Path) -> str:
    (own / "here").symlink_to(own)
    return "here/sales.csv"


IN_THE_WAY: dict[str, Callable[[Path], str]] = {
    "the table": lambda _: "sales.csv",
    "the known covariates": lambda _: "known.csv",
    "a link to the table": linked("sales.csv"),
    "the table under another name": same_file,
    "another table": columns("unique_id", "ds", "y"),
    "a backtest": columns("unique_id", "ds", "cutoff", "y", "bigru"),
    "the forecast of another model": columns("unique_id", "ds", "cutoff", "segment_bigru"),
    "a forecast with a column more": columns("unique_id", "ds", "cutoff", "bigru", "sold"),
    "a forecast of other columns": columns("store", "date", "cutoff", "bigru"),
    "notes": with_text(b"to do: buy milk\n"),
    "bytes": with_text(bytes(range(256))),
    "a parquet file that is none": with_text(b"mine", "next.parquet"),
    "a file of the run": lambda _: "run/test_forecasts.parquet",
    "the forecast of the run": forecast_of_the_run,
    "a link to the forecast of the run": link_to_the_forecast_of_the_run,
    "the forecast that the run would have": lambda _: "run/forecast.csv",
    "another form of that forecast": lambda _: "run/forecast.parquet",
    "the table by a roundabout way": lambda _: "./run/../sales.csv",
    "the table by its whole name": lambda own: str(own / "sales.csv"),
    "the table through a linked folder": the_table_through_a_linked_folder,
    "a folder": a_folder,
    "a name below a file": lambda _: "sales.csv/next.csv",
    "another kind of file": with_text(b"mine", "next.txt"),
    "a name without an ending": with_text(b"mine", "next"),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_predict_overwrites_nothing_else(
    case: str, own: Path, loaded: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded.chdir(own)
    known_of(own)
    output = IN_THE_WAY[case](own)
    before = everything(own)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Forecaster, "predict", lambda *_, **__: pytest.fail("refused after the work"))
        said = refusal(capsys, predict(own, output))
    assert output in said
    assert everything(own) == before
    if "such as " in said:
        proposed = said.rpartition("such as ")[2].split(",")[0].strip()
        assert predict(own, proposed) == 0
        after = everything(own)
        assert {name: after.get(name) for name in before} == before


@pytest.mark.usefixtures("loaded")
def test_the_table_of_the_run_is_not_overwritten_where_it_is_not_named(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, run = str(made / "sales.csv"), str(made / "run")
    before = everything(made)
    for option in ("--output", "--template"):
        assert "is read by this command" in refusal(capsys, main(["predict", run, option, table]))
    assert everything(made) == before


def test_a_template_that_was_filled_in_is_not_emptied(
    own: Path, loaded: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(own / "run"), str(own / "sales.csv"), "--template"]
    loaded.chdir(own)
    for name in ("next.csv", "next.parquet"):
        assert main([*words, name]) == 0
        assert main([*words, name]) == 0
        template = pd.read_csv(name) if name.endswith("csv") else pd.read_parquet(name)
        template.loc[1, "promo"] = 3.0
        template.to_csv(name, index=False) if name.endswith("csv") else template.to_parquet(
            name, index=False
        )
        before = everything(own)
        capsys.readouterr()
        said = refusal(capsys, main([*words, name]))
        assert "template of this run that is still empty" in said
        assert everything(own) == before
        assert main([*words, said.rpartition("such as ")[2].split(",")[0].strip()]) == 0
    for other in ("sales.csv", "run/forecasts.png", "run/config.yaml"):
        refusal(capsys, main([*words, other]))


def test_a_page_is_written_over_pages_only(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["report", "../a_run", "--out"]
    for _ in range(2):
        assert main([*words, "page.html"]) == 0
        assert main(["report", "../a_run"]) == 0
    put(
        place,
        {
            "work/mine.html": "<!DOCTYPE html><title>mine</title>",
            "work/folder/a": "",
            "work/notes.txt": "mine",
        },
    )
    before = everything(place)
    capsys.readouterr()
    for out in (
        "mine.html",
        "notes.txt",
        "folder",
        "notes.txt/a.html",
        "../a_run/config.yaml",
        "../a_run/history.json",
    ):
        assert out in refusal(capsys, main([*words, out]))
        assert everything(place) == before
    (place / "a_run" / "report.html").write_text("mine")
    refusal(capsys, main(["report", "../a_run"]))
    assert (place / "a_run" / "report.html").read_text() == "mine"


def draw_few(folder: Path, *_: object) -> list[Path]:
    """Stands for `draw_pictures`, which takes seconds."""
    return [save_figure(Figure((1, 1)), folder / name) for name in PICTURES[:2]]


def test_figures_are_drawn_over_our_figures_only(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pictures, "draw_pictures", draw_few)
    put(place, {"a_run/mine.png": "mine", "a_run/progress.png": "mine"})
    for out in ([], ["--out=drawn"], ["--out=drawn"]):
        assert main(["plot", "../a_run", *out]) == 0
    assert (
        (place / "a_run" / "mine.png").read_text()
        == (place / "a_run" / "progress.png").read_text()
        == "mine"
    )
    put(place, {"work/drawn/notes.txt": "mine"})
    assert main(["plot", "../a_run", "--out=drawn"]) == 0, "what others put beside pictures stays"
    put(place, {"work/drawn/fan.png": "mine"})
    write_run(place / "another_run", a_result())
    assert main(["plot", "../another_run"]) == 0
    before = everything(place)
    capsys.readouterr()
    for out in ("drawn", "../another_run"):
        refusal(capsys, main(["plot", "../a_run", "--out", out]))
        assert everything(place) == before


NO_RUNS: dict[str, dict[str, str]] = {
    "empty": {},
    "notes": {"notes.txt": "mine", "loss.png": "mine", "report.html": "mine"},
    "a history of another program": {
        "history.json": '{"loss": [1.0], "val_loss": []}',
        "loss.png": "mine",
    },
    "a history like ours": {
        "history.json": (
            '{"loss": [1], "val_loss": [1], "learning_rate": [1], "seconds": [1], "best_epoch": 1}'
        ),
        "loss.png": "mine",
        "environment.json": '{"python": "3.12"}',
    },
    "forecasts of another program": {
        "forecasts.json": "[]",
        "forecasts.png": "mine",
        "report.html": "mine",
    },
}


@pytest.mark.parametrize("case", NO_RUNS)
@pytest.mark.parametrize("command", ["plot", "report"])
def test_nothing_is_drawn_from_a_folder_that_is_no_run(
    command: str, case: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "work" / "mine").mkdir()
    put(place / "work" / "mine", NO_RUNS[case])
    before = everything(place)
    assert "mine" in refusal(capsys, main([command, "mine"]))
    assert everything(place) == before


@pytest.mark.parametrize("command", ["fit", "tune", "tune --chief"])
def test_logs_go_into_folders(
    command: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(place / "work", {"logs": "mine"})
    before = everything(place)
    name, *role = command.split()
    options = [SEARCH] if name == "tune" else []
    said = refusal(
        capsys,
        main([name, "none.csv", *SMALL, *options, *role, "--out=mine", "--tensorboard=logs"]),
    )
    assert "logs is a file" in said
    assert everything(place) == before


def test_a_checkpoint_is_written_over_checkpoints_only(own: Path) -> None:
    config = load_experiment(own / "run" / "config.yaml")
    before = everything(own)
    with pytest.raises(OutputError, match=r"sales\.csv is no checkpoint"):
        Forecaster(config).fit(sales(), checkpoint=own / "sales.csv")
    assert everything(own) == before
    state = Checkpoint(
        [np.zeros(2)], [np.zeros(2)], History((), (), (), (), 0), {"data": "of another training"}
    )
    save_checkpoint(own / "state", state)
    check_place_for_checkpoint(own / "state")
    check_place_for_checkpoint(own / "new")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "layout", ["itself", "the folder it is in", "a folder that cannot be looked into"]
)
def test_a_folder_that_cannot_be_written_is_refused(
    command: str, layout: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = place / "work" / "closed"
    closed.mkdir()
    closed.chmod(0o000 if layout.startswith("a folder") else 0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("root may write everywhere")
    out = "closed" if layout == "itself" else "closed/deeper/mine"
    said = refusal(capsys, COMMANDS[command](out))
    assert "no permission to write" in said
    closed.chmod(0o700)
    assert list(closed.iterdir()) == []


def test_a_picture_is_saved_over_pictures_only(tmp_path: Path) -> None:
    figure = plot_loss({"seed 0": History((1.0,), (), (1e-3,), (1.0,), 1)})
    put(tmp_path, {"sales.csv": "ds,y", "empty.png": ""})
    with pytest.raises(
        OutputError,
        match=r"sales\.csv exists and is not a picture of this package: .* such as .*sales-2\.csv",
    ):
        save_figure(figure, tmp_path / "sales.csv")
    assert (tmp_path / "sales.csv").read_text() == "ds,y"
    for _ in range(2):
        save_figure(figure, tmp_path / "empty.png")


def test_save_refuses_the_model_of_a_run_and_folders_of_others(own: Path) -> None:
    forecaster = Forecaster.load(own / "run" / "model")
    put(own / "mine", {"notes.txt": "mine"})
    before = everything(own)
    for place in ("run/model", "run", "mine"):
        with pytest.raises(OutputError, match="such as"):
            forecaster.save(own / place)
    assert everything(own) == before
    forecaster.save(own / "saved")
    forecaster.save(own / "saved")
    put(own / "saved", {"notes.txt": "mine"})
    with pytest.raises(OutputError, match=r"notes\.txt"):
        forecaster.save(own / "saved")
