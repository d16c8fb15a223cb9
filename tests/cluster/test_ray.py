"""The same requests on a Ray cluster as in local processes: same answers, nothing lost."""

from __future__ import annotations

import socket
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.ray_cluster import local_cluster
from cluster.stations import open_echo, open_surroundings

from forecast.cli import main
from forecast.cluster import ray_session
from forecast.cluster.ray_actors import RayActors
from forecast.cluster.ray_session import ray_executor
from forecast.cluster.tasks import run_tasks
from forecast.errors import ConfigError, FileError
from forecast.search.processes import Limits, Lost, Opening, Unanswered

pytest.importorskip("ray")

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def actors() -> Iterator[RayActors]:
    """A cluster of this machine with two workers, which find the stations of these tests."""
    with local_cluster(2) as executor:
        yield executor


def answers(actors: RayActors, folder: Path, kind: str) -> dict[int, object]:
    opening = Opening("echoes", open_echo, folder, with_keras=False)
    ended = run_tasks(actors, opening, kind, [(number,) for number in range(6)])
    return {end.number: end.answer for end in ended}


def calls(folder: Path, number: int) -> int:
    return sum(path.stat().st_size for path in folder.glob(f"{number}-*"))


RIGHT = {number: 10 * number for number in range(6)}


@pytest.mark.proof
@pytest.mark.timeout(600)
class TestActors:
    """Actors of a cluster that all of these tests share."""

    def test_each_request_is_answered_once(self, actors: RayActors, tmp_path: Path) -> None:
        assert answers(actors, tmp_path, "echo") == RIGHT
        assert [calls(tmp_path, number) for number in range(6)] == [1] * 6

    def test_a_lost_request_goes_on_in_another_actor(
        self, actors: RayActors, tmp_path: Path
    ) -> None:
        assert answers(actors, tmp_path, "die once") == RIGHT
        assert [calls(tmp_path, number) for number in range(6)] == [2] * 6

    def test_a_request_that_is_lost_twice_has_failed_and_no_other(
        self, actors: RayActors, tmp_path: Path
    ) -> None:
        found = answers(actors, tmp_path, "die twice")
        lost = found.pop(3)
        assert isinstance(lost, Lost)
        assert lost.startswith("its actor was lost (")
        assert found == {number: 10 * number for number in range(6) if number != 3}
        assert calls(tmp_path, 3) == 2

    def test_errors_are_those_of_local_processes(self, actors: RayActors, tmp_path: Path) -> None:
        assert answers(actors, tmp_path, "wrong")[3] == "ValueError: three is wrong"
        with pytest.raises(FileError, match="the disk is full"):
            answers(actors, tmp_path / "..", "disk full")

    def test_threads_are_set_before_libraries_are_loaded(
        self, actors: RayActors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            monkeypatch.delenv(name, raising=False)
        opening = Opening("looks", open_surroundings, None, threads=3, with_keras=False)
        (end,) = run_tasks(actors, opening, "tensorflow", [()])
        threads, pools, has_tensorflow = end.answer
        assert (threads, has_tensorflow) == ("3", False)
        assert set(pools) <= {3, 2, 1}  # at most as many as there are processors
        assert pools

    def test_a_node_without_the_package_is_named(self, actors: RayActors) -> None:
        def is_not_there(_: None, __: object) -> None:
            """Pickled by the name of a module that no node has."""

        is_not_there.__module__ = "cluster.elsewhere"
        is_not_there.__qualname__ = "is_not_there"
        module = types.ModuleType("cluster.elsewhere")
        module.is_not_there = is_not_there  # type: ignore[attr-defined]
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "cluster.elsewhere", module)
            opening = Opening("echoes", is_not_there, None, with_keras=False)
            with pytest.raises(ConfigError, match=r"elsewhere.*install this package on every"):
                list(run_tasks(actors, opening, "echo", [(1,)]))

    def test_what_is_told_arrives_and_limits_end_a_request(
        self, actors: RayActors, tmp_path: Path
    ) -> None:
        opening = Opening("echoes", open_echo, tmp_path, with_keras=False)
        worker = actors.open(opening)
        told: list[str] = []
        try:
            assert worker.ask("echo", (4,), told.append) == 40
            assert told == ["told 4"]
            worker.limits = Limits(timeout=1)
            late = worker.ask("sleep", (5,), told.append)
            assert late == "took longer than the 1 s of --trial-timeout"
            worker.limits = Limits(memory=1)
            large = worker.ask("sleep", (5,), told.append)
            assert "MiB, more than the 1 of --trial-memory" in large
            worker.limits = Limits()
            threading.Timer(1.0, worker.stop).start()
            assert isinstance(worker.ask("sleep", (5,), told.append), Unanswered)
            assert worker.ask("echo", (4,), told.append) == "the work was stopped"
        finally:
            worker.close()


def test_without_ray_the_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(ray_session, "find_spec", lambda _: None)
    assert main(["predict", "run", "--parts", "parts", "--output", "out", "--ray"]) == 2
    error = capsys.readouterr().err
    assert "pip install 'bigru-forecast[ray]', or use --workers" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("address", ["ray://10.0.0.1:10001", "somewhere", "host:"])
def test_another_form_of_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"), ray_executor(address):
        pass


def test_a_cluster_that_does_not_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ray_session.CONNECT_SECONDS == 20
    monkeypatch.setattr(ray_session, "CONNECT_SECONDS", 1.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    with (
        pytest.raises(ConfigError, match=f"no Ray cluster answers at {address} within 1.5 s"),
        ray_executor(address),
    ):
        pass
    assert 0.9 < time.monotonic() - start < 5
