"""Configuration files: strict YAML in, an `Experiment` out, and back.

Types are exact: `"64"` is no number, `true` is no 1 and `64.0` is no whole number, but a whole
number may stand for a number. Everything wrong is one line that names the file, the line, the
setting, the value and what was expected.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from forecast.errors import ConfigError, nearest
from forecast.experiment.schema import dotted, expected_at, is_setting, json_schema, suggestion
from forecast.experiment.settings import CHOSEN, Experiment
from forecast.files.yaml import MAX_BYTES, Place, parse_yaml, to_yaml

__all__ = [
    "apply_overrides",
    "dump_experiment",
    "experiment_from",
    "json_schema",
    "load_experiment",
    "parse_experiment",
]


Origins = dict[Place, str]
"""Where each setting was given: `experiment.yaml, line 3` or `--set model.units=64`; in the order
given."""


def load_experiment(path: str | Path | None, overrides: Sequence[str] = ()) -> Experiment:
    """Read a configuration file.

    Args:
        path: a YAML file; None for the defaults.
        overrides: settings that replace those of the file, such as `model.units=64`; the last one
            counts.

    Raises:
        ConfigError: the file cannot be read or holds something that is no setting.
    """
    if path is None:
        return _validated(*_overridden({}, overrides, {}))
    return parse_experiment(_read(Path(path)), overrides, source=str(path))


def parse_experiment(
    text: str, overrides: Sequence[str] = (), *, source: str = "configuration"
) -> Experiment:
    """Read a configuration from text; `source` is what messages call it.

    Raises:
        ConfigError: the text holds something that is no setting.
    """
    document = parse_yaml(text, source)
    if document.value is None:
        raise ConfigError(
            f"{source}: is empty; expected settings such as `windows: {{horizon: 24}}`"
        )
    if not isinstance(document.value, dict):
        raise ConfigError(
            f"{source}, line 1: holds {_shown(document.value)}; expected settings such as `name: "
            f"bigru`"
        )
    origins = {(): source} | {
        place: f"{source}, line {line}" for place, line in document.lines.items()
    }
    return _validated(*_overridden(document.value, overrides, origins))


def apply_overrides(mapping: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of nested settings in which some are replaced; the last one counts.

    Args:
        mapping: settings as a configuration file gives them.
        overrides: `path=value`, the value written as in YAML: `training.learning_rate=1e-3`,
            `model.units=[64, 32]`.

    Raises:
        ConfigError: an override is not of that form, or leads through a setting that is no section.
    """
    return _overridden(mapping, overrides, {})[0]


def experiment_from(settings: Mapping[str, Any]) -> Experiment:
    """Check nested settings in plain types, as JSON or `apply_overrides` gives them.

    Raises:
        ConfigError: something in them is no setting.
    """
    return _validated(*_overridden(settings, (), {}))


def dump_experiment(experiment: Experiment, *, full: bool = False) -> str:
    """Return YAML that loads back to an equal experiment.

    Args:
        experiment: the settings.
        full: write every setting but those that are left to be chosen from the data; else those
            that were given, and the names.
    """
    everything = experiment.model_dump(mode="json")
    if full:
        for section, names in CHOSEN.items():
            for name in names:
                if experiment.is_left_out(section, name):
                    del everything[section][name]
        return to_yaml(everything)
    given = experiment.model_dump(mode="json", exclude_unset=True)
    given["name"] = experiment.name
    given["model"] = {"name": experiment.model.name} | given.get("model", {})
    return to_yaml({key: given[key] for key in everything if key in given})


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        siblings = os.listdir(path.parent) if os.access(path.parent, os.R_OK) else []
        raise ConfigError(
            f"{path}: no such file; expected a YAML file{nearest(path.name, siblings)}"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); expected a YAML file"
        ) from error
    except UnicodeDecodeError as error:
        if len(data) > MAX_BYTES:  # perhaps only cut in the middle of a character
            raise ConfigError(
                f"{path}: has more than {MAX_BYTES} bytes; expected a short list of settings"
            ) from error
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}, line {line}: is not UTF-8 text; save the file as UTF-8"
        ) from error


def _overridden(
    mapping: Mapping[str, Any], overrides: Iterable[str], origins: Origins
) -> tuple[dict[str, Any], Origins]:
    """Apply overrides to copies of the settings and of where they were given."""
    settings: dict[str, Any] = json.loads(json.dumps(dict(mapping)))
    origins = dict(origins)
    for override in overrides:
        source = f"--set {_one_line(override)[:80]}"
        place, value = _parse_override(override, source)
        section = settings
        for depth, name in enumerate(place[:-1], 1):
            section = section.setdefault(name, {})
            origins.setdefault(place[:depth], source)
            if not isinstance(section, dict):
                raise ConfigError(
                    f"{source}: {dotted(place[:depth])} is {_shown(section)}, not a section; set "
                    f"it whole"
                )
        section[str(place[-1])] = value
        origins = {
            known: origin for known, origin in origins.items() if known[: len(place)] != place
        }
        origins[place] = source
    return settings, origins


def _parse_override(override: str, source: str) -> tuple[tuple[str, ...], Any]:
    path, sign, text = override.partition("=")
    place = tuple(part.strip() for part in path.split("."))
    if not sign or not all(place):
        raise ConfigError(f"{source}: expected a setting and its value, such as model.units=64")
    if not text.strip():
        raise ConfigError(f"{source}: has no value; write {path}=null for none")
    try:
        return place, parse_yaml(text, source).value
    except ConfigError as error:
        if "not valid YAML" not in str(error) or text.strip()[0] in "[{\"'&*!|>":
            raise
        return place, text.strip()  # such as data.decimal=, or data.time_format=%d.%m.%Y


def _validated(settings: dict[str, Any], origins: Origins) -> Experiment:
    """Check settings with JSON's exact types, in which a list may stand for a tuple."""
    try:
        return Experiment.model_validate_json(json.dumps(settings), strict=True)
    except ValidationError as error:
        raise ConfigError(_first_problem(error, settings, origins)) from error


def _first_problem(error: ValidationError, settings: dict[str, Any], origins: Origins) -> str:
    """Say in one line what is wrong first in the order of the text, and how much more is.

    Of the types a setting may have, only the one that got furthest counts.
    """
    problems = {place: (one, value) for place, one, value in _problems(error, settings)}
    above = {place[:depth] for place in problems for depth in range(len(place))}
    order = {place: number for number, place in enumerate(origins)}
    places = [place for place in problems if place not in above]
    first = min(places, key=lambda place: order.get(_known(place, origins), len(order)))
    origin = origins.get(_known(first, origins), "")
    more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
    return _one_line(f"{origin}{': ' if origin else ''}{_sentence(first, *problems[first])}{more}")


def _known(place: Place, origins: Origins) -> Place:
    """The nearest place at or above `place` that was given; the top if there is none."""
    while place and place not in origins:
        place = place[:-1]
    return place


def _problems(
    error: ValidationError, settings: dict[str, Any]
) -> Iterator[tuple[Place, ErrorDetails, Any]]:
    """Give the place of every error, the error and the value there."""
    for one in error.errors(include_url=False):
        place, value = _locate(one["loc"], settings)
        if one["type"] == "missing":
            place = (*place, one["loc"][-1])
        if one["type"] == "union_tag_invalid":
            place, value = (*place, "name"), value["name"]
        if one["type"] == "value_error":
            place = _mentioned(str(one["ctx"]["error"]), place, value)
        yield place, one, value


def _locate(loc: tuple[int | str, ...], settings: Any) -> tuple[Place, Any]:
    """Follow an error's location as far as it names settings; it also names the types that were tried."""
    place: Place = ()
    for part in loc:
        if isinstance(settings, dict) and part in settings:
            settings, place = settings[str(part)], (*place, part)
        elif isinstance(settings, list) and isinstance(part, int) and part < len(settings):
            settings, place = settings[part], (*place, part)
    return place, settings


def _mentioned(message: str, place: Place, section: Any) -> Place:
    """Find the place a validator's message is about: the first setting it names that was given, or the section."""
    for word in message.split():
        parts = tuple(word.strip(",;:'").split("."))
        if _locate(parts, section)[0] == parts:
            return (*place, *parts)
    return place


def _sentence(place: Place, error: ErrorDetails, value: Any) -> str:
    path = dotted(place)
    if error["type"] == "value_error":
        message = str(error["ctx"]["error"])
        section = tuple(part for part in error["loc"] if part in place)
        sign = (
            "." if is_setting((*section, *message.split(" ", maxsplit=1)[0].split("."))) else ": "
        )
        return f"{dotted(section)}{sign}{message}".lstrip(".: ")
    if error["type"] == "extra_forbidden":
        if is_setting(place):  # of another architecture
            return f"{path} is no setting of {error['loc'][-2]}; remove it, or name another model"
        return f"{path} is no setting; {suggestion(place)}"
    if error["type"] == "missing":
        return f"{path} is missing; expected {expected_at(place)}"
    hint = " (remove the quotes)" if isinstance(value, str) and _is_number(value) else ""
    return f"{path} is {_shown(value)}; expected {expected_at(place)}{hint}"


def _is_number(text: str) -> bool:
    try:
        return isinstance(parse_yaml(text, "").value, int | float)
    except ConfigError:
        return False


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _one_line(text: str) -> str:
    return " ".join(text.split())
