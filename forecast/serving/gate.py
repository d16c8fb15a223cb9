"""Checks before the app: the token, the bytes of a body, and senders that are too slow.

It is plain ASGI, which sees every piece of a body as it arrives, a chunked one too: a body above
the limit is never in memory whole.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from forecast.serving.addresses import check_host
from forecast.serving.admission import Admission
from forecast.serving.counters import Counters
from forecast.serving.limits import HELD_BODIES, Limits, RefusedError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = ("/", "/page.css", "/page.js", "/healthz", "/readyz")
"""Paths that take no token: the empty page, and what an orchestrator asks."""

WORKING_PATHS = ("/predict", "/check")
"""Paths whose requests are worked on in threads."""

KNOWN_PATHS = (*OPEN_PATHS, *WORKING_PATHS, "/models", "/metrics", "/docs", "/openapi.json")
"""Paths that are counted by name; all others together, so that callers cannot make up names."""


class Gate:
    """Middleware that reads a body within its limits before it calls the app.

    Args:
        app: the application.
        limits: of the service.
        counters: that are shown.
        admission: whose room is looked at before the work of the app, which costs more.
        token: that callers must send; empty for none.
    """

    def __init__(
        self,
        app: App,
        limits: Limits,
        counters: Counters,
        admission: Admission[Any, Any],
        token: str,
    ) -> None:
        self._app = app
        self._admission = admission
        self._limits = limits
        self._counters = counters
        self._token = token.encode()
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on with its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in KNOWN_PATHS else "other"
        start = time.perf_counter()
        status = 500
        self._counters.in_flight.inc()

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._pass(scope, receive, counted)
        except RefusedError as refused:
            await send_refusal(counted, refused)
        finally:
            self._counters.in_flight.dec()
            self._counters.requests.labels(path, str(status)).inc()
            if path == "/predict":
                self._counters.seconds.observe(time.perf_counter() - start)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the token, or the host where there is none, read the body, and call the app.

        Raises:
            RefusedError: there is no token, the host is another one, or the body is too large or
                too slow.
        """
        headers = dict(scope["headers"])
        if not self._token:
            check_host(headers.get(b"host", b""))
        elif scope["path"] not in OPEN_PATHS:
            self._check_token(headers.get(b"authorization", b""))
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limits.max_bytes:
            raise self._too_large()
        taken = 0
        try:
            try:
                async with asyncio.timeout(self._limits.read_seconds):
                    parts = []
                    more = True
                    while more:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            return
                        part = message.get("body", b"")
                        taken += len(part)
                        self._held += len(part)
                        self._check_bytes(taken)
                        parts.append(part)
                        more = message.get("more_body", False)
            except TimeoutError as error:
                raise RefusedError(
                    408,
                    f"the body did not arrive within {self._limits.read_seconds:g} seconds: send "
                    f"it faster, or fewer rows",
                ) from error
            if scope["path"] in WORKING_PATHS:
                self._admission.check()
            await self._app(scope, _replayed(b"".join(parts), receive), send)
        finally:
            self._held -= taken

    def _check_token(self, given: bytes) -> None:
        """Raise unless a header has the token; the comparison takes the same time for all."""
        kind, _, token = given.partition(b" ")
        if not hmac.compare_digest(token, self._token) or kind.lower() != b"bearer":
            raise RefusedError(
                401, "this service takes a token: send the header Authorization: Bearer TOKEN"
            )

    def _check_bytes(self, taken: int) -> None:
        if taken > self._limits.max_bytes:
            raise self._too_large()
        if self._held > HELD_BODIES * self._limits.max_bytes:
            raise RefusedError(
                503, "too many large requests arrive: send this one again later", retry_after=5
            )

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413,
            f"the body is larger than {self._limits.max_bytes:,} bytes: send the last rows of each "
            f"series, which the model reads, or ask in parts",
        )


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a function that gives the app a body that has been read."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()  # which waits until the caller has gone
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given


async def send_refusal(send: Send, refused: RefusedError) -> None:
    """Send a refusal as JSON."""
    body = json.dumps({"errors": list(refused.lines)}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *refusal_headers(refused),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusal_headers(refused: RefusedError) -> Sequence[tuple[bytes, bytes]]:
    """Return the headers of a refusal beside those of its body."""
    headers = []
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(refused.retry_after).encode()))
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refused.status in (408, 413):
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    return headers
