"""The values of saved models of sequences that are stored as JSON, with exact types and ranges."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, model_validator

from forecast.classification.counts.ngrams import NAMES
from forecast.classification.evaluated import NETWORK
from forecast.files.tensors import Entry, checked

MOST_STEPS = 2**31 - 1

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Power = Annotated[float, Field(gt=0.0, le=100.0)]
Steps = Annotated[int, Field(ge=1, le=MOST_STEPS)]
Width = Annotated[int, Field(ge=1, le=MOST_STEPS)]
Network = dict[str, Any] | None
Losses = list[Finite]

SUM_TOLERANCE = 1e-6
"""Difference of the sum of weights from 1 that rounding may make."""

Document = TypeVar("Document", bound=Entry)


class StoredEncoding(Entry):
    """Values of an encoding beside its arrays; see `Encoding`."""

    classes: Annotated[list[str], Field(min_length=2)]
    vocabulary: list[tuple[str, list[str]]]
    widths: list[Width]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        """Raise where names repeat, or widths are of other columns."""
        refuse_repeated(self.classes, "classes")
        refuse_repeated([name for name, _ in self.vocabulary], "vocabulary")
        for name, words in self.vocabulary:
            refuse_repeated(words, f"the words of {name[:40]!r}")
        if len(self.widths) != len(self.vocabulary):
            raise ValueError(
                f"there are {len(self.widths)} widths for {len(self.vocabulary)} columns"
            )
        return self


class StoredClassifier(StoredEncoding):
    """Values of a classifier; see `save_classifier`."""

    kind: str
    length: Steps
    terms: list[str]
    networks: Annotated[list[Network], Field(min_length=1)]
    network_weight: Share
    network_power: Power
    histories: list[dict[str, Losses]]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        """Raise unless terms are in the order in which they are looked up."""
        if any(first >= second for first, second in zip(self.terms, self.terms[1:], strict=False)):
            raise ValueError("terms are not in ascending order")
        return self


class StoredCategories(StoredEncoding):
    """Values of a forecast of categories; see `save_categories`."""

    kind: str
    networks: Annotated[list[Network], Field(min_length=1)]
    weights: dict[str, Share]
    histories: list[dict[str, Losses]]

    @model_validator(mode="after")
    def _of_all(self) -> Self:
        """Raise unless the weights are those of a mixture."""
        check_mixture(self.weights)
        return self


class StoredSymbols(Entry):
    """Values of a model of the next symbol; see `save_symbols`."""

    kind: str
    symbols: Annotated[list[str], Field(min_length=1)]
    length: Steps
    network: Network
    loss: Losses
    val_loss: Losses
    weights: dict[str, Share]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        """Raise where a symbol repeats, or the weights are not those of a mixture."""
        refuse_repeated(self.symbols, "symbols")
        check_mixture(self.weights)
        return self


def stored_meta(kind: type[Document], meta: Mapping[str, Any]) -> Document:
    """Return the values of a saved model.

    Args:
        kind: the document that they must be.
        meta: as stored.

    Raises:
        ArtifactError: a value is missing, unknown, or of another type or range.
    """
    # by way of JSON, where a list is a tuple too
    return checked(kind.model_validate_json, json.dumps(meta), "config.json: meta")


def refuse_repeated(names: list[str], what: str) -> None:
    """Raise where a name occurs twice.

    Raises:
        ValueError: it does.
    """
    if len(set(names)) != len(names):
        raise ValueError(f"{what} have a name twice")


def check_mixture(weights: Mapping[str, float]) -> None:
    """Raise unless weights are those of a network and of tables of counts, with sum 1.

    Raises:
        ValueError: they are not.
    """
    expected = {NETWORK, *NAMES}
    if set(weights) != expected:
        raise ValueError(f"the weights are not those of {', '.join(sorted(expected))}")
    total = math.fsum(weights.values())
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise ValueError(f"the weights have the sum {total:.6g}, not 1")
