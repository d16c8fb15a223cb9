"""Connections with a deadline and a limit for what arrives before the app is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_UNREAD = 16_384
"""Bytes of a request line and headers, or of what follows a body, such as trailers. Nothing but a
body is longer, and the bytes of a body are counted by the gate."""

_LINE = b'{"errors": ["the headers are longer than 16,384 bytes: send fewer"]}'

TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_LINE), _LINE)
)
"""The answer to such headers."""


def patient_protocol(seconds: float, counted: Callable[[int], None]) -> type[HttpToolsProtocol]:
    """Return the protocol of connections that end where no request arrives within some seconds.

    A connection also ends where bytes come that are neither part of a body nor complete a head: the
    parser would gather them without a limit.

    Args:
        seconds: until the first line and all headers of a request have arrived.
        counted: gets 1 for a connection that has been opened, -1 for one that has been closed.
    """

    class Patient(HttpToolsProtocol):
        """A connection with a deadline for the headers of each request."""

        _deadline: asyncio.TimerHandle | None = None
        _unread = 0  # bytes since the parser passed something on

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            counted(1)
            self._wait()

        def data_received(self, data: bytes) -> None:
            self._unread += len(data)
            super().data_received(data)
            if self._unread > MOST_UNREAD:
                self._refuse()
            elif self._has_request():
                self._stop_waiting()
            elif self._deadline is None:
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            counted(-1)
            super().connection_lost(exc)

        def on_headers_complete(self) -> None:
            self._unread = 0
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._unread = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._unread = 0
            super().on_message_complete()

        def _refuse(self) -> None:
            if not self._has_request():  # else these bytes would look like its answer
                self.transport.write(TOO_LONG)
            self.transport.close()

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
