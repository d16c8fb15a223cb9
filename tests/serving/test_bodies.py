"""Bodies of requests: each limit on both sides, and each kind of field that is none."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from forecast.serving.bodies import Asked, as_source, asked_in_csv, asked_in_json
from forecast.serving.limits import Limits, RefusedError

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(max_rows=5, max_horizon=9, max_depth=4)
ROWS = [{"day": "2024-01-01", "y": 1}, {"day": "2024-01-02", "y": 2.5}]


def ask(limits: Limits = LIMITS, **fields: Any) -> Asked:
    return asked_in_json(json.dumps({"rows": ROWS, **fields}).encode(), limits)


def refusal(words: str, body: bytes) -> None:
    with pytest.raises(RefusedError, match=words) as caught:
        asked_in_json(body, LIMITS)
    assert caught.value.status == 422
    assert caught.value.retry_after is None


def refused(words: str, **fields: Any) -> None:
    refusal(words, json.dumps({"rows": ROWS, **fields}).encode())


def records(found: Any) -> list[dict[str, Any]]:
    """The rows of a table of Arrow, or of a frame, which has cells of several types."""
    if isinstance(found, pa.Table):
        made: list[dict[str, Any]] = found.to_pylist()
        return made
    rows = found.to_dict("records")
    return [{key: None if pd.isna(cell) else cell for key, cell in row.items()} for row in rows]


def text(count: int, end: str = "\n", last: bool = True) -> str:
    lines = ["day,y", *(f"2024-01-{day:02d},{day}" for day in range(1, count + 1))]
    return end.join(lines) + end * last


def test_limits_are_those_of_the_page_about_the_service() -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `--([a-z-]+)`[^|]*\| ([0-9,]+) \|$", page, re.MULTILINE)
    written = {name.replace("-", "_"): float(number.replace(",", "")) for name, number in rows}
    assert asdict(Limits()) == {name: written[name] for name in asdict(Limits())}


# ------------------------------------------------------------------------------------------- rows


def test_rows_become_a_table() -> None:
    asked = ask()
    assert records(asked.rows) == ROWS
    assert (asked.model, asked.known, asked.horizon, asked.level) == ("", None, None, "auto")


def test_a_column_that_rows_lack_is_missing_there() -> None:
    rows = [{"a": 1}, {"b": "x"}, {"a": 3, "b": None}, {"c": 7}]
    found = records(ask(rows=rows).rows)
    assert found == [{column: row.get(column) for column in "abc"} for row in rows]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_rows_of_a_text_are_counted_with_any_line_end(end: str, last: bool) -> None:
    assert ask(rows=text(5, end, last)).rows == text(5, end, last)
    refused("more than 5 rows: send the last rows", rows=text(7, end, last))
    if last:
        refused("more than 5 rows", rows=text(6, end, last))


def test_a_list_has_as_many_rows_as_the_limit_says() -> None:
    assert len(ask(rows=ROWS[:1] * 5).rows) == 5
    refused("more than 5 rows", rows=ROWS[:1] * 6)
    refused("known has more than 5 rows", known=ROWS[:1] * 6)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_columns_of_a_header_are_counted(separator: str) -> None:
    wide = separator.join(f"c{number}" for number in range(500))
    assert ask(rows=f"{wide}\n1").rows == f"{wide}\n1"
    refused("too many columns; expected at most 500", rows=f"{wide}{separator}more\n1")


def test_a_header_has_a_longest_length() -> None:
    assert ask(rows="h" * 100_000 + "\n1\n")
    refused("a header of too many columns", rows="h" * 100_001 + "\n1\n")
    assert ask(rows="h\n" + "," * 600)  # the second line is none


def test_columns_of_rows_are_counted() -> None:
    row = {f"c{number}": number for number in range(500)}
    assert ask(rows=[row]).rows.shape == (1, 500)
    refused("rows has more than 500 columns", rows=[row, {"more": 1}])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("", "rows is empty; expected a header"),
        (" \n\n", "rows is empty; expected a header"),
        ("a\n\0", "a character of code 0"),
        ([], "rows is empty; expected a row for each step"),
        ([{}, {}], "rows without a column"),
        (None, "rows is null; expected a list"),
        (7, "rows is a number; expected a list"),
        (True, "rows is true or false; expected a list"),
        ({"a": 1}, "rows is an object; expected a list"),
        ([{"a": 1}, [1]], "row 2 is a list; expected an object"),
        ([{"a": 1}, None], "row 2 is null; expected an object"),
        ([{"a": {"b": 1}}], "row 1 has an object in column 'a'"),
    ],
)
def test_rows_that_are_none(rows: Any, words: str) -> None:
    refused(words, rows=rows)


def test_known_covariates_are_a_table_too() -> None:
    assert records(ask(known=ROWS).known) == ROWS
    assert ask(known=None).known is None
    refused("known is a number", known=3)
    refused("known is empty", known=[])


def test_whole_numbers_of_any_size_are_read() -> None:
    """Those beyond 64 bits as floating-point numbers, those beyond these as text."""
    values = [2**63 - 1, -(2**63) + 1, 2**63, -(2**63), 10**299, 10**300]
    assert ask(Limits(), rows=[{"y": value} for value in values]).rows["y"].tolist() == [
        2**63 - 1,
        -(2**63) + 1,
        float(2**63),
        -float(2**63),
        1e299,
        str(10**300),
    ]


# ------------------------------------------------------------------------------------------ bodies


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is no JSON.*send an object with `rows`"),
        (b"\xff", "the body is no JSON"),
        (b'{"rows": Infinity}', "Infinity is no number of JSON"),
        (b"[]", "the body is a list; expected an object"),
        (b'"rows"', "the body is a text; expected an object"),
        (b"{}", "there is no field rows"),
        (b'{"rows": "a", "file": 1}', "unknown field 'file'; expected some of model, rows, known"),
        (b'{"rows": "\\ud800"}', "half of a surrogate pair"),
        (b'{"rows": "\\uDC00"}', "half of a surrogate pair"),
        (b'{"\\udfff": 1}', "half of a surrogate pair"),
    ],
)
def test_bodies_that_are_none(body: bytes, words: str) -> None:
    refusal(words, body)


def test_whole_surrogate_pairs_are_letters() -> None:
    assert asked_in_json(b'{"rows": "\\ud83d\\ude00"}', LIMITS).rows == "\N{GRINNING FACE}"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_counted_outside_texts(opening: str, closing: str) -> None:
    def nested(depth: int) -> bytes:
        return ('{"rows":' + opening * depth + "1" + closing * depth + "}").encode()

    refusal("nested 5 deep; expected at most 4", nested(4))
    with pytest.raises(RefusedError) as caught:
        asked_in_json(nested(3), LIMITS)
    assert "nested" not in str(caught.value)
    assert asked_in_json(b'{"rows": "[[[[[[\\"{{{{{{"}', LIMITS).rows == '[[[[[["{{{{{{'
    # brackets that close do not make later ones shallower than they are
    refusal("nested 5 deep", b'{"a": []}' + nested(4))


def deepest(body: bytes) -> int:
    """The depth of brackets outside texts, a character at a time."""
    depth = most = 0
    in_text = False
    places = iter(body.decode())
    for mark in places:
        if in_text and mark == "\\":
            next(places, "")
        elif mark == '"':
            in_text = not in_text
        elif not in_text:
            depth += (mark in "[{") - (mark in "]}")
            most = max(most, depth)
    return most


def test_depth_of_random_texts_and_brackets() -> None:
    draw = random.Random(0)
    depths = set()
    for _ in range(5_000):
        text = "".join(draw.choices('"\\ax,', k=draw.randint(0, 6)))
        parts = ["[", "{", "]", "}", '""', '"[]"', '"{"', '"\\""', json.dumps(text)]
        body = "".join(draw.choices(parts, k=draw.randint(0, 12))).encode()
        depths.add(deepest(body))
        found = "nested (\\d+) deep"
        with pytest.raises(RefusedError) as caught:
            asked_in_json(body, Limits(max_depth=1))
        told = re.search(found, str(caught.value))
        assert (int(told[1]) if told else 1) == max(1, deepest(body)), body
    assert depths >= {0, 1, 2, 3, 4}


# ------------------------------------------------------------------------------------ other fields


def test_names_of_models_are_texts() -> None:
    assert ask(model="shop").model == "shop"
    assert ask(model=None).model == ""
    for given in (3, ["shop"], {"a": 1}, True):
        refused("model is .*; expected a name, as /models lists them", model=given)


def test_horizons_are_whole_numbers_within_the_limit() -> None:
    assert [ask(horizon=given).horizon for given in (None, 1, 9)] == [None, 1, 9]
    refused("horizon is 10; expected at most 9", horizon=10)
    for given in (0, -1, 1.0, "3", True, [3]):
        refused("expected a whole number of at least 1", horizon=given)


def test_levels_lie_between_0_and_100() -> None:
    given = ["auto", "none", None, 80, 0.5, "80,95", [80, "95"], [], list(range(1, 21))]
    assert [ask(level=level).level for level in given] == [
        "auto",
        (),
        (),
        (80.0,),
        (0.5,),
        (80.0, 95.0),
        (80.0, 95.0),
        (),
        tuple(map(float, range(1, 21))),
    ]
    for level in (0, 100, -5, "a", "", "nan", [True], True, [[80]], {"a": 1}, list(range(1, 22))):
        refused("level is .*; expected %, such as 80", level=level)
    refused("level is", level=10**400)


# --------------------------------------------------------------------------------------------- CSV


def test_a_text_with_its_fields_in_the_address() -> None:
    asked = asked_in_csv(text(2).encode(), {"model": "m", "horizon": "3", "level": "80"}, LIMITS)
    assert asdict(asked) == {
        "model": "m",
        "rows": text(2),
        "known": None,
        "horizon": 3,
        "level": (80.0,),
    }
    asked = asked_in_csv(text(2).encode(), {}, LIMITS)
    assert (asked.model, asked.horizon, asked.level) == ("", None, "auto")


@pytest.mark.parametrize(
    ("body", "options", "words"),
    [
        (b"a\n\xff", {}, "the body is no UTF-8"),
        (b"a\n1", {"rows": "b"}, "unknown field 'rows' in the address"),
        (b"a\n1", {"horizon": "3.0"}, "expected a whole number"),
        (b"a\n1", {"horizon": "1" * 10}, "expected a whole number"),
        (b"a\n1", {"horizon": "0"}, "at least 1"),
        (b"a\n1", {"horizon": "10"}, "expected at most 9"),
        (b"", {}, "rows is empty"),
    ],
)
def test_texts_that_are_none(body: bytes, options: dict[str, str], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        asked_in_csv(body, options, LIMITS)


def test_a_text_is_read_from_a_file_that_is_gone_afterwards() -> None:
    with as_source("a\r\n1") as source:
        assert Path(source).read_bytes() == b"a\r\n1"
    assert not Path(source).exists()
    frame = pd.DataFrame({"a": [math.nan]})
    with as_source(frame) as source:
        assert source is frame
