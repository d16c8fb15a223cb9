"""What is searched, on what and with which packages, as short texts that are compared before a search goes on."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from forecast.config import CHOSEN, Experiment
from forecast.data.digest import panel_digest
from forecast.data.panel import Panel
from forecast.errors import SearchError

PACKAGES = ("bigru-forecast", "tensorflow", "keras", "keras-tuner", "numpy", "pandas")
BAYESIAN_PACKAGES = ("scikit-learn", "scipy")
LISTED_DIFFERENCES = 3


def identity_of(config: Experiment, panel: Panel) -> dict[str, str]:
    """Describe a search so that two descriptions are equal only if it is the same one.

    Args:
        config: the experiment with its search.
        panel: all rows.

    Returns:
        Setting -> value, and what stands for the data, the packages and the way recurrent layers are computed. Where
        the table lies is left out: what it holds counts.
    """
    from forecast.layers.native import operations

    settings = _flat(config.model_dump(mode="json", exclude={"data": {"source"}}), "")
    left_out = [
        f"{section}.{name}" for section, names in CHOSEN.items() for name in names if config.is_left_out(section, name)
    ]
    settings |= dict.fromkeys(left_out, "chosen from the data")
    packages = PACKAGES + (BAYESIAN_PACKAGES if config.search and config.search.algorithm == "bayesian" else ())
    size = f"{panel.num_series:,} series, {panel.num_rows:,} rows"
    return {
        **settings,
        "the data": f"{size}, sha256 {panel_digest(panel)[:12]}",
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "recurrent loops": "of TensorFlow" if operations() is None else "in C++",
        **{name: metadata.version(name) for name in packages},
    }


def check_same_search(folder: Path, stored: Mapping[str, str], current: Mapping[str, str]) -> None:
    """Raise unless the search in a folder is the one that wants to go on.

    Raises:
        SearchError: settings, data or packages differ; the message names the differences.
    """
    names = [name for name in (*current, *(stored.keys() - current.keys())) if stored.get(name) != current.get(name)]
    if not names:
        return
    shown = [_difference(name, stored.get(name), current.get(name)) for name in names[:LISTED_DIFFERENCES]]
    more = f" and {len(names) - LISTED_DIFFERENCES} more" if len(names) > LISTED_DIFFERENCES else ""
    raise SearchError(
        f"cannot go on with the search in {folder}: {'; '.join(shown)}{more}: restore what it was, or search anew in "
        "another folder"
    )


def _difference(name: str, stored: str | None, current: str | None) -> str:
    if stored is None:
        return f"{name} is new ({current})"
    return f"{name} is gone (it was {stored})" if current is None else f"{name} was {stored} and is {current}"


def _flat(settings: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Nested settings as path -> JSON text."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        path = f"{prefix}{name}"
        flat |= _flat(value, f"{path}.") if isinstance(value, dict) and value else {path: json.dumps(value)}
    return flat
