"""Settings as keyword arguments of Python: `horizon=14, target="sales"`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from forecast.errors import ConfigError, nearest
from forecast.experiment.named_functions import LOSS, METRICS
from forecast.experiment.settings import Experiment
from forecast.models import MODELS
from forecast.section import Section, section_from
from forecast.section.own_functions import path_of

SHORT_NAMES = {
    "id": "data.id_col",
    "time": "data.time_col",
    "target": "data.target_cols",
    "past": "data.past_covariates",
    "known": "data.known_covariates",
    "static": "data.static_covariates",
    "weights": "data.weight_col",
    "model": "model.name",
    "name": "name",
    "alias": "name",
}
"""Names of the command line's options -> the setting. `target` is never `transforms.target`."""

_LISTS = (
    "data.target_cols",
    "data.past_covariates",
    "data.known_covariates",
    "data.static_covariates",
    "data.categorical",
)
"""Settings for which one name may stand for a list of it."""

_FUNCTIONS = (LOSS, METRICS)
"""Settings for which a function may stand for its import path."""


def with_keywords(config: Experiment, given: Mapping[str, Any]) -> Experiment:
    """Return an experiment with some settings replaced, each named without its section.

    Another architecture begins with its own default settings.

    Args:
        config: the experiment.
        given: name -> value. A name is a key of `SHORT_NAMES`, a setting that occurs in one section
            only, such as `epochs`, or a path such as `windows.stride`.

    Raises:
        ConfigError: a name is no setting or one of several sections, or a value does not fit.
    """
    if not given:
        return config
    values = config.model_dump(mode="json", exclude_unset=True)
    paths = {name: _path_of(name, config, given) for name in given}
    _refuse_second_name(paths)
    for name in sorted(given, key=lambda name: paths[name] != "model.name"):  # that one first
        _put(values, paths[name], given[name], config)
    values.setdefault("model", {}).setdefault("name", config.model.name)
    return section_from(Experiment, values)


def _put(values: dict[str, Any], path: str, value: Any, config: Experiment) -> None:
    """Replace one setting of nested plain values."""
    if path in _FUNCTIONS:
        value = _with_paths(value, path)
    if path == METRICS and isinstance(value, str):
        value = [value]
    plain = to_jsonable_python(value, fallback=_plain)
    if path == "model.name" and isinstance(value, Section):  # the architecture with its settings
        values["model"] = value.model_dump(mode="json", exclude_unset=True)
        values["model"]["name"] = plain["name"]
        return
    if path == "model.name" and plain != config.model.name:
        values["model"] = {}
    if path in _LISTS and isinstance(plain, str):
        plain = [plain]
    section, _, name = path.rpartition(".")
    place = values
    if section:
        place = values.setdefault(section, {})
    place[name] = plain


def _with_paths(value: Any, path: str) -> Any:
    """Return the value of a setting with import paths in the place of functions."""
    if isinstance(value, list | tuple):
        return [_with_paths(each, path) for each in value]
    if callable(value):
        return path_of(value, path)
    return value


def _plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python, anything else as what no setting accepts."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return {"object": repr(value)}


def _path_of(name: str, config: Experiment, given: Mapping[str, Any]) -> str:
    """Return the path of the setting that a keyword names.

    Raises:
        ConfigError: there is none, or there are several.
    """
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    paths = _paths(_architecture(config, given))
    if name in paths:
        return name
    found = [path for path in paths if path.endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"**{{'{path}': ...}}" for path in found)
        raise ConfigError(f"{name} is a setting of several sections: pass {choices}")
    known = [*SHORT_NAMES, *(path.rpartition(".")[2] for path in paths)]
    raise ConfigError(
        f"{name} is no setting{nearest(name, known)}: pass settings by name, such as horizon=14 or "
        f"target='sales'; forecast show-config lists them"
    )


def _architecture(config: Experiment, given: Mapping[str, Any]) -> type[Section]:
    """Return the class of the model's settings after the change."""
    model = given.get("model", config.model)
    if isinstance(model, str) and model in MODELS:
        return MODELS[model].config
    return type(model) if isinstance(model, Section) else type(config.model)


def _paths(model: type[Section]) -> list[str]:
    """Return the path of every setting, those of one architecture among them."""
    paths = []
    for section in Experiment.model_fields:
        kind = type(getattr(Experiment(), section))
        if section == "model":
            kind = model
        if issubclass(kind, Section):
            paths += [f"{section}.{name}" for name in kind.model_fields]
    return paths


def _refuse_second_name(paths: Mapping[str, str]) -> None:
    """Raise where two keywords name one setting."""
    first: dict[str, str] = {}
    for name, path in paths.items():
        if first.setdefault(path, name) != name:
            raise ConfigError(f"{first[path]} and {name} are the same setting: pass one of them")
