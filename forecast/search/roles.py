"""Role of a process in a search: alone, chief or worker, by options or environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from forecast.errors import SearchError
from forecast.experiment.settings import Experiment
from forecast.search.address import Address
from forecast.search.chief import tune_as_chief, tune_as_worker
from forecast.search.search import tune_run

Role = Literal["chief", "worker"]

GOES = (
    "warning: --chief and --worker go with the next release: use forecast tune --ray, which runs "
    "trials on the machines of a Ray cluster"
)
"""Line that everyone reads who uses what is to go."""


def tune_in_role(
    config: Experiment,
    table: str | None = None,
    *,
    role: Role | None,
    address: str | None,
    **settings: Any,
) -> Path:
    """Search alone, as chief or as worker.

    Args:
        config: the experiment with its search.
        table: a file or `dataset:NAME`; default: `config.data.source`.
        role: of this process; None for that of `KERASTUNER_TUNER_ID`, or alone where it is not set.
        address: `HOST:PORT` of the chief; None for that of keras-tuner's variables.
        settings: `out`, `resume`, `replace`, `resources` and `voice`, as in `tune_run`.

    Raises:
        SearchError: the address is malformed, or this role does not read an option that is given.
    """
    role = role or role_of(os.environ)
    if role is None:
        if address is not None:
            raise SearchError(
                f"--address {address} is read by a chief or a worker: add --chief or --worker"
            )
        return tune_run(config, table, **settings)
    if settings["resources"].workers != 1:
        raise SearchError(
            f"--workers is {settings['resources'].workers}, which a {role} does not read: start a "
            f"command for each of the workers"
        )
    if settings["resources"].executor is not None:
        raise SearchError(f"--ray is not read by a {role}: a Ray cluster needs no chief")
    config = config.with_source(table)
    chief = Address.of(address, os.environ)
    settings["voice"].warn(GOES)
    if role == "chief":
        return tune_as_chief(config, address=chief, **settings)
    settings["voice"].wake()
    return tune_as_worker(
        config, out=settings["out"], resources=settings["resources"], address=chief
    )


def role_of(environment: Any) -> Role | None:
    """Return the role that keras-tuner's variables give this process.

    Raises:
        SearchError: there is an address of a chief and no `KERASTUNER_TUNER_ID`.
    """
    if "KERASTUNER_ORACLE_IP" not in environment:
        return None
    name = environment.get("KERASTUNER_TUNER_ID")
    if name is None:
        raise SearchError(
            "KERASTUNER_ORACLE_IP is set and KERASTUNER_TUNER_ID is not: set it to chief, or to a "
            "name"
        )
    if "chief" in name:
        return "chief"
    return "worker"
