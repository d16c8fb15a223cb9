"""The documents say what is so: links lead somewhere, commands and code run, tables and trees name
what exists.

Code runs in a temporary folder on a table of 480 rows, which is what keeps training short; commands
that train get `SMOKE` appended. The quick tests run the first commands of the README, parse all
others, and execute the imports of all code; the proofs run everything.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from labelled import reviews, waves
from window_arrays import full_shape, random_inputs

from forecast import models
from forecast.baselines.simple import BASELINES, LINEAR
from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.class_settings import Classification
from forecast.classification.symbols.symbol_settings import NextSymbolSettings
from forecast.cli import build_parser, main
from forecast.experiment.file import load_experiment, load_settings
from forecast.experiment.schema import setting_paths
from forecast.experiment.settings import Experiment
from forecast.section import Section

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("docs", "configs", "forecast", "scripts", "benchmarks", "examples")
pytestmark = pytest.mark.timeout(900)  # every command of the documents is run

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]
)
README, ARCHITECTURE = ROOT / "README.md", ROOT / "docs" / "architecture.md"
WITH_CODE = [page for page in DOCUMENTS if "```python" in page.read_text(encoding="utf-8")]

NOT_RUN = {"scripts/demo.sh", "scripts/test.sh"}
"""Commands in bash blocks that no test runs: they make an environment."""

TESTED_ELSEWHERE = ("export", "serve")
"""Commands that are understood here and run in their own tests: a service does not end, and which
members a file must leave out depends on the weights they earned."""

SMOKE = ["--set=training.epochs=2", "--set=model.units=4"]
BACKTEST_SMOKE = [*SMOKE, "--set=ensemble.seeds=1", "--set=ensemble.linear=none"]
QUICK_SMOKE = [
    *SMOKE,
    "--set=model.name=bigru",
    "--set=model.cell=rnn",
    "--set=model.bidirectional=false",
    "--set=model.decoder=direct",
]
SEARCH_SMOKE = [
    "--set=search.max_trials=1",
    "--set=search.folds=1",
    "--set=training.epochs=1",
    "--set=training.windows_per_epoch=64",
    "--set=evaluation.stride=200",
]
CLASS_SMOKE = [*SMOKE, "--set=training.seeds=1"]
SMOKES = {
    "fit": SMOKE,
    "backtest": BACKTEST_SMOKE,
    "tune": SEARCH_SMOKE,
    "classify fit": CLASS_SMOKE,
    "categories fit": SMOKE,
    "symbols fit": SMOKE,
    "classify tune": [*CLASS_SMOKE, "--set=search.max_trials=1", "--set=search.folds=2"],
}
SECTIONS: dict[str, type[Section]] = {
    "classify": Classification,
    "categories": CategorySettings,
    "symbols": NextSymbolSettings,
}
"""Commands with settings of their own."""

NOT_THERE = {"forecast/models/nlinear.py", "configs/NAME.yaml", "data/weather.csv"}
"""Files that a document names as an example, or that lie elsewhere."""

FILE_ENDINGS = (
    "py",
    "sh",
    "md",
    "csv",
    "gz",
    "json",
    "yaml",
    "yml",
    "toml",
    "txt",
    "png",
    "html",
    "parquet",
    "safetensors",
)
MACHINE = re.compile(
    r"(?<![\w.*-])(?:/(?:home|root|work|tmp|usr|opt|mnt|srv|var|Users|private)/|[A-Z]:\\)"
)
HOST = re.compile(
    r"pypi\.org|pythonhosted|anaconda|artifactory|jfrog|devpi|conda-forge", re.IGNORECASE
)
WRONG_NAME = re.compile(r"install\s+(?:-\S+\s+)*forecast(?![\w./-])")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def section(page: Path, title: str) -> str:
    """What stands under one heading of the second level."""
    return text_of(page).split(f"\n## {title}\n")[1].split("\n## ")[0]


def sales(days: int = 240) -> pd.DataFrame:
    """Two stores, a weekly season and a price that moves sales."""
    day, tables = np.arange(days), []
    for number, (store, level) in enumerate((("north", 120.0), ("south", 80.0))):
        generator = np.random.default_rng(number)
        price = np.where(generator.random(300)[:days] < 0.2, 3.5, 4.0)
        amount = (
            level
            + 20 * np.sin(2 * np.pi * day / 7)
            - 30 * (price - 4)
            + generator.normal(0, 3, 300)[:days]
        )
        date = pd.date_range("2025-01-01", periods=days).strftime("%Y-%m-%d")
        tables.append(
            pd.DataFrame({"store": store, "date": date, "sales": amount.round(1), "price": price})
        )
    return pd.concat(tables)


def make_workshop(folder: Path) -> Path:
    """Put into a folder what the documents take for granted: tables and the shipped
    configurations."""
    sales().to_csv(folder / "sales.csv", index=False)
    sales(254).query("date >= '2025-08-20'").to_csv(folder / "newer.csv", index=False)
    machines = waves(24).rename(columns={"id": "machine", "x": "current", "label": "state"})
    machines["mode"] = np.where(machines["noise"] > 0, "run", "idle")
    machines.to_csv(folder / "machines.csv", index=False)
    machines.drop(columns="state").to_csv(folder / "new.csv", index=False)
    documents = reviews(24).rename(columns={"text": "review", "label": "stars"})
    documents.to_csv(folder / "reviews.csv", index=False)
    (folder / "poem.txt").write_text("the rose is red, the violet blue\n" * 40)
    shutil.copytree(ROOT / "configs", folder / "configs")
    return folder


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every command is run."""
    return make_workshop(tmp_path_factory.mktemp("documents"))


def commands(pages: list[Path]) -> dict[str, list[str]]:
    """Every `forecast` command of some pages, each once, and its words."""
    found = {}
    for page in pages:
        for block in blocks(text_of(page), "bash"):
            for line in block.splitlines():
                program, *words = shlex.split(line, comments=True) or [""]
                if program == "forecast":
                    found[line] = words
                else:
                    assert program in {"", *NOT_RUN}, f"{line!r} is neither run nor in NOT_RUN"
    return found


def kind_of(words: list[str]) -> str:
    """The name of a command, such as `fit` or `classify fit`."""
    if words[0] in ("classify", "categories", "symbols"):
        return " ".join(words[:2])
    return words[0]


@pytest.fixture(scope="module")
def exit_codes(workshop: Path) -> dict[str, int]:
    """Every `forecast` command of the documents, run in order, with the code it left with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workshop)
        return {
            line: main([*words, *SMOKES.get(kind_of(words), [])])
            for line, words in commands(DOCUMENTS).items()
            if words[0] not in TESTED_ELSEWHERE
        }


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's first `check`, `fit` and `predict` were run, with one small
    network."""
    folder = make_workshop(tmp_path_factory.mktemp("first"))
    lines = commands([README]).values()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command, smoke in (("check", []), ("fit", QUICK_SMOKE), ("predict", [])):
            words = next(words for words in lines if words[0] == command)
            assert main([*words, *smoke]) == 0, words
    return folder


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", prose(linked), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings
            }, target


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_pages_name_no_machine_no_host_and_no_other_package(page: Path) -> None:
    for pattern in (MACHINE, HOST, WRONG_NAME):
        assert not pattern.findall(text_of(page))


def resolves(name: str) -> bool:
    """Whether `room.thing.member` exists in the package."""
    parts = name.split(".")
    for stop in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(["forecast", *parts[:stop]]))
        except ImportError:
            continue
        for part in parts[stop:]:
            fields = getattr(found, "__annotations__", {})
            if not hasattr(found, part):
                return part in fields and part == parts[-1]
            found = getattr(found, part)
        return True
    return False


def is_class_setting(name: str) -> bool:
    """Whether `section.setting` is a setting of a classification, of categories or of symbols."""
    section, _, setting = name.partition(".")
    fields = [kind.model_fields.get(section) for kind in SECTIONS.values()]
    found = [field for field in fields if field is not None]
    return any(setting in getattr(field.annotation, "model_fields", {}) for field in found)


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_names_in_code_letters_exist(page: Path) -> None:
    rooms = {path.stem for path in (ROOT / "forecast").iterdir()}
    for name in re.findall(r"`([\w./-]+)`", prose(page)):
        if name.rsplit(".", 1)[-1] in FILE_ENDINGS:
            assert "/" not in name or name in NOT_THERE or (ROOT / name).exists(), name
        elif (
            "." in name
            and name.split(".")[0] in {*rooms, *Experiment.model_fields}
            and "/" not in name
        ):
            assert name in setting_paths() or is_class_setting(name) or resolves(name), name


def test_commands_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their options exist, and so do the settings they change."""
    monkeypatch.chdir(ROOT)
    found = commands(DOCUMENTS)
    assert {words[0] for words in found.values()} >= {
        "check",
        "fit",
        "predict",
        "evaluate",
        "plot",
        "backtest",
    }
    for words in found.values():
        options = build_parser().parse_args(words)
        if getattr(options, "config", None) or getattr(options, "set", None):
            kind = SECTIONS.get(words[0])
            if kind is not None:
                load_settings(kind, options.config, options.set or ())
            else:
                load_experiment(options.config, options.set or ())


@pytest.mark.proof
def test_commands_succeed(exit_codes: dict[str, int]) -> None:
    assert exit_codes == dict.fromkeys(exit_codes, 0)


def test_predict_writes_the_columns_the_readme_names(first_run: Path) -> None:
    named = re.search(r"one row per series and step: `([^`]+)`", " ".join(text_of(README).split()))
    assert named is not None
    table = pd.read_csv(first_run / "next.csv")
    first = [name for name in table.columns if "-lo-" not in name and "-hi-" not in name]
    # the small model of the test is a single network, so its column has another name
    assert ", ".join(first[:-1]) == named.group(1).replace("ensemble", "bigru")
    assert first[-1] in (*BASELINES, LINEAR)
    assert {f"bigru-{side}-{level}" for side in ("lo", "hi") for level in (80, 95)} < set(table)
    assert len(table) == 2 * 14


def test_a_run_folder_holds_what_the_readme_lists(first_run: Path) -> None:
    listed = re.findall(
        r"\b\w+\.(?:yaml|json|txt|parquet|csv|png|html)\b|^(?:model|forecasts)/",
        *run_list(),
        re.MULTILINE,
    )
    assert {path.name for path in (first_run / "runs" / "sales").iterdir()} == {
        one.strip("/") for one in listed
    }


def run_list() -> list[str]:
    return blocks(section(README, "What a run folder holds"), "text")


def run_code(page: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Run the python blocks of a page in order; what stands behind `print(...)` as a comment must
    be printed."""
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(text_of(page), "python"):
        exec(compile(block, str(page), "exec", dont_inherit=True), names)
        printed = capsys.readouterr().out.splitlines()
        for promised in re.findall(r"^print\(.*\)  # (.+)$", block, re.MULTILINE):
            assert promised in printed
    return names


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_code_compiles_and_its_imports_exist(page: Path) -> None:
    for block in blocks(text_of(page), "python"):
        tree = ast.parse(block)
        imports = [one for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), str(page), "exec", dont_inherit=True), {})


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.proof] if page == README else []) for page in WITH_CODE],
    ids=name_of,
)
def test_code_runs(
    page: Path, workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workshop)
    monkeypatch.setattr(models, "MODELS", dict(models.MODELS))
    assert run_code(page, capsys)


def test_the_model_of_the_page_does_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "MODELS", dict(models.MODELS))
    config = run_code(ROOT / "docs" / "adding-a-model.md", capsys)["NLinearConfig"]()
    for num_quantiles in (0, 3):
        shape = full_shape(num_quantiles=num_quantiles)
        inputs = random_inputs(shape, 5)
        moved = inputs["past"].copy()
        moved[..., : shape.num_targets] += 16.0
        model = models.build_model(config, shape)
        before = np.asarray(model(inputs))
        assert before.shape == (5, 3, 2, 3)[: 4 if num_quantiles else 3]
        assert (np.diff(before, axis=-1) >= 0).all() or not num_quantiles
        np.testing.assert_allclose(
            np.asarray(model({**inputs, "past": moved})), before + 16.0, atol=1e-4
        )
        named = {one: inputs[one] + 1 if one == "known" else inputs[one] for one in inputs}
        assert np.abs(np.asarray(model(named)) - before).max() > 1e-3, (
            "known covariates reach the forecast"
        )


def test_the_tree_names_what_exists() -> None:
    (tree,) = blocks(section(README, "The repository"), "text")
    top = ""
    for line in tree.splitlines():
        names = re.split(r" {2,}", line.strip())[0].split()
        inside = line.startswith(" ")
        top = top if inside else names[0]
        for name in names:
            path = ROOT / (top if inside else "") / name
            assert path.is_dir() if name.endswith("/") else path.is_file(), name


def contract(kind: str) -> dict[str, Any]:
    settings = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    found: dict[str, Any] = next(one for one in settings if one["type"] == kind)
    return found


def test_the_rooms_stand_as_in_the_contract() -> None:
    contracted = [
        sorted(re.findall(r"(?<!\()\b\w+\b(?!\))", row)) for row in contract("layers")["layers"]
    ]
    rows = (
        section(ARCHITECTURE, "The rooms")
        .split("| room | holds |\n|---|---|\n")[1]
        .split("\n\n")[0]
        .splitlines()
    )
    shown = [sorted(re.findall(r"`(\w+)`", row.split("|")[1])) for row in rows]
    assert shown == [row for row in contracted if row]
    numpy_rooms = {
        name.removeprefix("forecast.") for name in contract("forbidden")["source_modules"]
    }
    below_keras = {room for row in shown[shown.index(["report"]) :] for room in row}
    assert below_keras | {"inference"} == {name for name in numpy_rooms if "." not in name}


def demo_output() -> list[str]:
    """The lines of the demo in the README."""
    block = text_of(README).split("<!-- demo output -->")[1]
    return block.split("<!-- end of demo output -->")[0].splitlines()


def test_the_demo_reads_what_the_readme_shows() -> None:
    from forecast.experiment.prepare import prepare
    from forecast.runs.heading import describe

    told = describe(prepare(load_experiment(ROOT / "configs" / "demo.yaml")))
    assert [line for line in told if not line.startswith("note: ")] == demo_output()[2:4]


@pytest.mark.slow
def test_the_demo_scores_baselines_as_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The network's own row may differ in its last digits from one processor to another."""
    monkeypatch.chdir(tmp_path)
    settings = ["--set=training.epochs=1", "--set=training.patience=null"]
    assert main(["fit", "--config", str(ROOT / "configs" / "demo.yaml"), *settings]) == 0
    told = {
        line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line
    }
    rows = [line.split() for line in demo_output() if line.endswith(" %") and "beats" not in line]
    shown = {row[0]: row[1:] for row in rows if row[0] != "bigru"}
    assert len(shown) == 10
    for name, cells in shown.items():
        # a star marks the best of a column, and the skill is relative to the best baseline
        assert [cell.strip("*") for cell in told[name]] == [cell.strip("*") for cell in cells], name


def test_damaged_tables_are_told_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = text_of(ROOT / "docs" / "bad-data.md")
    tables, answers = blocks(page, "csv"), blocks(page, "text")
    assert len(tables) == len(answers) > 0
    for table, answer in zip(tables, answers, strict=True):
        Path("table.csv").write_text(table, encoding="utf-8")
        code = main(["check", "table.csv"])
        said = capsys.readouterr().out
        missing = set(answer.splitlines()) - set(said.splitlines())
        assert not missing, "bring docs/bad-data.md up to date with `make docs`"
        is_refused = any(line.startswith("error ") for line in said.splitlines())
        assert code == (2 if is_refused else 0)


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("see /home/me/x", MACHINE),
        ("C:\\data", MACHINE),
        ("from https://pypi.org/x", HOST),
        ("pip install forecast", WRONG_NAME),
        ("uv pip install -U forecast", WRONG_NAME),
    ],
)
def test_the_guards_catch(text: str, caught: re.Pattern[str]) -> None:
    assert caught.search(text)
    assert not caught.search(
        "pip install . into .venv/bin, then runs/sales/model; make install forecast/data"
    )
