"""Which members of an ensemble do the work, in words, from their weights.

A network that learns the residuals of a ridge regression counts as a network, with the regression
that is part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

LITTLE = 0.1
"""Share of the weight below which a note says that the networks hardly count."""

KINDS = ("ridge regression", "network")
"""Kinds of members."""

Weights = Mapping[str, float]
"""Weight of each member by its name, such as `context 28, seed 0` or `linear, context 28`."""


class Share(NamedTuple):
    """The members of one kind together.

    Attributes:
        kind: one of `KINDS`.
        weight: sum of their weights, 0 to 1.
        contexts: lengths of the contexts of those that have a weight, ascending.
    """

    kind: str
    weight: float
    contexts: tuple[int, ...]


def shares(weights: Weights) -> tuple[Share, ...]:
    """Return the weight of each kind of members that an ensemble has, the largest first.

    Example:
        >>> from forecast.scores.member_weights import shares
        >>> shares({"context 28, seed 0": 0.25, "linear, context 28": 0.75})[0]
        Share(kind='ridge regression', weight=0.75, contexts=(28,))
    """
    found = []
    for kind in KINDS:
        members = {name: weight for name, weight in weights.items() if _kind_of(name) == kind}
        if not members:
            continue
        lengths = {_context_of(name) for name, weight in members.items() if weight >= 0.0005}
        found.append(Share(kind, sum(members.values()), tuple(sorted(lengths))))
    return tuple(sorted(found, key=lambda share: -share.weight))


def members_text(weights: Weights) -> str:
    """Return who forecasts, such as `98 % ridge regression (contexts 28, 56), 2 % network`.

    Args:
        weights: of an ensemble.

    Returns:
        One line; empty where a single model forecasts.
    """
    if len(weights) < 2:
        return ""
    return ", ".join(_share_text(share) for share in shares(weights))


def member_notes(weights: Weights) -> tuple[str, ...]:
    """Return a note where the networks of an ensemble have less than a tenth of the weight."""
    found = {share.kind: share.weight for share in shares(weights)}
    if len(found) < 2 or found["network"] >= LITTLE:
        return ()
    if found["network"] < 0.0005:
        return ("the networks have no weight: the forecast is that of a ridge regression",)
    return (
        "the networks have less than a tenth of the weight: the forecast is nearly that of a ridge "
        "regression",
    )


def _share_text(share: Share) -> str:
    text = f"{_percent_text(share.weight)} {share.kind}"
    if not share.contexts:
        return text
    word = "context"
    if len(share.contexts) > 1:
        word = "contexts"
    return f"{text} ({word} {', '.join(map(str, share.contexts))})"


def _percent_text(weight: float) -> str:
    """Return a weight in whole %; those of two kinds add up to 100."""
    percent = round(100.0 * weight)
    if percent == 0 and weight >= 0.0005:
        return "under 1 %"
    if percent == 100 and weight <= 0.9995:
        return "over 99 %"
    return f"{percent} %"


def _kind_of(name: str) -> str:
    if name.startswith("linear"):
        return "ridge regression"
    return "network"


def _context_of(name: str) -> int:
    return int(re.findall(r"context (\d+)", name)[0])
