"""A clock that jumps back and forward: as at a change of the hour, or when it is set."""

from __future__ import annotations

import ast
import datetime
import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from operating import FIT, QUICK, TUNE, forked, make_state
from platform_calls import PACKAGE

JUMPS = (0.0, 3600.0, -3600.0, 86_400.0, -10 * 86_400.0)
"""Seconds by which the clock is wrong, in turn."""

JUMPING = ("time.time", "time.time_ns")


def jumping() -> None:
    """Let the clock of this process jump at every look at it; that of intervals goes on."""
    looks = count()
    real = time.time

    def clock() -> float:
        return real() + JUMPS[next(looks) % len(JUMPS)]

    class Date(datetime.datetime):
        __slots__ = ()  # of the size that compiled code expects

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return datetime.datetime.fromtimestamp(clock(), tz)

    time.time = clock
    time.time_ns = lambda: int(clock() * 1e9)
    datetime.datetime = Date  # type: ignore[misc]


COMMANDS = {
    "fit": (*FIT, "--out=out"),
    "backtest": ("backtest", "sales.csv", "--horizon=3", *QUICK, "--out=back", "--num-windows=3"),
    "predict": ("predict", "run"),
    "update": ("update", "run", "newer.csv"),
    "monitor": ("monitor", "run", "newer.csv", "--out=page.html"),
}


def numbers_in(value: object) -> Iterator[tuple[str, float]]:
    """Yield each number with the name that it stands under."""
    if isinstance(value, dict):
        for key, part in value.items():
            if isinstance(part, int | float):
                yield str(key), float(part)
            else:
                yield from ((f"{key}.{name}", number) for name, number in numbers_in(part))
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, int | float):
                yield "", float(part)
            else:
                yield from numbers_in(part)


def negative_durations(folder: Path) -> list[str]:
    """Return what lasted less than nothing, by the records of commands."""
    found = []
    for path in folder.rglob("*.json*"):
        for line in path.read_text("utf-8").splitlines() if path.suffix == ".jsonl" else [""]:
            text = line.partition(" ")[2] or path.read_text("utf-8")
            try:
                record = json.loads(text)
            except ValueError:
                continue
            for name, number in numbers_in(record):
                if "seconds" in name and number < 0:
                    found.append(f"{path.name}: {name} {number}")
    return found


def test_commands_work_while_the_clock_jumps(tmp_path: Path) -> None:
    state = make_state(tmp_path / "state")
    for name, words in COMMANDS.items():
        start = time.monotonic()
        ended = forked(words, state, jumping)
        assert ended.code == 0, f"{name}: {ended.said}"
        assert time.monotonic() - start < 60
    assert not negative_durations(state)


@pytest.mark.proof
def test_a_search_works_while_the_clock_jumps(tmp_path: Path) -> None:
    state = make_state(tmp_path / "state")
    ended = forked((*TUNE, "--out=search"), state, jumping)
    assert ended.code == 0, ended.said
    assert not negative_durations(state)


def test_durations_are_measured_by_the_clock_that_does_not_jump() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in JUMPING:
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert not found, "use time.monotonic"
