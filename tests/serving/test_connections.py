"""Limits of a connection before the app is asked: raw bytes to a real process."""

from __future__ import annotations

import json
import random
import re
import socket
from collections.abc import Iterator
from itertools import repeat

import pytest
from serving.service import Service, rows_of, running, save_model, table

from forecast.serving.connections import MOST_UNREAD, TOO_LONG

HOST = b"Host: localhost\r\n"

POST = b"POST /predict HTTP/1.1\r\n" + HOST

CHUNKED = POST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "a request line": (b"GET /", b"a" * 1000),
    "a query": (b"GET /?", b"a" * 1000),
    "the name of a header": (POST, b"x" * 1000),
    "a header": (POST + b"X-Long: ", b"x" * 1000),
    "headers": (POST, b"X-More: yes\r\n" * 80),
    "a header after the body": (CHUNKED + b"2\r\n{}\r\n0\r\nX-Long: ", b"x" * 1000),
    "headers after the body": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-More: yes\r\n" * 80),
    "the size of a chunk": (CHUNKED, b"0" * 1000),
    "what stands beside the size of a chunk": (CHUNKED + b"2;x=", b"y" * 1000),
    "lines before a request": (b"", b"\r\n" * 500),
}
"""Name -> the start of what is sent, and what follows again and again."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("connections")
    save_model(folder / "shop")
    log = folder / "errors.txt"
    with running(folder / "shop", log=log) as found:
        yield found
        assert "Traceback" not in log.read_text()


def connect(service: Service) -> socket.socket:
    return socket.create_connection((service.host, service.port), timeout=30)


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionError:
        pass
    return found


@pytest.mark.parametrize("name", list(ENDLESS))
def test_nothing_but_a_body_is_long(service: Service, name: str) -> None:
    start, more = ENDLESS[name]
    before = service.memory
    sent = 0
    with connect(service) as connection:
        connection.sendall(start)
        try:
            for part in repeat(more, 100_000):
                connection.sendall(part)
                sent += len(part)
        except ConnectionError:
            pass
        answer = read_all(connection)
    assert sent < 20_000_000  # what systems hold between the two, at most
    assert service.memory < before + 20
    if answer:
        assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400", b"HTTP/1.1 422"))
    assert service.ask("GET", "/healthz").status == 200


def test_the_refusal_of_long_headers_is_whole() -> None:
    head, _, body = TOO_LONG.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert f"{MOST_UNREAD:,}" in json.loads(body)["errors"][0]


def test_headers_may_be_as_long_as_those_of_browsers(service: Service) -> None:
    cookie = {"Cookie": "a" * 8_000}
    assert service.ask("GET", "/healthz", headers=cookie).status == 200


def test_requests_arrive_in_any_pieces(service: Service) -> None:
    """The same bytes in pieces of any size, and a body in chunks of one byte, are one request."""
    body = json.dumps({"rows": rows_of(table(1, 60)), "horizon": 2}).encode()
    expected = service.post(body).values["rows"]
    whole = POST + b"Content-Type: application/json\r\nConnection: close\r\n"
    plain = whole + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    single = b"".join(b"1\r\n%c\r\n" % letter for letter in body)
    chunked = whole + b"Transfer-Encoding: chunked\r\n\r\n" + single + b"0\r\nX-After: yes\r\n\r\n"
    draw = random.Random(0)
    for message in (plain, chunked):
        for most in (7, 300, 10_000):
            with connect(service) as connection:
                place = 0
                while place < len(message):
                    size = draw.randint(1, most)
                    connection.sendall(message[place : place + size])
                    place += size
                answer = read_all(connection)
            head, _, content = answer.partition(b"\r\n\r\n")
            assert b"200 OK" in head, answer[:300]
            assert json.loads(content)["rows"] == expected


def test_requests_behind_each_other_are_answered_in_order(service: Service) -> None:
    paths = [b"/healthz", b"/readyz", b"/nothing", b"/healthz"]
    message = b"".join(b"GET %s HTTP/1.1\r\n%s\r\n" % (path, HOST) for path in paths)
    message += b"GET /readyz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    with connect(service) as connection:
        connection.sendall(message)
        answer = read_all(connection)
    statuses = re.findall(rb"HTTP/1.1 (\d+)", answer)
    assert statuses == [b"200", b"200", b"404", b"200", b"200"]


@pytest.mark.parametrize(
    "message",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the start of TLS
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        POST + b"Content-Length: -5\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"zz\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA\x00B: c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(service: Service, message: bytes) -> None:
    with connect(service) as connection:
        connection.sendall(message)
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert not answer or answer.split()[1].startswith(b"4"), answer[:200]
    assert service.ask("GET", "/healthz").status == 200
