"""Saved models of every kind and architecture, for attacks, and how a person would use each."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast import CategoryForecaster, Classifier, Experiment, Forecaster, NextSymbol
from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.class_settings import Classification
from forecast.classification.symbols.symbol_settings import NextSymbolSettings


def sales() -> pd.DataFrame:
    """Two series with covariates of every kind."""
    draw = np.random.default_rng(1)
    tables = []
    for place, name in enumerate(("a", "b")):
        days = np.arange(150)
        frame = pd.DataFrame({"unique_id": name, "ds": pd.date_range("2024-01-01", periods=150)})
        frame["y"] = 20.0 + 5 * place + days % 7 + draw.normal(size=150)
        frame["promo"] = days % 5
        frame["weather"] = draw.choice(["sun", "rain"], 150)
        frame["region"] = ["north", "south"][place]
        tables.append(frame)
    return pd.concat(tables)


def plain() -> pd.DataFrame:
    return sales()[["unique_id", "ds", "y"]]


def sequences(steps: int = 6) -> pd.DataFrame:
    """Numbers with gaps, categories, and labels, one or several."""
    draw = np.random.default_rng(2)
    labels = {0: "bad", 1: "ok"}
    rows = [
        (
            f"m{number}",
            step,
            draw.normal() + 3 * (number % 2),
            np.nan if draw.uniform() < 0.1 else draw.normal(),
            "xyz"[(number + step) % 3],
            labels[number % 2],
            ["", "wet", "wet|hot"][number % 3],
        )
        for number in range(40)
        for step in range(steps + number % 3)
    ]
    columns = ["machine", "step", "x", "gaps", "mode", "state", "states"]
    return pd.DataFrame(rows, columns=columns)


def texts() -> pd.DataFrame:
    words = {"good": "fine nice great happy", "bad": "poor sad awful dull"}
    rows = [
        (f"The {words[label].split()[number % 4]} one {number % 7}", label)
        for number in range(60)
        for label in words
    ]
    return pd.DataFrame(rows, columns=["text", "label"])


def states() -> pd.DataFrame:
    """A column of categories that repeats, with another and a number beside it."""
    draw = np.random.default_rng(3)
    rows = [
        (f"m{s}", t, "abc"[(t + s) % 3], "uv"[t % 2], t % 3 + 0.1 * draw.normal())
        for s in range(4)
        for t in range(60)
    ]
    return pd.DataFrame(rows, columns=["machine", "step", "state", "shift", "heat"])


Make = Callable[[Path], None]


def forecaster(table: pd.DataFrame, **settings: Any) -> Make:
    def make(path: Path) -> None:
        given: dict[str, Any] = {"windows": {"context_length": 14, "horizon": 3}} | settings
        Forecaster(Experiment.model_validate(given)).fit(table).save(path)

    return make


NETWORK = {"epochs": 1}
ONE = {"seeds": 1, "linear": "none", "simple": []}
SMALL = {"name": "bigru", "units": 4}
ROLES = {
    "past_covariates": ["weather"],
    "known_covariates": ["promo"],
    "static_covariates": ["region"],
    "categorical": ["weather", "region"],
}


def classifier(table: pd.DataFrame, data: dict[str, Any], **settings: Any) -> Make:
    def make(path: Path) -> None:
        training = {"epochs": 1, "seeds": 1} | settings.pop("training", {})
        given = {"data": data, "training": training, **settings}
        Classifier(Classification.model_validate(given)).fit(table).save(path)

    return make


def symbols(table: pd.DataFrame, data: dict[str, Any], **model: Any) -> Make:
    def make(path: Path) -> None:
        given = {"data": data, "model": model, "training": {"epochs": 1, "length": 16}}
        NextSymbol(NextSymbolSettings.model_validate(given)).fit(table).save(path)

    return make


def categories(data: dict[str, Any], seeds: int = 1, **model: Any) -> Make:
    def make(path: Path) -> None:
        given = {
            "data": {"id_col": "machine", "step_col": "step", "target_col": "state", **data},
            "windows": {"horizon": 2, "context_length": 8},
            "model": {"units": 4, **model},
            "training": {"epochs": 1, "seeds": seeds},
        }
        CategoryForecaster(CategorySettings.model_validate(given)).fit(states()).save(path)

    return make


ORDERED = {"id_col": "machine", "step_col": "step"}
NUMBERS = ORDERED | {"label_col": "state", "features": ["x"]}
ALL = NUMBERS | {"features": ["x", "gaps"], "categorical": ["mode"]}
SETS = ORDERED | {"label_col": "states", "label_separator": "|", "features": ["x", "gaps"]}
TEXTS = {"text_col": "text", "label_col": "label"}
LETTERS = ORDERED | {"symbol_col": "state"}
READS = {"text_col": "text", "unit": "words", "lower_case": True}
BESIDE = {"features": ["heat"], "categorical": ["shift"]}

FORECASTERS: dict[str, Make] = {
    "linear": forecaster(plain(), ensemble={"seeds": 0, "linear": "member", "simple": []}),
    "simple": forecaster(plain(), ensemble={"seeds": 0, "linear": "member"}),
    "bigru": forecaster(sales(), data=ROLES, model=SMALL, training=NETWORK, ensemble=ONE),
    "quantiles": forecaster(
        plain(),
        model=SMALL,
        training={"epochs": 1, "loss": "quantile", "quantile_levels": [0.1, 0.5, 0.9]},
        ensemble=ONE,
    ),
    "segment": forecaster(
        plain(),
        model={"name": "segment_bigru", "units": 4},
        training=NETWORK,
        ensemble=ONE,
    ),
    "ensemble": forecaster(
        plain(), model=SMALL, training=NETWORK, ensemble={"seeds": 2, "linear": "member"}
    ),
}

CLASSIFIERS: dict[str, Make] = {
    "classifier": classifier(sequences(), NUMBERS, model={"units": 4}),
    "class_ensemble": classifier(
        sequences(),
        ALL,
        model={"units": [4, 3], "num_layers": 2, "cell": "lstm", "pooling": "attention"},
        training={"seeds": 2},
    ),
    "class_kernels": classifier(
        sequences(60), ALL, model={"units": 4, "filters": 3, "stride": 4, "pooling": "max"}
    ),
    "class_sets": classifier(
        sequences(),
        SETS,
        model={"units": 4, "cell": "rnn", "pooling": "last", "bidirectional": False},
        training={"seeds": 2},
    ),
    "texts": classifier(texts(), TEXTS, model={"units": 4}),
    "characters": classifier(
        texts(),
        TEXTS,
        model={"units": 4, "cell": "lstm"},
        text={"unit": "characters", "lower_case": False},
    ),
}

SYMBOLS: dict[str, Make] = {
    "symbols": symbols(states(), LETTERS, units=8),
    "symbols_lstm": symbols(states(), LETTERS, units=6, cell="lstm", num_layers=2),
    "symbols_words": symbols(texts(), READS, units=8, cell="rnn"),
}

CATEGORIES: dict[str, Make] = {
    "categories": categories({}),
    "category_ensemble": categories(BESIDE, seeds=2, cell="lstm", pooling="attention"),
    "category_filters": categories(BESIDE, filters=3, stride=2, cell="rnn", num_layers=2),
}

VICTIMS = FORECASTERS | CLASSIFIERS | SYMBOLS | CATEGORIES

WITHOUT_KERAS = ("linear", "simple")
"""Victims that are made in a second."""


def use(victim: str, path: Path) -> dict[str, list[Any]]:
    """Load a model and let it predict, as a person would; return its numbers and texts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if victim in SYMBOLS:
            return _continued(victim, NextSymbol.load(path))
        frame = _predicted(victim, path)
    numbers = frame.select_dtypes("number").to_numpy(np.float64)
    texts = frame.select_dtypes(exclude="number").astype(str).to_numpy()
    return {"numbers": numbers.reshape(-1).tolist(), "texts": texts.reshape(-1).tolist()}


def _continued(victim: str, model: NextSymbol) -> dict[str, list[Any]]:
    table = texts() if victim == "symbols_words" else states()
    prompt = "The fine one" if victim == "symbols_words" else ["a", "b"]
    numbers = model.scores(table).select_dtypes("number").to_numpy(np.float64)
    shown = model.generate(prompt, 5, temperature=0.0)
    return {"numbers": numbers.reshape(-1).tolist(), "texts": shown}


def _predicted(victim: str, path: Path) -> pd.DataFrame:
    if victim in CLASSIFIERS:
        of_texts = victim in ("texts", "characters")
        table = texts() if of_texts else sequences(60 if victim == "class_kernels" else 6)
        return Classifier.load(path).predict(table)
    if victim in CATEGORIES:
        return CategoryForecaster.load(path).predict(states())
    if victim == "bigru":
        known = sales()[["unique_id", "ds", "promo"]]
        known["ds"] = known["ds"] + pd.Timedelta(days=150)
        return Forecaster.load(path).predict(sales(), known=known, level="auto").frame()
    return Forecaster.load(path).predict(plain(), level="auto").frame()


def make_victims(folder: Path, names: tuple[str, ...]) -> None:
    """Train and save every victim that is not there."""
    for name in names:
        if not (folder / name).exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                VICTIMS[name](folder / name)
