"""Saved models changed with bad intentions, hashes and all: loaded, and asked for a forecast.

    python tests/forecasting/attacks.py --count 400

Each attempt runs in a process of its own. A changed model may be refused with `ArtifactError`, or
load and predict what the unchanged one predicts; nothing else. Prints the counts, and exits with 1
where an attempt failed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from forecasting.attack_changes import attack
from forecasting.attacked_models import VICTIMS, make_victims, use

from forecast.errors import ArtifactError, ForecastError

MOST_SECONDS = 1.0
MOST_MEGABYTES = 300.0
KERAS_SECONDS = 12.0
"""Where Keras has to build the network, which an import of TensorFlow comes before."""

MOST_DIFFERENCE = 2e-3
"""From the prediction of the unchanged model, as a share of the range of its numbers."""


@dataclass(frozen=True)
class Attempt:
    """What came of one.

    Attributes:
        outcome: `refused`, `used`, `differs`, `raw`, `slow`, `large` or `killed`.
        seconds: CPU time.
        megabytes: memory beside twice the files.
        said: the message.
        predicted: numbers and texts.
    """

    outcome: str
    seconds: float
    megabytes: float
    said: str
    predicted: dict[str, list[Any]] | None = None


def attempt(victim: str, path: Path, expected: Attempt | None = None) -> Attempt:
    """Use a changed model in a process of its own.

    Args:
        victim: its name.
        path: its folder.
        expected: the attempt with the unchanged model; without, all predictions are right.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            json.dump(_in_child(victim, path), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        return Attempt("killed", 0.0, 0.0, "the process ended")
    found = json.loads(text)
    on_disk = sum(512 * file.stat().st_blocks for file in path.iterdir()) / 2**20
    megabytes = found["megabytes"] - 2 * on_disk
    outcome = found["outcome"]
    if outcome in ("refused", "used"):
        if found["seconds"] > (KERAS_SECONDS if found["keras"] else MOST_SECONDS):
            outcome = "slow"
        elif megabytes > (1000.0 if found["keras"] else MOST_MEGABYTES):
            outcome = "large"
    predicted = found["predicted"]
    if outcome == "used" and expected is not None:
        said = difference(expected.predicted or {}, predicted)
        if said:
            return Attempt("differs", found["seconds"], megabytes, said, predicted)
    return Attempt(outcome, found["seconds"], megabytes, found["said"], predicted)


def difference(expected: dict[str, list[Any]], given: dict[str, list[Any]]) -> str:
    """Return how a prediction differs from that of the unchanged model; "" where it does not."""
    if expected["texts"] != given["texts"]:
        return "other texts"
    if len(expected["numbers"]) != len(given["numbers"]):
        return "another table"
    before = np.array(expected["numbers"], np.float64)
    after = np.array(given["numbers"], np.float64)
    scale = np.nanmax(before, initial=0.0) - np.nanmin(before, initial=0.0)
    furthest = float(np.max(np.abs(after - before), initial=0.0))
    if not furthest <= MOST_DIFFERENCE * scale:
        return f"numbers that differ by {furthest:.3g} of {scale:.3g}"
    return ""


def _in_child(victim: str, path: Path) -> dict[str, Any]:
    signal.alarm(60)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, 12 * 2**30))
    before = _megabytes("VmRSS")
    start = time.process_time()
    outcome = "used"
    said = ""
    predicted = None
    try:
        predicted = use(victim, path)
    except ArtifactError as error:
        outcome = "refused"
        said = str(error)
        if "\n" in said or not said.isprintable() or len(said) > 1_000:
            outcome = "raw"
            said = f"message of {len(said)} characters {said[:100]!r}"
    except ForecastError as error:
        outcome = "refused"
        said = f"{type(error).__name__}: {error}"
    except BaseException as error:
        outcome = "raw"
        said = f"{type(error).__name__}: {error}"
    return {
        "outcome": outcome,
        "said": said[:300],
        "predicted": predicted,
        "seconds": time.process_time() - start,
        "megabytes": _megabytes("VmHWM") - before,
        "keras": "tensorflow" in sys.modules,
    }


def _megabytes(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def run(
    folder: Path, names: tuple[str, ...], count: int, seed: int = 0
) -> list[tuple[str, Attempt]]:
    """Attack the victims in turn; return what was changed and what came of it."""
    found = []
    expected = {name: attempt(name, folder / name) for name in names}
    for number in range(count):
        victim = names[number % len(names)]
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "model"
            what = attack(folder, victim, names, seed + number, path)
            result = attempt(victim, path, expected[victim])
        found.append((f"{seed + number} {victim}: {what}"[:150], result))
    return found


def main() -> int:
    """Attack, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victims", nargs="+", default=list(VICTIMS))
    parser.add_argument("--folder", type=Path, help="with victims of an earlier run, or for them")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    names = tuple(options.victims)
    # in a process of its own, since this one must not start TensorFlow
    child = os.fork()
    if child == 0:
        folder.mkdir(parents=True, exist_ok=True)
        make_victims(folder, names)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        return 1
    for name in names:
        result = attempt(name, folder / name)
        if result.outcome != "used":
            print(f"unchanged {name}: {result}")
    found = run(folder, names, options.count, options.seed)
    if options.folder is None:
        shutil.rmtree(folder)
    counts = Counter(result.outcome for _, result in found)
    for what, result in found:
        if result.outcome not in ("refused", "used"):
            print(f"{result.outcome}: {what}: {result.seconds:.1f} s, {result.megabytes:.0f} MB")
            print(f"    {result.said}")
    bad = sum(n for name, n in counts.items() if name not in ("refused", "used"))
    slowest = max(result.seconds for _, result in found)
    print(
        f"changed saved models: {len(found)} attempts, {counts['refused']} refused, "
        f"{counts['used']} used, {bad} failures; slowest {slowest:.2f} s, largest "
        f"{max(result.megabytes for _, result in found):.0f} MB"
    )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
