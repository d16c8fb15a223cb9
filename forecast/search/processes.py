"""Workers that answer requests elsewhere: processes of this machine, replaced when they end.

`Executor` and `Worker` are the two roles that everything shares which runs beside the driver:
trials of a search, refits of a backtest, models of segments, files of a folder. The driver keeps
the order and the results; a worker keeps only what its `Station` holds open, such as a model. The
other executor, of a Ray cluster, is `forecast.cluster.ray_actors`.

This module is imported before the numbers of threads are set, so it imports nothing heavy.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from forecast.errors import FileError, ForecastError, TrainingError
from forecast.errors.interface import Interface, in_use, using
from forecast.search.lost_parent import watch_parent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Tell = Callable[[Any], None]
"""Function that takes what a station tells while it works, such as the score of a fold."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""Variables that libraries read when they are loaded."""

POLL_SECONDS = 0.2
"""Longest wait for a message before the limits of a worker are checked."""

MOST_BETWEEN_LOOKS = 1.0
"""Seconds between two looks at the clock of a process that was not stopped meanwhile."""

_SIGKILL = getattr(signal, "SIGKILL", None)
"""Windows has none: processes end there with a code."""

_KILLS = (_SIGKILL, signal.SIGTERM)
"""Signals with which another process ends a worker."""

_MAX_REASON = 400
"""Characters of an unexpected error that are recorded."""


class Station(Protocol):
    """Answers of a worker to requests, from what it holds open, such as a table or a model."""

    def answer(self, kind: str, content: tuple[Any, ...], tell: Tell) -> Any:
        """Answer a request; any exception but a `FileError` is the answer to this request alone."""
        ...


@dataclass(frozen=True)
class Opening:
    """Recipe by which a worker opens its station.

    Attributes:
        what: the requests are for, in the plural, such as `trials`.
        open: called in the worker with `arguments` and with a function that sends what it is told.
        arguments: picklable.
        threads: of the libraries; None for their default.
        with_keras: whether TensorFlow is loaded, without its log output, before the station opens.
        interface: in whose words the worker writes its messages.
    """

    what: str
    open: Callable[[Any, Tell], Station]
    arguments: Any
    threads: int | None = 1
    with_keras: bool = True
    interface: Interface = field(default_factory=in_use)


@dataclass(frozen=True)
class Limits:
    """Limits of one request.

    Attributes:
        timeout: most seconds; None for no limit.
        memory: most MiB of the process; None for no limit.
    """

    timeout: float | None = None
    memory: float | None = None

    def exceeded(self, seconds: float, used: Callable[[], float]) -> str:
        """Return which limit is exceeded, in words; empty for none.

        Args:
            seconds: since the request was sent, as `TimeAwake` counts them.
            used: returns the memory of the process in MiB.
        """
        if self.timeout is not None and seconds > self.timeout:
            return f"took longer than the {self.timeout:g} s of --trial-timeout"
        if self.memory is not None:
            mebibytes = used()
            if mebibytes > self.memory:
                return f"used {mebibytes:.0f} MiB, more than the {self.memory:g} of --trial-memory"
        return ""


class TimeAwake:
    """Seconds that this process runs, without those in which it is stopped, as by Ctrl-Z.

    It is looked at often; of a longer time between two looks `MOST_BETWEEN_LOOKS` counts.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._seconds = 0.0

    def seconds(self) -> float:
        """Return the seconds so far."""
        now = time.monotonic()
        self._seconds += min(now - self._last, MOST_BETWEEN_LOOKS)
        self._last = now
        return self._seconds


class Unanswered(str):
    """Reason why there is no answer."""

    __slots__ = ()


class Lost(Unanswered):
    """Reason why there is no answer: the worker was ended from outside, as far as one can tell."""

    __slots__ = ()


class Worker(Protocol):
    """Answers one request at a time."""

    limits: Limits

    def ask(self, kind: str, content: tuple[Any, ...], told: Tell) -> Any:
        """Return the answer, or an `Unanswered`; a worker that ended is started again.

        Raises:
            ForecastError: no request can be answered, for a reason outside of them.
        """
        ...

    def stop(self) -> None:
        """End the worker for good, from another thread."""
        ...

    def close(self) -> None:
        """End the worker; another request starts it again."""
        ...


class Executor(Protocol):
    """Makes workers, on this machine or on others."""

    @property
    def num_workers(self) -> int:
        """Workers that run at the same time."""
        ...

    def open(self, opening: Opening, limits: Limits = ...) -> Worker:
        """Return a worker, which starts with its first request."""
        ...


def ask_twice(worker: Worker, kind: str, content: Callable[[], tuple[Any, ...]], told: Tell) -> Any:
    """Return the answer to a request, which is sent once more where the worker was lost.

    Args:
        worker: is asked.
        kind: of the request.
        content: of the request, looked at anew each time.
        told: takes what the station tells.
    """
    answer = worker.ask(kind, content(), told)
    if isinstance(answer, Lost):  # the request may not be the cause
        return worker.ask(kind, content(), told)
    return answer


@dataclass(frozen=True)
class LocalProcesses:
    """The executor of this machine.

    Attributes:
        num_workers: processes at a time.
    """

    num_workers: int = 1

    def open(self, opening: Opening, limits: Limits = Limits()) -> Worker:
        """Return a process, which starts with its first request."""
        return ProcessWorker(opening, limits)


class ProcessWorker:
    """Answers requests in a separate process."""

    def __init__(self, opening: Opening, limits: Limits) -> None:
        self.opening = opening
        self.limits = limits
        self._process: Any = None
        self._pipe: Connection[Any, Any] | None = None
        self._is_stopped = False

    def ask(self, kind: str, content: tuple[Any, ...], told: Tell) -> Any:
        """Return the answer, or a text with the reason why there is none."""
        if self._is_stopped:
            return Unanswered("the work was stopped")
        try:
            pipe = self._start()
            pipe.send((kind, content))
            return self._await_answer(pipe, told)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join()
            reason = self._ending()
            self.close()
            return reason

    def stop(self) -> None:
        """End the process for good, from another thread."""
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

    def _start(self) -> Connection[Any, Any]:
        """Start the process if there is none, and wait; this time does not count for a request."""
        if self._pipe is None or not self._process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            # pickled here, so that the process reads it after the numbers of threads are set
            opening = pickle.dumps(self.opening)
            self._process = context.Process(
                target=_serve,
                args=(theirs, opening, self.opening.threads, os.getpid()),
                daemon=True,
            )
            self._process.start()
            theirs.close()
            self._await_start(self._pipe)
        return self._pipe

    def _await_start(self, pipe: Connection[Any, Any]) -> None:
        try:
            kind, content = pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            ending = self._ending()
            if isinstance(ending, Lost):
                raise EOFError from None
            raise TrainingError(
                f"a process for {self.opening.what} did not start ({ending}): see its output above"
            ) from None
        if kind == "halt":
            raise content

    def _await_answer(self, pipe: Connection[Any, Any], told: Tell) -> Any:
        awake = TimeAwake()
        while True:
            has_come = pipe.poll(POLL_SECONDS)
            seconds = awake.seconds()
            if not has_come:
                reason = self.limits.exceeded(seconds, lambda: used_memory(self._process.pid))
                if reason:
                    self.close()
                    return Unanswered(reason)
                continue
            kind, content = pipe.recv()
            if kind == "halt":
                raise content
            if kind == "answer":
                return content
            told(content)

    def _ending(self) -> Unanswered:
        """Return in words how the process ended."""
        code = self._process.exitcode
        if code is None or code >= 0:
            return Unanswered(f"its process exited with code {code}")
        number = signal.Signals(-code)
        reason = f"its process was ended by {number.name}"
        if number == _SIGKILL:
            reason += ", as by a system that is out of memory"
        if number in _KILLS:
            return Lost(reason)
        return Unanswered(reason)


def used_memory(process: int) -> float:
    """Return the resident memory of a process in MiB; 0 where the system does not provide it."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks."""
    name = type(error).__name__
    text = " ".join(str(error).split()) or name
    if isinstance(error, ForecastError):
        return text
    return f"{name}: {text}"[:_MAX_REASON]


def set_threads(threads: int | None) -> None:
    """Limit the threads of libraries that are not loaded yet; what the user has set stays."""
    if threads is None:
        return
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, str(threads))


def open_station(opening: Opening, tell: Tell) -> Station:
    """Open the station of a worker in its own process."""
    start: AbstractContextManager[None] = nullcontext()
    if opening.with_keras:
        from forecast.layers.runtime import quiet_start

        start = quiet_start()
    with using(opening.interface), start:
        return opening.open(opening.arguments, tell)


def answer_request(
    station: Station, opening: Opening, request: tuple[str, tuple[Any, ...]], tell: Tell
) -> tuple[str, Any]:
    """Return `answer` and the answer of a station, or `halt` and the error that ends all work."""
    kind, content = request
    with using(opening.interface):
        try:
            return "answer", station.answer(kind, content, tell)
        except FileError as error:
            return "halt", error
        except Exception as error:  # any error of a request is its result, and is recorded
            return "answer", Unanswered(one_line(error))


def _serve(pipe: Connection[Any, Any], pickled: bytes, threads: int | None, parent: int) -> None:
    """Run in a worker's process: answer requests until the pipe closes.

    Args:
        pipe: to the process that started this one.
        pickled: the `Opening`.
        threads: of the libraries; None for their default.
        parent: id of the process that started this one; this one ends with it, however it ends.
    """
    # Ctrl-C reaches both processes; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch_parent(parent, lambda: os._exit(1))
    set_threads(threads)

    def tell(content: Any) -> None:
        pipe.send(("told", content))

    try:
        opening = pickle.loads(pickled)
        station = open_station(opening, tell)
    except ForecastError as error:
        pipe.send(("halt", error))
        return
    pipe.send(("ready", None))
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        pipe.send(answer_request(station, opening, request, tell))
