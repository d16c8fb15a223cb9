"""Several machines: a chief gives out trials over keras-tuner's own gRPC, and workers run them.

The variables are keras-tuner's: `KERASTUNER_TUNER_ID` (`chief`, or the name of a worker),
`KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT`. The messages are its own too; what they have no
field for travels as JSON among the values of a trial. A trial is leased: a worker sends a heartbeat
every few seconds, and the trial of a worker that stops to do so is given to another. A chief that
was killed resumes from its journal, and workers wait for it meanwhile.

The service has no authentication, so the chief listens on this machine alone unless it is given an
address.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
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
from forecast.search.oracles import SCORE
from forecast.search.ordered import IDENTITY, OrderedOracle
from forecast.search.search import check_folds, present, run_search
from forecast.search.space import check_space, hyper_parameters, search_of
from forecast.search.start import (
    begin,
    check_same_search,
    identity_of,
    open_search,
    search_folder,
)
from forecast.search.summary import opening
from forecast.search.trial import Bench, make_bench
from forecast.search.tuner import HaltedError, SearchTuner
from forecast.search.workers import BenchArguments, Resources, Runner, WorkerProcess
from forecast.training.voice import Voice

_TUNER = "KERASTUNER_TUNER_ID"
_IP = "KERASTUNER_ORACLE_IP"
_PORT = "KERASTUNER_ORACLE_PORT"


_LEASE_SECONDS = 30.0
"""Time without a heartbeat after which a worker counts as lost."""


FAREWELL_SECONDS = 4.0
"""Time the chief serves after the last trial, so that workers learn that it was the last."""


PATIENCE_SECONDS = 600
"""Longest time a worker waits for a chief that does not answer."""


_POLL_SECONDS = 0.2


_MAX_WORKERS = 64


@dataclass(frozen=True)
class Address:
    """Address of the chief.

    Attributes:
        host: name or IP of its machine.
        port: of its service.
    """

    host: str
    port: str

    @classmethod
    def of(cls, text: str | None, environment: Mapping[str, str]) -> Address:
        """Parse `HOST:PORT`; None for keras-tuner's variables, or this machine without them.

        Raises:
            SearchError: it is no address.
        """
        if not text:
            text = f"{environment.get(_IP, '127.0.0.1')}:{environment.get(_PORT, '8000')}"
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SearchError(
                f"the address of the chief is {text!r}; expected HOST:PORT, such as 10.0.0.5:8000"
            )
        return cls(host, port)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def serve_trials(oracle: OrderedOracle, address: Address) -> None:
    """Give out trials to workers until all have ended.

    Raises:
        SearchError: the address is in use, or is not one of this machine.
    """
    server = grpc.server(ThreadPoolExecutor(_MAX_WORKERS), options=[("grpc.so_reuseport", 0)])
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(oracle), server)
    try:
        server.add_insecure_port(str(address))
    except RuntimeError as error:
        raise SearchError(
            f"cannot listen on {address}: another program uses it, or it is no address of this "
            f"machine; name another with --address"
        ) from error
    server.start()
    try:
        while not oracle.is_finished:
            time.sleep(_POLL_SECONDS)
        time.sleep(FAREWELL_SECONDS)
    finally:
        server.stop(grace=_POLL_SECONDS).wait()


def work(bench: Bench, runner: Runner, address: Address) -> None:
    """Run trials for a chief until it has no more.

    Args:
        bench: settings and data, which must be those of the chief.
        runner: runs one trial at a time.
        address: of the chief.

    Raises:
        SearchError: the chief runs another search, or does not answer.
    """
    # keras-tuner reads these when it turns an oracle into a client of the chief
    os.environ.setdefault(_TUNER, f"worker-{socket.gethostname()}-{os.getpid()}")
    os.environ[_IP] = address.host
    os.environ[_PORT] = address.port
    oracle_client.TIMEOUT = PATIENCE_SECONDS

    client = keras_tuner.Oracle(
        objective=keras_tuner.Objective(SCORE, "min"),
        hyperparameters=hyper_parameters(search_of(bench.config)),
        seed=1,
    )
    identity = identity_of(bench.config, bench.panel)
    try:
        _Worker(client, runner, bench, identity).search()
    except HaltedError as error:
        raise error.cause from error
    except grpc.RpcError as error:
        raise SearchError(
            f"the chief at {address} does not answer ({error.code().name}): start it with forecast "
            f"tune --chief, or name its address with --address"
        ) from error
    finally:
        runner.close()


class _Worker(SearchTuner):
    """A tuner whose oracle is the chief.

    Args:
        oracle: keras-tuner turns it into a client of the chief.
        runner: runs one trial at a time.
        bench: settings and data.
        identity: of the search here.
    """

    def __init__(
        self, oracle: keras_tuner.Oracle, runner: Runner, bench: Bench, identity: Mapping[str, str]
    ) -> None:
        objective = search_of(bench.config).objective
        super().__init__(oracle, runner, bench.folder, objective=objective, on_score=None)
        self.bench = bench
        self.identity = identity

    def run_trial(self, trial: Any, *rest: Any, **named: Any) -> dict[str, float]:
        """Run a trial of the chief, if it is of the same search.

        Raises:
            HaltedError: the chief runs another search.
        """
        stored = json.loads(trial.hyperparameters.values[IDENTITY])
        try:
            check_same_search(self.bench.folder, stored, self.identity)
        except SearchError as error:
            reason = SearchError(f"this worker is not of the chief's search: {error}")
            raise HaltedError(reason) from error
        return super().run_trial(trial, *rest, **named)


def tune_as_chief(
    config: Experiment,
    *,
    out: str | Path | None,
    resume: bool,
    replace: bool,
    resources: Resources,
    address: Address,
    voice: Voice,
) -> Path:
    """Give out the trials of a search, then evaluate the best here; see `search.tune_run`."""
    folder = search_folder(config, out)
    if voice.tensorboard is not None:
        check_writable(voice.tensorboard)
    check_space(config)
    bench = make_bench(config, None, folder)
    for line in opening(bench):
        voice.say(line)
    voice.wake()
    check_folds(bench)
    with open_search(folder) as journal:
        search = begin(
            bench, journal, resume=resume, replace=replace, say=voice.say, lease=_LEASE_SECONDS
        )
        voice.say(
            f"chief at {address}: waiting for workers (forecast tune --worker --address {address} "
            f"with the same file)"
        )
        arguments = BenchArguments(config, None, folder, reporter=voice.reporter)
        runner = WorkerProcess(arguments, resources)
        run_search(search, [runner], elsewhere=partial(serve_trials, search.oracle, address))
        present(search, voice.tensorboard)
    return folder


def tune_as_worker(
    config: Experiment, *, out: str | Path | None, resources: Resources, address: Address
) -> Path:
    """Run trials that a chief gives out, in a separate process."""
    folder = search_folder(config, out)
    bench = make_bench(config, None, folder)
    runner = WorkerProcess(BenchArguments(config, None, folder), resources)
    work(bench, runner, address)
    return folder
