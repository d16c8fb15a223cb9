"""Worker processes that run trials, replaced when they end or exceed a limit."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from forecast.errors import FileError, ForecastError, SearchError, TrainingError
from forecast.errors.interface import Interface, in_use, using
from forecast.layers.machine import core_count
from forecast.search.bench import AnyBench, open_bench
from forecast.search.kinds import Searched
from forecast.search.space import Values
from forecast.search.state import FAILED, FoldScore, Outcome, Task
from forecast.search.trial import OnScore, one_line

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import pandas as pd

    from forecast.training.events import Event, Reporter


_TRIALS_PER_PROCESS = 10
"""Trials after which a process is replaced: TensorFlow keeps the traced graphs of every model until
its process ends."""


_KILLS = (signal.SIGKILL, signal.SIGTERM)
"""Signals with which another process ends a worker."""


_POLL_SECONDS = 0.2
"""Longest wait for a message before the limits of a process are checked."""


@dataclass(frozen=True)
class Resources:
    """Limits of trials.

    Attributes:
        workers: processes at a time.
        timeout: most seconds of one trial; None for no limit.
        memory: most MiB of the process of a trial; None for no limit.
    """

    workers: int = 1
    timeout: float | None = None
    memory: float | None = None

    @property
    def threads(self) -> int | None:
        """Threads of each of several processes; None to leave TensorFlow's default for one."""
        if self.workers <= 1:
            return None
        return max(1, core_count() // self.workers)


class Runner(Protocol):
    """Runs one trial at a time."""

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        """Run a trial.

        Raises:
            ForecastError: the search cannot continue, for a reason outside the trial.
        """
        ...

    def final(self, name: str, values: Values) -> dict[str, Any]:
        """Train on all rows before the test set, and score that."""
        ...

    def stop(self) -> None:
        """Abort the current trial, from another thread."""
        ...

    def close(self) -> None:
        """Free all resources."""
        ...


@dataclass(frozen=True)
class BenchArguments:
    """Arguments of `open_bench`, as a process needs them.

    Attributes:
        config: settings with their search.
        table: its rows; None for the experiment's own table.
        folder: of the search.
        interface: in whose words the process writes its messages.
        reporter: takes the epochs of trainings, those of all processes; None: nobody.
    """

    config: Searched
    table: str | pd.DataFrame | None
    folder: Path
    interface: Interface = field(default_factory=in_use)
    reporter: Reporter | None = None


class _Killed(str):
    """Reason why a process gave no answer: another process ended it, as far as one can tell."""

    __slots__ = ()


class WorkerProcess:
    """Runs trials in a separate process."""

    def __init__(self, arguments: BenchArguments, resources: Resources) -> None:
        self.arguments = arguments
        self.resources = resources
        self._process: Any = None
        self._pipe: Connection[Any, Any] | None = None
        self._is_stopped = False
        self._num_trials = 0

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        """Run a trial; there is an outcome even if the process dies.

        A trial whose process is killed continues in another; if that is killed too, it has failed.

        Raises:
            ForecastError: the search cannot continue, for a reason outside the trial.
        """
        folds = list(done)

        def keep(score: FoldScore) -> None:
            folds.append(score)
            on_score(score)

        answer = self._request_twice(lambda: ("run", task, tuple(folds)), keep)
        self._num_trials += 1
        if self._num_trials >= _TRIALS_PER_PROCESS:
            self.close()
        if isinstance(answer, Outcome):
            return answer
        return Outcome(FAILED, str(answer), tuple(folds))

    def final(self, name: str, values: Values) -> dict[str, Any]:
        """Train on all rows before the test set, and score that.

        Raises:
            TrainingError: the process ended before.
        """
        answer = self._request_twice(lambda: ("final", name, values), lambda _: None)
        if not isinstance(answer, dict):
            raise TrainingError(str(answer))
        return answer

    def stop(self) -> None:
        """End the process, from another thread, without a failure of its trial."""
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
        self._process = None
        self._pipe = None
        self._num_trials = 0

    def _start(self) -> Connection[Any, Any]:
        """Start the process if there is none, and wait; this time does not count for the trial."""
        if self._pipe is None or not self._process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(
                target=_serve,
                # a reporter stays here: it may draw on this terminal
                args=(
                    theirs,
                    replace(self.arguments, reporter=None),
                    self.arguments.reporter is not None,
                    self.resources.threads,
                    os.getpid(),
                ),
                daemon=True,
            )
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
            if isinstance(ending, _Killed):
                raise EOFError from None
            raise TrainingError(
                f"a process for trials did not start ({ending}): see its output above"
            ) from None
        if kind == "halt":
            raise content[0]

    def _request_twice(self, request: Callable[[], tuple[Any, ...]], on_score: OnScore) -> Any:
        """Send a request, once more if the process is killed: the trial may not be the cause."""
        answer = self._request(request(), on_score)
        if isinstance(answer, _Killed):
            return self._request(request(), on_score)
        return answer

    def _request(self, request: tuple[Any, ...], on_score: OnScore) -> Any:
        """Send a request and return the answer, or a text with the reason why there is none."""
        try:
            pipe = self._start()
            start = time.monotonic()
            pipe.send(request)
            while True:
                if not pipe.poll(_POLL_SECONDS):
                    reason = self._exceeded_limit(time.monotonic() - start)
                    if reason:
                        self.close()
                        return reason
                    continue
                kind, content = pipe.recv()
                if kind == "halt":
                    raise content
                if kind == "answer":
                    return content
                if kind == "epoch":
                    self._report(content)
                    continue
                on_score(content)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join()
            reason = self._ending()
            self.close()
            if self._is_stopped:
                raise SearchError("the search was stopped; resume it with `resume=true`") from None
            return reason

    def _report(self, event: Event) -> None:
        if self.arguments.reporter is not None:
            self.arguments.reporter(event)

    def _exceeded_limit(self, seconds: float) -> str:
        """Return which limit the process exceeds, in words; empty for none."""
        timeout = self.resources.timeout
        memory = self.resources.memory
        if timeout is not None and seconds > timeout:
            return f"took longer than the {timeout:g} s of --trial-timeout"
        if memory is not None:
            used = used_memory(self._process.pid)
            if used > memory:
                return f"used {used:.0f} MiB, more than the {memory:g} of --trial-memory"
        return ""

    def _ending(self) -> str:
        """Return in words how the process ended."""
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"its process exited with code {code}"
        number = signal.Signals(-code)
        reason = f"its process was ended by {number.name}"
        if number == signal.SIGKILL:
            reason += ", as by a system that is out of memory"
        if number in _KILLS:
            return _Killed(reason)
        return reason


def used_memory(process: int) -> float:
    """Return the resident memory of a process in MiB; 0 where the system does not provide it."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _serve(
    pipe: Connection[Any, Any],
    arguments: BenchArguments,
    sends_epochs: bool,
    threads: int | None,
    parent: int,
) -> None:
    """Run in a worker's process: answer requests until the pipe closes.

    Args:
        pipe: to the process that started this one.
        arguments: of `open_bench`.
        sends_epochs: whether the other process wants to know of each epoch.
        threads: for TensorFlow; None for its default.
        parent: id of the process that started this one; this one ends with it, however it ends.
    """
    # Ctrl-C reaches both processes; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()

    def send(event: Event) -> None:
        from forecast.training.events import EpochDone  # this loads TensorFlow

        if isinstance(event, EpochDone):
            pipe.send(("epoch", event))

    with using(arguments.interface):
        try:
            with _few_threads(threads):
                bench = open_bench(
                    arguments.config,
                    arguments.table,
                    arguments.folder,
                    reporter=send if sends_epochs else None,
                )
        except ForecastError as error:
            pipe.send(("halt", error))
            return
        pipe.send(("ready",))
        _answer_all(pipe, bench)


def _answer_all(pipe: Connection[Any, Any], bench: AnyBench) -> None:
    """Answer requests until the pipe closes."""
    while True:
        try:
            kind, *request = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(bench, kind, request, lambda score: pipe.send(("fold", score))))


def _answer(bench: AnyBench, kind: str, request: list[Any], on_score: OnScore) -> tuple[str, Any]:
    try:
        if kind == "run":
            return "answer", bench.run(request[0], request[1], on_score)
        return "answer", bench.final(request[0], request[1])
    except FileError as error:
        return "halt", error
    except Exception as error:  # any error of a trial is its result, and goes into the table
        return "answer", one_line(error)


def _end_with(parent: int) -> None:
    """End this process as soon as its parent has ended."""
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def _few_threads(threads: int | None) -> Any:
    """Import TensorFlow without its log output, and limit its threads."""
    from forecast.layers.runtime import quiet_start

    if threads is not None:
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ.setdefault(name, str(threads))
    return quiet_start()
