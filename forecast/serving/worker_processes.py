"""Further processes that serve the same address, as Python runs one thread at a time.

They share the listening socket of the first process: the next connection goes to the one that has
fewest. Each loads and verifies the models by itself, and has the limits for itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from forecast.search.lost_parent import watch_parent
from forecast.serving.connection_shares import OpenConnections
from forecast.serving.limits import Limits

LOOK_SECONDS = 1.0
"""Time between two looks at the other processes."""


@dataclass(frozen=True)
class Task:
    """Models, limits and token of a service.

    Attributes:
        run: run folder, or folder of a saved model; None for none.
        models: folder whose sub-folders are run folders; None for none.
        limits: of each process.
        token: that callers must send; empty for none.
        connections: of each process; None where there is one.
    """

    run: Path | None
    models: Path | None
    limits: Limits
    token: str
    connections: OpenConnections | None = None


@dataclass(eq=False)
class Siblings:
    """The further processes of a service.

    Attributes:
        task: what they serve.
        listener: socket that they share.
        count: of them.
        work: serves in a process, given its number, the task and the socket.
        say: gets a line when one has ended by itself.
    """

    task: Task
    listener: socket.socket
    count: int
    work: Callable[[int, Task, socket.socket], None]
    say: Callable[[str], None]
    _processes: dict[int, BaseProcess] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start them, and from then on another one for each that ends by itself."""
        for number in range(2, self.count + 2):
            self._begin(number)
        if self.count:
            threading.Thread(target=self._watch, name="processes", daemon=True).start()

    def end(self, *_: Any) -> None:
        """Tell them to finish what is in flight and end."""
        self._ended.set()
        for process in self._processes.values():
            process.terminate()

    def join(self, seconds: float) -> None:
        """Wait until they have ended; those that have not by then are stopped.

        Args:
            seconds: that each may take.
        """
        for process in self._processes.values():
            process.join(seconds)
            if process.is_alive():
                process.kill()
                process.join()

    def _begin(self, number: int) -> None:
        if self.task.connections:
            self.task.connections.end(number - 1)  # until it serves
        process = multiprocessing.get_context("spawn").Process(
            target=_serve_beside,
            args=(number, os.getpid(), self.work, self.task, self.listener),
            name=f"forecast-{number}",
            daemon=True,
        )
        process.start()
        self._processes[number] = process

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            for number, process in list(self._processes.items()):
                if process.is_alive() or self._ended.is_set():
                    continue
                self.say(f"process {number} ended with {process.exitcode}: another is started")
                self._begin(number)


def _serve_beside(
    number: int,
    parent: int,
    work: Callable[[int, Task, socket.socket], None],
    task: Task,
    listener: socket.socket,
) -> None:
    """Serve in a further process, until it is told to end or the first process is gone."""
    watch_parent(parent, lambda: os.kill(os.getpid(), signal.SIGTERM))
    work(number, task, listener)
