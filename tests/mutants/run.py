"""Break checks of the package one at a time, and see whether a test notices.

    python tests/mutants/run.py                     what has no result yet, and a table
    python tests/mutants/run.py --only search       one room
    python tests/mutants/run.py --again             those that survived once more, with new tests
    python tests/mutants/run.py --again --seconds 600    these with all tests that reach them
    python tests/mutants/run.py --list              keys of the mutants that are chosen
    python tests/mutants/run.py --count 200         more of every room; --all for all of them

Every change is made in a copy of the repository, and the tests that reach the changed line run in
a forked process until one fails. Results are in build/mutants, so that a run that was cut short
goes on. Mutants that no test can tell from the code are in equivalent.yaml, each with the reason.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from mutants import children
from mutants.rooms import ROOMS, Room
from mutants.sites import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "build" / "mutants"
EQUIVALENT = Path(__file__).with_name("equivalent.yaml")

KILLED = "killed"
TIMEOUT = "timeout"
SURVIVED = "survived"
UNREACHED = "unreached"
"""Ends of a mutant: a test failed, or took far too long; all passed; no test runs its line."""

PATIENCE = 5
"""Times as long as the tests took without a change, beside `GRACE` seconds, before a timeout."""

GRACE = 60


@dataclass(frozen=True)
class Measured:
    """Tests of a room without a change.

    Attributes:
        seconds: of each test.
        lines: tests of each line, by file.
    """

    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]

    def tests_of(self, mutant: Mutant, limit: float) -> dict[str, float]:
        """Return the seconds of the tests that may notice a mutant.

        Args:
            mutant: the change.
            limit: seconds that they take, about; of more, those of the quickest files are run.
        """
        of_file = self.lines.get(mutant.file, {})
        names: set[str] = set()
        for line in range(mutant.lines[0], mutant.lines[1] + 1):
            names.update(of_file.get(str(line), []))
        if mutant.within == "module" or mutant.within[0].isupper():  # run when it is imported
            files = {_file_of(name) for by_line in of_file.values() for name in by_line}
            names = {name for name in self.seconds if not files or _file_of(name) in files}
        of_files: dict[str, float] = {}
        for name in names:
            of_files[_file_of(name)] = of_files.get(_file_of(name), 0.0) + self.seconds[name]
        kept = {}
        for name in sorted(names, key=lambda name: (of_files[_file_of(name)], name)):
            if limit > 0:
                kept[name] = self.seconds[name]
            limit -= self.seconds[name]
        return kept


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def chosen(room: Room, count: int | None, seed: int) -> list[Mutant]:
    """Return some mutants of a room; the choice depends on their keys and the seed alone.

    Args:
        room: the room.
        count: at most; None for all.
        seed: of the choice.
    """
    found = [
        mutant
        for path in room.files(ROOT)
        for mutant in mutants_of(
            path, path.relative_to(ROOT).as_posix(), checks_only=room.checks_only
        )
    ]
    found.sort(key=lambda mutant: _digest(f"{seed} {mutant.key}".encode()))
    return found[:count]


def copy_tree(target: Path) -> None:
    """Copy the files of the repository that git knows or would add."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def measure(name: str, room: Room, tree: Path) -> Measured:
    """Return what the tests of a room run; only files of tests that are new, changed, or run a
    file that has changed are measured again.

    Raises:
        SystemExit: tests fail without a change.
    """
    sources = [path.relative_to(ROOT).as_posix() for path in room.files(ROOT)]
    stored = STORE / f"{name}-lines.json"
    known: dict[str, Any] = {"digests": {}, "seconds": {}, "lines": {}}
    if stored.is_file():
        known = json.loads(stored.read_text())
    digests = {
        path: _digest((ROOT / path).read_bytes()) for path in [*sources, *room.files_of(ROOT)]
    }
    changed = {path for path in digests if known["digests"].get(path) != digests[path]}
    for source in changed.intersection(sources):
        changed |= {
            _file_of(test) for tests in known["lines"].get(source, {}).values() for test in tests
        }
    tests = sorted(changed.difference(sources))
    found = _measured(name, tests, sources, tree) if tests else {"seconds": {}, "lines": {}}

    seconds = {
        test: taken for test, taken in known["seconds"].items() if _file_of(test) not in changed
    }
    lines: dict[str, dict[str, list[str]]] = {}
    for source in sources:
        lines[source] = found["lines"].get(source, {})
        if source in changed:
            continue
        for line, by in known["lines"].get(source, {}).items():
            kept = [test for test in by if test in seconds]
            lines[source][line] = sorted({*kept, *lines[source].get(line, [])})
    seconds |= found["seconds"]
    stored.write_text(json.dumps({"digests": digests, "seconds": seconds, "lines": lines}))
    return Measured(seconds, lines)


def _measured(name: str, tests: list[str], sources: list[str], tree: Path) -> dict[str, Any]:
    """Run files of tests without a change; return the seconds of each test, and those of a line."""
    paths = [(tree / path).resolve() for path in sources]
    result = STORE / f"{name}-new.json"
    output = STORE / f"{name}.txt"
    start = time.monotonic()
    children.run_child(partial(children.measure, tests, paths, result), tree, output, 3600)
    found: dict[str, Any] = json.loads(result.read_text())
    result.unlink()
    if found["failed"] or not found["seconds"]:
        sys.exit(f"tests fail without a change, see {output}: {found['failed'][:5]}")
    prefix = f"{tree.resolve()}/"
    found["lines"] = {path.removeprefix(prefix): by for path, by in found["lines"].items()}
    print(f"{name}: {len(found['seconds'])} tests, {time.monotonic() - start:.0f} s", flush=True)
    return found


def try_mutant(mutant: Mutant, tests: dict[str, float], tree: Path, number: int) -> dict[str, Any]:
    """Run tests on the copy with a change, and return what happened.

    Args:
        mutant: the change.
        tests: seconds of those to run.
        tree: the copy.
        number: differs from that of every other try, for the time of the changed file.
    """
    start = time.monotonic()
    if not tests:
        return {"state": UNREACHED, "by": "", "seconds": 0.0}
    path = tree / mutant.file
    source = path.read_bytes()
    first_failure = STORE / "first-failure.txt"
    first_failure.unlink(missing_ok=True)
    _write(path, mutant.applied(source), 2 * number)
    limit = GRACE + PATIENCE * sum(tests.values())
    try:
        work = partial(children.run_tests, tests, first_failure)
        code = children.run_child(work, tree, STORE / "last.txt", limit)
    finally:
        _write(path, source, 2 * number + 1)
    by = first_failure.read_text() if first_failure.is_file() else f"exit code {code}"
    state = KILLED
    if code == 0:
        state = SURVIVED
        by = ""
    elif code == children.TIME_IS_UP:
        state = TIMEOUT
    return {"state": state, "by": by, "seconds": round(time.monotonic() - start, 1)}


def _write(path: Path, source: bytes, number: int) -> None:
    """Write a file with a time of its own, by which Python knows its compiled form."""
    path.write_bytes(source)
    when = 1_500_000_000 + number
    os.utime(path, (when, when))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def stored_results() -> dict[str, dict[str, Any]]:
    """Return the last result of each mutant by its key."""
    path = STORE / "results.jsonl"
    if not path.is_file():
        return {}
    results = [json.loads(line) for line in path.read_text().splitlines()]
    return {result["key"]: result for result in results}


def equivalents() -> dict[str, str]:
    """Return the reason of each mutant that no test can tell from the code."""
    found: dict[str, str] = yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8")) or {}
    return found


def run_room(name: str, mutants: Sequence[Mutant], options: argparse.Namespace, tree: Path) -> None:
    """Try the mutants of a room that have no result of the file as it is."""
    room = ROOMS[name]
    done = stored_results()
    reasons = equivalents()
    waiting = []
    for mutant in mutants:
        result = done.get(mutant.key)
        is_known = result is not None and result["digest"] == _digest(
            (ROOT / mutant.file).read_bytes()
        )
        if is_known and options.again and mutant.key not in reasons:
            is_known = result is not None and result["state"] in (KILLED, TIMEOUT)
        if not is_known:
            waiting.append(mutant)
    if not waiting:
        return
    children.warm_up(room.warm)
    measured = measure(name, room, tree)
    with (STORE / "results.jsonl").open("a") as file:
        for number, mutant in enumerate(waiting, time.time_ns() // 10**9 % 10**7 * 10):
            tests = measured.tests_of(mutant, options.seconds)
            found = try_mutant(mutant, tests, tree, number)
            record = {"key": mutant.key, "room": name, "kind": mutant.kind, **found}
            record["digest"] = _digest((ROOT / mutant.file).read_bytes())
            file.write(json.dumps(record) + "\n")
            file.flush()
            print(f"{found['state']:9} {found['seconds']:6.1f} s  {mutant.key}", flush=True)


def report(names: Sequence[str], of_rooms: dict[str, list[Mutant]]) -> int:
    """Print a table and every survivor; return how many survivors have no reason."""
    done = stored_results()
    reasons = equivalents()
    heads = ("mutants", KILLED, TIMEOUT, "equivalent", SURVIVED, "not run")
    print(f"{'room':10}" + "".join(f"{head:>12}" for head in heads))
    total = dict.fromkeys(heads, 0)
    survivors = []
    for name in names:
        counts = dict.fromkeys(heads, 0)
        for mutant in of_rooms[name]:
            state = done.get(mutant.key, {}).get("state", "not run")
            if state in (SURVIVED, UNREACHED):
                state = "equivalent" if mutant.key in reasons else SURVIVED
            if state == SURVIVED:
                survivors.append(mutant.key)
            counts[state] += 1
            counts["mutants"] += 1
        print(f"{name:10}" + "".join(f"{counts[head]:12}" for head in heads))
        total = {head: total[head] + counts[head] for head in heads}
    for key in survivors:
        print(f"survived: {key}")
    print(
        f"{total['mutants']} attempts, {total[KILLED]} killed by a test, {total[TIMEOUT]} by time, "
        f"{total['equivalent']} equivalent, {total['not run']} not run, {len(survivors)} failures"
    )
    return len(survivors)


def main() -> int:
    """Try mutants, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(ROOMS), default=list(ROOMS))
    parser.add_argument("--count", type=int, help="mutants of each room")
    parser.add_argument("--all", action="store_true", help="all mutants of each room")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--again", action="store_true", help="survivors once more")
    parser.add_argument("--seconds", type=float, default=90, help="of the tests of a mutant")
    parser.add_argument("--list", action="store_true", help="run nothing")
    options = parser.parse_args()
    STORE.mkdir(parents=True, exist_ok=True)
    of_rooms = {}
    for name in options.only:
        count = None if options.all else options.count or ROOMS[name].count
        of_rooms[name] = chosen(ROOMS[name], count, options.seed)
    if options.list:
        for name in options.only:
            print("\n".join(mutant.key for mutant in of_rooms[name]))
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder).resolve()
        copy_tree(tree)
        for name in options.only:
            run_room(name, of_rooms[name], options, tree)
    return int(report(options.only, of_rooms) > 0)


if __name__ == "__main__":
    sys.exit(main())
