"""Requests that come at once: some are worked on, some wait, the others are told to come back."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from forecast.serving.admission import Admission
from forecast.serving.counters import Counters
from forecast.serving.limits import Limits, RefusedError


async def outcome(admission: Admission, work: Any) -> Any:
    try:
        return await admission.run(work)
    except RefusedError as refused:
        return refused.status, refused.retry_after


def test_as_many_are_worked_on_and_wait_as_there_is_room_for() -> None:
    at_once: list[int] = []
    working = threading.Semaphore(0)
    lock = threading.Lock()
    count = 0

    def work() -> str:
        nonlocal count
        with lock:
            count += 1
            at_once.append(count)
        working.acquire(timeout=10)
        with lock:
            count -= 1
        return "done"

    async def main() -> list[Any]:
        admission = Admission(Limits(workers=2, queue=3, seconds=20), Counters())
        tasks = [asyncio.create_task(outcome(admission, work)) for _ in range(9)]
        await asyncio.sleep(0.1)
        for _ in range(9):
            working.release()
        return await asyncio.gather(*tasks)

    found = asyncio.run(main())
    assert found == ["done"] * 5 + [(429, 1)] * 4
    assert max(at_once) == 2


def test_who_waits_too_long_is_told_so_and_a_slow_forecast_keeps_its_thread() -> None:
    release = threading.Event()

    async def main() -> list[Any]:
        admission = Admission(Limits(workers=1, queue=5, seconds=0.2), Counters())
        slow = asyncio.create_task(outcome(admission, release.wait))
        await asyncio.sleep(0.05)
        waiting = await outcome(admission, lambda: "never")
        too_slow = await slow
        still_taken = await outcome(admission, lambda: "never")
        release.set()
        await asyncio.sleep(0.1)
        return [waiting, too_slow, still_taken, await outcome(admission, lambda: "done")]

    assert asyncio.run(main()) == [(503, 5), (504, None), (503, 5), "done"]


def test_errors_of_the_work_reach_the_caller_and_free_the_thread() -> None:
    def fail() -> None:
        raise ValueError("wrong")

    async def main() -> str:
        admission = Admission(Limits(workers=1, queue=1), Counters())
        for _ in range(3):
            with pytest.raises(ValueError, match="wrong"):
                await admission.run(fail)
        begin = time.perf_counter()
        done = await admission.run(lambda: "done")
        assert time.perf_counter() - begin < 5
        return done

    assert asyncio.run(main()) == "done"
