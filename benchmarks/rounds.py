"""Interleaved measurements: one process per contender, one at a time, and ratios per round.

Noise of the machine comes and goes within seconds. Contenders that take turns meet the same noise,
so what is compared are times of one round, and the spread over rounds says how far the comparison
can be trusted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import machine

TRIES, CALM = 4, 0.1
"""How often a turn is taken again at most, and the cores that other programs may keep busy in
one."""
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = Path(os.environ.get("PEERS") or ROOT.parent / "forecast-peers").resolve()


class ContenderError(Exception):
    """A contender ended; the message is the last line that it wrote."""


@dataclass(frozen=True)
class Contender:
    """A program that is measured.

    Attributes:
        label: its name in tables.
        script: file in `contenders/`.
        arguments: what it is started with.
        environment: folder below `PEERS`; empty for the environment of this repository.
    """

    label: str
    script: str
    arguments: tuple[str, ...] = ()
    environment: str = ""

    @property
    def python(self) -> Path:
        """The interpreter that runs it."""
        return (
            PEERS / self.environment / "bin" / "python"
            if self.environment
            else Path(sys.executable)
        )

    @property
    def is_installed(self) -> bool:
        """Whether its environment is there."""
        return self.python.exists()

    def command(self, *more: str) -> list[str]:
        """Return the command that starts it."""
        return [str(self.python), str(HERE / "contenders" / self.script), *self.arguments, *more]


@dataclass(frozen=True)
class Ratio:
    """Theirs divided by ours.

    Attributes:
        of_medians: median of theirs over median of ours.
        least: smallest ratio of one round.
        median: median of the ratios of the rounds.
        most: largest ratio of one round.
    """

    of_medians: float
    least: float
    median: float
    most: float


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Ratio:
    """Compare measurements of the same rounds, in their order.

    Raises:
        ValueError: the numbers of rounds differ.
    """
    each = [one / other for one, other in zip(theirs, ours, strict=True)]
    return Ratio(median(theirs) / median(ours), min(each), median(each), max(each))


def ratios(measured: Mapping[str, Sequence[float]], to: str) -> dict[str, dict[str, float]]:
    """Return the ratio of each other contender to one of them."""
    return {
        name: asdict(ratio(values, measured[to])) for name, values in measured.items() if name != to
    }


class Worker:
    """A contender's process, asked by lines of JSON."""

    def __init__(self, process: subprocess.Popen[str], errors: Any) -> None:
        self.process, self.errors = process, errors

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Raises:
            ContenderError: the answer is an error, or the process ended instead.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended, and what it wrote says why
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise ContenderError(without_folders(last_line(self.errors)))
        answer = dict(json.loads(line))
        if "error" in answer:
            raise ContenderError(without_folders(answer["error"]))
        return answer

    def end(self) -> None:
        """Close the input, upon which the process ends."""
        with suppress(BrokenPipeError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def last_line(errors: Any) -> str:
    """Return the last line of a process on standard error."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return str(lines[-1]) if lines else "ended without a word"


def without_folders(text: str) -> str:
    """A message without the folders of this machine, to be published."""
    return text.replace(f"{ROOT}/", "").replace(f"{PEERS}/", "")


@contextmanager
def start(contender: Contender, *more: str) -> Iterator[Worker]:
    """Start a contender; it ends with the block."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            contender.command(*more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            cwd=tempfile.gettempdir(),
        )
        worker = Worker(process, errors)
        try:
            yield worker
        finally:
            worker.end()


@contextmanager
def start_all(contenders: Mapping[str, Contender], *more: str) -> Iterator[dict[str, Worker]]:
    """Start those whose environment is there."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(start(contender, *more))
            for name, contender in contenders.items()
            if contender.is_installed
        }


def take_turns(
    names: Sequence[str], rounds: int, act: Callable[[str], Any]
) -> dict[str, list[Any]]:
    """Let each act once per round, in an order that moves on by one from round to round."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % max(1, len(names))
        for name in [*names[first:], *names[:first]]:
            found[name].append(act(name))
    return found


def in_peace(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Take a turn again while other programs disturb it, a few times; the calmest counts.

    Args:
        act: a turn; its answer holds the `cpu_seconds` it took itself.

    Returns:
        The answer, with `others`, the cores that other programs kept busy meanwhile.
    """
    found: list[dict[str, Any]] = []
    while len(found) < TRIES and not (found and found[-1]["others"] <= CALM):
        onlooker = machine.Onlooker()
        answer = act()
        found.append({**answer, "others": onlooker.others(answer["cpu_seconds"])})
    return min(found, key=lambda one: float(one["others"]))


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """Write results, numbers rounded to the resolution of the measurement."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(result), indent=1) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """The same with five digits of every float."""
    if isinstance(value, Mapping):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
