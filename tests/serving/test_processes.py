"""Several processes at one address."""

from __future__ import annotations

import http.client
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from serving.service import Service, rows_of, running, save_model, table

from forecast.serving.server import _raise_open_files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("processes")
    save_model(made / "shop")
    return made


def serving(service: Service) -> list[int]:
    """Ids of the further processes that serve."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = re.search(r"PPid:\s+(\d+)", (path / "status").read_text())
            command = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if parent and int(parent[1]) == service.process.pid and b"spawn_main" in command:
            found.append(int(path.name))
    return found


def waited(until: Callable[[], bool]) -> bool:
    for _ in range(600):
        if until():
            return True
        time.sleep(0.1)
    return False


def answering(service: Service) -> set[str]:
    """Numbers of the processes that answered, of twenty connections."""
    texts = [service.ask("GET", "/metrics").body.decode() for _ in range(20)]
    return {number for text in texts for number in re.findall(r'process="(\d+)"', text)}


@pytest.mark.proof  # processes start and are killed
def test_two_processes_share_an_address_and_end_together(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with running(folder / "shop", "--processes", "2", log=log) as service:
        assert waited(lambda: len(serving(service)) == 1)
        (first,) = serving(service)
        seen: set[str] = set()
        assert waited(lambda: seen.update(answering(service)) or seen == {"1", "2"})
        os.kill(first, signal.SIGKILL)
        assert waited(lambda: serving(service) not in ([], [first]))
        (second,) = serving(service)
        assert service.post({"rows": rows_of(table())}).status == 200
        assert service.stop() == 0
        assert waited(lambda: not Path(f"/proc/{second}").exists())
    assert "Traceback" not in log.read_text()


def process_of(connection: http.client.HTTPConnection) -> str:
    connection.request("GET", "/metrics")
    found = re.search(r'process="(\d+)"', connection.getresponse().read().decode())
    assert found
    return found[1]


@pytest.mark.proof
def test_connections_that_come_at_once_are_shared(folder: Path, tmp_path: Path) -> None:
    """A process that takes all that wait leaves the one beside it without work for as long as the
    connections stay open."""
    with running(folder / "shop", "--processes", "2", log=tmp_path / "log.txt") as service:
        assert waited(lambda: len(answering(service)) == 2)
        shares = []
        for _ in range(5):
            connections = [
                http.client.HTTPConnection(service.host, service.port) for _ in range(40)
            ]
            for connection in connections:
                connection.connect()
            counts = Counter(map(process_of, connections))
            for connection in connections:
                connection.close()
            shares.append(min(counts["1"], counts["2"]))
    assert sorted(shares)[2] >= 17, shares


@pytest.mark.proof
def test_no_process_stays_when_the_first_is_killed(folder: Path, tmp_path: Path) -> None:
    with running(folder / "shop", "--processes", "2", log=tmp_path / "log.txt") as service:
        assert waited(lambda: len(serving(service)) == 1)
        (other,) = serving(service)
        service.process.kill()
        assert waited(lambda: not Path(f"/proc/{other}").exists())


def test_a_system_without_limits_of_open_files_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module `resource` is missing on Windows."""
    monkeypatch.setitem(sys.modules, "resource", None)
    _raise_open_files()
