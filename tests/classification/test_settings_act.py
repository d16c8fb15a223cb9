"""Every setting of classes, categories and symbols is live: changing it changes what is read,
split, learned, forecast or refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from classification.test_categories import cycle
from classification.test_next_symbol import chain
from labelled import reviews, waves

from forecast import (
    CategoryForecaster,
    CategorySettings,
    Classification,
    Classifier,
    NextSymbol,
    NextSymbolSettings,
)
from forecast.classification.categories.category_windows import all_windows, divide
from forecast.classification.encoding import Encoding
from forecast.classification.sequence_split import split_sequences
from forecast.classification.symbols.symbol_rows import Symbols, read_symbols, split_symbols
from forecast.classification.tables.sequence_table import read_sequences
from forecast.errors import ForecastError
from forecast.experiment.schema import with_table
from forecast.search.category_trial import make_category_bench
from forecast.search.class_trial import make_class_bench
from forecast.search.state import Task
from forecast.section.wording import setting_paths

PAGE = Path(__file__).resolve().parents[2] / "docs" / "classification-settings.md"

Table = Callable[[], Any]
Observation = Callable[[Any, Table], object]


@dataclass(frozen=True)
class Row:
    """A setting that is flipped.

    Attributes:
        value: another value.
        changes: what changes with it.
        base: settings of both sides.
        table: that both read; default: the usual one of the kind.
        refused: a part of the message where the other value is refused.
    """

    value: Any
    changes: Observation
    base: dict[str, Any] = field(default_factory=dict)
    table: Table | None = None
    refused: str = ""


def sequences() -> pd.DataFrame:
    """Waves with further columns, which could be ids, labels, categories, groups and sets."""
    table = waves(24, longest=8)
    number = table["id"].str[-3:].astype(int)
    columns = {
        "run": "r" + (number // 2).astype(str) + table["label"],
        "order": -table["step"],
        "other": np.where(number % 4 < 2, "a", "b"),
        "tags": np.where(number % 3 == 0, "hot|wet", "wet"),
        "mode": np.where(table["noise"] > 0, "on", "off"),
        "machine": "m" + (number % 8).astype(str),
        "set": np.where(number < 8, "test", "train"),
        "is_hot": number % 2,
        "is_wet": (number % 3 == 0) * 1,
    }
    return table.assign(**columns).sample(frac=1, random_state=0, ignore_index=True)


def holed() -> pd.DataFrame:
    """As many sequences of one label as is usual, and few of the other."""
    table = waves(24, longest=8)
    number = table["id"].str[-3:].astype(int)
    return table[(table["label"] == "up") | (number < 12)]


def texts() -> pd.DataFrame:
    table = reviews(30)
    table["text"] = table["text"].str.replace("film", "Film") + " The end"
    return table


def repeated_texts() -> pd.DataFrame:
    both = pd.concat([texts(), texts().head(1)])
    return both.assign(part=["train", "test", "train"] * 10 + ["test"])


def states() -> pd.DataFrame:
    table = cycle(2, 40)
    columns = {
        "run": table["id"] + (table["step"] // 20).astype(str),
        "order": -table["step"],
        "mood": np.where(table["step"] % 5 < 2, "low", "high"),
    }
    return table.assign(**columns)


def symbols() -> pd.DataFrame:
    table = chain(300)
    columns = {
        "series": np.repeat(["p", "q", "r"], 100),
        "run": np.tile(["s", "t"], 150),
        "step": np.arange(300)[::-1],
        "order": np.arange(300),
        "mark": table["symbol"].str.upper().where(np.arange(300) % 3 == 0, "x"),
    }
    return table.drop(columns="id").assign(**columns)


def lines() -> pd.DataFrame:
    """Documents, and symbols beside them."""
    text = "Run " + chain(40)["symbol"] + " " + chain(40)["symbol"].str.upper()
    return pd.DataFrame({"text": text, "symbol": chain(40)["symbol"], "id": np.arange(40)})


# --- tables in other forms, by the setting that reads them: steps 0, 1, 2, ... in the column `step`


def _steps(write: Callable[[int], Any], **options: Any) -> Callable[[pd.DataFrame], str]:
    """Write a CSV file with other steps."""

    def save(table: pd.DataFrame) -> str:
        table = table.sort_values("step", kind="stable")
        steps = [write(step) for step in table["step"]]
        table.assign(step=steps).to_csv("t.csv", index=False, **options)
        return "t.csv"

    return save


def _text(**options: Any) -> Callable[[pd.DataFrame], str]:
    def save(table: pd.DataFrame) -> str:
        table.assign(more="ü").to_csv("t.csv", index=False, **options)
        return "t.csv"

    return save


def _two_sheets(table: pd.DataFrame) -> str:
    with pd.ExcelWriter("t.xlsx") as book:
        table.to_excel(book, sheet_name="Data", index=False)
        table.head(3).to_excel(book, sheet_name="Old", index=False)
    return "t.xlsx"


def _autumn_hour(step: int) -> str:
    """The clock of Berlin each hour since a midnight; 02:00 comes twice."""
    hours = pd.Timestamp("2024-10-26 22:00", tz="UTC") + pd.Timedelta(hours=step)
    return str(hours.tz_convert("Europe/Berlin").tz_localize(None))


WRITTEN: dict[str, tuple[Any, Callable[[pd.DataFrame], str], str]] = {
    "separator": (",", _text(sep=";"), "no column"),
    "decimal": (",", _steps(lambda step: step + 0.5, decimal=","), "decimal comma"),
    "thousands": (" ", _steps(lambda step: f"1 {step:03}"), "thousands separator"),
    "bounds": ("limit", _steps(lambda step: f">{step}" if step == 3 else str(step)), "a bound"),
    "missing_codes": ([], _steps(lambda step: str(99999 if step == 3 else step)), "99999"),
    "encoding": ("cp1252", _text(encoding="cp1252"), "looks like cp1252"),
    "sheet": ("Data", _two_sheets, "2 sheets"),
    "time_format": ("%Y_%j", _steps(lambda step: f"2024_{1 + step:03}"), "2024_001"),
    "tz": ("Europe/Berlin", _steps(_autumn_hour), "a step of"),
}
"""Setting -> a value with which such a table is read, the table, and a part of the refusal."""


def in_form(table: Table, save: Callable[[pd.DataFrame], str]) -> str:
    return save(table())


def written(table: Table, changes: Observation) -> dict[str, Row]:
    """Rows of the settings that say how a table is written."""
    return {
        f"data.{name}": Row(value, changes, table=partial(in_form, table, save), refused=refusal)
        for name, (value, save, refusal) in WRITTEN.items()
    }


# --- what is seen of a classification


def read(config: Any, table: Table) -> object:
    """The sequences."""
    found = read_sequences(table(), config.data, config.text)
    return (
        found.ids.tolist(),
        found.offsets.tolist(),
        found.numbers.tobytes(),
        {name: words.tolist() for name, words in found.words.items()},
        *(None if part is None else part.tolist() for part in (found.labels, found.groups)),
    )


def divided(config: Any, table: Table) -> object:
    """The sets."""
    found = read_sequences(table(), config.data, config.text)
    split = split_sequences(found, config.split)
    return split.train.tolist(), split.validation.tolist(), split.test.tolist()


def words(config: Any, table: Table) -> object:
    """Words with a vector of their own, and the widths of the vectors."""
    found = Encoding.fit(read_sequences(table(), config.data, config.text), config.text)
    return found.vocabulary, found.widths


@functools.cache
def fitted(config: Any, table: Table) -> Any:
    """The fitted model of any kind."""
    kinds = {CategorySettings: CategoryForecaster, NextSymbolSettings: NextSymbol}
    return kinds.get(type(config), Classifier)(config).fit(table())


def networks(config: Any, table: Table) -> list[Any]:
    state = fitted(config, table).fitted
    return [state.network] if isinstance(config, NextSymbolSettings) else list(state.networks)


def weights(config: Any, table: Table) -> object:
    """The weights of the first network after its training."""
    found = networks(config, table)[0].weights
    return {name: (array.shape, array.tobytes()) for name, array in found.items()}


def architecture(config: Any, table: Table) -> object:
    """The operations of the first network."""
    return networks(config, table)[0].graph


def num_networks(config: Any, table: Table) -> object:
    return len(networks(config, table))


def num_epochs(config: Any, table: Table) -> object:
    state = fitted(config, table).fitted
    return len(state.loss if isinstance(config, NextSymbolSettings) else state.histories[0]["loss"])


def columns(config: Any, table: Table) -> object:
    return fitted(config, table).predict(table()).columns.tolist()


def searched(config: Any, table: Table) -> object:
    """The size of the folds of a search, and the score of a trial on one."""
    task = Task(0, {}, {"model.pooling": "mean"})
    if isinstance(config, CategorySettings):
        series = make_category_bench(config, table(), Path("search"))
        sizes = [len(sets.test.starts) for sets in series.folds(config)]
        return sizes, series.train_fold(task, 0, 0).scores[config.search.objective]
    bench = make_class_bench(config, table(), Path("search"))
    score = bench.train_fold(task, 0, 0)
    return [held_out.tolist() for _, held_out in bench.folds], score.scores[config.search.objective]


# --- what is seen of categories and symbols


def series(settings: Any, table: Table) -> object:
    found = read_sequences(table(), settings.data.as_sequences(), has_labels=False)
    return (
        found.ids.tolist(),
        found.offsets.tolist(),
        found.numbers.tobytes(),
        {name: of_column.tolist() for name, of_column in found.words.items()},
    )


def windows(settings: Any, table: Table) -> object:
    found = read_sequences(table(), settings.data.as_sequences(), has_labels=False)
    index = all_windows(found, settings.windows)
    sets = divide(found, index, settings.windows.horizon, settings.split)
    parts = (sets.train, sets.validation, sets.test)
    return [(part.starts.tolist(), part.lengths.tolist()) for part in parts]


def stream(settings: Any, table: Table) -> object:
    """The training symbols, as codes and by name."""
    rows = read_symbols(table(), settings.data)
    training, validation = split_symbols(rows, settings.data.validation, settings.training.seed)
    found = Symbols.fit(training, settings.data.vocabulary)
    return found.names, found.stream(training).tolist(), found.stream(validation).tolist()


TRAINED: dict[str, Any] = {
    "model.cell": "rnn",
    "model.bidirectional": False,
    "model.units": 3,
    "training.epochs": 2,
    "training.batch_size": 8,
    "training.learning_rate": 0.05,
}
"""Settings of both sides: what compiles fastest."""

TEXT = {"data.text_col": "text"}
TWO_SETS = {**TEXT, "data.split_col": "part", "split.repeated": "allow"}
FILTERED = {"model.filters": 3, "model.stride": 2}
WILD = {"training.learning_rate": 0.9, "training.epochs": 8, "training.keep": "best"}
SEARCH = {"search.space": {"model.pooling": {"choice": ["mean", "last"]}}, "search.folds": 2}
VECTORS = {**TEXT, "text.vectors": "vectors.txt"}

RECURRENT = {
    "model.cell": Row("gru", architecture),
    "model.num_layers": Row(2, architecture),
    "model.units": Row(4, architecture),
    "model.dropout": Row(0.5, weights),
    "model.recurrent_dropout": Row(0.5, weights),
    "model.l2": Row(0.1, weights),
    "training.epochs": Row(3, num_epochs),
    "training.batch_size": Row(4, weights),
    "training.learning_rate": Row(0.01, weights),
    "training.clip_norm": Row(1e-4, weights),
    "training.seed": Row(1, weights),
}
WHOLE = {
    "model.bidirectional": Row(True, architecture),
    "model.pooling": Row("attention", architecture),
    "model.head_dropout": Row(0.8, weights),
    "model.filters": Row(3, architecture),
    "model.filter_width": Row(3, weights, base=FILTERED),
    "model.stride": Row(1, architecture, base=FILTERED),
    "training.seeds": Row(2, num_networks, base={"training.seeds": 1}),
    "alias": Row("other", columns),
}
CLASSES: dict[str, Row] = {
    **RECURRENT,
    **WHOLE,
    **written(sequences, read),
    "data.id_col": Row("run", read),
    "data.step_col": Row("order", read),
    "data.label_col": Row("other", read),
    "data.label_separator": Row("|", read, base={"data.label_col": "tags"}),
    "data.label_cols": Row(["is_hot", "is_wet"], read),
    "data.features": Row(["x"], read),
    "data.text_col": Row("text", read, table=texts, refused="no column"),
    "data.categorical": Row(["mode"], read),
    "data.group_col": Row("machine", divided),
    "data.split_col": Row("set", divided),
    "text.unit": Row("characters", read, base=TEXT, table=texts),
    "text.lower_case": Row(False, read, base=TEXT, table=texts),
    "text.vocabulary": Row(3, words, base=TEXT, table=texts),
    "text.least_count": Row(14, words, base=TEXT, table=texts),
    "text.most_steps": Row(3, read, base=TEXT, table=texts),
    "text.embedding_width": Row(5, words, base=TEXT, table=texts),
    "text.vectors": Row("vectors.txt", weights, base=TEXT, table=texts),
    "text.train_vectors": Row(False, weights, base=VECTORS, table=texts),
    "inputs.differences": Row(False, weights),
    "split.test": Row(0.4, divided),
    "split.validation": Row(0.4, divided),
    "split.by": Row("order", divided),
    "split.seed": Row(1, divided),
    "split.repeated": Row("refuse", weights, TWO_SETS, repeated_texts, "in the training set too"),
    "training.patience": Row(1, num_epochs, base=WILD),
    "training.keep": Row("last", weights, base=WILD),
    "training.label_smoothing": Row(0.3, weights),
    "training.mixup": Row(0.0, weights),
    "training.class_weights": Row("balanced", weights, table=holed),
    "search.objective": Row("Brier", searched, base=SEARCH),
    "search.folds": Row(3, searched, base=SEARCH),
    "search.seed": Row(1, searched, base=SEARCH),
}
CATEGORIES: dict[str, Row] = {
    **RECURRENT,
    **WHOLE,
    **written(states, series),
    "data.id_col": Row("run", series),
    "data.step_col": Row("order", series),
    "data.target_col": Row("mood", series),
    "data.features": Row([], series),
    "data.categorical": Row(["mood"], series),
    "windows.context_length": Row(3, windows),
    "windows.horizon": Row(2, windows),
    "search.objective": Row("Brier", searched, base=SEARCH),
    "search.folds": Row(3, searched, base=SEARCH),
    "search.seed": Row(1, searched, base=SEARCH),
    "split.test": Row(0.4, windows),
    "split.validation": Row(0.4, windows),
    "training.patience": Row(1, num_epochs, base={"training.learning_rate": 0.9}),
}
CATEGORIES["training.patience"].base["training.epochs"] = 8
SYMBOLS: dict[str, Row] = {
    **RECURRENT,
    **written(symbols, stream),
    "data.id_col": Row("run", stream),
    "data.step_col": Row("order", stream),
    "data.symbol_col": Row("mark", stream),
    "data.text_col": Row("text", stream, table=lines),
    "data.unit": Row("words", stream, base=TEXT, table=lines),
    "data.lower_case": Row(True, stream, base=TEXT, table=lines),
    "data.vocabulary": Row(2, stream),
    "data.validation": Row(0.5, stream),
    "model.bidirectional": Row(True, stream, refused="would see the symbol"),
    "model.embedding_width": Row(5, architecture),
    "training.seconds": Row(1e-6, num_epochs),
    "training.length": Row(7, weights),
    "training.batch_size": Row(4, weights, base={"training.length": 8}),
    "training.patience": Row(1, num_epochs, base={"training.learning_rate": 0.9}),
}
SYMBOLS["training.patience"].base["training.epochs"] = 8

OF_ANY_SEARCH = {
    f"search.{name}"
    for name in ("algorithm", "max_trials", "space", "executions", "pruning", "in_flight")
}
"""Settings that the search of forecasters reads in the same code; its tests flip them."""

ONE_VALUE = {"model.name"}
"""Settings that have no other value."""

KINDS: dict[str, tuple[type[Any], dict[str, Row], Table]] = {
    "classes": (Classification, CLASSES, sequences),
    "categories": (CategorySettings, CATEGORIES, states),
    "symbols": (NextSymbolSettings, SYMBOLS, symbols),
}
PROOFS = set(RECURRENT | WHOLE) - {"model.l2", "model.filter_width", "alias"}
"""Settings of the networks, whose layers have quick tests of their own."""

FLIPS = [
    pytest.param(
        kind, path, marks=[pytest.mark.proof] if path in PROOFS else [], id=f"{kind} {path}"
    )
    for kind, (_, rows, _) in KINDS.items()
    for path in rows
]


def with_settings(kind: type[Any], settings: dict[str, Any]) -> Any:
    """Return settings by path."""
    nested: dict[str, Any] = {}
    for path, value in settings.items():
        *parents, name = path.split(".")
        section = nested
        for parent in parents:
            section = section.setdefault(parent, {})
        section[name] = value
    return kind(**nested)


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_has_a_row(kind: str) -> None:
    section, rows, _ = KINDS[kind]
    left_out = ONE_VALUE | OF_ANY_SEARCH
    assert set(rows) == set(setting_paths(section)) - left_out


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_settings_is_up_to_date(kind: str) -> None:
    section, _, _ = KINDS[kind]
    page = PAGE.read_text(encoding="utf-8")
    written = "run `python scripts/write_documents.py`"
    assert with_table(page, section, f"settings of {kind}") == page, written


@pytest.mark.parametrize(("kind", "path"), FLIPS)
def test_a_setting_acts(
    kind: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section, rows, usual = KINDS[kind]
    row = rows[path]
    monkeypatch.chdir(tmp_path)
    Path("vectors.txt").write_text("the 1 0 2\nfilm 0 3 1\nstory 2 2 0\n")
    base = dict(TRAINED)
    if kind != "symbols":
        base["training.seeds"] = 1
    base |= row.base
    seen = []
    errors = []
    for settings in (base, {**base, path: row.value}):
        try:
            seen.append(row.changes(with_settings(section, settings), row.table or usual))
        except ForecastError as error:
            seen.append(None)
            errors.append(str(error))
    assert bool(errors) == bool(row.refused), errors
    assert row.refused in " ".join(errors)
    assert seen[0] != seen[1], f"{path} does not change {row.changes.__name__}"
