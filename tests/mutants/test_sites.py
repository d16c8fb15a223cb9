"""The changes that break checks: those of a small file, by hand, and the choice among them."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest
from mutants import run
from mutants.rooms import ROOMS
from mutants.run import chosen, equivalents
from mutants.sites import Mutant, mutants_of

CASES = {
    "a comparison": (
        "def f(a):\n    return a < 3\n",
        {"compared": ["return (a <= 3)"], "bound": ["return a < 4"]},
    ),
    "a refusal": (
        """
        def f(a, b):
            if not a and b == "x":
                raise ValueError(f"{a if a else b}")
        """,
        {
            "negated": ["if (not (not a and b == 'x')):"],
            "joined": ["if (not a or b == 'x'):"],
            "part": ["if (b == 'x'):", "if (not a):"],
            "compared": ["if not a and (b != 'x'):"],
            "raise": ["pass"],
        },
    ),
    "a condition that is a negation": (
        "def f(a):\n    while not a:\n        a = g(a)\n",
        {"negated": ["while (a):"]},
    ),
    "calls of checks": (
        """
        async def f(self, a):
            self._check_size(a)
            log.error("x", a)
            await verify(a)
            self.checked(a)
            send(a)
        """,
        {"call": ["    pass\n", "    pass\n", "    pass\n"]},
    ),
    "bounds": (
        """
        LARGEST = 2**20
        SMALL = 0.0
        Size = Annotated[int, Field(ge=0, lt=1_000, other=5)]
        plain = 7

        class Limits:
            rows: int = 300
        """,
        {"bound": ["2**21", "SMALL = 1.0", "ge=1,", "lt=2000,", "rows: int = 600"]},
    ),
    "answers": (
        "def f(a):\n    if a is None:\n        return True\n    return any(a)\n",
        {
            "compared": ["if (a is not None):"],
            "answer": ["return False"],
            "least": ["return all(a)"],
        },
    ),
    "a comprehension": (
        "def f(a):\n    return [b for b in a if b]\n",
        {"negated": ["if (not (b))]"]},
    ),
    "nothing": ('"""Text, if a < b."""\nif TYPE_CHECKING:\n    import a\nx = f(1, "a")\n', {}),
}


def sites(tmp_path: Path, source: str, *, checks_only: bool = False) -> list[Mutant]:
    path = tmp_path / "file.py"
    path.write_text(source, encoding="utf-8")
    return mutants_of(path, "file.py", checks_only=checks_only)


@pytest.mark.parametrize("name", CASES)
def test_changes_are_those_found_by_hand(name: str, tmp_path: Path) -> None:
    text, expected = CASES[name]
    source = textwrap.dedent(text)
    found: dict[str, list[str]] = {}
    for mutant in sites(tmp_path, source):
        changed = mutant.applied(source.encode()).decode()
        ast.parse(changed)
        found.setdefault(mutant.kind, []).append(changed)
    assert found.keys() == expected.keys()
    for kind, parts in expected.items():
        assert len(found[kind]) == len(parts)
        for changed, part in zip(found[kind], parts, strict=True):
            assert part in changed
            assert part not in source


def test_letters_before_a_place_may_take_several_bytes(tmp_path: Path) -> None:
    source = 'def f(a):\n    return "größe" + a, a < 3\n'
    changed = [mutant.applied(source.encode()).decode() for mutant in sites(tmp_path, source)]
    assert changed == [source.replace("a < 3", "(a <= 3)"), source.replace("3", "4")]


def test_only_checks_are_changed_where_they_are_wanted(tmp_path: Path) -> None:
    source = textwrap.dedent(
        """
        def f(a):
            if a > 1:
                a = 1
            if a == 2:
                raise ValueError
            return a < 3
        """
    )
    found = [mutant.before for mutant in sites(tmp_path, source, checks_only=True)]
    assert found == ["a == 2", "2", "raise ValueError"]


def test_keys_stay_when_other_lines_change(tmp_path: Path) -> None:
    source = "def f(a):\n    g(a < 3)\n    return a < 3\n"
    keys = [mutant.key for mutant in sites(tmp_path, source)]
    assert len(set(keys)) == len(keys) == 4
    assert [mutant.key for mutant in sites(tmp_path, f"x = 1\n\n{source}")] == keys


def test_every_room_has_its_files_and_enough_mutants() -> None:
    total = 0
    for name, room in ROOMS.items():
        for pattern in room.sources:
            assert list((run.ROOT / "forecast").glob(pattern)), (name, pattern)
        for test in room.tests:
            assert (run.ROOT / "tests" / test).exists(), (name, test)
        found = chosen(room, room.count, 0)
        assert len(found) == room.count
        assert [mutant.key for mutant in found] == [m.key for m in chosen(room, room.count, 0)]
        assert {mutant.key for mutant in found} != {m.key for m in chosen(room, room.count, 1)}
        total += len(found)
    assert total >= 200


def test_equivalent_mutants_are_places_of_the_code_with_a_reason() -> None:
    keys = {mutant.key for room in ROOMS.values() for mutant in chosen(room, None, 0)}
    reasons = equivalents()
    assert reasons.keys() - keys == set()
    assert all(len(reason) > 20 for reason in reasons.values())
