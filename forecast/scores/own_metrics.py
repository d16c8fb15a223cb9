"""Metrics of one's own in the table of scores, by import path: `mypackage.metrics:wis`.

A metric takes `actual` and, by name, what else it needs: `forecast`, `scale`, or `quantiles` and
`levels`. It may have a parameter `axis` as the metrics of this package (`scores.measure.Score`).
Without one it gets measured values alone, each argument as one row of them, and returns a number.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from forecast.axes import FloatArray
from forecast.errors import ConfigError
from forecast.scores.measure import Axis, Score
from forecast.scores.metrics import SCORES
from forecast.section.own_functions import load_own

SETTING = "evaluation.metrics"

_KNOWN = ("forecast", "scale", "quantiles", "levels", "lower", "upper", "nominal")

_OWN: dict[str, str] = {}
"""Name of each metric that was entered -> its path."""


def register_metrics(paths: Sequence[str]) -> tuple[str, ...]:
    """Enter metrics into the table of scores, for as long as the process runs.

    Args:
        paths: `module:function` of each.

    Returns:
        Their names, which are those of the functions.

    Raises:
        ConfigError: a function cannot be imported, takes other arrays, or has the name of a score.
    """
    names = []
    for path in paths:
        name = path.partition(":")[2]
        names.append(name)
        if _OWN.get(name) == path:
            continue
        score = own_score(load_own(path, SETTING), path)
        if name in _OWN or name in SCORES:
            taken = _OWN.get(name, "a score of this package")
            raise ConfigError(
                f"{SETTING} names {path!r}, but {name!r} is {taken!r} already: rename the function"
            )
        SCORES[name] = score
        _OWN[name] = path
    return tuple(names)


def is_registered(path: str) -> bool:
    """Return whether a metric is in the table of scores."""
    return path in _OWN.values()


def forget_metrics() -> None:
    """Take all metrics of one's own out of the table of scores."""
    for name in list(_OWN):
        del _OWN[name]
        SCORES.pop(name, None)


def own_score(function: Callable[..., Any], path: str) -> Score:
    """Return the entry of a metric in the table of scores.

    Args:
        function: the metric.
        path: its import path, for messages.

    Raises:
        ConfigError: it does not begin with `actual`, or needs something that there is not.
    """
    first, *parameters = inspect.signature(function).parameters.values()
    names = [parameter.name for parameter in parameters]
    required = tuple(
        parameter.name
        for parameter in parameters
        if parameter.name in _KNOWN or parameter.default is parameter.empty
    )
    needs = tuple(name for name in required if name != "axis")
    unknown = [name for name in needs if name not in _KNOWN]
    if first.name != "actual" or unknown or not needs:
        raise ConfigError(
            f"{SETTING} names {path!r}, which takes {', '.join([first.name, *names])}; expected "
            f"actual and then some of {', '.join(_KNOWN)}"
        )
    if "axis" in names:
        return Score(function, needs)
    return Score(_of_numbers(function, needs, path), needs)


def _of_numbers(
    function: Callable[..., Any], needs: Sequence[str], path: str
) -> Callable[..., Any]:
    """Return a metric with `axis` of one that takes measured values alone and returns a number."""

    def metric(actual: FloatArray, *arguments: Any, axis: Axis = None) -> Any:
        if axis is None:
            return number(actual, arguments)
        reduced = axis if isinstance(axis, tuple) else (axis,)
        away = {each % actual.ndim for each in reduced}
        kept = [each for each in range(actual.ndim) if each not in away]
        found = np.empty([actual.shape[each] for each in kept])
        for place in np.ndindex(*found.shape):
            chosen: list[Any] = [slice(None)] * actual.ndim
            for each, index in zip(kept, place, strict=True):
                chosen[each] = index
            parts = [part(argument, tuple(chosen), actual.ndim) for argument in arguments]
            found[place] = number(actual[tuple(chosen)], parts)
        return found

    def part(argument: Any, chosen: tuple[Any, ...], ndim: int) -> Any:
        """Return the chosen cells of an argument; one without cells stays as it is."""
        if np.ndim(argument) < ndim:
            return argument
        return argument[chosen]

    def number(actual: FloatArray, arguments: Sequence[Any]) -> float:
        measured = np.isfinite(actual)
        if not measured.any():
            return float("nan")
        rows = []
        for argument in arguments:
            has_cells = np.shape(argument)[: actual.ndim] == actual.shape and actual.ndim > 0
            rows.append(argument[measured] if has_cells else argument)
        return _as_number(function(actual[measured], **dict(zip(needs, rows, strict=True))), path)

    return metric


def _as_number(value: Any, path: str) -> float:
    """Return what a metric returned as a number.

    Raises:
        ConfigError: it is none.
    """
    if np.ndim(value) != 0:
        raise ConfigError(
            f"{SETTING}: {path!r} returned shape {np.shape(value)}; expected one number, or a "
            f"parameter axis"
        )
    return float(value)
