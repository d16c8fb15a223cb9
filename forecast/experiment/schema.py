"""What may be set, as data: the JSON schema, every setting's path, and in words what it expects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from forecast.errors import nearest
from forecast.experiment.settings import CHOSEN, Experiment

Place = tuple[str | int, ...]


Schema = dict[str, Any]


def json_schema() -> Schema:
    """Return the JSON schema of a configuration file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Experiment.model_json_schema(),
    }


def setting_paths() -> list[str]:
    """Return the path of every setting that is no section, such as `model.units`."""
    return list(dict.fromkeys(path for path, _ in _settings(_schema(), "")))


def expected_at(place: Place) -> str:
    """Say in words which values a setting takes, for example `a whole number of at least 1`."""
    return _in_words(_schema_at(place))


def is_setting(place: Place) -> bool:
    """Whether there is a setting or section of this path."""
    return bool(place) and place[-1] in _properties(_schema_at(place[:-1]))


def suggestion(place: Place) -> str:
    """Return a hint for a path that does not exist: the same key elsewhere, the nearest, or all there are."""
    parent, key = place[:-1], str(place[-1])
    elsewhere = [path for path in setting_paths() if path.split(".")[-1] == key]
    if elsewhere:
        return f"did you mean {elsewhere[0]!r}?"
    siblings = list(_properties(_schema_at(parent)))
    full = {name: dotted((*parent, name)) for name in siblings}
    close = nearest(key, siblings)
    if close:
        return next(f"did you mean {full[name]!r}?" for name in siblings if f"{name!r}?" in close)
    return f"expected one of {', '.join(siblings)}" if siblings else "it is no section"


def dotted(place: Place) -> str:
    """Write a place as a path: `("target", 0, "name")` as `target[0].name`."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in place
    ).removeprefix(".")


def reference_table() -> str:
    """Return a Markdown table of every setting: path, default, what it expects and what it does.

    The defaults of what may be chosen from the data are marked.
    """
    rows = ["| setting | default | takes | meaning |", "|---|---|---|---|"]
    for path, schema in _settings(_schema(), ""):
        default = json.dumps(schema["default"]) if "default" in schema else "required"
        section, _, name = path.partition(".")
        mark = " \\*" if name in CHOSEN.get(section, ()) else ""
        cells = (
            f"`{path}`",
            f"`{default}`{mark}",
            _in_words(schema),
            " ".join(schema.get("description", "").split()),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """Return a Markdown page whose table of settings, between two comments, is the current one.

    Raises:
        ValueError: the page lacks the comments.
    """
    begin, end = "<!-- settings -->\n", "<!-- end of settings -->"
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{reference_table()}{end}{after}"


@cache
def _schema() -> Schema:
    return Experiment.model_json_schema()


def _resolve(schema: Schema) -> Schema:
    """Follow a reference to a section."""
    found: Schema = (
        _schema()["$defs"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
    )
    return found


def _options(schema: Schema) -> list[Schema]:
    """The alternatives a schema allows, itself if it is the only one."""
    found: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    resolved = [_resolve(one) for one in found]
    return (
        resolved
        if resolved == [schema]
        else [option for one in resolved for option in _options(one)]
    )


def _properties(schema: Schema) -> Schema:
    """The settings of a section; of a choice of sections those of all of them, each with all that it takes in one."""
    found: dict[str, list[Schema]] = {}
    for option in _options(schema):
        for name, one in option.get("properties", {}).items():
            if one not in found.setdefault(name, []):
                found[name].append(one)
    return {name: ones[0] if len(ones) == 1 else {"anyOf": ones} for name, ones in found.items()}


def _schema_at(place: Place) -> Schema:
    """The schema of one place; an empty one, which allows anything, where there is none."""
    schema = _schema()
    for part in place:
        if isinstance(part, int):
            schema = next((one["items"] for one in _options(schema) if "items" in one), {})
        else:
            schema = _properties(schema).get(part) or _entry_of_any_name(schema)
    return schema


def _entry_of_any_name(schema: Schema) -> Schema:
    """What stands under every key of a mapping that takes any, such as `search.space`; empty where there is none."""
    entries = (one.get("additionalProperties") for one in _options(schema))
    return next((_resolve(one) for one in entries if isinstance(one, dict)), {})


def _settings(schema: Schema, prefix: str) -> Iterator[tuple[str, Schema]]:
    """Path and schema of every setting; of a choice of sections, those that not all have alike say whose they are."""
    sections = [option["properties"] for option in _options(schema) if "properties" in option]
    for number, settings in enumerate(sections):
        for name, one in settings.items():
            if any(one == earlier.get(name) for earlier in sections[:number]):
                continue
            if _properties(one):
                yield from _settings(one, f"{prefix}{name}.")
            elif all(one == other.get(name) for other in sections):
                yield f"{prefix}{name}", one
            else:
                owners = [other["name"]["const"] for other in sections if other.get(name) == one]
                yield (
                    f"{prefix}{name}",
                    {**one, "description": f"{one['description']} (`{'`, `'.join(owners)}`)"},
                )


def _in_words(schema: Schema) -> str:
    return _either(list(dict.fromkeys(_option_in_words(option) for option in _options(schema))))


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _option_in_words(schema: Schema) -> str:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values is not None:
        return _either([repr(value) for value in values])
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _range(schema)
    if kind == "array" and "prefixItems" in schema:
        return f"a list of {len(schema['prefixItems'])}, each entry {_in_words(schema['prefixItems'][0])}"
    if kind == "array":
        least = f" of at least {schema['minItems']}" if schema.get("minItems") else ""
        return f"a list{least}, each entry {_in_words(schema.get('items', {}))}"
    if kind == "object" and not schema.get("properties"):
        return f"by name {_in_words(_entry_of_any_name(schema))}"
    if kind == "object":
        return f"settings such as {', '.join(list(schema.get('properties', {}))[:3])}"
    if kind == "string" and "pattern" in schema:
        return f"a text that matches {schema['pattern']}"
    if kind == "string" and "minLength" in schema:
        return "one character" if schema.get("maxLength") == 1 else "a text that is not empty"
    return {"string": "a text", "boolean": "true or false", "null": "null"}.get(
        str(kind), "a value"
    )


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low:.10g} to {high:.10g}"
    words = (("of at least", low), ("above", above), ("of at most", high), ("below", below))
    parts = [f"{word} {bound:.10g}" for word, bound in words if bound is not None]
    return f" {' and '.join(parts)}" if parts else ""
