"""What is done, on what and with which packages, as short texts that are compared before it goes on."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from forecast.data.panel import Panel, panel_digest
from forecast.experiment.settings import CHOSEN, Experiment

PACKAGES = ("bigru-forecast", "tensorflow", "keras", "numpy", "pandas")


LISTED_DIFFERENCES = 3


def describe(
    config: Experiment,
    panel: Panel,
    *,
    without: Sequence[str] = (),
    packages: Sequence[str] = PACKAGES,
) -> dict[str, str]:
    """Describe a piece of work so that two descriptions are equal only if it is the same one.

    Args:
        config: the experiment.
        panel: all rows.
        without: sections that are not read.
        packages: whose versions count.

    Returns:
        Setting -> value, and what stands for the data, the packages and the way recurrent layers
        are computed. Where the table lies is left out: what it holds counts.
    """
    from forecast.layers.native import operations

    unread: dict[str, Any] = {"data": {"source"}, **dict.fromkeys(without, True)}
    chosen = [
        f"{section}.{name}"
        for section, names in CHOSEN.items()
        for name in names
        if config.is_left_out(section, name)
    ]
    size = f"{panel.num_series:,} series, {panel.num_rows:,} rows"
    return {
        **_flat(config.model_dump(mode="json", exclude=unread), ""),
        **dict.fromkeys(chosen, "chosen from the data"),
        "the data": f"{size}, sha256 {panel_digest(panel)[:12]}",
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "recurrent loops": "of TensorFlow" if operations() is None else "in C++",
        **{name: metadata.version(name) for name in packages},
    }


def differences(stored: Mapping[str, str], current: Mapping[str, str]) -> str:
    """Name what differs between two descriptions; empty where nothing does."""
    names = [
        name
        for name in (*current, *(stored.keys() - current.keys()))
        if stored.get(name) != current.get(name)
    ]
    shown = [
        _difference(name, stored.get(name), current.get(name))
        for name in names[:LISTED_DIFFERENCES]
    ]
    more = f" and {len(names) - LISTED_DIFFERENCES} more" if len(names) > LISTED_DIFFERENCES else ""
    return "; ".join(shown) + more


def _difference(name: str, stored: str | None, current: str | None) -> str:
    if stored is None:
        return f"{name} is new ({current})"
    return (
        f"{name} is gone (it was {stored})"
        if current is None
        else f"{name} was {stored} and is {current}"
    )


def _flat(settings: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Nested settings as path -> JSON text."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        path = f"{prefix}{name}"
        flat |= (
            _flat(value, f"{path}.")
            if isinstance(value, dict) and value
            else {path: json.dumps(value)}
        )
    return flat
