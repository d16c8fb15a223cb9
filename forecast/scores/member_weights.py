"""Which members of an ensemble do the work, in words, from their weights.

A network that learns the residuals of a ridge regression counts as a network, with the regression
that is part of it. A baseline that forecasts with them counts under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

LITTLE = 0.1
"""Share of the weight below which a note says that the networks hardly count."""

NETWORK = "network"

RIDGE = "ridge regression"

SEEN = 0.0005
"""Least weight that is worth a word."""

Weights = Mapping[str, float]
"""Weight of each member by its name, such as `context 28, seed 0` or `linear, context 28`."""


class Share(NamedTuple):
    """The members of one kind together.

    Attributes:
        kind: `NETWORK`, `RIDGE` or the name of a baseline.
        weight: sum of their weights, 0 to 1.
        contexts: lengths of the contexts of those that have a weight, ascending.
    """

    kind: str
    weight: float
    contexts: tuple[int, ...]


def shares(weights: Weights) -> tuple[Share, ...]:
    """Return the weight of each kind of members, the largest first.

    Baselines without a weight are left out.

    Example:
        >>> from forecast.scores.member_weights import shares
        >>> shares({"context 28, seed 0": 0.25, "linear, context 28": 0.75})[0]
        Share(kind='ridge regression', weight=0.75, contexts=(28,))
    """
    kinds: dict[str, dict[str, float]] = {}
    for name, weight in weights.items():
        kinds.setdefault(_kind_of(name), {})[name] = weight
    found = []
    for kind, members in kinds.items():
        total = sum(members.values())
        if total < SEEN and kind not in (NETWORK, RIDGE):
            continue
        lengths = {_context_of(name) for name, weight in members.items() if weight >= SEEN}
        contexts = tuple(sorted(length for length in lengths if length is not None))
        found.append(Share(kind, total, contexts))
    if len(found) > 2:
        found = [share for share in found if share.weight >= SEEN or share.kind == NETWORK]
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
    found = shares(weights)
    percents = _percents([share.weight for share in found])
    return ", ".join(
        _share_text(share, percent) for share, percent in zip(found, percents, strict=True)
    )


def member_notes(weights: Weights) -> tuple[str, ...]:
    """Return a note where the networks of an ensemble have less than a tenth of the weight."""
    found = {share.kind: share.weight for share in shares(weights)}
    network = found.pop(NETWORK, None)
    others = [kind for kind, weight in found.items() if weight >= SEEN]
    if network is None or network >= LITTLE or not others:
        return ()
    named = others[0]
    if others[1:]:
        named = f"{', '.join(others[:-1])} and {others[-1]}"
    if network < SEEN:
        return (f"the networks have no weight: the forecast is that of {named}",)
    return (
        f"the networks have less than a tenth of the weight: the forecast is nearly that of "
        f"{named}",
    )


def _share_text(share: Share, percent: int) -> str:
    text = f"{_percent_text(share.weight, percent)} {share.kind}"
    if not share.contexts:
        return text
    word = "context"
    if len(share.contexts) > 1:
        word = "contexts"
    return f"{text} ({word} {', '.join(map(str, share.contexts))})"


def _percents(weights: Sequence[float]) -> list[int]:
    """Return weights in whole % that add up to 100 where they do: the largest remainders."""
    exact = 100.0 * np.asarray(weights)
    whole = np.floor(exact).astype(int)
    missing = round(float(exact.sum())) - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
    return [int(percent) for percent in whole]


def _percent_text(weight: float, percent: int) -> str:
    if percent == 0 and weight >= SEEN:
        return "under 1 %"
    if percent == 100 and weight <= 1 - SEEN:
        return "over 99 %"
    return f"{percent} %"


def _kind_of(name: str) -> str:
    if name.startswith("linear"):
        return RIDGE
    if _context_of(name) is None:
        return name
    return NETWORK


def _context_of(name: str) -> int | None:
    """Return the context in the name of a network or a ridge regression; a baseline has none."""
    found = re.search(r"context (\d+)", name)
    if found is None:
        return None
    return int(found[1])
