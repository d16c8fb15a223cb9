"""Settings with which a table that is too short for an experiment has windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from forecast.errors import ConfigError
from forecast.errors.interface import Settings
from forecast.experiment.evaluation_settings import EvaluationConfig
from forecast.experiment.settings import Experiment
from forecast.section import AUTO, decided

Accepts = Callable[[Experiment], bool]
"""Whether the table has windows with an experiment."""

Works = Callable[[Settings], bool]
"""Whether the table has windows with some settings changed."""

_SIZES = ("validation_size", "test_size", "calibration_size", "purge")


def alternatives(
    config: Experiment, resolved: Experiment, accepts: Accepts
) -> tuple[Settings, ...]:
    """Return changes of settings, each of which alone gives the table windows.

    Args:
        config: the experiment as given, without windows.
        resolved: the same with the context that the data decide.
        accepts: tries an experiment.
    """

    def works(settings: Settings) -> bool:
        return _accepted(config, settings, accepts)

    for candidates in (_single, _together):
        tried = [change for change in candidates(config, resolved, works) if change]
        found = [change for change in tried if works(change)]
        if found:
            return tuple(found)
    return ()


def _single(config: Experiment, resolved: Experiment, works: Works) -> Iterator[Settings]:
    """Yield changes of one setting, or of the sizes of sets, that may give windows."""
    if config.data.short_series == "refuse":
        yield {"data.short_series": "skip"}
    yield _given_sizes(config)
    yield _largest("windows.context_length", resolved.windows.context_length, works)
    yield _largest("windows.horizon", config.windows.horizon, works)


def _together(config: Experiment, resolved: Experiment, works: Works) -> Iterator[Settings]:
    """Yield changes of several settings that may give windows where a single one does not."""
    sizes = _given_sizes(config)
    horizon = config.windows.horizon
    free = {"windows.context_length": AUTO, **sizes}
    yield _largest("windows.horizon", horizon + 1, works, free)
    longest = decided(resolved.windows.context_length, "windows.context_length")
    one_horizon = {"evaluation.validation_size": horizon, "evaluation.test_size": horizon}
    yield _largest("windows.context_length", longest + 1, works, {**sizes, **one_horizon})


def _given_sizes(config: Experiment) -> dict[str, Any]:
    """Return the defaults of the sizes of sets that were given otherwise."""
    default = EvaluationConfig()
    return {
        f"evaluation.{name}": getattr(default, name)
        for name in _SIZES
        if getattr(config.evaluation, name) != getattr(default, name)
    }


def _largest(path: str, below: Any, works: Works, others: Settings | None = None) -> Settings:
    """Return the change to the largest number of steps below one that works; empty: none does.

    Args:
        path: of a setting in steps.
        below: a number of steps; there is nothing below other values.
        works: tries a change.
        others: settings that are changed too.
    """
    others = others or {}
    least = 1
    if not isinstance(below, int) or below <= least or not works({path: least, **others}):
        return {}
    while below - least > 1:
        middle = (least + below) // 2
        if works({path: middle, **others}):
            least = middle
        else:
            below = middle
    return {path: least, **others}


def _accepted(config: Experiment, settings: Settings, accepts: Accepts) -> bool:
    """Return whether some settings differ from those given, fit together and give windows."""
    if not settings:
        return False
    try:
        changed = config.with_settings(settings)
    except ConfigError:
        return False
    return accepts(changed)
