"""Run every attack of the repository, and write the table in docs/reliability.md.

    python scripts/reliability.py                    all of them, or those that are missing
    python scripts/reliability.py --only tables      one of them, again
    python scripts/reliability.py --table            write the table from what is stored

Each attack is a command of its own; what it found is stored in build/reliability, so that a run
that was cut short goes on with the next one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / "build" / "reliability"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- written by make reliability -->"
END = "<!-- end -->"
LIMIT = 4 * 3600
"""Seconds of one attack, at most."""


@dataclass(frozen=True)
class Attack:
    """A kind of attack.

    Attributes:
        name: of what is stored.
        what: in the table.
        words: of the command, behind the Python of this process.
        others: what the same attack did to others, where it was measured.
    """

    name: str
    what: str
    words: tuple[str, ...]
    others: str = ""


def tests(*words: str) -> tuple[str, ...]:
    """Return the command that runs some tests, slow ones too."""
    return ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "", *words)


SEARCHES = ("tests/search/kills.py", "--store", "build/reliability/searches.jsonl")
"""The command that breaks searches, and goes on with the next attempt."""

ATTACKS = (
    Attack(
        "outputs",
        "every command that writes, beside every kind of file in its way",
        tests("tests/files/test_every_output.py", "tests/files/test_outputs.py"),
    ),
    Attack(
        "damage",
        "saved models with bytes flipped, cut or exchanged; saving killed at every system call; "
        "full disks",
        tests("tests/forecasting/test_artifact.py", "tests/files/test_atomic.py"),
        "Keras `.keras`: lost in 50 of 50 kills; NeuralForecast: 10 % of bit flips silent",
    ),
    Attack(
        "models",
        "saved models changed on purpose, with fitting hashes: loaded, and asked for a forecast",
        ("tests/forecasting/attacks.py", "--count", "400"),
    ),
    Attack(
        "signatures",
        "signatures of others, keys that are none, states of other models",
        tests("tests/forecasting/test_signatures.py"),
    ),
    Attack(
        "compiled",
        "environments in which compiled code is looked for",
        tests("tests/layers/test_environments.py", "tests/layers/test_build.py"),
    ),
    Attack(
        "settings",
        "settings, YAML, encodings, zones and dates with bad intentions",
        tests("tests/experiment/test_hostile_settings.py", "tests/experiment/test_file.py"),
    ),
    Attack("tables", "tables with every kind of damage", tests("tests/data/test_bad_data.py")),
    Attack(
        "bombs",
        "small tables that unpack or open to more than the memory, cells of megabytes, odd names",
        tests("tests/data/test_bombs.py"),
    ),
    Attack(
        "places",
        "pipes in folders, names in older encodings, working folders that are gone, Ctrl-Z",
        tests("tests/cli/test_strange_places.py", "tests/search/test_stopped.py"),
    ),
    Attack(
        "records",
        "records of a journal and outcomes of workers that are not as written",
        tests("tests/search/test_believed.py", "tests/search/test_journal.py"),
    ),
    Attack(
        "searches",
        "searches killed at writes and at random moments, and on full disks",
        (*SEARCHES, "--algorithms", "random", "--every", "3"),
        "keras-tuner: dead after 14 of 16 torn writes",
    ),
    Attack(
        "bayesian searches",
        "the same of searches whose next trial depends on those before",
        (*SEARCHES, "--algorithms", "bayesian", "--every", "12", "--moments", "25", "--full", "8"),
    ),
    Attack(
        "updates",
        "updates of a run killed at every system call",
        tests("tests/runs/test_update.py"),
    ),
    Attack(
        "service",
        "the service under broken bodies, slow connections and overload",
        ("tests/serving/prove.py",),
    ),
    Attack("leaks", "random tables changed after a cutoff", ("tests/leak_cases.py",)),
    Attack(
        "world",
        "encodings of the output, closed streams, control characters, umasks, clocks that jump, "
        "signals to end",
        tests(
            "tests/cli/test_operating_world.py",
            "tests/cli/test_modes.py",
            "tests/cli/test_clock.py",
            "tests/cli/test_ended.py",
        ),
    ),
    Attack(
        "disks",
        "commands that write, on full disks and below limits of the size of files",
        tests("tests/cli/test_small_disks.py"),
    ),
    Attack(
        "at once",
        "two commands on one folder at the same time",
        tests("tests/cli/test_at_once.py"),
    ),
    Attack(
        "orphans",
        "commands killed while processes work for them",
        tests("tests/cli/test_killed_parents.py"),
    ),
    Attack(
        "platforms",
        "calls that differ on Windows and macOS, and modules that are missing there",
        tests("tests/test_platforms.py"),
    ),
    Attack(
        "many fits",
        "fits in one process, memory measured meanwhile",
        ("tests/long_runs.py", "--only", "fits"),
    ),
    Attack(
        "many predictions",
        "predictions in one process, memory measured meanwhile",
        ("tests/long_runs.py", "--only", "predictions"),
    ),
    Attack(
        "a day",
        "requests of a simulated day in one process, memory measured meanwhile",
        ("tests/long_runs.py", "--only", "day"),
    ),
    Attack(
        "chain",
        "imports that are declared nowhere, wheels that differ, bills without an item",
        tests("tests/test_supply_chain.py", "tests/test_wheel.py"),
    ),
    Attack(
        "mutants",
        "checks of this package broken one at a time; a failure is one that no test notices",
        ("tests/mutants/run.py",),
    ),
)

COUNTS = (
    re.compile(r"(?P<count>\d+) attempts, (?:.* )?(?P<bad>\d+) failures"),
    re.compile(r"(?P<count>\d+) cases, (?P<bad>\d+) leak"),
)


def counts_in(text: str, code: int) -> tuple[str, str]:
    """Return the number of attempts, and of those that failed, as an attack has printed them."""
    for pattern in COUNTS:
        found = pattern.search(text)
        if found:
            return found["count"], found["bad"]
    passed = re.search(r".*\b(\d+) passed.*", text)
    if passed:
        bad = sum(map(int, re.findall(r"(\d+) (?:failed|errors?)\b", passed[0])))
        return str(int(passed[1]) + bad), str(bad or int(code != 0))
    return "see its output", "0" if code == 0 else "some"


def run(attack: Attack) -> dict[str, object]:
    """Run an attack, and return what it found."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    start = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, *attack.words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        text = done.stdout + done.stderr
        code = done.returncode
    except subprocess.TimeoutExpired:
        text = f"took longer than {LIMIT} s"
        code = 1
    count, bad = counts_in(text, code)
    return {
        "name": attack.name,
        "count": count,
        "bad": bad,
        "seconds": round(time.monotonic() - start),
        "end": text.strip().splitlines()[-3:],
    }


def write_table() -> None:
    """Write the table from what is stored; what was found on another machine stays in it."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    earlier = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4:
            earlier[cells[0]] = (cells[1], cells[2])
    rows = ["| attack | attempts | failures | others |", "|---|---:|---:|---|"]
    for attack in ATTACKS:
        path = STORE / f"{attack.name}.json"
        count, bad = earlier.get(attack.what, ("not run", "not run"))
        if path.is_file():
            found = json.loads(path.read_text())
            count = found["count"]
            bad = found["bad"]
        rows.append(f"| {attack.what} | {count} | {bad} | {attack.others} |")
    table = "\n".join(rows)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def main() -> int:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[attack.name for attack in ATTACKS])
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    STORE.mkdir(parents=True, exist_ok=True)
    clean = True
    for attack in () if options.table else ATTACKS:
        path = STORE / f"{attack.name}.json"
        if options.only and attack.name not in options.only:
            continue
        if path.is_file() and not options.only:
            continue
        found = run(attack)
        path.write_text(json.dumps(found, indent=1))
        clean &= found["bad"] == "0"
        print(
            f"{attack.name}: {found['count']} attempts, {found['bad']} failures, "
            f"{found['seconds']} s",
            flush=True,
        )
        if found["bad"] != "0":
            print("\n".join(map(str, found["end"])))  # type: ignore[call-overload]
    write_table()
    return int(not clean)


if __name__ == "__main__":
    sys.exit(main())
