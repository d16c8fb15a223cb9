"""A worker that asks a chief elsewhere for trials, over keras-tuner's own gRPC."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src.distribute import oracle_client

from forecast.errors import SearchError
from forecast.search.address import IP, PORT, Address
from forecast.search.bench import AnyBench
from forecast.search.oracles import SCORE
from forecast.search.ordered import IDENTITY
from forecast.search.space import hyper_parameters, search_of
from forecast.search.start import check_same_search
from forecast.search.tuner import HaltedError, SearchTuner
from forecast.search.workers import Runner

_TUNER = "KERASTUNER_TUNER_ID"


PATIENCE_SECONDS = 600
"""Longest time a worker waits for a chief that does not answer."""


def work(bench: AnyBench, runner: Runner, address: Address) -> None:
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
    os.environ[IP] = address.host
    os.environ[PORT] = address.port
    oracle_client.TIMEOUT = PATIENCE_SECONDS

    client = keras_tuner.Oracle(
        objective=keras_tuner.Objective(SCORE, "min"),
        hyperparameters=hyper_parameters(search_of(bench.config)),
        seed=1,
    )
    identity = bench.identity()
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
        self,
        oracle: keras_tuner.Oracle,
        runner: Runner,
        bench: AnyBench,
        identity: Mapping[str, str],
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
