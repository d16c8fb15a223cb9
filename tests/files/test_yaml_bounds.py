"""YAML at both sides of each bound, with the line and the reason of every refusal."""

from __future__ import annotations

import re
from typing import Any

import pytest

from forecast.errors import ConfigError
from forecast.files.yaml import parse_yaml, to_yaml


def value(text: str) -> Any:
    return parse_yaml(text, "f.yaml").value


def refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^f.yaml.*{words}") as caught:
        value(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("letter", ["x", "é", "€", "😀"])
def test_a_document_has_at_most_256_kib(letter: str) -> None:
    size = len(letter.encode())
    head = "a: 1\n#"
    count, rest = divmod(256 * 1024 - len(head), size)
    whole = head + letter * count + "x" * rest
    assert value(whole) == {"a": 1}
    refused(whole + "x", "has more than 262144 bytes")


def test_a_whole_number_has_at_most_40_digits() -> None:
    assert value("a: " + "9" * 40) == {"a": int("9" * 40)}
    refused("a: " + "9" * 41, "line 1: a number has 41 digits; expected at most 40")
    assert value("a: 0." + "3" * 60) == {"a": 1 / 3}


def test_nesting_ends_at_16_levels() -> None:
    """The document is the first level, and its value the last."""
    assert value("a:\n  " + "[" * 14 + "1" + "]" * 14)
    refused("a:\n  " + "[" * 15 + "1" + "]" * 15, "line 2: nested more than 16 levels deep")


def test_entries_are_counted_with_their_keys() -> None:
    """Beside the items of the list: the document, its key and the list."""
    assert len(value(f"a: [{'1,' * 14_997}]")["a"]) == 14_997
    refused(f"a: [{'1,' * 14_998}]", "more than 15,000 entries")


@pytest.mark.parametrize("code", ["d800", "d801", "dabc", "dffe", "dfff", "DFFF"])
def test_half_a_surrogate_pair_is_no_character(code: str) -> None:
    refused(f'a: 1\nb: "x\\u{code}"', "line 2: a text has half of a surrogate pair")


@pytest.mark.parametrize("code", ["d7ff", "e000", "20ac"])
def test_its_neighbours_are(code: str) -> None:
    assert value(f'"\\u{code}"') == chr(int(code, 16))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x 1\n", "line 1: anchors"),
        ("a: 1\nb: *x\n", "line 2: anchors"),
        ("a: &x 1\nb: *x\n", "line 1: anchors"),
        ("a: !!str 1", "line 1: the tag '.*' is not allowed: remove it"),
        ("a: 1\na: 2", "line 2: 'a' is given twice, first in line 1: keep one"),
        ("1: 2", "line 1: a key is '1'; expected the name of a setting"),
        ("[a]: 2", "line 1: a key is "),
        ("null: 2", "line 1: a key is 'null'"),
        ("a: .inf", r"line 1: \.inf is not a finite number"),
        ("a: -.INF", r"line 1: -\.INF is not a finite number"),
        ("a: .nan", r"line 1: \.nan is not a finite number"),
        ("a: 1e999", "line 1: 1e999 is not a finite number"),
        ("a: 1\n\tb: 2", "line 2: a tab: indent with spaces"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins here"),
        ("a: [1, 2", "line 1: not valid YAML: "),
        ("a: 'b", "line 1: not valid YAML: "),
        ("a: 1\nb: \x00", "line 2: a character that text cannot have"),
        ('a: "\\U00110000"', "f.yaml: is not YAML|not valid YAML"),
    ],
)
def test_what_is_refused_has_its_line_and_its_reason(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        value(text)
    assert re.search(words, str(caught.value)), str(caught.value)
    assert str(caught.value).startswith("f.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("a:", {"a": None}),
        ("~", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("[a, [1]]", ["a", [1]]),
    ],
)
def test_types_are_those_of_yaml_1_2(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_lines_are_those_of_the_text() -> None:
    document = parse_yaml("a: 1\nb:\n  - x\n\n  - c: 2\n", "f.yaml")
    assert document.lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 5,
        ("b", 1, "c"): 5,
    }


@pytest.mark.parametrize("text", ["yes", "1e3", "a\x85b", "a\u2028b", "null", "0o7", "1_000", " a"])
def test_texts_come_back_as_texts(text: str) -> None:
    given = {"a": text, "b": [text, {"c": text}], "d": [1, 2.5, None, True]}
    assert value(to_yaml(given)) == given
    lines = to_yaml(given).splitlines()
    assert "d: [1, 2.5, null, true]" in lines  # of values alone on one line
    assert next(line for line in lines if line.startswith("b:")) == "b:"
