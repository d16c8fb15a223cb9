"""A bounded number of requests is worked on, and waits; the others are told to come back.

Small requests that wait are worked on together, up to `TOGETHER` at a time: of a table of one
series most of the time is that of calls, which are made once for all of them. A large request has
a thread for itself, so that small ones do not wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from forecast.serving.counters import Counters
from forecast.serving.limits import Limits, RefusedError

Item = TypeVar("Item")
Result = TypeVar("Result")

TOGETHER = 25
"""Small requests that are worked on at a time."""

Work = Callable[[Sequence[Item]], Sequence[Result | Exception]]
"""Work on some requests: the answer to each, or the error."""


@dataclass(eq=False)
class _Waiting(Generic[Item, Result]):
    """A request.

    Attributes:
        item: what it asks for.
        begun: is set when its work begins.
        done: gets the answer.
    """

    item: Item
    begun: asyncio.Future[None]
    done: asyncio.Future[Result]


@dataclass(eq=False)
class _Lane(Generic[Item, Result]):
    """Requests of one kind in the order of their arrival, and the threads that work on them.

    Attributes:
        free: threads without work.
        most: requests that a thread takes at a time.
        waiting: those without a thread.
        pool: the threads: small requests find theirs again, which has what memory they need.
    """

    free: int
    most: int
    waiting: deque[_Waiting[Item, Result]] = field(default_factory=deque)
    pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        """Make the pool; its threads start with the first work."""
        self.pool = ThreadPoolExecutor(self.free, thread_name_prefix="forecast")


class Admission(Generic[Item, Result]):
    """Bounded pools of threads with a bounded queue.

    Args:
        limits: of the service.
        counters: that are shown.
        work: of some requests, called in a thread.
    """

    def __init__(self, limits: Limits, counters: Counters, work: Work[Item, Result]) -> None:
        self._limits = limits
        self._counters = counters
        self._work = work
        # One thread for small requests: a second one would only wait for the first, as Python
        # runs one at a time.
        self._small: _Lane[Item, Result] = _Lane(1, TOGETHER)
        self._large: _Lane[Item, Result] = _Lane(limits.workers, 1)
        self._admitted = 0  # waiting or worked on

    def check(self) -> None:
        """Raise where there is no room for another request.

        Raises:
            RefusedError: too many wait.
        """
        if self._admitted >= self._limits.workers + self._limits.queue:
            raise RefusedError(
                429, "too many requests wait: send this one again in a second", retry_after=1
            )

    async def run(self, item: Item, *, is_small: bool = False) -> Result:
        """Work on a request.

        Args:
            item: what it asks for.
            is_small: whether it may be worked on together with others.

        Raises:
            RefusedError: too many wait, this one has waited too long, or it takes too long.
        """
        self.check()
        loop = asyncio.get_running_loop()
        request = _Waiting[Item, Result](item, loop.create_future(), loop.create_future())
        request.done.add_done_callback(_read_error)
        lane = self._small if is_small else self._large
        lane.waiting.append(request)
        self._admitted += 1
        self._begin(lane)
        try:
            await self._wait_for_thread(request)
        except BaseException:  # it has waited too long, or the caller has gone
            if not request.begun.done():
                lane.waiting.remove(request)
                self._admitted -= 1
                self._show()
            raise
        return await self._wait_for_answer(request)

    def close(self) -> None:
        """End the threads when their work is done."""
        for lane in (self._small, self._large):
            lane.pool.shutdown(wait=False, cancel_futures=False)

    async def _wait_for_thread(self, request: _Waiting[Item, Result]) -> None:
        """Wait until work on a request begins.

        Raises:
            RefusedError: it has waited too long.
        """
        try:
            await asyncio.wait_for(asyncio.shield(request.begun), self._limits.seconds)
        except TimeoutError as error:
            raise RefusedError(
                503,
                f"no forecast could begin within {self._limits.seconds:g} seconds: send this one "
                f"again later",
                retry_after=5,
            ) from error

    async def _wait_for_answer(self, request: _Waiting[Item, Result]) -> Result:
        """Wait for the end of the work.

        Raises:
            RefusedError: it takes too long. A thread cannot be stopped: it is free again when its
                work has ended.
        """
        try:
            return await asyncio.wait_for(asyncio.shield(request.done), self._limits.seconds)
        except TimeoutError as error:
            raise RefusedError(
                504,
                f"the forecast took more than {self._limits.seconds:g} seconds: send fewer rows or "
                f"series",
            ) from error

    def _begin(self, lane: _Lane[Item, Result]) -> None:
        """Give the requests that wait to the threads that are free."""
        loop = asyncio.get_running_loop()
        while lane.free and lane.waiting:
            count = min(lane.most, len(lane.waiting))
            taken = [lane.waiting.popleft() for _ in range(count)]
            for request in taken:
                request.begun.set_result(None)
            lane.free -= 1
            future = lane.pool.submit(self._work, [request.item for request in taken])
            future.add_done_callback(partial(_call_in, loop, partial(self._ended, lane, taken)))
        self._show()

    def _ended(
        self,
        lane: _Lane[Item, Result],
        taken: Sequence[_Waiting[Item, Result]],
        future: Future[Sequence[Result | Exception]],
    ) -> None:
        """Hand over what a thread has made, and give it the next requests."""
        lane.free += 1
        self._admitted -= len(taken)
        error = future.exception()
        outcomes: Sequence[Result | BaseException]
        outcomes = [error] * len(taken) if error else future.result()
        for request, outcome in zip(taken, outcomes, strict=True):
            if request.done.cancelled():
                continue
            if isinstance(outcome, BaseException):
                request.done.set_exception(outcome)
            else:
                request.done.set_result(outcome)
        self._begin(lane)

    def _show(self) -> None:
        self._counters.waiting.set(len(self._small.waiting) + len(self._large.waiting))


def _call_in(
    loop: asyncio.AbstractEventLoop, call: Callable[[Future[Result]], None], done: Future[Result]
) -> None:
    """Call a function in the loop, from the thread that has ended its work."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, done)


def _read_error(done: asyncio.Future[Result]) -> None:
    """Read the error of a request, so that it is not logged where nobody waits for it any more."""
    if not done.cancelled():
        done.exception()
