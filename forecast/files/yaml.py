"""YAML without its surprises: the core types of YAML 1.2, no tricks, and the line of every entry.

Differences from PyYAML's `safe_load`: `1e-3` is a number; only `true` and `false` are booleans, so
`on`, `off`, `yes` and `no` stay texts; `010` is ten, `1:30` and `2024-01-01` are texts; duplicate
keys, anchors, aliases, merge keys, tags, NaN and infinity are refused, and so are a second
document, nesting beyond 16 levels, more than 15,000 entries and more than 256 KiB.

Source of the types: https://yaml.org/spec/1.2.2/#103-core-schema.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from forecast.errors import ConfigError
from forecast.section import Place

MAX_BYTES = 2**18

MAX_ENTRIES = 15_000
"""Values and keys, at most: reading takes about 50 microseconds for each."""

MAX_DEPTH = 16

MAX_DIGITS = 40

_TAG = "tag:yaml.org,2002:"

_INT = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"

_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"


_CORE_TYPES = (
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", "~|null|Null|NULL|", ("~", "n", "N", "")),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
)

Resolvers = dict[str, list[tuple[str, re.Pattern[str]]]]


@dataclass(frozen=True)
class Document:
    """A parsed document.

    Attributes:
        value: the document in plain Python types.
        lines: the line of every entry, in the order of the text.
    """

    value: Any
    lines: dict[Place, int] = field(default_factory=dict)


def _resolvers(start: Resolvers) -> Resolvers:
    """Return PyYAML's table of plain scalars by first letter, `start` plus the core types."""
    table = {first: list(rules) for first, rules in start.items()}
    for tag, pattern, letters in _CORE_TYPES:
        for first in letters:
            table.setdefault(first, []).append((_TAG + tag, re.compile(f"(?:{pattern})$")))
    return table


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = _resolvers({})
    source = ""
    depth = 0
    entries = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor is not None:  # the anchor of a node, or that of an alias
            raise self.refusal(
                event, "anchors (&) and aliases (*) are not allowed: write the value out"
            )
        if event.tag is not None:
            raise self.refusal(event, f"the tag {event.tag[:40]!r} is not allowed: remove it")
        if self.depth >= MAX_DEPTH:
            raise self.refusal(event, f"nested more than {MAX_DEPTH} levels deep: no setting is")
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            raise self.refusal(
                event, f"more than {MAX_ENTRIES:,} entries: no settings have so many"
            )
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def refusal(self, at: Any, reason: str) -> ConfigError:
        return ConfigError(f"{self.source}, line {at.start_mark.line + 1}: {reason}")


class _Dumper(yaml.SafeDumper):
    """Quotes texts that YAML 1.1 or 1.2 would read as another type."""

    yaml_implicit_resolvers = _resolvers(yaml.SafeDumper.yaml_implicit_resolvers)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_scalar(self, tag: str, value: str, style: str | None = None) -> Any:
        if any(letter in value for letter in "\x85\u2028\u2029"):
            style = '"'  # PyYAML folds these line breaks unless they are escaped
        return super().represent_scalar(tag, value, style=style)

    def represent_sequence(
        self,
        tag: str,
        sequence: Any,
        flow_style: bool | None = None,  # noqa: ARG002
    ) -> Any:
        flat = not any(isinstance(item, list | dict) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=flat)


def parse_yaml(text: str, source: str) -> Document:
    """Parse one YAML document.

    Args:
        text: the document.
        source: name of the text in messages, usually a file name.

    Raises:
        ConfigError: the text is not YAML, or uses one of the features that are refused; names the
            line.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise ConfigError(
            f"{source}: has more than {MAX_BYTES} bytes; expected a short list of settings"
        )
    lines: dict[Place, int] = {}
    try:
        loader = _Loader(text)
        loader.source = source
        node = loader.get_single_node()
        value = None
        if node is not None:
            value = _value(loader, node, (), lines)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            f"{source}, line {line}: a character that text cannot have: remove it"
        ) from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax_error(error, source)) from error
    except (ValueError, OverflowError) as error:  # PyYAML on impossible escapes and version numbers
        raise ConfigError(f"{source}: is not YAML ({str(error)[:60]})") from error
    return Document(value, lines)


def to_yaml(value: Any) -> str:
    """Return YAML that `parse_yaml` reads back to an equal value; lists of scalars on one line."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _syntax_error(error: yaml.MarkedYAMLError, source: str) -> str:
    mark = error.problem_mark or error.context_mark
    problem = " ".join(str(error.problem or error.context).split())
    if "'\\t'" in problem:
        problem = "a tab: indent with spaces"
    elif "single document" in str(error.context):
        problem = "a second document begins here: expected one"
    else:
        problem = f"not valid YAML: {problem[:120]}: check indentation, colons and quotes"
    line = 1
    if mark:
        line = mark.line + 1
    return f"{source}, line {line}: {problem}"


def _value(loader: _Loader, node: yaml.Node, place: Place, lines: dict[Place, int]) -> Any:
    """Turn a node into plain Python, noting the line of every entry under it."""
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, place, lines)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*place, index)] = item.start_mark.line + 1
        items = enumerate(node.value)
        return [_value(loader, item, (*place, index), lines) for index, item in items]
    return _scalar(loader, node)


def _mapping(
    loader: _Loader, node: yaml.MappingNode, place: Place, lines: dict[Place, int]
) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = None
        if isinstance(key_node, yaml.ScalarNode):
            key = _scalar(loader, key_node)
        if not isinstance(key, str):
            raise loader.refusal(
                key_node, f"a key is {str(key_node.value)[:40]!r}; expected the name of a setting"
            )
        if key in mapping:
            raise loader.refusal(
                key_node, f"{key!r} is given twice, first in line {lines[(*place, key)]}: keep one"
            )
        lines[(*place, key)] = key_node.start_mark.line + 1
        mapping[key] = _value(loader, value_node, (*place, key), lines)
    return mapping


def _scalar(loader: _Loader, node: yaml.Node) -> Any:
    kind = node.tag.removeprefix(_TAG)
    text = str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind in ("int", "float"):
        return _number(loader, node, text)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise loader.refusal(
            node, "a text has half of a surrogate pair, which is no character: remove it"
        )
    return text


def _number(loader: _Loader, node: yaml.Node, text: str) -> int | float:
    whole = re.fullmatch(_INT, text) is not None
    if whole and len(text) > MAX_DIGITS:
        raise loader.refusal(
            node, f"a number has {len(text)} digits; expected at most {MAX_DIGITS}"
        )
    if text[:2] in ("0x", "0o"):
        return int(text, 0)
    if whole:
        return int(text)
    number = math.inf
    if text[-1] not in "fFnN":  # the last letters of `.inf` and `.nan`, in any case
        number = float(text)
    if not math.isfinite(number):
        raise loader.refusal(
            node, f"{text[:MAX_DIGITS]} is not a finite number; expected one that is"
        )
    return number
