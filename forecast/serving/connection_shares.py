"""Fair shares: each new connection goes to the process that has fewest.

Every process accepts from the same socket. The one that looks first would take all that wait, and
connections stay open: those beside it would have nothing to do.
"""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import MutableSequence
from typing import Any

LOOKS = 1000
"""Looks at a connection that waits, some 30 ms, after which a process takes it though another one
has fewer: that one may be too busy to take it."""

_NOT_SERVING = 2**30


class OpenConnections:
    """Numbers of connections of each process, in memory that they share.

    Args:
        processes: number of them.
    """

    def __init__(self, processes: int) -> None:
        counts: Any = multiprocessing.get_context("spawn").RawArray("i", processes)
        self._counts: MutableSequence[int] = counts
        for place in range(processes):
            self.end(place)

    def begin(self, place: int) -> None:
        """Let a process have its share from now on."""
        self._counts[place] = 0

    def end(self, place: int) -> None:
        """Leave nothing to a process that serves no more, or not yet."""
        self._counts[place] = _NOT_SERVING

    def add(self, place: int, change: int) -> None:
        """Count connections of a process; no other process changes its number.

        Args:
            place: of the process.
            change: 1 for one that was opened, -1 for one that was closed.
        """
        self._counts[place] += change

    def has_fewest(self, place: int) -> bool:
        """Return whether no other process has fewer."""
        return self._counts[place] <= min(self._counts)


class FairSocket(socket.socket):
    """A listening socket that leaves connections to the process that has fewest.

    Args:
        listener: socket that the processes share; it stays open when this one is closed.
        connections: of the processes.
        place: of this process.
    """

    def __init__(self, listener: socket.socket, connections: OpenConnections, place: int) -> None:
        own = listener.dup().detach()
        super().__init__(listener.family, listener.type, listener.proto, fileno=own)
        self._connections = connections
        self._place = place
        self._looks = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection.

        Raises:
            BlockingIOError: none waits, or it is left to another process.
        """
        if self._looks < LOOKS and not self._connections.has_fewest(self._place):
            self._looks += 1
            raise BlockingIOError
        accepted = super().accept()
        self._looks = 0
        return accepted
