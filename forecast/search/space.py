"""Ranges that name settings: checked against the schema, turned into keras-tuner's, and back into an experiment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from forecast.errors import ConfigError
from forecast.experiment.file import experiment_from
from forecast.experiment.schema import setting_paths, suggestion
from forecast.experiment.search_settings import RangeConfig, SearchConfig
from forecast.experiment.settings import Experiment
from forecast.section import AUTO

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


Values = dict[str, Any]
"""Setting -> value, as in a configuration file."""


GRID_VALUES = 10
"""Values that a grid takes of a range without steps, its ends among them."""


SIGNIFICANT_DIGITS = 4
"""Of numbers without steps. Fewer bits than a float has, so that the last ones, which differ
between processors, never reach a trial."""


NOT_SEARCHED = {
    "name": "it is only a name",
    "data.": "trials on other data cannot be compared",
    "windows.horizon": "trials that forecast other steps cannot be compared",
    "evaluation.": "trials that are judged on other rows cannot be compared",
    "search.": "it is a setting of the search itself",
    "training.refit": "no trial is refitted, since it is judged before that",
    "training.seed": "every training has a seed of its own, from search.seed",
}
"""Beginnings of settings that a search leaves alone, and why."""


SEARCHED_ALL_THE_SAME = {"data.calendar"}


def search_of(experiment: Experiment) -> SearchConfig:
    """The search section of an experiment.

    Raises:
        ConfigError: there is none.
    """
    if experiment.search is None:
        raise ConfigError(
            "there is no search section: name what to search, such as "
            "`search: {space: {model.units: {choice: [32, 64]}}}`"
        )
    return experiment.search


def check_space(experiment: Experiment) -> None:
    """Try every value of every range on the experiment before anything runs.

    Raises:
        ConfigError: a range names no setting, holds a value the setting does not take, or depends
            on something that is not searched; names the range and what was expected.
    """
    search = search_of(experiment)
    for path, one in search.space.items():
        _check_path(path)
        _check_conditions(path, one, search)
    for path in ordered_paths(search):
        for value in _probes(search.space[path]):
            try:
                with_values(experiment, {**_conditions_of(path, search), path: value})
            except ConfigError as error:
                raise ConfigError(f"search.space.{path}: {error}") from error
    if search.algorithm == "hyperband":
        _check_epochs(experiment, search)


def ordered_paths(search: SearchConfig) -> list[str]:
    """The paths of a space in the order written, but each after those its `when` names.

    Raises:
        ConfigError: ranges depend on each other in a circle.
    """
    left, order = list(search.space), []
    while left:
        ready = next((path for path in left if not set(search.space[path].when) & set(left)), None)
        if ready is None:
            raise ConfigError(
                f"search.space: {' and '.join(left)} depend on each other by `when`: remove one of "
                f"them"
            )
        order.append(ready)
        left.remove(ready)
    return order


def with_values(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with some settings replaced, and without its search.

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
    return experiment_from(settings)


def hyper_parameters(search: SearchConfig) -> HyperParameters:
    """The space as keras-tuner has it: ranges that can be listed as choices of texts, the others as numbers."""
    from keras_tuner import HyperParameters

    space = HyperParameters()
    listed = {path: _listed(one, search) for path, one in search.space.items()}
    for path in ordered_paths(search):
        with _scopes(space, search.space[path], listed):
            values, sampling = listed[path], "log" if search.space[path].log else "linear"
            bounds = search.space[path].bounds
            if values is not None:
                space.Choice(path, [json.dumps(value) for value in values])
            elif bounds and search.space[path].int is not None:
                space.Int(path, int(bounds[0]), int(bounds[1]), sampling=sampling)
            elif bounds:
                space.Float(path, *bounds, sampling=sampling)
    return space


def values_of(search: SearchConfig, proposal: Mapping[str, Any]) -> Values:
    """Turn what keras-tuner proposes into settings; entries that are no settings are left out."""
    return {
        path: json.loads(value) if isinstance(value, str) else value
        for path, value in proposal.items()
        if path in search.space
    }


def rounded(search: SearchConfig, proposal: Mapping[str, Any]) -> dict[str, Any]:
    """The proposal with every number that has no steps rounded to `SIGNIFICANT_DIGITS`, within its range."""
    return {path: _rounded(search.space.get(path), value) for path, value in proposal.items()}


def _rounded(one: RangeConfig | None, value: Any) -> Any:
    if one is None or one.bounds is None or not isinstance(value, float):
        return value
    low, high = one.bounds
    return min(max(float(f"{value:.{SIGNIFICANT_DIGITS}g}"), float(low)), float(high))


def _listed(one: RangeConfig, search: SearchConfig) -> list[Any] | None:
    """The values of a range if it has few; a grid takes some of every range."""
    listed = one.listed()
    if one.log and one.int is not None:
        listed = None  # a choice of all would try them all alike
    if listed is not None or search.algorithm != "grid" or one.bounds is None:
        return listed
    low, high = one.bounds
    shares = [place / (GRID_VALUES - 1) for place in range(GRID_VALUES)]
    numbers = [
        low * (high / low) ** share if one.log else low + (high - low) * share for share in shares
    ]
    chosen = [
        round(number) if one.int is not None else _rounded(one, float(number)) for number in numbers
    ]
    return list(dict.fromkeys(chosen))


def _scopes(
    space: HyperParameters, one: RangeConfig, listed: Mapping[str, list[Any] | None]
) -> Any:
    """Everything a range depends on, as keras-tuner's conditions."""
    from contextlib import ExitStack

    stack = ExitStack()
    for parent, value in one.when.items():
        wanted = _several(value)
        texts = [json.dumps(one) for one in wanted] if listed[parent] is not None else wanted
        stack.enter_context(space.conditional_scope(parent, texts))
    return stack


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_path(path: str) -> None:
    if path not in setting_paths():
        raise ConfigError(
            f"search.space.{path} is no setting; {suggestion(tuple(path.split('.')))}"
        )
    for beginning, reason in NOT_SEARCHED.items():
        if path.startswith(beginning) and path not in SEARCHED_ALL_THE_SAME:
            raise ConfigError(
                f"search.space.{path} cannot be searched, because {reason}: remove it"
            )


def _check_conditions(path: str, one: RangeConfig, search: SearchConfig) -> None:
    for parent, value in one.when.items():
        place = f"search.space.{path}.when.{parent}"
        if parent not in search.space:
            others = ", ".join(other for other in search.space if other != path) or "nothing else"
            raise ConfigError(
                f"{place} is not searched; expected one of the other ranges ({others})"
            )
        known = _listed(search.space[parent], search)
        if known is None:
            raise ConfigError(
                f"{place} depends on a range without steps; expected a range of values that are "
                f"listed"
            )
        for wanted in _several(value):
            if wanted not in known:
                raise ConfigError(
                    f"{place} is {json.dumps(wanted)}, which its range does not hold; expected one "
                    f"of {known}"
                )


def _conditions_of(path: str, search: SearchConfig) -> Values:
    """Values of other ranges with which a range is searched, those that they depend on included."""
    found: Values = {}
    for parent, value in search.space[path].when.items():
        found |= _conditions_of(parent, search) | {parent: _several(value)[0]}
    return found


def _probes(one: RangeConfig) -> Iterator[Any]:
    """Every value of a choice; the ends of a range of numbers, between which the schema takes all."""
    yield from one.choice if one.choice is not None else one.bounds or ()


def _check_epochs(experiment: Experiment, search: SearchConfig) -> None:
    if "training.epochs" in search.space:
        raise ConfigError(
            "search.space.training.epochs cannot be searched by hyperband, which gives each trial "
            "its epochs, at most "
            "training.epochs: remove it, or take another algorithm"
        )
    if experiment.training.epochs == AUTO:
        raise ConfigError(
            "training.epochs is 'auto'; expected the most epochs that hyperband may give to a "
            "trial: set it"
        )
