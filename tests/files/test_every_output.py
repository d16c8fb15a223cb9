"""Every command that writes, beside everything that may lie where it writes.

Each command is started on every layout of the place it is given. Files of others are the same
afterwards, byte by byte, and a refusal comes before the table is read: it is not there, and who
reads it first complains about that.
"""

from __future__ import annotations

import argparse
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from files.test_outputs import everything, put
from PIL import Image

from forecast.cli import main
from forecast.cli.entry import build_parser
from forecast.errors import ForecastError
from forecast.forecasting.artifact import Artifact, save_artifact
from forecast.runs import pictures

TABLE = "table.csv"
"""The input of every command; it is not there, except where a layout makes it."""

WITHOUT_NETWORK = [
    "--set=ensemble.seeds=0",
    "--set=ensemble.linear=member",
    "--set=ensemble.simple=[]",
    "--set=data.known_covariates=[promo]",
    "--horizon=3",
]
SEARCH = "--set=search={space: {model.units: {choice: [2, 3]}}}"


@dataclass(frozen=True)
class Written:
    """An option that names what a command writes.

    Attributes:
        words: of the command, `OUT` in place of the name.
        ending: of the file; empty for a folder.
        like_ours: files of others under names of this command, below the folder, or the content of
            a file of the same kind under the name `file`.
        reads_table: whether the command names the table.
    """

    words: tuple[str, ...]
    ending: str = ""
    like_ours: tuple[tuple[str, str], ...] = ()
    reads_table: bool = True

    def run(self, out: str) -> int:
        """Run the command."""
        return main([word.replace("OUT", out) for word in self.words])


def folder(*words: str, **like_ours: str) -> Written:
    names = tuple((name.replace("__", "."), text) for name, text in like_ours.items())
    return Written((*words, "--out=OUT"), like_ours=names)


MY_PAGE = "<!DOCTYPE html><title>my page</title>"
MY_TABLE = "unique_id,ds,y\na,2024-01-01,1\n"
RECORD = '{"python": "3.12"}'
OWN_RUN = {"config__yaml": "lr: 1", "environment__json": RECORD, "history__json": '{"loss": [1]}'}

FOLDERS: dict[str, Written] = {
    "fit": folder("fit", TABLE, *WITHOUT_NETWORK, **OWN_RUN),
    "fit --replace": folder("fit", TABLE, *WITHOUT_NETWORK, "--replace", **OWN_RUN),
    "fit --resume": folder("fit", TABLE, *WITHOUT_NETWORK, "--resume", **OWN_RUN),
    "fit --by": folder(
        "fit",
        TABLE,
        *WITHOUT_NETWORK,
        "--by=store",
        segments__json='{"content": "mine", "segments": []}',
        segments__csv=MY_TABLE,
    ),
    "backtest": folder("backtest", TABLE, *WITHOUT_NETWORK, backtest__json='{"strategy": "mine"}'),
    "backtest --replace": folder(
        "backtest", TABLE, *WITHOUT_NETWORK, "--replace", backtest__json="{}", scores__json="{}"
    ),
    "tune": folder("tune", TABLE, SEARCH, journal__jsonl='{"day": 1}', trials__csv=MY_TABLE),
    "tune --replace": folder("tune", TABLE, SEARCH, "--replace", trials__csv=MY_TABLE),
    "tune --chief": folder("tune", TABLE, SEARCH, "--chief", trials__csv=MY_TABLE),
    "tune --worker": folder("tune", TABLE, SEARCH, "--worker", trials__csv=MY_TABLE),
    "classify fit": folder("classify", "fit", TABLE, classifier__json='{"name": "my classifier"}'),
    "classify fit --replace": folder(
        "classify", "fit", TABLE, "--replace", classifier__json='{"given": 1}', scores__csv="a,b\n"
    ),
    "classify tune": folder("classify", "tune", TABLE, SEARCH, trials__csv=MY_TABLE),
    "categories fit": folder("categories", "fit", TABLE, categories__json='{"fruit": ["apple"]}'),
    "categories fit --replace": folder(
        "categories", "fit", TABLE, "--replace", categories__json='{"fruit": ["apple"]}'
    ),
    "categories tune": folder("categories", "tune", TABLE, SEARCH, trials__csv=MY_TABLE),
    "symbols fit": folder("symbols", "fit", TABLE, symbols__json='{"a": 1}'),
    "symbols fit --replace": folder(
        "symbols", "fit", TABLE, "--replace", symbols__json='{"a": 1}', config__yaml="mine"
    ),
    "split": Written(
        ("split", TABLE, "--parts=2", "--output=OUT"),
        like_ours=(("parts.json", '{"content": "mine"}'), ("part-00000.csv", MY_TABLE)),
    ),
    "predict --parts": Written(
        ("predict", "../run", "--parts=none", "--output=OUT"),
        like_ours=(("forecasts.json", '{"content": "mine"}'), ("part-00000.csv", MY_TABLE)),
    ),
    "plot": Written(
        ("plot", "../run", "--out=OUT"), like_ours=(("fan.png", "mine"),), reads_table=False
    ),
    "export saved_model": Written(
        ("export", "../run", TABLE, "--format=savedmodel", "--output=OUT"),
        like_ours=(("saved_model.pb", "mine"), ("forecast.json", '{"mine": 1}')),
    ),
    "save": Written(
        ("save", "OUT"),
        like_ours=(("manifest.json", '{"name": "my app", "files": {}}'), ("config.json", "{}")),
        reads_table=False,
    ),
}

FILES: dict[str, Written] = {
    "export onnx": Written(
        ("export", "../run", TABLE, "--format=onnx", "--output=OUT"), ".onnx", (("file", "mine"),)
    ),
    "export litert": Written(
        ("export", "../run", TABLE, "--format=litert", "--output=OUT"),
        ".tflite",
        (("file", "mine"),),
    ),
    "report": Written(
        ("report", "../run", "--out=OUT"), ".html", (("file", MY_PAGE),), reads_table=False
    ),
    "monitor": Written(("monitor", "../run", TABLE, "--out=OUT"), ".html", (("file", MY_PAGE),)),
    "predict": Written(("predict", "../run", TABLE, "--output=OUT"), ".csv", (("file", MY_TABLE),)),
    "predict --template": Written(
        ("predict", "../run", TABLE, "--template=OUT"), ".csv", (("file", MY_TABLE),)
    ),
    "predict --total": Written(
        ("predict", "../run", TABLE, "--total=week", "--output=OUT"), ".csv", (("file", MY_TABLE),)
    ),
    "explain": Written(("explain", "../run", TABLE, "--output=OUT"), ".csv", (("file", MY_TABLE),)),
    "explain --picture": Written(("explain", "../run", TABLE, "--picture=OUT"), ".png"),
    "explain --what-if": Written(
        ("explain", "../run", TABLE, "--what-if=other.csv", "--output=OUT"),
        ".csv",
        (("file", MY_TABLE),),
    ),
    "classify predict": Written(
        ("classify", "predict", "../none", TABLE, "--output=OUT"), ".csv", (("file", MY_TABLE),)
    ),
    "categories predict": Written(
        ("categories", "predict", "../none", TABLE, "--output=OUT"), ".csv", (("file", MY_TABLE),)
    ),
    "check --log": Written(("check", TABLE, "--log=OUT"), ".log", (("file", "# log of mine\n"),)),
    "fit --log": Written(("fit", TABLE, "--log=OUT"), ".log", (("file", "# log of mine\n"),)),
}


def save(out: str) -> int:
    """Do what `Forecaster.save` does, with the exit code of a command."""
    try:
        save_artifact(out, Artifact({}, {}, {"w": np.zeros(3)}, {}, {}))
    except ForecastError as error:
        print(f"forecast: error: {error}", file=os.sys.stderr)
        return 2
    return 0


def run_command(command: Written, out: str) -> int:
    if command.words[0] == "save":
        return save(out)
    return command.run(out)


# ------------------------------------------------------------------------------- what lies there
# Each lays out the working folder, and returns what the option names.

Layout = Callable[[Path, Written], str]

NOTES = {"notes.txt": "mine", "deep/er/thesis.tex": "years of work"}


def foreign(work: Path, _: Written) -> str:
    put(work / "mine", NOTES)
    return "mine"


def a_hidden_file(work: Path, _: Written) -> str:
    put(work / "mine", {".env": "secret"})
    return "mine"


def like_ours(work: Path, command: Written) -> str:
    put(work / "mine", dict(command.like_ours))
    return "mine"


def like_ours_and_more(work: Path, command: Written) -> str:
    put(work / "mine", dict(command.like_ours) | {"training/notes.txt": "mine"})
    return "mine"


def contains_the_table(work: Path, _: Written) -> str:
    put(work / "mine", {TABLE: MY_TABLE})
    (work / TABLE).symlink_to("mine/table.csv")
    return "mine"


def contains_the_working_folder(work: Path, _: Written) -> str:
    put(work.parent, NOTES)
    return str(work.parent)


def a_link(work: Path, _: Written) -> str:
    put(work.parent / "elsewhere", NOTES)
    (work / "mine").symlink_to(work.parent / "elsewhere")
    return "mine"


def a_link_to_itself(work: Path, _: Written) -> str:
    (work / "mine").symlink_to(work / "mine")
    return "mine"


def a_file(work: Path, _: Written) -> str:
    put(work, {"mine": "a table"})
    return "mine"


def below_a_file(work: Path, command: Written) -> str:
    put(work, {"mine": "a table"})
    return f"mine/out{command.ending}"


def dot(work: Path, _: Written) -> str:
    put(work, NOTES)
    return "."


def dots(work: Path, _: Written) -> str:
    put(work.parent, NOTES)
    return ".."


def read_only(work: Path, command: Written) -> str:
    (work / "mine").mkdir(mode=0o500)
    return f"mine/out{command.ending}"


def itself_read_only(work: Path, _: Written) -> str:
    (work / "mine").mkdir(mode=0o500)
    return "mine"


REFUSED_FOLDERS: dict[str, Layout] = {
    "foreign": foreign,
    "a hidden file": a_hidden_file,
    "names like ours": like_ours,
    "names like ours and more": like_ours_and_more,
    "contains the table": contains_the_table,
    "contains the working folder": contains_the_working_folder,
    "a link": a_link,
    "a link to itself": a_link_to_itself,
    "a file": a_file,
    "below a file": below_a_file,
    ".": dot,
    "..": dots,
    "in a read-only folder": read_only,
    "a read-only folder": itself_read_only,
}


def file_with(text: bytes) -> Layout:
    def lay(work: Path, command: Written) -> str:
        (work / f"mine{command.ending}").write_bytes(text)
        return f"mine{command.ending}"

    return lay


def file_like_ours(work: Path, command: Written) -> str:
    path = work / f"mine{command.ending}"
    if command.ending == ".png":
        Image.new("RGB", (3, 3)).save(path)
    else:
        path.write_text(dict(command.like_ours)["file"])
    return path.name


def link_to_a_file(work: Path, command: Written) -> str:
    put(work.parent, {"elsewhere.txt": "mine"})
    (work / f"mine{command.ending}").symlink_to(work.parent / "elsewhere.txt")
    return f"mine{command.ending}"


def a_folder(work: Path, command: Written) -> str:
    put(work / f"mine{command.ending}", NOTES)
    return f"mine{command.ending}"


def the_table(work: Path, command: Written) -> str:
    (work / TABLE).write_text(MY_TABLE)
    os.link(work / TABLE, work / f"mine{command.ending}")
    return f"mine{command.ending}"


def a_file_of_the_run(_: Path, __: Written) -> str:
    return "../run/config.yaml"


def the_forecast_of_another_run(work: Path, command: Written) -> str:
    shutil.copytree(work.parent / "run", work / "other")
    return f"other/forecast{command.ending}"


REFUSED_FILES: dict[str, Layout] = {
    "foreign": file_with(b"to do: buy milk\n"),
    "bytes": file_with(bytes(range(256))),
    "like ours": file_like_ours,
    "a link": link_to_a_file,
    "a folder": a_folder,
    "the table": the_table,
    "below a file": below_a_file,
    ".": dot,
    "..": dots,
    "in a read-only folder": read_only,
    "a file of the run": a_file_of_the_run,
}


def absent(work: Path, command: Written) -> str:
    put(work, NOTES)
    return f"new{command.ending}"


def absent_and_deep(work: Path, command: Written) -> str:
    put(work, NOTES)
    return f"a/b/new{command.ending}"


def empty(work: Path, command: Written) -> str:
    put(work, NOTES)
    if command.ending:
        (work / f"new{command.ending}").touch()
    else:
        (work / "new").mkdir()
    return f"new{command.ending}"


ALLOWED: dict[str, Layout] = {
    "absent": absent,
    "absent and deep": absent_and_deep,
    "empty": empty,
}


# ----------------------------------------------------------------------------------------- tests


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run without a network."""
    place = tmp_path_factory.mktemp("made")
    days = np.arange(120)
    noise = np.random.default_rng(0).normal(size=120)
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-01", periods=120)})
    frame["y"] = 10.0 + days % 7 + noise
    frame["promo"] = days % 5
    frame.to_csv(place / "sales.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw_pictures", lambda *_: [])
        words = ["fit", str(place / "sales.csv"), *WITHOUT_NETWORK, "--out", str(place / "run")]
        assert main(words) == 0
    return place


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, beside a run."""
    shutil.copytree(made / "run", tmp_path / "run")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(pictures, "draw_pictures", lambda *_: [])
    monkeypatch.setattr(os, "access", _permitted)
    return tmp_path / "work"


def _permitted(path: object, mode: int, **_: object) -> bool:
    """Answer as for a user who is not root, whom the tests may be run by."""
    try:
        bits = os.stat(path).st_mode  # type: ignore[arg-type]
    except OSError:
        return False
    wanted = {os.R_OK: stat.S_IRUSR, os.W_OK: stat.S_IWUSR, os.X_OK: stat.S_IXUSR}
    return all(bits & bit for asked, bit in wanted.items() if mode & asked)


def run_on(command: Written, layout: Layout, work: Path) -> tuple[int, bool]:
    """Run a command on a layout; return its code, and whether everything is as it was."""
    out = layout(work, command)
    before = everything(work.parent)
    code = run_command(command, out)
    after = everything(work.parent)
    return code, before == after


@pytest.mark.parametrize("layout", REFUSED_FOLDERS)
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_others_is_refused_and_stays(
    name: str, layout: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, is_same = run_on(FOLDERS[name], REFUSED_FOLDERS[layout], work)
    _assert_refused(code, capsys)
    assert is_same


@pytest.mark.parametrize("layout", REFUSED_FILES)
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_others_is_refused_and_stays(
    name: str, layout: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, is_same = run_on(FILES[name], REFUSED_FILES[layout], work)
    _assert_refused(code, capsys)
    assert is_same


def _assert_refused(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = capsys.readouterr()
    assert code == 2, out + err
    said = [line for line in err.splitlines() if not line.startswith("warning: --chief")]
    assert len(said) == 1, err
    assert said[0].startswith("forecast: error: ")
    assert "there is no file" not in err, "the table was read before"


@pytest.mark.parametrize("layout", ALLOWED)
@pytest.mark.parametrize("name", [*FOLDERS, *FILES])
def test_a_free_place_is_taken_and_what_lies_beside_it_stays(
    name: str, layout: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (FOLDERS | FILES)[name]
    out = ALLOWED[layout](work, command)
    before = everything(work)
    code = run_command(command, out)
    said = "".join(capsys.readouterr())
    if command.reads_table:  # which is not there
        assert code == 2
        assert TABLE in said or "none" in said
    else:
        assert code == 0, said
    after = everything(work)
    kept = {path: content for path, content in before.items() if not path.startswith("new")}
    assert {path: after.get(path) for path in kept} == kept


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(("pred", "expl"))])
def test_the_forecast_of_another_run_stays(
    name: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = FILES[name]
    if command.ending != ".csv":
        pytest.skip("no table")
    out = the_forecast_of_another_run(work, command)
    before = everything(work)
    assert command.run(out) == 2
    assert "written by fit" in capsys.readouterr().err
    assert everything(work) == before


UPDATED = {
    "tables/1.parquet": "mine",
    "tables/0.parquet": "mine",
    "tables/01.parquet": "mine",
    "tables/notes.txt": "mine",
    "versions/02/notes.txt": "mine",
}


@pytest.mark.parametrize("name", UPDATED)
def test_an_update_leaves_the_files_of_others_in_the_run(name: str, made: Path, work: Path) -> None:
    put(work.parent / "run", {name: UPDATED[name]})
    newer = pd.read_csv(made / "sales.csv")
    newer["ds"] = pd.date_range("2024-02-10", periods=120).astype(str)
    newer.to_csv(TABLE, index=False)
    code = main(["update", "../run", TABLE])
    assert (work.parent / "run" / name).read_text() == UPDATED[name]
    assert code in (0, 2)


def test_the_lock_of_an_update_is_no_file_of_others(work: Path) -> None:
    put(work.parent, {".run.update": "mine"})
    main(["update", "../run", TABLE])
    assert (work.parent / ".run.update").read_text() == "mine"


def test_every_option_that_names_an_output_is_in_the_table() -> None:
    covered = {
        (*(word for word in each.words if word.isalpha()), word.split("=")[0])
        for each in (*FOLDERS.values(), *FILES.values())
        for word in each.words
        if word.endswith("=OUT")
    }
    missing = [words for words in _writing(build_parser()) if words not in covered]
    assert missing == []


OPTIONS = {"--out", "--output", "--picture", "--template"}
"""Of all commands; `--tensorboard` names a folder to which files are added."""


def _writing(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[Any]:
    """Yield the words of every command with each of its options that name an output."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for name, inner in action.choices.items():
                yield from _writing(inner, (*words, name))
        for option in OPTIONS.intersection(action.option_strings):
            yield (*words, option)
