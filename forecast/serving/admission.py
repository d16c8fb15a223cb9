"""A bounded number of requests is worked on, and waits; the others are told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from forecast.serving.counters import Counters
from forecast.serving.limits import Limits, RefusedError

Result = TypeVar("Result")


class Admission:
    """A bounded pool of threads with a bounded queue.

    Args:
        limits: of the service.
        counters: that are shown.
    """

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._pool = ThreadPoolExecutor(limits.workers, thread_name_prefix="forecast")
        self._free = asyncio.Semaphore(limits.workers)
        self._waiting = 0
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

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run a function in the pool.

        Args:
            work: the function.

        Raises:
            RefusedError: too many wait, or it takes too long.
        """
        await self._enter()
        future = self._pool.submit(work)
        # A thread cannot be stopped: its place is free again when it has ended, not when the
        # caller gave up.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: self._leave_from(loop))
        try:
            return await asyncio.wait_for(
                asyncio.shield(asyncio.wrap_future(future)), self._limits.seconds
            )
        except TimeoutError as error:
            _forget(future)
            raise RefusedError(
                504,
                f"the forecast took more than {self._limits.seconds:g} seconds: send fewer rows or "
                f"series",
            ) from error

    def close(self) -> None:
        """End the threads when their work is done."""
        self._pool.shutdown(wait=False, cancel_futures=False)

    async def _enter(self) -> None:
        """Wait for a free thread.

        Raises:
            RefusedError: too many wait already, or this one has waited too long.
        """
        self.check()
        self._admitted += 1
        self._waiting += 1
        self._counters.waiting.set(self._waiting)
        try:
            await asyncio.wait_for(self._free.acquire(), self._limits.seconds)
        except BaseException as error:
            self._admitted -= 1
            if not isinstance(error, TimeoutError):  # the caller has gone
                raise
            raise RefusedError(
                503,
                f"no forecast could begin within {self._limits.seconds:g} seconds: send this one "
                f"again later",
                retry_after=5,
            ) from error
        finally:
            self._waiting -= 1
            self._counters.waiting.set(self._waiting)

    def _leave_from(self, loop: asyncio.AbstractEventLoop) -> None:
        """Free a place, called in the thread that has ended its work."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._admitted -= 1
        self._free.release()


def _forget(future: Future[Result]) -> None:
    """Read the error of work that nobody waits for any more, so that it is not logged."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
