"""Configuration files: strict YAML in, an `Experiment` out, and back.

Types are exact: `"64"` is no number, `true` is no 1 and `64.0` is no whole number, but a whole
number may stand for a number. Everything wrong is one line that names the file, the line, the
setting, the value and what was expected.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from forecast.errors import ConfigError, check_kind, nearest
from forecast.experiment.schema import json_schema
from forecast.experiment.settings import Experiment
from forecast.files.yaml import MAX_BYTES, parse_yaml, to_yaml
from forecast.section import AnySection, Place, Section, section_from
from forecast.section.problems import shown
from forecast.section.wording import dotted

__all__ = [
    "apply_overrides",
    "dump_experiment",
    "dump_settings",
    "experiment_from",
    "json_schema",
    "load_experiment",
    "load_settings",
    "parse_experiment",
]


Origins = dict[Place, str]
"""Where each setting was given: `experiment.yaml, line 3` or `--set model.units=64`; in the order
given."""


def load_experiment(
    path: str | Path | None,
    overrides: Sequence[str] = (),
    *,
    typed: Mapping[str, str] | None = None,
) -> Experiment:
    """Read a configuration file.

    Args:
        path: a YAML file; None for the defaults.
        overrides: settings that replace those of the file, such as `model.units=64`; the last one
            counts.
        typed: how some overrides were written, for messages: `windows.horizon=7` -> `--horizon 7`.

    Raises:
        ConfigError: the file cannot be read, or something in it is no setting.

    Example:
        >>> from pathlib import Path
        >>> from forecast import load_experiment
        >>> _ = Path("sales.yaml").write_text("windows: {horizon: 14}")
        >>> config = load_experiment("sales.yaml", ["training.epochs=20"])
        >>> config.windows.horizon, config.training.epochs, config.training.loss
        (14, 20, 'auto')
    """
    return load_settings(Experiment, path, overrides, typed=typed)


def load_settings(
    kind: type[AnySection],
    path: str | Path | None,
    overrides: Sequence[str] = (),
    *,
    typed: Mapping[str, str] | None = None,
) -> AnySection:
    """Read a configuration file of another kind of work; see `load_experiment`.

    Args:
        kind: the section that has all its settings.
        path: a YAML file; None for the defaults.
        overrides: settings that replace those of the file.
        typed: as in `load_experiment`.

    Raises:
        ConfigError: the file cannot be read, or something in it is no setting.
    """
    check_kind("path", path, (str, Path, type(None)), "the name of a YAML file")
    if path is None:
        return section_from(kind, *_overridden({}, overrides, {}, typed))
    return _parsed(kind, _read(Path(path)), overrides, str(path), typed)


def parse_experiment(
    text: str, overrides: Sequence[str] = (), *, source: str = "configuration"
) -> Experiment:
    """Read a configuration from text.

    Args:
        text: YAML.
        overrides: as in `load_experiment`.
        source: what messages call the text.

    Raises:
        ConfigError: something in the text is no setting.
    """
    return _parsed(Experiment, text, overrides, source)


def _parsed(
    kind: type[AnySection],
    text: str,
    overrides: Sequence[str],
    source: str,
    typed: Mapping[str, str] | None = None,
) -> AnySection:
    """Return the settings in a text; arguments as in `load_experiment`."""
    document = parse_yaml(text, source)
    if document.value is None:
        raise ConfigError(
            f"{source}: is empty; expected settings such as `windows: {{horizon: 24}}`"
        )
    if not isinstance(document.value, dict):
        raise ConfigError(
            f"{source}, line 1: the document is {shown(document.value)}; expected settings such "
            f"as `name: bigru`"
        )
    origins: Origins = {(): source}
    origins |= {place: f"{source}, line {line}" for place, line in document.lines.items()}
    return section_from(kind, *_overridden(document.value, overrides, origins, typed))


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
    return section_from(Experiment, json.loads(json.dumps(dict(settings))))


def dump_experiment(experiment: Experiment, *, full: bool = False) -> str:
    """Return YAML that loads back to an equal experiment.

    Args:
        experiment: the settings.
        full: write every setting; else those that were given, and the architecture.
    """
    if full:
        return to_yaml(experiment.model_dump(mode="json"))
    return dump_settings(experiment)


def dump_settings(settings: Section) -> str:
    """Return YAML of the settings of another kind of work that were given, and the architecture."""
    everything = settings.model_dump(mode="json")
    given = settings.model_dump(mode="json", exclude_unset=True)
    given["model"] = {"name": everything["model"]["name"]} | given.get("model", {})
    return to_yaml({key: given[key] for key in everything if key in given})


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        siblings = []
        if os.access(path.parent, os.R_OK):
            siblings = os.listdir(path.parent)
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
    mapping: Mapping[str, Any],
    overrides: Iterable[str],
    origins: Origins,
    typed: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], Origins]:
    """Apply overrides to copies of the settings and of where they were given."""
    settings: dict[str, Any] = json.loads(json.dumps(dict(mapping)))
    origins = dict(origins)
    for override in overrides:
        written = (typed or {}).get(override, f"--set {override}")
        source = _one_line(written)[:86]
        place, value = _parse_override(override, source)
        section = settings
        for depth, name in enumerate(place[:-1], 1):
            section = section.setdefault(name, {})
            origins.setdefault(place[:depth], source)
            if not isinstance(section, dict):
                raise ConfigError(
                    f"{source}: {dotted(place[:depth])} is {shown(section)}, not a section; set "
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


def _one_line(text: str) -> str:
    return " ".join(text.split())
