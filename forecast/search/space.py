"""Ranges that name settings: checked against the schema, turned into keras-tuner's and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from forecast.errors import ConfigError
from forecast.experiment.search_settings import RangeConfig, SearchConfig
from forecast.search.kinds import AnySettings, Searched, kind_of
from forecast.section import AUTO, section_from
from forecast.section.wording import setting_paths, suggestion

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


Values = dict[str, Any]
"""Setting -> value, as in a configuration file."""


_GRID_VALUES = 10
"""Values that a grid takes from a range without steps, both ends included."""


_SIGNIFICANT_DIGITS = 4
"""Of numbers without steps. The last bits of a float differ between processors; rounding keeps them
out of the trials."""


def search_of(experiment: Searched) -> SearchConfig:
    """Return the search section of an experiment.

    Raises:
        ConfigError: there is none.
    """
    if experiment.search is None:
        raise ConfigError(
            "there is no search section: name what to search, such as "
            "`search: {space: {model.units: {choice: [32, 64]}}}`"
        )
    return experiment.search


def looks_at_results(search: SearchConfig) -> bool:
    """Return whether a proposal, or the pruning of its trial, depends on earlier scores."""
    return search.algorithm in ("hyperband", "bayesian") or search.pruning == "median"


def check_space(experiment: Searched) -> None:
    """Try every value of every range on the experiment before anything runs.

    Raises:
        ConfigError: a range names no setting, contains a value the setting does not take, or
            depends on a setting that is not searched; names the range and what was expected.
    """
    search = search_of(experiment)
    for path, setting_range in search.space.items():
        _check_path(path, experiment)
        _check_conditions(path, setting_range, search)
    for path in _ordered_paths(search):
        conditions = _conditions_of(path, search)
        for value in _probes(search.space[path]):
            try:
                with_values(experiment, {**conditions, path: value})
            except ConfigError as error:
                raise ConfigError(f"search.space.{path}: {error}") from error
    if search.algorithm == "hyperband":
        _check_epochs(experiment, search)


def _ordered_paths(search: SearchConfig) -> list[str]:
    """Return the paths of a space as written, but each after those its `when` names.

    Raises:
        ConfigError: ranges depend on each other in a circle.
    """
    left = list(search.space)
    order: list[str] = []
    while left:
        ready = [path for path in left if not set(search.space[path].when) & set(left)]
        if not ready:
            raise ConfigError(
                f"search.space: {' and '.join(left)} depend on each other by `when`: remove one of "
                f"them"
            )
        order.append(ready[0])
        left.remove(ready[0])
    return order


def with_values(experiment: AnySettings, values: Mapping[str, Any]) -> AnySettings:
    """Return the experiment with other values of some settings, and without its search.

    Raises:
        ConfigError: a value does not fit its setting, or the settings do not fit together.
    """
    settings = experiment.model_dump(mode="json", exclude_unset=True, exclude={"search"})
    # defaults are left away, since those of another architecture may differ
    model = experiment.model.model_dump(mode="json", exclude_defaults=True)
    settings["model"] = {"name": experiment.model.name} | model
    for path, value in values.items():
        *parents, name = path.split(".")
        section = settings
        for parent in parents:
            section = section.setdefault(parent, {})
        section[name] = value
    return section_from(type(experiment), json.loads(json.dumps(settings)))


def hyper_parameters(search: SearchConfig) -> HyperParameters:
    """Return keras-tuner's space: choices of JSON texts for short ranges, numbers for others."""
    from keras_tuner import HyperParameters

    space = HyperParameters()
    listed = {path: _listed(values, search) for path, values in search.space.items()}
    for path in _ordered_paths(search):
        with _scopes(space, search.space[path], listed):
            _add_range(space, path, search.space[path], listed[path])
    return space


def _add_range(
    space: HyperParameters, path: str, setting_range: RangeConfig, values: list[Any] | None
) -> None:
    """Add one range to keras-tuner's space; `values` are all of its values, where there are few."""
    sampling = "linear"
    if setting_range.log:
        sampling = "log"
    bounds = setting_range.bounds

    if values is not None:
        space.Choice(path, [json.dumps(value) for value in values])
    elif bounds and setting_range.int is not None:
        space.Int(path, int(bounds[0]), int(bounds[1]), sampling=sampling)
    elif bounds:
        space.Float(path, *bounds, sampling=sampling)


def values_of(search: SearchConfig, proposal: Mapping[str, Any]) -> Values:
    """Return the settings of a keras-tuner proposal, without its other entries."""
    values: Values = {}
    for path, value in proposal.items():
        if path not in search.space:
            continue
        values[path] = value
        if isinstance(value, str):
            values[path] = json.loads(value)
    return values


def rounded(search: SearchConfig, proposal: Mapping[str, Any]) -> dict[str, Any]:
    """Return the proposal with numbers without steps rounded to 4 digits, within their ranges."""
    return {path: _rounded(search.space.get(path), value) for path, value in proposal.items()}


def _rounded(setting_range: RangeConfig | None, value: Any) -> Any:
    if setting_range is None or setting_range.bounds is None or not isinstance(value, float):
        return value
    low, high = setting_range.bounds
    number = float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
    return min(max(number, float(low)), float(high))


def _listed(setting_range: RangeConfig, search: SearchConfig) -> list[Any] | None:
    """Return the values of a range, or None for many; a grid takes some of any range."""
    listed = setting_range.listed()
    if setting_range.log and setting_range.int is not None:
        listed = None  # a choice of all would sample them uniformly
    if listed is not None or search.algorithm != "grid" or setting_range.bounds is None:
        return listed
    return _grid_values(setting_range, *setting_range.bounds)


def _grid_values(setting_range: RangeConfig, low: float, high: float) -> list[Any]:
    """Return evenly spaced values from `low` to `high`, on a log scale with `log: true`."""
    values: list[Any] = []
    for step in range(_GRID_VALUES):
        share = step / (_GRID_VALUES - 1)
        number = low + (high - low) * share
        if setting_range.log:
            number = low * (high / low) ** share
        if setting_range.int is not None:
            values.append(round(number))
        else:
            values.append(_rounded(setting_range, float(number)))
    return list(dict.fromkeys(values))  # rounding may repeat a value


def _scopes(
    space: HyperParameters, setting_range: RangeConfig, listed: Mapping[str, list[Any] | None]
) -> ExitStack:
    """Enter keras-tuner's conditional scopes for all that a range depends on."""
    stack = ExitStack()
    for parent, condition in setting_range.when.items():
        values = _as_list(condition)
        if listed[parent] is not None:
            values = [json.dumps(value) for value in values]
        stack.enter_context(space.conditional_scope(parent, values))
    return stack


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [value]


def _check_path(path: str, experiment: Searched) -> None:
    settings = type(experiment)
    if path not in setting_paths(settings):
        raise ConfigError(
            f"search.space.{path} is no setting; {suggestion(settings, tuple(path.split('.')))}"
        )
    kind = kind_of(experiment)
    if path in kind.exceptions:
        return
    for beginning, reason in kind.not_searched.items():
        if path.startswith(beginning):
            raise ConfigError(
                f"search.space.{path} cannot be searched, because {reason}: remove it"
            )


def _check_conditions(path: str, setting_range: RangeConfig, search: SearchConfig) -> None:
    for parent, condition in setting_range.when.items():
        name = f"search.space.{path}.when.{parent}"
        if parent not in search.space:
            others = ", ".join(other for other in search.space if other != path) or "nothing else"
            raise ConfigError(
                f"{name} is not searched; expected one of the other ranges ({others})"
            )
        listed = _listed(search.space[parent], search)
        if listed is None:
            raise ConfigError(
                f"{name} depends on a range without steps; expected a range with a list of values"
            )
        for value in _as_list(condition):
            if value not in listed:
                raise ConfigError(
                    f"{name} is {json.dumps(value)}, which is not in its range; expected one of "
                    f"{listed}"
                )


def _conditions_of(path: str, search: SearchConfig) -> Values:
    """Return values of all ranges that a range depends on, with which it is active."""
    conditions: Values = {}
    for parent, condition in search.space[path].when.items():
        conditions |= _conditions_of(parent, search)
        conditions[parent] = _as_list(condition)[0]
    return conditions


def _probes(setting_range: RangeConfig) -> Iterator[Any]:
    """Yield every value of a choice, or both ends of a range: the schema takes all between."""
    if setting_range.choice is not None:
        yield from setting_range.choice
    elif setting_range.bounds is not None:
        yield from setting_range.bounds


def _check_epochs(experiment: Searched, search: SearchConfig) -> None:
    if "training.epochs" in search.space:
        raise ConfigError(
            "search.space.training.epochs cannot be searched by hyperband, which gives each trial "
            "its epochs, at most training.epochs: remove it, or use another algorithm"
        )
    if experiment.training.epochs == AUTO:
        raise ConfigError(
            "training.epochs is 'auto'; expected the most epochs that hyperband may give to a "
            "trial: give `training.epochs`"
        )
