"""Processes that run trials: started anew, watched, replaced where one ends, grows too large or takes too long."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from forecast.errors import FileError, ForecastError, SearchError, TrainingError
from forecast.experiment.settings import Experiment
from forecast.layers.runtime import core_count
from forecast.search.journal import FAILED, FoldScore, Outcome, Task
from forecast.search.space import Values
from forecast.search.trial import Bench, Tell, make_bench, one_line

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import pandas as pd


TRIALS_PER_PROCESS = 10
"""A process is replaced after so many: what TensorFlow has traced for a model stays until its
process ends."""


KILLS = (signal.SIGKILL, signal.SIGTERM)
"""Signals by which others end a process."""


LOOK_SECONDS = 0.2
"""Between two looks at a process that is silent."""


Progress = Callable[[Task, int, int], None]


@dataclass(frozen=True)
class Resources:
    """What trials may use.

    Attributes:
        workers: processes at a time.
        timeout: seconds one trial may take; None for any.
        memory: MiB the process of a trial may use; None for any.
    """

    workers: int = 1
    timeout: float | None = None
    memory: float | None = None

    @property
    def threads(self) -> int | None:
        """Threads of each of several processes; None to leave the only one as it is."""
        return max(1, core_count() // self.workers) if self.workers > 1 else None


class Runner(Protocol):
    """Runs one trial at a time."""

    def run(self, task: Task, done: Sequence[FoldScore], tell: Tell) -> Outcome:
        """Run a trial.

        Raises:
            ForecastError: the search cannot go on, through no fault of the trial.
        """
        ...

    def final(self, name: str, values: Values) -> dict[str, Any]:
        """Train on all rows before the test part, and score that."""
        ...

    def stop(self) -> None:
        """Give up what runs, from another thread."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


@dataclass(frozen=True)
class Place:
    """What a process needs to make its bench.

    Attributes:
        config: the experiment with its search.
        table: what it is run on; None for the experiment's own.
        folder: of the search.
    """

    config: Experiment
    table: str | pd.DataFrame | None
    folder: Path


class Killed(str):
    """Why there is no answer: the process was ended by somebody else, as far as can be told."""

    __slots__ = ()


class InThisProcess:
    """Runs trials here: for tests, and where there is no other way."""

    def __init__(self, bench: Bench) -> None:
        self.run, self.final = bench.run, bench.final

    def stop(self) -> None:
        """What runs cannot be given up."""

    def close(self) -> None:
        """Nothing is held."""


class WorkerProcess:
    """Runs trials in a process of its own."""

    def __init__(self, place: Place, resources: Resources) -> None:
        self.place, self.resources = place, resources
        self._process: Any = None
        self._is_stopped = False
        self._pipe: Connection[Any, Any] | None = None
        self._trials = 0

    def run(self, task: Task, done: Sequence[FoldScore], tell: Tell) -> Outcome:
        """Run a trial; whatever becomes of the process, there is an outcome.

        A trial whose process is killed goes on in another; one that is killed there too has failed.

        Raises:
            ForecastError: the search cannot go on, through no fault of the trial.
        """
        folds = list(done)

        def hear(score: FoldScore) -> None:
            folds.append(score)
            tell(score)

        answer = self._ask_again(lambda: ("run", task, tuple(folds)), hear)
        self._trials += 1
        if self._trials >= TRIALS_PER_PROCESS:
            self.close()
        return answer if isinstance(answer, Outcome) else Outcome(FAILED, str(answer), tuple(folds))

    def final(self, name: str, values: Values) -> dict[str, Any]:
        """Train on all rows before the test part, and score that.

        Raises:
            TrainingError: the process ended before.
        """
        answer = self._ask_again(lambda: ("final", name, values), lambda _: None)
        if not isinstance(answer, dict):
            raise TrainingError(str(answer))
        return answer

    def stop(self) -> None:
        """End the process, from another thread, so that its trial is not taken for one that failed."""
        self._is_stopped = True
        if self._process is not None and self._process.is_alive():
            self._process.kill()

    def close(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.is_alive():
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None
        self._trials = 0

    def _start(self) -> Connection[Any, Any]:
        """Start the process if there is none; the time this takes is not the trial's."""
        if self._pipe is None or not self._process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            arguments = (theirs, self.place, self.resources.threads, os.getpid())
            self._process = context.Process(target=serve, args=arguments, daemon=True)
            self._process.start()
            theirs.close()
            self._await_start(self._pipe)
        return self._pipe

    def _await_start(self, pipe: Connection[Any, Any]) -> None:
        try:
            kind, *content = pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            ending = self._ending()
            if isinstance(ending, Killed):
                raise EOFError from None
            raise TrainingError(
                f"a process for trials did not start ({ending}): see what it said above"
            ) from None
        if kind == "halt":
            raise content[0]

    def _ask_again(self, request: Callable[[], tuple[Any, ...]], hear: Tell) -> Any:
        """Send a request, once more if the process is killed: nothing says yet that the trial is to blame."""
        answer = self._ask(request(), hear)
        return self._ask(request(), hear) if isinstance(answer, Killed) else answer

    def _ask(self, request: tuple[Any, ...], hear: Tell) -> Any:
        """Send a request and return the answer, or in words why there is none."""
        try:
            pipe = self._start()
            start = time.monotonic()
            pipe.send(request)
            while True:
                if not pipe.poll(LOOK_SECONDS):
                    reason = self._excess(time.monotonic() - start)
                    if reason:
                        self.close()
                        return reason
                    continue
                kind, content = pipe.recv()
                if kind == "halt":
                    raise content
                if kind == "answer":
                    return content
                hear(content)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join()
            reason = self._ending()
            self.close()
            if self._is_stopped:
                raise SearchError("the search was stopped; it goes on with --resume") from None
            return reason

    def _excess(self, seconds: float) -> str:
        """What the process uses too much of, in words; empty where all is well."""
        timeout, memory = self.resources.timeout, self.resources.memory
        if timeout is not None and seconds > timeout:
            return f"took longer than the {timeout:g} s of --trial-timeout"
        used = used_memory(self._process.pid) if memory is not None else 0.0
        if memory is not None and used > memory:
            return f"used {used:.0f} MiB, more than the {memory:g} of --trial-memory"
        return ""

    def _ending(self) -> str:
        code = self._process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            said = f"its process was ended by {name}" + (
                ", as a system short of memory does" * (name == "SIGKILL")
            )
            return Killed(said) if -code in KILLS else said
        return f"its process ended by itself with code {code}"


def used_memory(process: int) -> float:
    """MiB a process has in memory; 0 where that cannot be known."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def serve(pipe: Connection[Any, Any], place: Place, threads: int | None, parent: int) -> None:
    """Answer requests until the pipe closes: what a worker's process does.

    Args:
        pipe: to the process that started this one.
        place: what to run trials on.
        threads: for TensorFlow; None to leave it alone.
        parent: the process that started this one; when it ends, however it does, this one ends too.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a key press reaches both; the parent ends this one
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        with _few_threads(threads):
            bench = make_bench(place.config, place.table, place.folder)
    except ForecastError as error:
        pipe.send(("halt", error))
        return
    pipe.send(("ready",))
    while True:
        try:
            kind, *request = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(bench, kind, request, lambda score: pipe.send(("fold", score))))


def _answer(bench: Bench, kind: str, request: list[Any], tell: Tell) -> tuple[str, Any]:
    try:
        if kind == "run":
            return "answer", bench.run(request[0], request[1], tell)
        return "answer", bench.final(request[0], request[1])
    except FileError as error:
        return "halt", error
    except Exception as error:  # whatever it is, it goes into the table
        return "answer", one_line(error)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def _few_threads(threads: int | None) -> Any:
    """Start TensorFlow quietly, with so many threads."""
    from forecast.layers.runtime import quiet_start

    if threads is not None:
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ.setdefault(name, str(threads))
    return quiet_start()
