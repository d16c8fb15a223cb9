"""The gate of the service, called as a server calls it: tokens, hosts, sizes and slow senders."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from forecast.errors import ConfigError
from forecast.serving.addresses import check_address, check_host, is_loopback, token_for
from forecast.serving.admission import Admission
from forecast.serving.counters import Counters
from forecast.serving.gate import Gate
from forecast.serving.limits import HELD_BODIES, Limits, RefusedError

LIMITS = Limits(max_bytes=100, read_seconds=0.2, workers=1, queue=0)
TOKEN = "t" * 16


class Caller:
    """Requests to a gate whose app answers 200 with the body that it was given."""

    def __init__(self, token: str = "", limits: Limits = LIMITS) -> None:
        self.counters = Counters()
        self.admission = Admission(limits, self.counters, list)
        self.gate = Gate(self._app, limits, self.counters, self.admission, token)
        self.calls = 0

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        if scope["type"] != "http":
            return
        message = await receive()
        assert not message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})

    async def send(
        self,
        *parts: bytes,
        path: str = "/predict",
        headers: Sequence[tuple[bytes, bytes]] = (),
        pause: float = 0.0,
        leaves: bool = False,
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the answer; the status is 0 without one."""
        waiting = list(parts or [b""])
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(pause)
            if not waiting:
                return {"type": "http.disconnect"}
            part = waiting.pop(0)
            more = bool(waiting) or leaves
            return {"type": "http.request", "body": part, "more_body": more}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "headers": [(b"host", b"localhost"), *headers]}
        await self.gate(scope, receive, send)
        if not sent:
            return 0, {}, b""
        found = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
        return sent[0]["status"], found, sent[1]["body"]

    def ask(self, *parts: bytes, **options: Any) -> tuple[int, dict[str, str], bytes]:
        return asyncio.run(self.send(*parts, **options))

    def count(self, path: str, status: int) -> float:
        labels = {"path": path, "status": str(status)}
        return self.counters._registry.get_sample_value("forecast_requests_total", labels) or 0.0

    def number(self, name: str) -> float:
        return self.counters._registry.get_sample_value(name) or 0.0


def test_bodies_arrive_whole_up_to_the_limit() -> None:
    caller = Caller()
    assert caller.ask(b"a" * 60, b"b" * 40) == (200, {}, b"a" * 60 + b"b" * 40)
    status, headers, body = caller.ask(b"a" * 60, b"b" * 41)
    assert (status, headers["connection"]) == (413, "close")
    assert headers["content-length"] == str(len(body))
    assert "larger than 100 bytes" in json.loads(body)["errors"][0]
    assert caller.calls == 1


@pytest.mark.parametrize(("declared", "status"), [(b"100", 200), (b"101", 413), (b"x", 200)])
def test_a_declared_length_is_believed_where_it_is_too_large(declared: bytes, status: int) -> None:
    assert Caller().ask(b"a", headers=[(b"content-length", declared)])[0] == status


def test_all_bodies_together_have_a_limit() -> None:
    """What is held is counted down again, however a request ends."""
    caller = Caller()

    async def together(count: int) -> list[int]:
        asked = (caller.send(b"a" * 100, b"", path="/check", pause=0.02) for _ in range(count))
        return [found[0] for found in await asyncio.gather(*asked)]

    for _ in range(2):
        assert asyncio.run(together(HELD_BODIES)) == [200] * HELD_BODIES
        assert 503 in asyncio.run(together(HELD_BODIES + 1))
    assert caller.gate._held == 0
    assert caller.ask(b"a" * 100)[0] == 200


def test_slow_senders_are_sent_away() -> None:
    status, headers, body = Caller().ask(b"a", b"b", pause=0.3)
    assert (status, headers["connection"]) == (408, "close")
    assert b"within 0.2 seconds" in body


def test_senders_who_leave_reach_nothing() -> None:
    caller = Caller()
    assert caller.ask(b"a", leaves=True)[0] == 0
    assert caller.calls == 0
    assert caller.gate._held == 0


def test_work_is_refused_before_the_app_where_too_many_wait() -> None:
    caller = Caller()
    caller.admission._admitted = 1
    for path in ("/predict", "/check"):
        status, headers, _ = caller.ask(path=path)
        assert (status, headers["retry-after"]) == (429, "1")
    assert caller.ask(path="/models")[0] == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer ", 401),
        (None, 401),
    ],
)
def test_the_token_opens_every_path_that_shows_something(given: str | None, status: int) -> None:
    caller = Caller(TOKEN)
    headers = [] if given is None else [(b"authorization", given.encode())]
    for path in ("/predict", "/check", "/models", "/metrics", "/docs", "/openapi.json", "/else"):
        found, answered, _ = caller.ask(path=path, headers=headers)
        assert found == status
        assert answered.get("www-authenticate") == {401: "Bearer"}.get(status)
    for path in ("/", "/page.css", "/page.js", "/healthz", "/readyz"):
        assert caller.ask(path=path)[0] == 200


def test_the_host_is_checked_where_there_is_no_token() -> None:
    foreign = [(b"host", b"evil.example")]
    status, headers, _ = Caller().ask(headers=foreign)
    assert (status, headers.keys()) == (421, {"content-type", "content-length"})
    authorized = [*foreign, (b"authorization", f"Bearer {TOKEN}".encode())]
    assert Caller(TOKEN).ask(headers=authorized)[0] == 200


def test_requests_are_counted_by_known_paths_and_status() -> None:
    caller = Caller()
    caller.ask()
    caller.ask(b"a" * 101)
    caller.ask(path="/made-up")
    caller.ask(path="/models")
    assert caller.count("/predict", 200) == caller.count("/predict", 413) == 1
    assert caller.count("other", 200) == caller.count("/models", 200) == 1
    assert caller.number("forecast_request_seconds_count") == 2  # of /predict alone
    assert caller.number("forecast_in_flight") == 0


def test_an_app_that_fails_is_counted_as_an_error() -> None:
    caller = Caller()

    async def fail(*_: Any) -> None:
        raise KeyError("lost")

    caller.gate._app = fail
    with pytest.raises(KeyError):
        caller.ask()
    assert caller.count("/predict", 500) == 1
    assert caller.gate._held == 0


def test_what_is_no_request_passes() -> None:
    """Such as the messages of a server that starts."""
    caller = Caller(TOKEN)
    asyncio.run(caller.gate({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert caller.calls == 1
    assert "lifespan" not in caller.counters.text().decode()


def test_the_body_is_given_once_and_then_the_end_of_the_connection() -> None:
    caller = Caller()
    messages = []

    async def twice(_: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        messages.extend([await receive(), await receive()])

    caller.gate._app = twice
    caller.ask(b"a")
    assert messages == [
        {"type": "http.request", "body": b"a", "more_body": False},
        {"type": "http.disconnect"},
    ]


# --------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]
)
def test_names_of_this_machine(name: str) -> None:
    assert is_loopback(name)
    if name != "::1":  # which a header has in brackets
        check_host(name.encode())
        check_host(f"{name}:8000".encode())


@pytest.mark.parametrize(
    "name", ["localhost.example", "10.0.0.1", "::2", "0.0.0.0", "name", "local:host"]
)
def test_names_of_other_machines(name: str) -> None:
    assert not is_loopback(name)
    for header in (name, f"{name}:8000", f"localhost:8000:{name}", f"localhost:{name}"):
        with pytest.raises(RefusedError, match="or localhost, or set") as caught:
            check_host(header.encode())
        assert caught.value.status == 421


def test_a_request_without_a_host_is_answered() -> None:
    check_host(b"")


def test_tokens_are_long_and_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECAST_TOKEN", TOKEN)
    assert token_for("0.0.0.0") == TOKEN
    monkeypatch.delenv("FORECAST_TOKEN")
    assert token_for("127.0.0.1") == ""
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        token_for("0.0.0.0")
    for token in ("t" * 15, "ü" * 16, "t" * 15 + "\n"):
        with pytest.raises(ConfigError, match="expected at least 16, ASCII"):
            check_address("127.0.0.1", token)
