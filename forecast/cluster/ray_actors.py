"""Workers that are actors of a Ray cluster: the other executor beside `LocalProcesses`.

The first actor of a worker waits for a free processor of the cluster. One that takes the place of
a lost actor does not: the processors of a lost node do not come back, and its work must go on.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from forecast.errors import ConfigError, ForecastError
from forecast.search.processes import (
    POLL_SECONDS,
    THREAD_VARIABLES,
    Limits,
    Lost,
    Opening,
    Station,
    Tell,
    TimeAwake,
    Unanswered,
    Worker,
    answer_request,
    open_station,
    used_memory,
)


class StationActor:
    """Runs in a process of the cluster: opens a station, and answers requests.

    All work happens in one thread, as in a process of `LocalProcesses`: Keras keeps a part of its
    state for each thread.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._thread = ThreadPoolExecutor(1)
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._station: Station | None = None

    def process(self) -> int:
        """Return the id of the process."""
        return os.getpid()

    def start(self) -> tuple[str, Any]:
        """Open the station; return `ready`, or `halt` and the error that ends all work."""
        try:
            self._station = self._thread.submit(
                open_station, self._opening, self._messages.put
            ).result()
        except ForecastError as error:
            return "halt", error
        return "ready", None

    def ask(self, kind: str, content: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
        """Yield what the station tells, the memory of the process, and then the answer."""
        assert self._station is not None
        answer: Future[tuple[str, Any]] = self._thread.submit(
            answer_request, self._station, self._opening, (kind, content), self._messages.put
        )
        answer.add_done_callback(lambda _: self._messages.put(_END))
        while True:
            try:
                message = self._messages.get(timeout=POLL_SECONDS)
            except queue.Empty:
                yield "memory", used_memory(os.getpid())
                continue
            if isinstance(message, str) and message == _END:
                yield answer.result()
                return
            yield "told", message


START_SECONDS = 120.0
"""Longest time in which actors that are lost while they start are replaced."""

_RETRY_SECONDS = 1.0

_END = "\0end of a request"
"""Message after the last one of a request."""


@dataclass
class RayActors:
    """The executor of a Ray cluster.

    Attributes:
        ray: the module, connected to the cluster.
        num_workers: actors at the same time.
    """

    ray: Any
    num_workers: int
    _shared: dict[int, tuple[object, Any]] = field(default_factory=dict)

    def open(self, opening: Opening, limits: Limits = Limits()) -> Worker:
        """Return an actor, which starts with its first request."""
        return ActorWorker(self.ray, self.shared(opening), self.actor_options(opening), limits)

    def shared(self, opening: Opening) -> Any:
        """Return an opening in the store of the cluster, where it is sent to each node once."""
        key = id(opening)
        if key not in self._shared:
            # the opening is kept, so that no other gets its id
            self._shared[key] = (opening, self.ray.put(opening))
        return self._shared[key][1]

    def actor_options(self, opening: Opening) -> dict[str, Any]:
        """Return the options of the first actor of a worker."""
        processors = max(1.0, self.ray.cluster_resources().get("CPU", 1.0))
        own = processors / self.num_workers
        threads = opening.threads or max(1, int(own))
        variables = {name: os.environ.get(name, str(threads)) for name in THREAD_VARIABLES}
        return {
            "num_cpus": min(1.0, own),
            "max_restarts": 0,
            "runtime_env": {"env_vars": variables},
            "scheduling_strategy": "SPREAD",
        }


class ActorWorker:
    """Answers requests in an actor."""

    def __init__(self, ray: Any, opening: Any, options: dict[str, Any], limits: Limits) -> None:
        self.limits = limits
        self._ray = ray
        self._opening = opening
        self._options = options
        self._actor: Any = None
        self._starting: Any = None
        self._is_stopped = False

    def ask(self, kind: str, content: tuple[Any, ...], told: Tell) -> Any:
        """Return the answer, or a text with the reason why there is none."""
        if self._is_stopped:
            return Unanswered("the work was stopped")
        try:
            actor = self._start()
            stream = actor.ask.options(num_returns="streaming").remote(kind, content)
            return self._await_answer(stream, told)
        except self._ray.exceptions.RayActorError as error:
            self._replace()
            return Lost(_ending(error))

    def stop(self) -> None:
        """End the actor for good, from another thread."""
        self._is_stopped = True
        self._kill(self._starting)

    def close(self) -> None:
        """End the actor at once."""
        self._kill(self._starting)
        self._actor = None
        self._starting = None

    def _start(self) -> Any:
        """Start the actor if there is none, and wait; this time does not count for a request.

        An actor that is lost before it has started is no loss of a request: Ray may have given it
        to a node that had just gone.
        """
        until = time.monotonic() + START_SECONDS
        while self._actor is None:
            try:
                self._actor = self._started()
            except self._ray.exceptions.RayActorError as error:
                _refuse_bad_start(error)
                self._replace()
                if self._is_stopped or time.monotonic() > until:
                    raise
                time.sleep(_RETRY_SECONDS)
        return self._actor

    def _started(self) -> Any:
        """Return an actor with an open station.

        Raises:
            ForecastError: the station cannot be opened.
        """
        actor = self._ray.remote(StationActor).options(**self._options).remote(self._opening)
        self._starting = actor
        kind, content = self._ray.get(actor.start.remote())
        if kind == "halt":
            raise content
        return actor

    def _replace(self) -> None:
        """End the actor; the next one waits for no processor."""
        self.close()
        # processors of a lost node do not come back
        self._options = {**self._options, "num_cpus": 0}

    def _await_answer(self, stream: Any, told: Tell) -> Any:
        awake = TimeAwake()
        used = 0.0
        while True:
            reason = self.limits.exceeded(awake.seconds(), lambda: used)  # noqa: B023
            if reason:
                self.close()
                return Unanswered(reason)
            ready, _ = self._ray.wait([stream], timeout=POLL_SECONDS)
            if not ready:
                continue
            kind, content = self._ray.get(next(stream))
            if kind == "halt":
                raise content
            if kind == "answer":
                return content
            if kind == "memory":
                used = content
            else:
                told(content)

    def _kill(self, actor: Any) -> None:
        if actor is not None:
            self._ray.kill(actor)


def _refuse_bad_start(error: BaseException) -> None:
    """Raise if an actor could not be made, as it cannot elsewhere either.

    Raises:
        ConfigError: as above; the package is missing on a node, for example.
    """
    if "creation task" not in str(error):
        return
    raise ConfigError(
        f"an actor of the Ray cluster could not be made ({_last_line(error)}): install this "
        f"package on every node, in the version of this machine"
    ) from error


def _ending(error: BaseException) -> str:
    """Return in words how an actor ended."""
    return f"its actor was lost ({_last_line(error)})"


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1][:200]
