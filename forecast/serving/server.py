"""The process of the service: its address, its start and its end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn

from forecast.errors import ConfigError
from forecast.errors.interface import Interface, in_python, using
from forecast.serving.addresses import token_for
from forecast.serving.app import make_app
from forecast.serving.connection_shares import FairSocket, OpenConnections
from forecast.serving.connections import patient_protocol
from forecast.serving.limits import Limits
from forecast.serving.served_models import ModelStore
from forecast.serving.worker_processes import Siblings, Task

BACKLOG = 2048
"""Connections that the system holds before they are accepted."""

ACCEPTED_AT_ONCE = 1
"""Connections that a process accepts before it looks at its other work: another one may have fewer
by then."""

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
    processes: int = 1,
    say: Callable[[str], None],
) -> None:
    """Serve forecasts until the process is told to end; what is in flight is finished then.

    Args:
        run: run folder, or folder of a saved model; optional where `models` is given.
        models: folder whose sub-folders are run folders; optional.
        host: address to listen on; one beyond this machine needs a token in the variable `TOKEN` of
            the environment.
        port: to listen on; 0 for a free one.
        limits: of each process; default: `Limits()`.
        processes: that serve the address.
        say: gets lines about models, and the address when it is ready.

    Raises:
        ConfigError: there is no model, no token where one is needed, or the address is taken.
        ArtifactError: the model cannot be loaded.
    """
    limits = limits or Limits()
    token = token_for(host)
    if run is None and models is None:
        raise ConfigError("there is nothing to serve: name a run folder, or `models=` a folder")
    if models is not None and not Path(models).is_dir():
        raise ConfigError(f"{models} is no folder; expected one with run folders in it")
    connections = OpenConnections(processes) if processes > 1 else None
    task = Task(_path(run), _path(models), limits, token, connections)
    store = ModelStore(task.run, task.models, say)
    store.start()
    listener = _listen(host, port)
    siblings = Siblings(task, listener, processes - 1, _serve_beside, say)
    siblings.start()
    number = 1 if processes > 1 else 0
    _run(number, task, store, _Ends(say, siblings.end), listener)
    siblings.end()
    siblings.join(2 * limits.seconds + 1)


@dataclass(frozen=True)
class _Ends:
    """Gets the address when a process is ready, and is called when it is told to end."""

    say: Callable[[str], None]
    end: Callable[[], None]


def _serve_beside(number: int, task: Task, listener: socket.socket) -> None:
    """Serve in a further process; the first one says what happens to models."""
    store = ModelStore(task.run, task.models, _unsaid)
    store.start()
    _run(number, task, store, _Ends(_unsaid, lambda: None), listener)


def _unsaid(_: str) -> None:
    """Say nothing."""


def _uncounted(_: int) -> None:
    """Count nothing, where one process has all connections."""


def _run(number: int, task: Task, store: ModelStore, ends: _Ends, listener: socket.socket) -> None:
    """Serve until the process is told to end.

    Args:
        number: of the process; 0 where it is the only one.
        task: limits and token.
        store: the models.
        ends: gets what happens.
        listener: socket.
    """
    _raise_open_files()
    counted = _uncounted
    if task.connections:
        place = number - 1
        listener = FairSocket(listener, task.connections, place)
        task.connections.begin(place)
        counted = partial(task.connections.add, place)
    protocol = patient_protocol(task.limits.read_seconds, counted)
    with using(SERVICE):
        _Server(_config(number, task, store, protocol), ends, listener).run(sockets=[listener])
    store.stop()


def _path(name: str | Path | None) -> Path | None:
    return None if name is None else Path(name)


_ALONE = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
"""Nobody else may listen on the port meanwhile. On Windows `SO_REUSEADDR` would let others do so;
elsewhere it lets a new process have the port of one that has just ended."""


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ConfigError: the address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on each connection: without it every answer
    # on a connection that stays open waits some 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, _ALONE, 1)
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
    try:
        import resource
    except ImportError:  # Windows, where the number of connections has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _config(
    number: int, task: Task, store: ModelStore, protocol: type[asyncio.Protocol]
) -> uvicorn.Config:
    limits = task.limits
    return uvicorn.Config(
        make_app(store, limits, task.token, process=number),
        http=protocol,
        lifespan="off",
        ws="none",
        loop="asyncio",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # no answer depends on the address of the caller
        backlog=ACCEPTED_AT_ONCE,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(2 * limits.seconds) + 1,
    )


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, ends: _Ends, listener: socket.socket) -> None:
        super().__init__(config)
        self._ends = ends
        self._listener = listener

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order, and tell the other processes to."""
        self._ends.end()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order at a signal, which is not raised once more afterwards."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        self._listener.listen(BACKLOG)  # asyncio has just set it to what it accepts at once
        host, port = self._listener.getsockname()[:2]
        if ":" in host:
            host = f"[{host}]"
        self._ends.say(f"ready: http://{host}:{port}")
