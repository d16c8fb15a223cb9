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

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.errors import SearchError
from forecast.experiment.settings import Experiment
from forecast.files.outputs import check_writable
from forecast.layers.runtime import start_quietly
from forecast.search.address import Address
from forecast.search.processes import LocalProcesses
from forecast.search.search import present, run_search
from forecast.search.space import check_space
from forecast.search.start import begin, open_search, search_folder
from forecast.search.summary import opening
from forecast.search.trial import make_bench
from forecast.search.workers import BenchArguments, Resources, make_runners
from forecast.training.voice import Voice

if TYPE_CHECKING:
    from forecast.search.ordered import OrderedOracle


_LEASE_SECONDS = 30.0
"""Time without a heartbeat after which a worker counts as lost."""


FAREWELL_SECONDS = 4.0
"""Time the chief serves after the last trial, so that workers learn that it was the last."""


_POLL_SECONDS = 0.2


_MAX_WORKERS = 64


def serve_trials(oracle: OrderedOracle, address: Address) -> None:
    """Give out trials to workers until all have ended.

    Raises:
        SearchError: the address is in use, or is not one of this machine.
    """
    # keras-tuner loads TensorFlow, which a refused command does not need
    import grpc
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

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
    folder = search_folder(config.folder_name, config.data.source, out)
    if voice.tensorboard is not None:
        check_writable(voice.tensorboard)
    check_space(config)
    bench = make_bench(config, None, folder)
    for line in opening(bench):
        voice.say(line)
    voice.wake()
    bench.check_folds()
    with open_search(folder) as journal:
        search = begin(
            bench, journal, resume=resume, replace=replace, say=voice.say, lease=_LEASE_SECONDS
        )
        voice.say(
            f"chief at {address}: waiting for workers (forecast tune --worker --address {address} "
            f"with the same file)"
        )
        arguments = BenchArguments(config, None, folder, reporter=voice.reporter)
        (runner,) = make_runners(LocalProcesses(), arguments, resources)
        run_search(search, [runner], elsewhere=partial(serve_trials, search.oracle, address))
        present(search, voice.tensorboard)
    return folder


def tune_as_worker(
    config: Experiment, *, out: str | Path | None, resources: Resources, address: Address
) -> Path:
    """Run trials that a chief gives out, in a separate process."""
    folder = search_folder(config.folder_name, config.data.source, out)
    bench = make_bench(config, None, folder)
    (runner,) = make_runners(LocalProcesses(), BenchArguments(config, None, folder), resources)
    start_quietly()
    from forecast.search.chief_client import work

    work(bench, runner, address)
    return folder
