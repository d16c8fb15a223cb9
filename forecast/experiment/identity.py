"""Descriptions of work as short texts that are compared before it is resumed."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any

from forecast.data.panel import Panel, panel_digest
from forecast.experiment.settings import Experiment

PACKAGES = ("bigru-forecast", "tensorflow", "keras", "numpy", "pandas")

LISTED_DIFFERENCES = 3
"""Differences that a message names, at most."""


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
        packages: names of the packages whose versions count.

    Returns:
        Setting -> value, and what stands for the data, the packages and the way recurrent layers
        are computed. The path of the table is not among them: its contents count.
    """
    unread: dict[str, Any] = {"data": {"source"}, **dict.fromkeys(without, True)}
    size = f"{panel.num_series:,} series, {panel.num_rows:,} rows"
    settings = config.model_dump(mode="json", exclude=unread)
    return describe_work(settings, f"{size}, sha256 {panel_digest(panel)[:12]}", packages)


def describe_work(
    settings: Mapping[str, Any], data: str, packages: Sequence[str] = PACKAGES
) -> dict[str, str]:
    """Describe a piece of work of any kind; see `describe`.

    Args:
        settings: nested settings in plain types.
        data: stands for the data.
        packages: names of the packages whose versions count.
    """
    from forecast.layers.native import operations

    loops = "in C++"
    if operations() is None:
        loops = "of TensorFlow"
    return {
        **flat(settings),
        "the data": data,
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "recurrent loops": loops,
        **{name: metadata.version(name) for name in packages},
    }


def differences(stored: Mapping[str, str], current: Mapping[str, str]) -> str:
    """Name what differs between two descriptions; an empty text where nothing does."""
    names = [*current, *(name for name in stored if name not in current)]
    different = [name for name in names if stored.get(name) != current.get(name)]
    listed = [
        _difference(name, stored.get(name), current.get(name))
        for name in different[:LISTED_DIFFERENCES]
    ]
    text = "; ".join(listed)
    if len(different) > LISTED_DIFFERENCES:
        text += f" and {len(different) - LISTED_DIFFERENCES} more"
    return text


def _difference(name: str, stored: str | None, current: str | None) -> str:
    if stored is None:
        return f"{name} is new ({current})"
    if current is None:
        return f"{name} is gone (it was {stored})"
    return f"{name} was {stored} and is {current}"


def flat(
    settings: Mapping[str, Any], prefix: str = "", *, text: Callable[[Any], str] = json.dumps
) -> dict[str, str]:
    """Return nested settings as path -> text.

    Args:
        settings: nested settings.
        prefix: path of the settings themselves, such as `encoder_0`.
        text: writes a value that is no mapping.
    """
    texts: dict[str, str] = {}
    for name, value in settings.items():
        path = f"{prefix}.{name}".removeprefix(".")
        if isinstance(value, dict) and value:
            texts |= flat(value, path, text=text)
        else:
            texts[path] = text(value)
    return texts
