"""Prove what the service stands: prints the counts. `make prove-serve` runs it."""

from __future__ import annotations

import argparse
import collections
import json
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from serving.service import Service, rows_of, running, save_model, table

STRANGE: tuple[Any, ...] = (
    None, True, "", " ", "NaN", "inf", "-1e999", 1e308, -1e308, 5e-324, 10**30, -(10**400), 2**63,
    "2025-13-45", "0001-01-01", "9999-12-31", "2025-01-01T25:00", "1", "01/02/2025", "\u0000",
    "\ud800", "é" * 1000, "=1+1", "<script>", "'; DROP TABLE", "../../etc/passwd",
    "dataset:air", "http://127.0.0.1/", "file:///etc/passwd", [], {}, [[]], {"a": {"b": 1}},
    "1,5", "1.234,5", "5 %", "-", "n/a", 0, -0.0, 1e-300, "12:00", "2025-W01", "٣", "1" * 5000,
)  # fmt: skip
"""Values that stand in the place of others."""


def whole() -> dict[str, Any]:
    return {"rows": rows_of(table(1, 100)), "horizon": 3, "level": [80]}


def strange_values(draw: random.Random) -> bytes:
    """A body with strange values in some cells, columns or fields."""
    body = whole()
    for _ in range(draw.randint(1, 4)):
        kind = draw.randrange(6)
        rows = body.get("rows")
        row = draw.choice(rows) if isinstance(rows, list) and rows else {}
        if kind == 0 and isinstance(row, dict):
            row[draw.choice(["store", "day", "sales", "price", "more"])] = draw.choice(STRANGE)
        elif kind == 1:
            field = draw.choice(["rows", "known", "horizon", "level", "model", "path"])
            body[field] = draw.choice(STRANGE)
        elif kind == 2 and isinstance(body.get("rows"), list):
            name = draw.choice(["store", "day", "sales"])
            value = draw.choice(STRANGE)
            for place in body["rows"]:
                if isinstance(place, dict):
                    place[name] = value
        elif kind == 3 and isinstance(body.get("rows"), list):
            draw.shuffle(body["rows"])
        elif kind == 4 and isinstance(body.get("rows"), list):
            body["rows"] = body["rows"] * draw.randint(0, 3)
        elif kind == 5 and isinstance(row, dict) and row:
            row.pop(draw.choice(list(row)), None)
    return json.dumps(body).encode("utf-8", "surrogatepass")


def broken_bytes(draw: random.Random) -> bytes:
    """A body with bytes changed, cut out, doubled or added."""
    data = bytearray(json.dumps(whole()).encode())
    for _ in range(draw.randint(1, 20)):
        place = draw.randrange(len(data))
        kind = draw.randrange(4)
        if kind == 0:
            data[place] = draw.randrange(256)
        elif kind == 1:
            del data[place : place + draw.randint(1, 50)]
        elif kind == 2:
            data[place:place] = data[place : place + 30]
        else:
            data[place:place] = bytes(draw.choice(b'[]{}",:\\0-9e.') for _ in range(5))
    return bytes(data)


def strange_csv(draw: random.Random) -> bytes:
    """A CSV text with strange cells and broken lines, as rows of a JSON body."""
    lines = table(1, 100).to_csv(index=False).splitlines()
    for _ in range(draw.randint(1, 6)):
        place = draw.randrange(len(lines))
        cells = lines[place].split(",")
        kind = draw.randrange(4)
        if kind == 0:
            cells[draw.randrange(len(cells))] = str(draw.choice(STRANGE))
        elif kind == 1:
            cells = cells[: draw.randrange(len(cells))]
        elif kind == 2:
            cells += ['"'] * draw.randint(1, 3)
        else:
            cells = ["".join(chr(draw.randrange(1, 0x250)) for _ in range(20))]
        lines[place] = draw.choice([",", ";", "\t"]).join(cells)
    text = draw.choice(["\n", "\r\n", "\r"]).join(lines)
    return json.dumps({"rows": text, "horizon": draw.choice([None, 3])}).encode(
        "utf-8", "surrogatepass"
    )


def nonsense(draw: random.Random) -> bytes:
    """Bytes without form."""
    return draw.randbytes(draw.randrange(2000))


KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    strange_values,
    broken_bytes,
    strange_csv,
    nonsense,
)


def fuzz(service: Service, count: int, seed: int = 0) -> collections.Counter[int]:
    """Send strange bodies; return how often each status came."""
    found: collections.Counter[int] = collections.Counter()

    def part(number: int) -> None:
        draw = random.Random(f"{seed} {number}")
        connection = service.connection()
        for _ in range(count // 4):
            body = draw.choice(KINDS)(draw)
            kind = draw.choice(["application/json"] * 5 + ["text/csv", "", "text/plain"])
            path = draw.choice(["/predict", "/predict", "/check"])
            try:
                connection.request("POST", path, body, {"Content-Type": kind})
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except OSError:
                status = -1
            if status >= 500 or status < 0:
                Path(tempfile.gettempdir(), f"fuzz-{status}-{hash(body)}").write_bytes(body)
                connection.close()
                connection = service.connection()
            found[status] += 1
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(part, range(4)))
    return found


def slow_connections(service: Service, count: int) -> tuple[int, list[float]]:
    """Hold connections open that send a byte now and then; return how many, and durations.

    The durations are those of healthy requests meanwhile.
    """
    held = []
    for number in range(count):
        connection = socket.create_connection((service.host, service.port), timeout=30)
        start = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(start + (b"Content-Length: 1000\r\n\r\n{" if number % 2 else b"X: "))
        held.append(connection)
    body = json.dumps(whole()).encode()
    seconds = []
    for _ in range(20):
        begin = time.perf_counter()
        assert service.post(body).status == 200
        seconds.append(time.perf_counter() - begin)
    for connection in held:
        connection.close()
    return len(held), seconds


def names(service: Service, count: int) -> collections.Counter[int]:
    """Ask for models by names that look like paths; return how often each status came."""
    draw = random.Random(0)
    parts = ["..", ".", "/", "\\", "%2e", "%2f", "etc", "passwd", "shop", "\0", "~", "$HOME", "C:"]
    found: collections.Counter[int] = collections.Counter()
    for _ in range(count):
        name = "".join(draw.choice(parts) for _ in range(draw.randint(1, 8)))
        if name == "shop":
            continue
        found[service.post({"rows": "a", "model": name}).status] += 1
    return found


def overload(service: Service, seconds: float, clients: int) -> dict[str, Any]:
    """Ask with many clients at once, each without a pause.

    Returns:
        Counts by status, and the 95th percentile of the duration of answered requests.
    """
    body = json.dumps(whole()).encode()
    end = time.perf_counter() + seconds
    statuses: collections.Counter[int] = collections.Counter()
    durations: list[float] = []
    lock = threading.Lock()

    def client(_: int) -> None:
        while time.perf_counter() < end:
            begin = time.perf_counter()
            try:
                status = service.post(body).status
            except OSError:
                status = -1
            with lock:
                statuses[status] += 1
                if status == 200:
                    durations.append(time.perf_counter() - begin)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return {"statuses": dict(statuses), "p95": float(np.quantile(durations, 0.95))}


def paced(service: Service, seconds: float, clients: int, pause: float) -> dict[str, Any]:
    """Ask with clients that pause between two requests; return counts and durations."""
    body = json.dumps(whole()).encode()
    end = time.perf_counter() + seconds
    durations: list[float] = []
    statuses: collections.Counter[int] = collections.Counter()

    def client(number: int) -> None:
        draw = random.Random(number)
        time.sleep(draw.random() * pause)
        while time.perf_counter() < end:
            begin = time.perf_counter()
            statuses[service.post(body).status] += 1
            durations.append(time.perf_counter() - begin)
            time.sleep(pause * (0.5 + draw.random()))

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    found = np.quantile(durations, [0.5, 0.95, 0.99]).round(4).tolist()
    return {"statuses": dict(statuses), "p50 p95 p99": found}


def memory(service: Service, count: int) -> list[float]:
    """Ask many times; return the megabytes after each tenth."""
    body = json.dumps(whole()).encode()
    found = []
    for _ in range(10):
        with ThreadPoolExecutor(4) as pool:

            def part(_: int) -> None:
                for _ in range(count // 40):
                    service.post(body)

            list(pool.map(part, range(4)))
        found.append(round(service.memory, 1))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fuzz", type=int, default=10_000)
    parser.add_argument("--slow", type=int, default=1_000)
    parser.add_argument("--names", type=int, default=1_000)
    parser.add_argument("--overload", type=float, default=60.0)
    parser.add_argument("--memory", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in proofs(Path(folder), options):
            print(line, flush=True)


def proofs(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Yield a line for each proof."""
    save_model(folder / "shop")
    log = folder / "log.txt"
    with running(folder / "shop", log=log) as service:
        service.post(whole())
        yield f"ready after {service.seconds:.1f} s, {service.memory:.0f} MB"
        yield f"50 clients, 10 requests/s: {paced(service, 20, 50, 5.0)}"
        yield f"50 clients, 25 requests/s: {paced(service, 20, 50, 2.0)}"
        yield f"50 clients without a pause: {overload(service, 10, 50)}"
        yield f"names like paths: {dict(names(service, options.names))}"
        count, seconds = slow_connections(service, options.slow)
        yield f"{count} slow connections, healthy ones meanwhile: {max(seconds):.2f} s at most"
        yield f"strange bodies: {dict(fuzz(service, options.fuzz))}"
        yield f"500 clients: {overload(service, options.overload, 500)}"
        yield f"after it: {service.post(whole()).status}, {service.memory:.0f} MB"
        yield f"MB over {options.memory:,} requests: {memory(service, options.memory)}"
        yield f"tracebacks: {log.read_text().count('Traceback')}"
        yield f"ended with {service.stop()}"


if __name__ == "__main__":
    main()
