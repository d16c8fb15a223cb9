"""Records of a journal and outcomes of workers are believed only where they are as written."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from forecast.search.journal import JOURNAL
from forecast.search.state import Outcome, State

IDENTITY = {"event": "search", "format": 1, "identity": {"the data": "1"}}


def start(number: int) -> dict[str, Any]:
    return {
        "event": "start",
        "number": number,
        "proposal": {"a": 1},
        "values": {"a": 1},
        "epochs": None,
        "limits": [],
    }


def score(fold: int = 0, execution: int = 0) -> dict[str, Any]:
    return {
        "fold": fold,
        "execution": execution,
        "scores": {"MAE": 1.0},
        "epochs": 3,
        "seconds": 0.5,
        "parameters": 9,
    }


def fold(number: int, place: int = 0) -> dict[str, Any]:
    return {"event": "fold", "number": number, "score": score(place)}


def end(number: int) -> dict[str, Any]:
    return {"event": "end", "number": number, "status": "completed", "reason": ""}


GOOD = [IDENTITY, start(0), fold(0), end(0), start(1), fold(1), fold(1, 1), end(1), start(2)]

VALUES: list[Any] = [
    "text",
    None,
    math.nan,
    math.inf,
    -1,
    True,
    [],
    {},
    10**30,
    "a\nb\x1b[31m",
    "x" * 10_000,
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, part in value.items():
            found += places(part, (*path, key))
    return found


def changed(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Every record in which one value is another."""
    found = []
    for path in places(record):
        for value in VALUES:
            other = copy.deepcopy(record)
            where = other
            for key in path[:-1]:
                where = where[key]
            where[path[-1]] = value
            found.append(other)
    return found


def test_good_records_count() -> None:
    state = State()
    assert [state.take_stored(record) for record in GOOD] == [""] * len(GOOD)
    assert (len(state.tasks), len(state.ends), state.left_out) == (3, 2, {})


@pytest.mark.parametrize("place", range(1, len(GOOD)))
def test_a_bad_record_names_its_trial_and_the_others_count(place: int) -> None:
    """The search goes on: scores are numbers, and the best trial is found."""
    count = 0
    for record in changed(GOOD[place]):
        state = State()
        for number, given in enumerate(GOOD):
            complaint = state.take_stored(record if number == place else given)
            assert "\n" not in complaint
            count += bool(complaint)
        for number in state.ends:
            found = state.score(number, "MAE")
            assert found is None or math.isfinite(found)
        state.best("MAE")
        own = GOOD[place]["number"]
        for number in {0, 1} - {own}:
            if all(r.get("number") != number for r in [record]) and own == 1:
                assert state.score(number, "MAE") == 1.0
    assert count > len(changed(GOOD[place])) // 2


BAD_ORDERS: dict[str, list[dict[str, Any]]] = {
    "a fold of no trial": [IDENTITY, fold(0)],
    "an end of no trial": [IDENTITY, end(3)],
    "a second end": [*GOOD[:4], end(0)],
    "a fold after the end": [*GOOD[:4], fold(0, 1)],
    "a fold twice": [IDENTITY, start(0), fold(0), fold(0)],
    "a fold left out": [IDENTITY, start(0), fold(0), fold(0, 2)],
    "a trial twice": [IDENTITY, start(0), start(0)],
    "a trial left out": [IDENTITY, start(0), start(2)],
    "completed without a score": [IDENTITY, start(0), end(0)],
}


@pytest.mark.parametrize("name", BAD_ORDERS)
def test_only_work_that_was_given_out_counts(name: str) -> None:
    state = State()
    *before, last = BAD_ORDERS[name]
    for record in before:
        assert state.take_stored(record) == ""
    assert state.take_stored(last)


OUTCOME = {"status": "completed", "reason": "", "folds": [score(0), score(1)]}


def test_outcomes_of_workers_are_checked() -> None:
    assert len(Outcome.from_record(OUTCOME).folds) == 2
    refused = 0
    for record in changed(OUTCOME):
        try:
            Outcome.from_record(record)
        except ValueError:
            refused += 1
    assert refused > len(changed(OUTCOME)) // 2
    for folds in ([score(1)], [score(0), score(0)], [score(0), score(2)], []):
        with pytest.raises(ValueError, match=r"follow|score"):
            Outcome.from_record({**OUTCOME, "folds": folds})


def rewrite(path: Path, line: int, change: dict[str, Any]) -> None:
    """Change a record of a journal, with checksums that fit."""
    digest = ""
    lines = []
    for number, text in enumerate(path.read_text().splitlines()):
        record = json.loads(text[17:])
        if number == line:
            record |= change
        written = json.dumps(record)
        digest = hashlib.sha256(f"{digest} {written}".encode()).hexdigest()
        lines.append(f"{digest[:16]} {written}\n")
    path.write_text("".join(lines))


def test_a_search_goes_on_without_a_bad_trial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from search.searches import experiment, search_in

    search_in(tmp_path, experiment(max_trials=4))
    path = tmp_path / JOURNAL
    records = [json.loads(text[17:]) for text in path.read_text().splitlines()]
    line = next(n for n, r in enumerate(records) if r["event"] == "fold" and r["number"] == 1)
    bad = records[line]["score"] | {"scores": {"MAE": "low"}}
    rewrite(path, line, {"score": bad})
    search_in(tmp_path, experiment(max_trials=4))
    table = (tmp_path / "trials.csv").read_text()
    assert "damaged" in table
    assert table.count("completed") == 3
    capsys.readouterr()
