"""What a process is in a search: all of it, the chief, or a worker; by options or by keras-tuner's variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from forecast.errors import SearchError
from forecast.experiment.settings import Experiment
from forecast.search.search import tune_run

Role = Literal["chief", "worker"]


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
        table: a file or `dataset:NAME`; `config.data.source` if left out.
        role: what this process is; by `KERASTUNER_TUNER_ID` if left out, and alone where that is
            not set.
        address: `HOST:PORT` of the chief.
        settings: `out`, `resume`, `resources`, `tensorboard` and `say`, as in `tune_run`.

    Raises:
        SearchError: the address is none, or there is no use for it.
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
            f"command for each of "
            "the workers"
        )
    from forecast.search.chief import Address, tune_as_chief, tune_as_worker

    config = config.with_source(table)
    place = Address.of(address, os.environ)
    if role == "chief":
        return tune_as_chief(config, address=place, **settings)
    return tune_as_worker(
        config, out=settings["out"], resources=settings["resources"], address=place
    )


def role_of(environment: Any) -> Role | None:
    """What keras-tuner's variables make of this process."""
    if "KERASTUNER_ORACLE_IP" not in environment:
        return None
    name = environment.get("KERASTUNER_TUNER_ID")
    if name is None:
        raise SearchError(
            "KERASTUNER_ORACLE_IP is set and KERASTUNER_TUNER_ID is not: set it to chief, or to a "
            "name"
        )
    return "chief" if "chief" in name else "worker"
