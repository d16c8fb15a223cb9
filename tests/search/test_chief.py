"""Chief and workers over gRPC give the table of a single process, even if workers are lost."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from search.searches import FakeRunner, experiment, hourly, results_of, search_in

from forecast.errors import SearchError
from forecast.experiment.settings import Experiment
from forecast.search import chief as chief_module
from forecast.search import chief_client, roles
from forecast.search import tuner as tuner_module
from forecast.search.address import Address
from forecast.search.chief import serve_trials
from forecast.search.chief_client import work
from forecast.search.journal import JOURNAL, open_journal
from forecast.search.processes import LocalProcesses
from forecast.search.roles import role_of, tune_in_role
from forecast.search.search import run_search
from forecast.search.start import begin
from forecast.search.trial import make_bench
from forecast.search.workers import Resources
from forecast.training.voice import Voice


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short times, and an environment that is put back."""
    for name in ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.setattr(chief_module, "FAREWELL_SECONDS", 2.0)
    monkeypatch.setattr(chief_client, "PATIENCE_SECONDS", 5)
    monkeypatch.setattr(tuner_module, "HEARTBEAT_SECONDS", 0.2)


@pytest.fixture
def address() -> Address:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", str(free.getsockname()[1]))


def run_chief(folder: Path, config: Experiment, address: Address, lease: float = 1.5) -> list[str]:
    said: list[str] = []
    bench = make_bench(config, hourly(), folder)
    with open_journal(folder / JOURNAL) as journal:
        search = begin(bench, journal, resume=True, say=said.append, lease=lease)
        run_search(
            search, [FakeRunner(bench)], elsewhere=lambda: serve_trials(search.oracle, address)
        )
    return said


class Workers:
    """Workers in threads, and what they ended with."""

    def __init__(self, folder: Path, config: Experiment, address: Address) -> None:
        self.folder = folder
        self.config = config
        self.address = address
        self.threads: list[threading.Thread] = []
        self.errors: list[str] = []

    def start(self, before: Callable[[Any], None] | None = None) -> None:
        def run() -> None:
            bench = make_bench(self.config, hourly(), self.folder)
            try:
                work(bench, FakeRunner(bench, before), self.address)
            except Exception as error:
                self.errors.append(str(error))

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def join(self) -> list[str]:
        for thread in self.threads:
            thread.join(60)
        return self.errors


def lost_once(*numbers: int) -> Callable[[Any], None]:
    """Return a function that raises when a worker first gets one of these trials."""
    left = set(numbers)

    def before(task: Any) -> None:
        if task.number in left:
            left.remove(task.number)
            raise OSError("lost")

    return before


@pytest.mark.parametrize("algorithm", ["random", pytest.param("bayesian", marks=pytest.mark.proof)])
def test_two_workers_make_the_table_of_one_process(
    algorithm: str, tmp_path: Path, address: Address
) -> None:
    config = experiment(algorithm=algorithm, max_trials=9)
    search_in(tmp_path / "alone", config)
    workers = Workers(tmp_path / "chief", config, address)
    workers.start()
    workers.start()
    run_chief(tmp_path / "chief", config, address)
    assert workers.join() == []
    assert results_of(tmp_path / "chief") == results_of(tmp_path / "alone")


def test_the_trial_of_a_lost_worker_is_given_out_again(tmp_path: Path, address: Address) -> None:
    config = experiment(max_trials=9)
    search_in(tmp_path / "alone", config)
    workers = Workers(tmp_path / "chief", config, address)
    before = lost_once(2, 4)
    for _ in range(3):
        workers.start(before)
    said = run_chief(tmp_path / "chief", config, address)
    assert workers.join() == ["lost", "lost"]
    for number in (2, 4):
        line = re.compile(
            rf"trial {number} is given out again: no heartbeat from "
            rf"worker-.*-{os.getpid()} for 1\.5 s"
        )
        assert sum(line.fullmatch(text) is not None for text in said) == 1
    assert results_of(tmp_path / "chief") == results_of(tmp_path / "alone")


@pytest.mark.proof
def test_a_slow_worker_that_sends_heartbeats_keeps_its_trial(
    tmp_path: Path, address: Address
) -> None:
    begun: list[int] = []

    def slow(task: Any) -> None:
        begun.append(task.number)
        if task.number == 0:
            threading.Event().wait(3.0)  # twice the lease

    config = experiment(max_trials=3)
    workers = Workers(tmp_path, config, address)
    workers.start(slow)
    workers.start(slow)
    run_chief(tmp_path, config, address)
    assert workers.join() == []
    assert sorted(begun) == [0, 1, 2]


def test_a_worker_of_another_search_is_sent_away(tmp_path: Path, address: Address) -> None:
    config = experiment(max_trials=3)
    other = Workers(tmp_path / "other", experiment(max_trials=3, seed=4), address)
    other.start()
    right = Workers(tmp_path / "chief", config, address)
    right.start(lambda _: other.join() and None)
    run_chief(tmp_path / "chief", config, address, lease=0.5)
    assert right.join() == []
    assert len(other.errors) == 1
    assert "is not of the chief's search: " in other.errors[0]
    assert "search.seed was 0 and is 4" in other.errors[0]


def test_a_chief_that_is_not_there_is_missed_in_one_line(
    tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chief_client, "PATIENCE_SECONDS", 1)
    workers = Workers(tmp_path, experiment(), address)
    workers.start()
    (error,) = workers.join()
    assert error.startswith(
        f"the chief at {address} does not answer (DEADLINE_EXCEEDED): start it with"
    )


def test_a_taken_address_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = Address("127.0.0.1", str(taken.getsockname()[1]))
        with pytest.raises(SearchError, match="cannot listen on 127"):
            run_chief(tmp_path, experiment(), address)


def test_roles_and_addresses_come_from_options_or_keras_tuners_variables() -> None:
    assert role_of({}) is None
    variables = {"KERASTUNER_ORACLE_IP": "10.0.0.5", "KERASTUNER_ORACLE_PORT": "81"}
    assert role_of({**variables, "KERASTUNER_TUNER_ID": "chief"}) == "chief"
    assert role_of({**variables, "KERASTUNER_TUNER_ID": "tuner3"}) == "worker"
    with pytest.raises(SearchError, match="KERASTUNER_TUNER_ID is not"):
        role_of(variables)
    assert str(Address.of(None, variables)) == "10.0.0.5:81"
    assert str(Address.of(None, {})) == "127.0.0.1:8000", "this machine alone unless told otherwise"
    assert str(Address.of("there:82", variables)) == "there:82"
    for wrong in ("there", "there:", "there:x", ":80", "there:70000"):
        with pytest.raises(SearchError, match="expected HOST:PORT"):
            Address.of(wrong, {})
    with pytest.raises(SearchError, match="add --chief or --worker"):
        tune_in_role(experiment(), role=None, address="there:82")
    assert "KERASTUNER_ORACLE_IP" not in os.environ


@pytest.mark.parametrize("role", ["chief", "worker"])
def test_what_is_to_go_names_what_comes_in_its_place(
    monkeypatch: pytest.MonkeyPatch, role: Any
) -> None:
    for name in ("tune_as_chief", "tune_as_worker"):
        monkeypatch.setattr(roles, name, lambda *_, **__: Path("folder"))
    said: list[str] = []
    options: dict[str, Any] = {"out": None, "voice": Voice(said.append)}
    tune_in_role(experiment(), role=role, address=None, resources=Resources(), **options)
    (line,) = said
    assert line.startswith("warning: --chief and --worker go with the next release")
    assert "forecast tune --ray" in line

    elsewhere = Resources(executor=LocalProcesses())
    with pytest.raises(SearchError, match=f"--ray is not read by a {role}"):
        tune_in_role(experiment(), role=role, address=None, resources=elsewhere, **options)
