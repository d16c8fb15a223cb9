"""Requests that come at once: some are worked on, some wait, the others are told to come back."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from forecast.serving.admission import TOGETHER, Admission
from forecast.serving.counters import Counters
from forecast.serving.limits import Limits, RefusedError

Call = Callable[[], Any]


def called(calls: Sequence[Call]) -> list[Any]:
    """The work of these tests: requests are functions."""
    return [call() for call in calls]


def admission_of(work: Callable[[Sequence[Any]], list[Any]] = called, **limits: Any) -> Any:
    return Admission[Any, Any](Limits(**limits), Counters(), work)


async def outcome(admission: Any, item: Any, **kind: bool) -> Any:
    try:
        return await admission.run(item, **kind)
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
        admission = admission_of(workers=2, queue=3, seconds=20)
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
        admission = admission_of(workers=1, queue=5, seconds=0.2)
        slow = asyncio.create_task(outcome(admission, release.wait))
        await asyncio.sleep(0.05)
        waiting = await outcome(admission, lambda: "never")
        too_slow = await slow
        still_taken = await outcome(admission, lambda: "never")
        release.set()
        await asyncio.sleep(0.1)
        return [waiting, too_slow, still_taken, await outcome(admission, lambda: "done")]

    assert asyncio.run(main()) == [(503, 5), (504, None), (503, 5), "done"]


def test_errors_of_work_that_nobody_waits_for_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = threading.Event()

    def fail() -> None:
        release.wait()
        raise ValueError("too late")

    async def main() -> None:
        admission = admission_of(workers=1, seconds=0.1)
        assert await outcome(admission, fail) == (504, None)
        release.set()
        await asyncio.sleep(0.1)
        assert await outcome(admission, lambda: "done") == "done"

    asyncio.run(main())
    gc.collect()  # asyncio logs what was never read when it is collected
    assert caplog.records == []


@pytest.mark.parametrize("is_small", [False, True])
def test_errors_of_the_work_reach_the_caller_and_free_the_thread(is_small: bool) -> None:
    def fail() -> None:
        raise ValueError("wrong")

    async def main() -> str:
        admission = admission_of(workers=1, queue=1)
        for _ in range(3):
            with pytest.raises(ValueError, match="wrong"):
                await admission.run(fail, is_small=is_small)
        begin = time.perf_counter()
        done: str = await admission.run(lambda: "done", is_small=is_small)
        assert time.perf_counter() - begin < 5
        return done

    assert asyncio.run(main()) == "done"


def test_small_requests_that_wait_are_worked_on_together_and_each_gets_its_own_answer() -> None:
    taken: list[list[int]] = []
    first = threading.Event()

    def work(items: Sequence[int]) -> list[Any]:
        taken.append(list(items))
        first.wait(10)
        return [ValueError(f"no {item}") if item % 5 == 0 else item * 10 for item in items]

    async def main() -> list[Any]:
        admission = admission_of(work, workers=1, queue=100)
        tasks = [asyncio.create_task(admission.run(item, is_small=True)) for item in range(1, 61)]
        await asyncio.sleep(0.1)
        first.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(main())
    for item, answer in enumerate(found, start=1):
        if item % 5 == 0:
            assert isinstance(answer, ValueError)
            assert str(answer) == f"no {item}"
        else:
            assert answer == item * 10
    assert [len(items) for items in taken] == [1, TOGETHER, TOGETHER, 60 - 1 - 2 * TOGETHER]
    in_order = [item for items in taken for item in items]
    assert in_order == list(range(1, 61)), "in the order of their arrival"


def test_small_requests_do_not_wait_for_large_ones() -> None:
    release = threading.Event()

    async def main() -> list[Any]:
        admission = admission_of(workers=1, queue=5)
        large = asyncio.create_task(outcome(admission, release.wait))
        await asyncio.sleep(0.05)
        small = await outcome(admission, lambda: "done", is_small=True)
        is_running = not large.done()
        release.set()
        return [small, is_running, await large]

    assert asyncio.run(main()) == ["done", True, True]


def test_who_has_gone_is_not_worked_on_and_leaves_room() -> None:
    release = threading.Event()
    called_for: list[str] = []

    async def main() -> None:
        admission = admission_of(workers=1, queue=1)
        slow = asyncio.create_task(outcome(admission, release.wait))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(outcome(admission, lambda: called_for.append("gone")))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0.05)
        next_one = asyncio.create_task(outcome(admission, lambda: called_for.append("next")))
        await asyncio.sleep(0.05)
        release.set()
        await asyncio.gather(slow, next_one)

    asyncio.run(main())
    assert called_for == ["next"]
