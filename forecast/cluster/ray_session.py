"""A Ray cluster for the time of a command: one that runs already, or one of this machine alone."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from forecast.cluster.ray_actors import RayActors
from forecast.errors import ConfigError
from forecast.layers.machine import core_count

LOCAL = "local"
"""Address of a cluster that is started on this machine and ended with the command."""

AUTO_ADDRESS = "auto"
"""Address of the cluster that this machine is a node of."""

CONNECT_SECONDS = 20.0
"""Longest wait for a cluster."""

_RETRY_SECONDS = 0.5

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to others
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning about devices
}


@contextmanager
def ray_executor(address: str, num_workers: int | None = None) -> Iterator[RayActors]:
    """Yield an executor of a Ray cluster, and end what was started for it.

    Args:
        address: `HOST:PORT` of a cluster that this machine is a node of, `auto` for the one that
            runs here, or `local` to start one for this block.
        num_workers: actors at the same time; None for one on each processor of the cluster.

    Raises:
        ConfigError: Ray is not installed, the address has another form, or no cluster answers.
    """
    if find_spec("ray") is None:
        raise ConfigError(
            "the package ray that runs work on a cluster is not installed: run pip install "
            "'bigru-forecast[ray]', or use `workers=` for processes of this machine"
        )
    if address not in (LOCAL, AUTO_ADDRESS):
        _await_port(address)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    ray = _start(address, num_workers)
    try:
        yield RayActors(ray, num_workers or _num_processors(ray))
    finally:
        ray.shutdown()


def _start(address: str, num_workers: int | None) -> Any:
    """Connect to a cluster, or start one."""
    import ray

    options: dict[str, Any] = {"address": address}
    if address == LOCAL:
        processors = max(num_workers or 0, core_count())
        options = {"address": LOCAL, "num_cpus": processors, "include_dashboard": False}
    output = io.StringIO()
    try:
        # Ray prints lines about its own settings when it starts
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # of many kinds, by the stage that failed
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{_nobody(address)} ({reason[:200]}): {_ADVICE}") from error
    return ray


_ADVICE = (
    "start one with ray start --head and name its address, run this command on one of its nodes, "
    "or leave the address out to start one here"
)


def _nobody(address: str) -> str:
    if address == AUTO_ADDRESS:
        return "no Ray cluster runs on this machine"
    if address == LOCAL:
        return "no Ray cluster could be started on this machine"
    return f"no Ray cluster answers at {address}"


def _num_processors(ray: Any) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _await_port(address: str) -> None:
    """Wait until something listens at an address.

    Raises:
        ConfigError: the address has another form, or nothing does.
    """
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal() or "/" in host:
        raise ConfigError(
            f"the address of the Ray cluster is {address!r}; expected HOST:PORT, as ray start "
            f"--head prints it, or auto for the cluster that this machine is a node of"
        )
    until = time.monotonic() + CONNECT_SECONDS
    while True:
        left = until - time.monotonic()
        try:
            socket.create_connection((host, int(port)), timeout=max(left, 0.1)).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() + _RETRY_SECONDS > until:
                raise ConfigError(
                    f"{_nobody(address)} within {CONNECT_SECONDS:g} s: {_ADVICE}"
                ) from error
        time.sleep(_RETRY_SECONDS)
