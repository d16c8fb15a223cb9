"""Requests in worker processes: each answered once, in another worker where one is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster.stations import open_echo, open_surroundings

from forecast.cluster.tasks import Answered, run_tasks
from forecast.errors import FileError
from forecast.search.processes import LocalProcesses, Opening, Unanswered

KILLED = "its process was ended by SIGKILL, as by a system that is out of memory"


def answers(folder: Path, kind: str, workers: int = 2) -> dict[int, object]:
    opening = Opening("echoes", open_echo, folder, with_keras=False)
    requests = [(number,) for number in range(6)]
    ended = run_tasks(LocalProcesses(workers), opening, kind, requests)
    return {end.number: end.answer for end in ended}


def calls(folder: Path, number: int) -> int:
    return sum(path.stat().st_size for path in folder.glob(f"{number}-*"))


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_each_request_is_answered_once(tmp_path: Path, workers: int) -> None:
    found = answers(tmp_path, "echo", workers)
    assert found == {number: 10 * number for number in range(6)}
    assert [calls(tmp_path, number) for number in range(6)] == [1] * 6


def test_a_lost_request_goes_on_in_another_process(tmp_path: Path) -> None:
    assert answers(tmp_path, "die once") == {number: 10 * number for number in range(6)}
    assert [calls(tmp_path, number) for number in range(6)] == [2] * 6


def test_a_request_that_is_lost_twice_has_failed_and_no_other(tmp_path: Path) -> None:
    found = answers(tmp_path, "die twice")
    lost = found.pop(3)
    assert (type(lost).__mro__[1], str(lost)) == (Unanswered, KILLED)
    assert found == {number: 10 * number for number in range(6) if number != 3}
    assert calls(tmp_path, 3) == 2


def test_an_error_is_the_answer_to_its_request_alone(tmp_path: Path) -> None:
    found = answers(tmp_path, "wrong")
    assert found.pop(3) == "ValueError: three is wrong"
    assert len(found) == 5
    assert calls(tmp_path, 3) == 1


def test_a_full_disk_ends_all_work(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="the disk is full"):
        answers(tmp_path, "disk full")


def test_workers_end_with_whoever_reads_the_answers(tmp_path: Path) -> None:
    opening = Opening("echoes", open_echo, tmp_path, with_keras=False)
    ended = run_tasks(LocalProcesses(2), opening, "echo", [(number,) for number in range(50)])
    next(ended)
    ended.close()
    assert sum(calls(tmp_path, number) for number in range(50)) < 50


def test_threads_are_set_before_libraries_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    opening = Opening("looks", open_surroundings, None, threads=1, with_keras=False)
    (end,) = run_tasks(LocalProcesses(1), opening, "tensorflow", [()])
    threads, pools, has_tensorflow = Answered(end.number, end.answer).answer
    assert (threads, has_tensorflow) == ("1", False)
    assert pools
    assert set(pools) == {1}
