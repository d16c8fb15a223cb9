"""Kinds of saved models: what a folder holds, and what reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from forecast.errors import ArtifactError
from forecast.forecasting.artifact import Artifact

FORECASTER = "forecaster"
CLASSIFIER = "classifier"
NEXT_SYMBOL = "next_symbol"
CATEGORIES = "category_forecaster"


@dataclass(frozen=True)
class SavedKind:
    """An entry of `SAVED_KINDS`.

    Attributes:
        does: a verb for what such a model does.
        load: reads it in Python.
        command: reads it on the command line.
    """

    does: str
    load: str
    command: str


SAVED_KINDS: dict[str, SavedKind] = {
    FORECASTER: SavedKind("forecasts numbers", "Forecaster.load", "forecast predict"),
    CLASSIFIER: SavedKind("classifies sequences", "Classifier.load", "forecast classify predict"),
    NEXT_SYMBOL: SavedKind(
        "predicts the next symbol", "NextSymbol.load", "forecast symbols evaluate"
    ),
    CATEGORIES: SavedKind(
        "forecasts categories", "CategoryForecaster.load", "forecast categories predict"
    ),
}
"""Every kind of saved model, by its entry `kind`; that of a forecaster of numbers has none."""


def kind_in(meta: Mapping[str, Any]) -> str:
    """Return the kind of a saved model by its stored values."""
    return str(meta.get("kind", FORECASTER))


def require_kind(path: Path, artifact: Artifact, wanted: str) -> None:
    """Raise unless a saved model is of the kind that is to be read.

    Args:
        path: its folder, for messages.
        artifact: its content.
        wanted: a key of `SAVED_KINDS`.

    Raises:
        ArtifactError: it is of another kind; says which, and what reads it.
    """
    found = kind_in(artifact.meta)
    if found == wanted:
        return
    expected = SAVED_KINDS[wanted].does
    if found not in SAVED_KINDS:
        raise ArtifactError(
            f"{path}: this saved model is a {found[:40]!r}, which this version does not know; "
            f"expected one that {expected}: read it with the version that wrote it"
        )
    kind = SAVED_KINDS[found]
    raise ArtifactError(
        f"{path}: this saved model {kind.does}; expected one that {expected}: use `{kind.load}`, "
        f"or `{kind.command}`"
    )


def refuse_pickle(model: object) -> NoReturn:
    """Raise, since a saved model is a folder whose contents are checked.

    Raises:
        TypeError: always.
    """
    name = type(model).__name__
    raise TypeError(f"a {name} is not pickled: use save(folder) and {name}.load(folder)")
