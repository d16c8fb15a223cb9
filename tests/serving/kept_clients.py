"""Many clients on connections that stay open, in one thread, which takes little of the processor.

A client of `http.client` in a thread of its own costs about as much as a forecast, so that it is
measured beside the service; this one costs a twentieth.
"""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Waiting:
    """A client that waits for an answer.

    Attributes:
        connection: of its own.
        since: when it asked.
        received: bytes of the answer so far.
    """

    connection: socket.socket
    since: float
    received: bytes = b""

    def ask(self, message: bytes) -> None:
        """Send the next request."""
        self.since = time.perf_counter()
        self.received = b""
        self.connection.sendall(message)

    def receive(self) -> bool:
        """Read what has come; return whether that is the whole answer, or the end."""
        part = self.connection.recv(65_536)
        if not part:
            self.received = b""
            return True
        self.received += part
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        return len(body) >= int(length)

    @property
    def status(self) -> int:
        """That of the answer; 0 where the connection was closed."""
        return int(self.received[9:12] or b"0")


@dataclass
class Asked:
    """What came back.

    Attributes:
        seconds: that each answer took.
        statuses: number of answers by status; 0 for a connection that was closed.
        own: processor time of the clients.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    own: float = 0.0

    def add(self, waiting: Waiting, *, is_measured: bool) -> None:
        """Count an answer, and how long it took."""
        self.statuses[waiting.status] = self.statuses.get(waiting.status, 0) + 1
        if is_measured:
            self.seconds.append(time.perf_counter() - waiting.since)

    def quantiles(self) -> list[float]:
        """Return the seconds that 50, 95 and 99 % of the answers took at most."""
        found: list[float] = np.quantile(self.seconds, [0.5, 0.95, 0.99]).round(3).tolist()
        return found


def ask_without_pause(host: str, port: int, body: bytes, clients: int, seconds: float) -> Asked:
    """Let each client ask again as soon as it is answered.

    Args:
        host: of the service.
        port: of the service.
        body: of `POST /predict`, in JSON.
        clients: connections.
        seconds: until the last request; the first answers of all clients are not measured.
    """
    message = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    found = Asked()
    begun = time.process_time()
    end = time.perf_counter() + seconds
    with selectors.DefaultSelector() as selector:
        for _ in range(clients):
            connection = socket.create_connection((host, port), timeout=60)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(message)
            waiting = Waiting(connection, time.perf_counter())
            selector.register(connection, selectors.EVENT_READ, waiting)
        while selector.get_map():
            for key, _ in selector.select(60):
                waiting = key.data
                if not waiting.receive():
                    continue
                found.add(waiting, is_measured=sum(found.statuses.values()) >= clients)
                if waiting.status == 0 or time.perf_counter() > end:
                    selector.unregister(waiting.connection)
                    waiting.connection.close()
                else:
                    waiting.ask(message)
    found.own = time.process_time() - begun
    return found
