"""The process of the service: its address, its start and its end."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from forecast.errors import ConfigError
from forecast.errors.interface import Interface, in_python, using
from forecast.serving.app import make_app
from forecast.serving.limits import Limits
from forecast.serving.served_models import ModelStore

TOKEN = "FORECAST_TOKEN"
"""Variable of the environment with the token."""

LEAST_TOKEN = 16
"""Letters of a token, at least."""

BACKLOG = 2048
"""Connections that the system holds before they are accepted."""

CONNECTIONS = 8192
"""Open files of the process, if the system allows: each connection is one."""


def _field(name: str, _: bool) -> str:
    return f"the field {name}"


SERVICE = Interface(in_python, lambda path: path.rpartition(".")[2], _field)
"""Words of messages to callers of the service."""


def serve(
    run: str | Path | None,
    *,
    models: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    say: Callable[[str], None],
) -> None:
    """Serve forecasts until the process is told to end; what is in flight is finished then.

    Args:
        run: run folder, or folder of a saved model; optional where `models` is given.
        models: folder whose sub-folders are run folders; optional.
        host: address to listen on; one beyond this machine needs a token in the variable `TOKEN` of
            the environment.
        port: to listen on; 0 for a free one.
        limits: default: `Limits()`.
        say: gets lines about models, and the address when it is ready.

    Raises:
        ConfigError: there is no model, no token where one is needed, or the address is taken.
        ArtifactError: the model cannot be loaded.
    """
    limits = limits or Limits()
    token = os.environ.get(TOKEN, "")
    check_address(host, token)
    if run is None and models is None:
        raise ConfigError("there is nothing to serve: name a run folder, or `models=` a folder")
    if models is not None and not Path(models).is_dir():
        raise ConfigError(f"{models} is no folder; expected one with run folders in it")
    store = ModelStore(_path(run), _path(models), say)
    store.start()
    _raise_open_files()
    listener = _listen(host, port)
    with using(SERVICE):
        _Server(_config(store, limits, token), say, listener).run(sockets=[listener])
    store.stop()


def check_address(host: str, token: str) -> None:
    """Raise where a service that others could reach would take no token.

    Args:
        host: to listen on.
        token: of the service; empty for none.

    Raises:
        ConfigError: there is no token, or a short one.
    """
    if token and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise ConfigError(
            f"{TOKEN} has {len(token)} characters; expected at least {LEAST_TOKEN}, ASCII alone, "
            f"as `openssl rand -hex 32` writes them"
        )
    if token or _is_loopback(host):
        return
    raise ConfigError(
        f"{host} can be reached from other machines and there is no token: set {TOKEN} in the "
        f"environment, or listen on 127.0.0.1"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _path(name: str | Path | None) -> Path | None:
    return None if name is None else Path(name)


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ConfigError: the address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port} ({error}): name another --port or --host"
        ) from error
    listener.listen(BACKLOG)
    return listener


def _raise_open_files() -> None:
    """Let the process have many connections, as far as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _config(store: ModelStore, limits: Limits, token: str) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(store, limits, token),
        http=patient_protocol(limits.read_seconds),
        lifespan="off",
        ws="none",
        loop="asyncio",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(2 * limits.seconds) + 1,
        h11_max_incomplete_event_size=16_384,
    )


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(
        self, config: uvicorn.Config, say: Callable[[str], None], listener: socket.socket
    ) -> None:
        super().__init__(config)
        self._say = say
        self._address = listener.getsockname()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order at a signal, which is not raised once more afterwards."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        host, port = self._address[:2]
        if ":" in host:
            host = f"[{host}]"
        self._say(f"ready: http://{host}:{port}")


def patient_protocol(seconds: float) -> type[H11Protocol]:
    """Return the protocol of connections that end where no request arrives within some seconds.

    Args:
        seconds: until the first line and all headers of a request have arrived.
    """

    class Patient(H11Protocol):
        """A connection with a deadline for the headers of each request."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._has_request():
                self._stop_waiting()
            elif self._deadline is None:
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _has_request(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _wait(self) -> None:
            self._deadline = self.loop.call_later(seconds, self._end)

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _end(self) -> None:
            self._deadline = None
            if not self._has_request() and not self.transport.is_closing():
                self.transport.close()

    return Patient
