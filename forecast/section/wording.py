"""Settings in words, read off the JSON schema of a section: values they take, near misses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from forecast.errors import nearest

Place = tuple[str | int, ...]
"""Keys and list indices from the top of the settings to one of them."""

Schema = dict[str, Any]


def dotted(place: Place) -> str:
    """Write a place as a path: `("target", 0, "name")` as `target[0].name`."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return path.removeprefix(".")


def is_setting(root: type[BaseModel], place: Place) -> bool:
    """Return whether a section has a setting or section of this path."""
    return bool(place) and place[-1] in properties(_schema_at(root, place[:-1]))


def suggestion(root: type[BaseModel], place: Place) -> str:
    """Return a hint for a wrong path: the same key elsewhere, the nearest key, or all keys."""
    parent = place[:-1]
    key = str(place[-1])
    elsewhere = [path for path in setting_paths(root) if path.split(".")[-1] == key]
    if elsewhere:
        return f"did you mean {elsewhere[0]!r}?"

    siblings = list(properties(_schema_at(root, parent)))
    close = nearest(key, siblings)
    for name in siblings:
        if f"{name!r}?" in close:
            return f"did you mean {dotted((*parent, name))!r}?"
    if siblings:
        return f"expected one of {', '.join(siblings)}"
    return "it is no section"


def expected_at(root: type[BaseModel], place: Place) -> str:
    """Return in words which values a setting takes, for example `a whole number of at least 1`."""
    return in_words(_schema_at(root, place))


def setting_paths(root: type[BaseModel]) -> list[str]:
    """Return the path of every setting that is no section, such as `model.units`."""
    return list(dict.fromkeys(path for path, _ in settings_in(schema_of(root))))


@cache
def schema_of(root: type[BaseModel]) -> Schema:
    """Return the JSON schema of a section, with every reference replaced by its target."""
    schema = root.model_json_schema()
    expanded: Schema = _expanded(schema, schema.get("$defs", {}))
    return expanded


def _expanded(node: Any, sections: Mapping[str, Schema]) -> Any:
    if isinstance(node, list):
        return [_expanded(item, sections) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _expanded(sections[node["$ref"].split("/")[-1]], sections)
    return {name: _expanded(item, sections) for name, item in node.items() if name != "$defs"}


def options(schema: Schema) -> list[Schema]:
    """Return the alternatives that a schema allows; itself if it is the only one."""
    alternatives: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or []
    if not alternatives:
        return [schema]
    return [option for alternative in alternatives for option in options(alternative)]


def properties(schema: Schema) -> Schema:
    """Return the settings of a section, by name; of a choice of sections, those of all of them."""
    schemas: dict[str, list[Schema]] = {}
    for option in options(schema):
        for name, setting in option.get("properties", {}).items():
            known = schemas.setdefault(name, [])
            if setting not in known:
                known.append(setting)
    return {
        name: known[0] if len(known) == 1 else {"anyOf": known} for name, known in schemas.items()
    }


def settings_in(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield path and schema of every setting.

    Of a choice of sections, such as the architectures, a setting that not all have alike names its
    owners in its description.
    """
    sections = [option["properties"] for option in options(schema) if "properties" in option]
    for number, section in enumerate(sections):
        for name, setting in section.items():
            if any(setting == earlier.get(name) for earlier in sections[:number]):
                continue
            if properties(setting):
                yield from settings_in(setting, f"{prefix}{name}.")
            elif all(setting == other.get(name) for other in sections):
                yield f"{prefix}{name}", setting
            else:
                owners = [
                    other["name"]["const"] for other in sections if other.get(name) == setting
                ]
                description = f"{setting['description']} (`{'`, `'.join(owners)}`)"
                yield f"{prefix}{name}", {**setting, "description": description}


def _schema_at(root: type[BaseModel], place: Place) -> Schema:
    """Return the schema of one place; an empty one, which allows anything, where there is none."""
    schema = schema_of(root)
    for step in place:
        if isinstance(step, int):
            lists = (option["items"] for option in options(schema) if "items" in option)
            schema = next(lists, {})
        else:
            schema = properties(schema).get(step) or _entry_of_any_name(schema)
    return schema


def _entry_of_any_name(schema: Schema) -> Schema:
    """Return the schema under every key of a mapping that takes any, such as `search.space`."""
    for option in options(schema):
        entry = option.get("additionalProperties")
        if isinstance(entry, dict):
            return entry
    return {}


def in_words(schema: Schema) -> str:
    """Return in words which values a schema allows."""
    return _either(list(dict.fromkeys(_option_in_words(option) for option in options(schema))))


def _either(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _option_in_words(schema: Schema) -> str:
    if "enum" in schema:
        return _either([repr(value) for value in schema["enum"]])
    if "const" in schema:
        return repr(schema["const"])
    kind = str(schema.get("type"))
    if kind == "array":
        return _list_in_words(schema)
    if kind == "object":
        return _mapping_in_words(schema)
    if kind == "string":
        return _text_in_words(schema)
    words = {
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "null": "null",
    }
    return words.get(kind, "a value") + _range_in_words(schema)


def _list_in_words(schema: Schema) -> str:
    if "prefixItems" in schema:
        entries = schema["prefixItems"]
        return f"a list of {len(entries)}, each entry {in_words(entries[0])}"
    least = ""
    if schema.get("minItems"):
        least = f" of at least {schema['minItems']}"
    return f"a list{least}, each entry {in_words(schema.get('items', {}))}"


def _mapping_in_words(schema: Schema) -> str:
    names = list(schema.get("properties", {}))
    if not names:
        return f"by name {in_words(_entry_of_any_name(schema))}"
    return f"settings such as {', '.join(names[:3])}"


def _text_in_words(schema: Schema) -> str:
    if "examples" in schema:
        return f"an import path such as {schema['examples'][0]}"
    if "pattern" in schema:
        return f"a text that matches {schema['pattern']}"
    if schema.get("maxLength") == 1:
        return "one character"
    if "minLength" in schema:
        return "a text that is not empty"
    return "a text"


def _range_in_words(schema: Schema) -> str:
    low = schema.get("minimum")
    high = schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:.10g} to {high:.10g}"
    words = (
        ("of at least", low),
        ("above", schema.get("exclusiveMinimum")),
        ("of at most", high),
        ("below", schema.get("exclusiveMaximum")),
    )
    bounds = [f"{word} {bound:.10g}" for word, bound in words if bound is not None]
    return " " * bool(bounds) + " and ".join(bounds)
