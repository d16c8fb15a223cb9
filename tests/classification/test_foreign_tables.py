"""Foreign and damaged tables of sequences: read at once, or refused with advice that works."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.classification.categories.category_table import read_series
from forecast.classification.symbols.symbol_rows import read_symbols
from forecast.classification.tables.sequence_table import read_sequences
from forecast.cli.entry import main

NUM_SERIES = 6
LENGTH = 10
ROLES = ["--id", "machine", "--step", "when"]
KINDS: dict[str, list[str]] = {
    "classify": [*ROLES, "--label", "label"],
    "categories": [*ROLES, "--target", "state"],
    "symbols": [*ROLES, "--symbol", "state"],
}
"""Command -> the options that name the columns of the usual table."""


def usual() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    number = np.repeat(np.arange(NUM_SERIES), LENGTH)
    step = np.tile(np.arange(LENGTH), NUM_SERIES)
    return pd.DataFrame(
        {
            "machine": [f"0{one}" for one in number],
            "when": step,
            "force": np.round(draw.uniform(1, 9, len(step)), 2) + 1000 * (step % 3 == 0),
            "state": np.where((step + number) % 3 == 0, "läuft", "steht"),
            "label": np.where(number % 2 == 0, "gut", "schlecht"),
        }
    )


Write = Callable[[Path], Path]


def text(**options: Any) -> Write:
    def write(folder: Path) -> Path:
        usual().to_csv(folder / "t.csv", index=False, **options)
        return folder / "t.csv"

    return write


def edited(edit: Callable[[pd.DataFrame], pd.DataFrame], **options: Any) -> Write:
    def write(folder: Path) -> Path:
        edit(usual()).to_csv(folder / "t.csv", index=False, **options)
        return folder / "t.csv"

    return write


def lines(edit: Callable[[list[str]], list[str]]) -> Write:
    def write(folder: Path) -> Path:
        given = usual().to_csv(index=False).splitlines()
        (folder / "t.csv").write_text("\n".join(edit(given)) + "\n", encoding="utf-8")
        return folder / "t.csv"

    return write


def file(name: str, save: Callable[[pd.DataFrame, Path], None]) -> Write:
    def write(folder: Path) -> Path:
        save(usual(), folder / name)
        return folder / name

    return write


def sheets(table: pd.DataFrame, path: Path) -> None:
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["exported", "by a plant"]}).to_excel(book, sheet_name="Info")
        table.to_excel(book, sheet_name="Data", index=False)


def dated(pattern: str, *, first: str = "2024-01-25") -> Write:
    """Days as text in some format, that go beyond a month."""

    def edit(table: pd.DataFrame) -> pd.DataFrame:
        days = pd.Timestamp(first) + pd.to_timedelta(table["when"], unit="D")
        return table.assign(when=days.dt.strftime(pattern))

    return edited(edit)


def with_cells(column: str, rows: list[int], cell: object) -> Write:
    def edit(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({column: object})
        table.loc[rows, column] = cell
        return table

    return edited(edit)


def grouped(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(force=[f"{number:,.2f}" for number in table["force"]])


@dataclass(frozen=True)
class Case:
    """A table.

    Attributes:
        write: writes it to a folder.
        refused: part of the first error, by command; "" is for all that read numbers.
        is_same: whether it is read as the usual table is, once the advice is taken.
    """

    write: Write
    refused: str = ""
    only: tuple[str, ...] = tuple(KINDS)
    is_same: bool = True


NUMBERS = ("classify", "categories")
"""Commands that read the numbers."""

CASES: dict[str, Case] = {
    "semicolons": Case(text(sep=";")),
    "tabs": Case(text(sep="\t")),
    "spaces": Case(text(sep=" "), "none of"),
    "cp1252": Case(text(encoding="cp1252"), "looks like cp1252"),
    "utf-16": Case(text(encoding="utf-16"), "looks like utf-16"),
    "a byte order mark": Case(text(encoding="utf-8-sig")),
    "decimal commas": Case(text(sep=";", decimal=","), "decimal comma", NUMBERS),
    "thousands": Case(edited(grouped, sep=";"), "thousands separator", NUMBERS),
    "lines before the header": Case(lines(lambda all_: ["plant 7", "exported", "", *all_])),
    "a line below": Case(lines(lambda all_: [*all_, "Source: plant 7,,,,"])),
    "rows without a cell": Case(lines(lambda all_: [*all_, ",,,,", ",,,,"])),
    "empty columns": Case(edited(lambda table: table.assign(a=np.nan, b=""))),
    "a code for missing": Case(with_cells("force", [3, 9], -999), "-999", NUMBERS, is_same=False),
    "a bound": Case(with_cells("force", [4], "<1"), "bound", NUMBERS, is_same=False),
    "days of a format": Case(dated("%d.%m.%Y")),
    "words of months": Case(dated("%d %b %Y")),
    "days in two readings": Case(dated("%d/%m/%Y", first="2024-01-01"), "day or month first"),
    "days as numbers": Case(dated("%Y%m%d"), "look like dates", ("categories",)),
    "two columns of a name": Case(
        lines(lambda all_: [line + f",{line.split(',')[2]}" for line in all_]),
        "occurs twice",
        NUMBERS,
    ),
    "records of JSON": Case(
        file("t.json", lambda table, path: table.to_json(path, orient="records"))
    ),
    "lines of JSON": Case(
        file("t.jsonl", lambda table, path: table.to_json(path, orient="records", lines=True))
    ),
    "parquet": Case(file("t.parquet", lambda table, path: table.to_parquet(path))),
    "a sheet": Case(file("t.xlsx", lambda table, path: table.to_excel(path, index=False))),
    "the second of two sheets": Case(file("t.xlsx", sheets), "2 sheets"),
    "gzip": Case(file("t.csv.gz", lambda table, path: table.to_csv(path, index=False))),
}
ATTEMPTS = 4


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the commands read; they stop before the training."""
    found: list[Any] = []

    def classes(config: Any, table: Any, **_: Any) -> Path:
        found.append(read_sequences(table, config.data, config.text))
        return Path()

    def categories(settings: Any, table: Any, **_: Any) -> Path:
        found.append(read_series(table, settings.data))
        return Path()

    def symbols(settings: Any, table: Any, **_: Any) -> Path:
        found.append(read_symbols(table, settings.data))
        return Path()

    monkeypatch.setattr("forecast.runs.classified.classify_run", classes)
    monkeypatch.setattr("forecast.runs.category_run.run_categories", categories)
    monkeypatch.setattr("forecast.runs.symbol_run.run_symbols", symbols)
    return found


OPTION = r"--(?!set )[a-z]+ (?:'[^']*'|[^\s,]+)|--set (?:'[^']*'|\S+?(?=,? or |,? if |,? to |\s|$))"


def ways(message: str) -> list[list[str]]:
    """The options that a message advises, those of each way together."""
    advice = message.partition("Pass ")[2]
    together = re.findall(rf"(?:{OPTION})(?: (?:{OPTION}))*", advice)
    return [shlex.split(each) for each in together]


def shown(sequences: Any) -> list[Any]:
    """The contents but for names of months and the like: ids, lengths, words and numbers."""
    words = getattr(sequences, "words", {"symbols": getattr(sequences, "symbols", None)})
    parts = [sequences.ids.tolist(), sequences.offsets.tolist()]
    parts += [of_column.tolist() for of_column in words.values()]
    numbers = getattr(sequences, "numbers", np.empty(0))
    return [*parts, np.round(numbers, 9).tolist()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_a_table_is_read_or_the_advice_works(
    name: str, kind: str, tmp_path: Path, read: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    words = [kind, "fit", str(case.write(tmp_path)), *KINDS[kind]]
    first = ""
    for _ in range(ATTEMPTS):
        code = main(words)
        lines = capsys.readouterr().err.splitlines()
        if code == 0:
            break
        (error,) = lines  # one line
        assert code == 2
        first = first or error
        advised = ways(error)
        if "occurs twice" in error:  # no setting, but an edit
            return
        assert advised, error
        for way in advised:  # each removes the error
            main([*words, *way])
            assert error not in capsys.readouterr().err, way
        words += advised[0]
    assert code == 0, lines
    if case.refused and kind in case.only:
        assert case.refused in first
    else:
        assert not first
    if case.is_same:
        assert main([kind, "fit", str(text()(tmp_path)), *KINDS[kind]]) == 0
        assert shown(read[-2]) == shown(read[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_standard_input(kind: str, read: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    given = TextIOWrapper(BytesIO(usual().to_csv(index=False, sep=";").encode()))
    monkeypatch.setattr(sys, "stdin", given)
    assert main([kind, "fit", "-", *KINDS[kind]]) == 0
    assert read[0].ids.tolist() == [f"0{number}" for number in range(NUM_SERIES)]
