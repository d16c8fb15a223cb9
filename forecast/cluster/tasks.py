"""Many requests to the workers of an executor: each in the next free worker, once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from forecast.search.processes import Executor, Limits, Opening, Unanswered, Worker, ask_twice


@dataclass(frozen=True)
class Answered:
    """End of one request.

    Attributes:
        number: of the request, in the order in which they were given.
        answer: of the station; an `Unanswered` where there is none.
    """

    number: int
    answer: Any


Told = Callable[[int, Any], None]
"""Function that takes the number of a request, and what its station tells meanwhile."""


def run_tasks(
    executor: Executor,
    opening: Opening,
    kind: str,
    requests: Sequence[tuple[Any, ...]],
    told: Told = lambda _number, _message: None,
) -> Iterator[Answered]:
    """Yield the answer to each request as soon as there is one, in no order.

    A request whose worker is lost goes to another, once. All workers end with the last request, or
    as soon as nobody wants the next answer.

    Args:
        executor: makes the workers.
        opening: of their station.
        kind: of the requests.
        requests: content of each.
        told: called in the thread of a worker; default: what stations tell is dropped.

    Raises:
        ForecastError: no request can be answered, for a reason outside of them.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(requests)):
        waiting.put(number)

    def ask(worker: Worker, number: int) -> Any:
        return ask_twice(worker, kind, lambda: requests[number], partial(told, number))

    ended: queue.SimpleQueue[Answered | BaseException] = queue.SimpleQueue()
    workers = [
        executor.open(opening, Limits()) for _ in range(min(executor.num_workers, len(requests)))
    ]
    threads = [
        threading.Thread(target=_work, args=(worker, ask, waiting, ended), daemon=True)
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in requests:
            end = ended.get()
            if isinstance(end, BaseException):
                raise end
            yield end
    finally:
        _drain(waiting)
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join()
        for worker in workers:
            worker.close()


def _work(
    worker: Worker,
    ask: Callable[[Worker, int], Any],
    waiting: queue.SimpleQueue[int],
    ended: queue.SimpleQueue[Answered | BaseException],
) -> None:
    """Send one request after the other to a worker."""
    with suppress(queue.Empty):
        while True:
            number = waiting.get_nowait()
            try:
                answer = ask(worker, number)
            except BaseException as error:  # raised again where the answers are read
                ended.put(error)
                return
            ended.put(Answered(number, answer))
    # its processor may be what another worker waits for
    worker.close()


def _drain(waiting: queue.SimpleQueue[int]) -> None:
    """Leave nothing to do."""
    with suppress(queue.Empty):
        while True:
            waiting.get_nowait()


def reason_of(answer: Any) -> str:
    """Return why there is no answer; empty where there is one."""
    if isinstance(answer, Unanswered):
        return str(answer)
    return ""
