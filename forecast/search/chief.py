"""Several machines: a chief gives out trials over keras-tuner's own gRPC, workers run them.

The variables are keras-tuner's: `KERASTUNER_TUNER_ID` (`chief`, or the name of a worker),
`KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT`. The messages are its own too; what they have no
place for goes as JSON among the values of a trial. A trial is leased: a worker gives a sign of life
every few seconds, and one that is silent has its trial given to another. The chief can be killed
and goes on from its journal, and workers wait for it meanwhile.

There is no protection against others on the network, which is why the chief listens on this machine
alone unless it is told an address.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_client
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from forecast.errors import SearchError
from forecast.experiment.settings import Experiment
from forecast.files.outputs import check_writable
from forecast.search.journal import open_journal
from forecast.search.oracles import SCORE
from forecast.search.ordered import IDENTITY, OrderedOracle
from forecast.search.search import (
    JOURNAL,
    begin,
    check_folds,
    check_same_search,
    identity_of,
    present,
    run_search,
    search_folder,
)
from forecast.search.space import check_space, hyper_parameters, search_of
from forecast.search.trial import Bench, make_bench
from forecast.search.tuner import HaltedError, SearchTuner
from forecast.search.workers import Place, Resources, Runner, WorkerProcess

TUNER, IP, PORT = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"


LEASE_SECONDS = 30.0
"""A worker silent for so long is taken for lost."""


FAREWELL_SECONDS = 4.0
"""The chief answers for so long after the last trial, for workers to hear that it was the last."""


PATIENCE_SECONDS = 600
"""A worker waits so long for a chief that does not answer."""


LOOK_SECONDS = 0.2


MOST_WORKERS = 64


@dataclass(frozen=True)
class Address:
    """Where the chief is.

    Attributes:
        host: name or number of its machine.
        port: of its service.
    """

    host: str
    port: str

    @classmethod
    def of(cls, text: str | None, environment: Mapping[str, str]) -> Address:
        """Read `HOST:PORT`, or what keras-tuner's variables say, or this machine.

        Raises:
            SearchError: it is no address.
        """
        host, _, port = (
            text or f"{environment.get(IP, '127.0.0.1')}:{environment.get(PORT, '8000')}"
        ).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SearchError(
                f"the address of the chief is {text or port!r}; expected HOST:PORT, such as "
                f"10.0.0.5:8000"
            )
        return cls(host, port)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def serve_trials(oracle: OrderedOracle, address: Address) -> None:
    """Give out trials to workers until all have ended.

    Raises:
        SearchError: the address is taken or not of this machine.
    """
    server = grpc.server(ThreadPoolExecutor(MOST_WORKERS), options=[("grpc.so_reuseport", 0)])
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(oracle), server)
    try:
        server.add_insecure_port(str(address))
    except RuntimeError as error:
        raise SearchError(
            f"cannot listen on {address}: another program does, or it is no address of this "
            f"machine; name another "
            "with --address"
        ) from error
    server.start()
    try:
        while not oracle.is_finished:
            time.sleep(LOOK_SECONDS)
        time.sleep(FAREWELL_SECONDS)
    finally:
        server.stop(grace=LOOK_SECONDS).wait()


def work(bench: Bench, runner: Runner, address: Address) -> None:
    """Run trials for a chief until it has no more.

    Args:
        bench: the settings and the data, which must be those of the chief.
        runner: runs one trial at a time.
        address: of the chief.

    Raises:
        SearchError: the chief searches something else, or does not answer.
    """
    os.environ.setdefault(TUNER, f"worker-{socket.gethostname()}-{os.getpid()}")
    os.environ[IP], os.environ[PORT] = address.host, address.port
    oracle_client.TIMEOUT = PATIENCE_SECONDS
    search = search_of(bench.config)
    asked = keras_tuner.Oracle(
        objective=keras_tuner.Objective(SCORE, "min"),
        hyperparameters=hyper_parameters(search),
        seed=1,
    )
    try:
        Worker(asked, runner, bench, identity_of(bench.config, bench.panel)).search()
    except HaltedError as error:
        raise error.cause from error
    except grpc.RpcError as error:
        raise SearchError(
            f"the chief at {address} does not answer ({error.code().name}): start it with forecast "
            f"tune --chief, or "
            "name its address with --address"
        ) from error
    finally:
        runner.close()


class Worker(SearchTuner):
    """A tuner whose oracle is the chief.

    Args:
        oracle: what keras-tuner turns into a client of the chief.
        runner: runs one trial at a time.
        bench: the settings and the data.
        identity: what is searched here.
    """

    def __init__(
        self, oracle: keras_tuner.Oracle, runner: Runner, bench: Bench, identity: Mapping[str, str]
    ) -> None:
        super().__init__(
            oracle, runner, bench.folder, objective=search_of(bench.config).objective, tell=None
        )
        self.bench, self.identity = bench, identity

    def run_trial(self, trial: Any, *rest: Any, **named: Any) -> dict[str, float]:
        """Run a trial of the chief, if it is of the same search.

        Raises:
            HaltedError: the chief searches something else.
        """
        try:
            check_same_search(
                self.bench.folder, json.loads(trial.hyperparameters.values[IDENTITY]), self.identity
            )
        except SearchError as error:
            raise HaltedError(
                SearchError(f"this worker is not of the chief's search: {error}")
            ) from error
        return super().run_trial(trial, *rest, **named)


def tune_as_chief(
    config: Experiment,
    *,
    out: str | Path | None,
    resume: bool,
    resources: Resources,
    address: Address,
    tensorboard: str | None,
    say: Callable[[str], None],
) -> Path:
    """Give out the trials of a search, then judge the best here; see `search.tune_run`."""
    folder = search_folder(config, out)
    if tensorboard is not None:
        check_writable(tensorboard)
    check_space(config)
    bench = make_bench(config, None, folder)
    check_folds(bench)
    with open_journal(folder / JOURNAL) as journal:
        search = begin(bench, journal, resume=resume, say=say, lease=LEASE_SECONDS)
        say(
            f"chief at {address}: waiting for workers (forecast tune --worker --address {address} "
            f"with the same file)"
        )
        runner = WorkerProcess(Place(config, None, folder), resources)
        run_search(search, [runner], elsewhere=partial(serve_trials, search.oracle, address))
        present(search, tensorboard)
    return folder


def tune_as_worker(
    config: Experiment, *, out: str | Path | None, resources: Resources, address: Address
) -> Path:
    """Run trials that a chief gives out, in a process of their own."""
    folder = search_folder(config, out)
    work(
        make_bench(config, None, folder),
        WorkerProcess(Place(config, None, folder), resources),
        address,
    )
    return folder
