"""A table that lacks what a model learned from: each message says how to change it, and that works.

The model is the stored run of `tests/runs`: ids in `unique_id`, time `ds`, target `y`, a known
`price` and a static `kind`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from forecast import Forecaster
from forecast.cli.entry import main
from forecast.data.findings import BadTableError

STORED = Path(__file__).parents[1] / "runs" / "stored"
TABLE = pd.read_csv(STORED / "table.csv", dtype={"unique_id": str})
ROLES = ("time 'ds'", "id 'unique_id'", "target 'y'", "known covariate 'price'")
IN_PYTHON = re.compile(r"_cols?\b|_covariates|[a-z]=|=\[|\b(True|False|None)\b")
"""Words that nobody can type on the command line."""


@dataclass(frozen=True)
class Foreign:
    """A table that the model cannot read.

    Attributes:
        change: makes it from the table of the run.
        words: of the message.
        back: does what the message says; None: that is the table of the run.
    """

    change: Callable[[pd.DataFrame], pd.DataFrame]
    words: str
    back: Callable[[pd.DataFrame], pd.DataFrame] | None = None


def renamed(**names: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.rename(columns=names)


def hours(table: pd.DataFrame) -> pd.DataFrame:
    number = table.groupby("unique_id").cumcount()
    return table.assign(ds=pd.Timestamp("2024-01-01") + pd.to_timedelta(number, "h"))


def daily(table: pd.DataFrame) -> pd.DataFrame:
    number = table.groupby("unique_id").cumcount()
    return table.assign(ds=pd.Timestamp("2024-01-01") + pd.to_timedelta(number, "D"))


def wide(table: pd.DataFrame) -> pd.DataFrame:
    return table.pivot(index="ds", columns="unique_id", values="y").reset_index()


def across(table: pd.DataFrame) -> pd.DataFrame:
    table = table[table["ds"] <= "2024-03-01"]
    return table.pivot(index="unique_id", columns="ds", values="y").reset_index()


AGAIN = "one row per series and timestamp"
CASES = {
    "another time": Foreign(renamed(ds="day"), "Rename the time column to 'ds'", renamed(day="ds")),
    "another price": Foreign(renamed(price="prices"), "'prices' to 'price'"),
    "another target": Foreign(renamed(y="sales"), "the target column to 'y'"),
    "another id": Foreign(renamed(unique_id="shop"), "with the series in 'unique_id'"),
    "no price": Foreign(lambda table: table.drop(columns="price"), "'price', or add it"),
    "no name fits": Foreign(
        renamed(ds="when", y="sales", unique_id="shop"),
        "the time column to 'ds', the id column to 'unique_id' and the target column to 'y'",
        renamed(when="ds", sales="y", shop="unique_id"),
    ),
    "wide": Foreign(wide, AGAIN),
    "dates across": Foreign(across, AGAIN),
    "another frequency": Foreign(hours, "Give rows in steps of 'D'", daily),
}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(STORED, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(words) == 2
    printed = capsys.readouterr()
    assert not printed.out
    return printed.err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", CASES)
def test_a_foreign_table_on_the_command_line(name, capsys):
    case = CASES[name]
    case.change(TABLE).to_csv("foreign.csv", index=False)
    command = ["predict", "run", "foreign.csv", "--known", "known.csv"]
    text = refusal(command, capsys)

    assert case.words in text
    assert not IN_PYTHON.search(text), text
    if "lacks" in text:
        assert all(role in text for role in ROLES)
    # options are those of a fit alone
    assert "--" not in text.partition("or fit again with")[0]
    assert refusal(["evaluate", "run", "foreign.csv"], capsys) == text
    template = ["predict", "run", "foreign.csv", "--template", "ahead.csv"]
    assert refusal(template, capsys) == text
    assert not Path("ahead.csv").exists()

    back = case.back or (lambda _: TABLE)
    back(case.change(TABLE)).to_csv("foreign.csv", index=False)
    assert main([*command, "--output", "out.csv"]) in (0, 2)
    assert case.words not in capsys.readouterr().err


@pytest.mark.parametrize("name", CASES)
def test_a_foreign_table_in_python(name, folder):
    case = CASES[name]
    forecaster = Forecaster.load(folder / "run" / "model")
    for use in (forecaster.predict, forecaster.evaluate, forecaster.make_future_frame):
        with pytest.raises(BadTableError) as caught:
            use(case.change(TABLE).reset_index(drop=True))
        assert case.words in str(caught.value)
        assert "--" not in str(caught.value)


@pytest.mark.usefixtures("folder")
def test_known_covariates_in_other_columns(capsys):
    known = pd.read_csv("known.csv", dtype=str).rename(columns={"price": "prices"})
    known.to_csv("known.csv", index=False)
    text = refusal(["predict", "run", "--known", "known.csv"], capsys)
    assert "the table of known covariates lacks 'price' (known covariate)" in text
    assert "target" not in text, "which such a table does not have"
    assert "Rename 'prices' to 'price'" in text


def test_missing_known_covariates_in_the_words_of_each_interface(folder, capsys):
    text = refusal(["predict", "run"], capsys)
    assert text.endswith("give them with --known, in the rows of --template\n")
    forecaster = Forecaster.load(folder / "run" / "model")
    with pytest.raises(Exception, match="with known=, in the rows of make_future_frame") as caught:
        forecaster.predict("table.csv")
    assert "--" not in str(caught.value)


FAULTS = {
    "a gap": (lambda table: table.drop(index=[50, 51]), "Correct the table, or fit again with"),
    "decimals": (
        lambda table: table.assign(y=table["y"].map(lambda y: f"{y:.2f}".replace(".", ","))),
        "in the form of the one that the model learned from (decimal mark '.')",
    ),
    "an unclear order": (
        lambda table: table[pd.to_datetime(table["ds"]).dt.day < 13].assign(
            ds=lambda rows: pd.to_datetime(rows["ds"]).dt.strftime("%d.%m.%Y")
        ),
        "in the form of the one that the model learned from",
    ),
    "a row twice": (lambda table: pd.concat([table, table[:2]]), "or fit again with"),
    "a word": (lambda table: table.assign(y=table["y"].astype(str) + " EUR x"), "Correct"),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", FAULTS)
def test_other_faults_propose_no_option_that_predict_lacks(name, capsys):
    change, words = FAULTS[name]
    change(TABLE).to_csv("foreign.csv", index=False)
    text = refusal(["predict", "run", "foreign.csv", "--known", "known.csv"], capsys)
    assert words in text
    assert not IN_PYTHON.search(re.sub(r"--set \S+", "", text)), text
    assert "--" not in text.partition("fit again with")[0]


def test_a_long_table_for_a_model_of_a_wide_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filled = TABLE.assign(y=TABLE.groupby("unique_id")["y"].ffill())
    table = wide(filled).dropna().rename_axis(columns=None)
    settings = {"horizon": 7, "context_length": 14, "model": "bigru", "units": 4, "epochs": 1}
    forecaster = Forecaster(layout="wide", missing="mask", **settings).fit(table, verbose=0)
    with pytest.raises(BadTableError, match="one column per series") as caught:
        forecaster.predict(TABLE[["ds", "y", "price"]])
    assert "aggregate" not in str(caught.value)
