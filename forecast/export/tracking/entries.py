"""Names and lengths that MLflow takes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST_KEY = 250
"""Characters of the name of a parameter or metric, at most."""

MOST_VALUE = 6_000
"""Characters of the value of a parameter, at most."""

PARAMS_AT_ONCE = 100
"""Parameters of one request, at most."""

METRICS_AT_ONCE = 1_000
"""Metrics of one request, at most."""

_CUT = " ..."

_FOREIGN = re.compile(r"[^\w\-. :/]", re.ASCII)


def name_for(name: str) -> str:
    """Return a name with the characters that MLflow takes, and as many.

    Example:
        >>> from forecast.export.tracking.entries import name_for
        >>> name_for("context 14, seed 0")
        'context 14_ seed 0'
    """
    parts = [part for part in _FOREIGN.sub("_", name).split("/") if part.strip(".")]
    return "/".join(parts)[:MOST_KEY] or "_"


def flat_params(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return nested settings as parameters: path -> text, long ones cut.

    Args:
        settings: in plain types; a list is one parameter.

    Example:
        >>> from forecast.export.tracking.entries import flat_params
        >>> flat_params({"model": {"units": 64}, "name": "auto", "lags": [1, 2]})
        {'model.units': '64', 'name': 'auto', 'lags': '[1, 2]'}
    """
    return {name_for(path): shown(value) for path, value in _leaves(settings, "")}


def _leaves(settings: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        own = f"{path}.{name}".removeprefix(".")
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, own)
        else:
            yield own, value


def shown(value: Any) -> str:
    """Return a value as the text of a parameter."""
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > MOST_VALUE:
        return text[: MOST_VALUE - len(_CUT)] + _CUT
    return text


def finite_metrics(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the finite numbers of a mapping as metrics.

    Args:
        values: name -> value.
        prefix: put before each name, with a slash.
    """
    found = {}
    for name, value in values.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and math.isfinite(value):
            found[name_for(f"{prefix}/{name}".removeprefix("/"))] = float(value)
    return found
