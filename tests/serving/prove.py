"""Prove what the service stands: prints the counts. `make prove-serve` runs it."""

from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from serving.kept_clients import ask_without_pause
from serving.service import Service, rows_of, running, save_model, table

STRANGE: tuple[Any, ...] = (
    None, True, "", " ", "NaN", "inf", "-1e999", 1e308, -1e308, 5e-324, 10**30, -(10**400), 2**63,
    "2025-13-45", "0001-01-01", "9999-12-31", "2025-01-01T25:00", "1", "01/02/2025", "\u0000",
    "\ud800", "é" * 1000, "=1+1", "<script>", "'; DROP TABLE", "../../etc/passwd",
    "dataset:air", "http://127.0.0.1/", "file:///etc/passwd", [], {}, [[]], {"a": {"b": 1}},
    "1,5", "1.234,5", "5 %", "-", "n/a", 0, -0.0, 1e-300, "12:00", "2025-W01", "٣", "1" * 5000,
)  # fmt: skip
"""Values that stand in the place of others."""


READINGS = 20
"""Times that memory is read while requests are counted."""


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
        start = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
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


def memory(service: Service, counts: Sequence[int]) -> Iterator[tuple[int, float]]:
    """Ask many times; yield each count of requests, and the megabytes after it."""
    body = json.dumps(whole()).encode()
    asked = 0
    for count in counts:

        def part(number: int, wanted: int = count - asked) -> None:
            connection = service.connection()
            for _ in range(number, wanted, 4):
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                assert connection.getresponse().read()
            connection.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(part, range(4)))
        asked = count
        yield asked, round(service.memory, 1)


def bad_rollout(folder: Path, log: Path) -> Proof:
    """Put a damaged version into the place of a model while it is asked."""
    models = folder / "models"
    shutil.copytree(folder / "shop", models / "shop")
    with running("--models", models, log=log) as service:
        body = json.dumps(whole()).encode()
        before = service.post(body).values
        damaged = folder / "damaged"
        shutil.copytree(folder / "shop", damaged)
        weights = damaged / "state.safetensors"
        data = weights.read_bytes()
        weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        statuses: collections.Counter[int] = collections.Counter()
        same = True
        (models / "shop").rename(folder / "older")
        damaged.rename(models / "shop")
        end = time.perf_counter() + 6
        while time.perf_counter() < end:
            answer = service.post(body)
            statuses[answer.status] += 1
            same = same and answer.values == before
        (listed,) = service.ask("GET", "/models").values["models"]
        is_reported = bool(listed["problem"])
        return Proof.of_statuses(
            "a bad rollout",
            statuses if same and is_reported else {-1: statuses.total()},
            (200,),
            f", answers the same: {same}, reported: {is_reported}",
        )


def ended_under_load(folder: Path, log: Path, clients: int = 20) -> Proof:
    """Send SIGTERM while clients ask; every request that was taken is answered."""
    found: collections.Counter[str] = collections.Counter()
    body = json.dumps(whole()).encode()
    with running(folder / "shop", log=log) as service:
        ending = threading.Event()

        def client(_: int) -> None:
            while True:
                connection = service.connection()
                try:
                    connection.connect()
                except OSError:
                    found["no connection after the end"] += ending.is_set()
                    found["no connection before the end"] += not ending.is_set()
                    return
                try:
                    kind = {"Content-Type": "application/json"}
                    connection.request("POST", "/predict", body, kind)
                    found[str(connection.getresponse().status)] += 1
                except OSError:  # accepted by the system, not by the service
                    found["not taken"] += ending.is_set()
                    found["lost"] += not ending.is_set()
                    return
                finally:
                    connection.close()

        with ThreadPoolExecutor(clients) as pool:
            asking = [pool.submit(client, number) for number in range(clients)]
            time.sleep(3)
            ending.set()
            code = service.stop()
            for each in asking:
                each.result()
    counts = {name: count for name, count in found.items() if count}
    tracebacks = log.read_text().count("Traceback")
    bad = found["lost"] + found["no connection before the end"] + tracebacks + int(code != 0)
    return Proof(
        f"SIGTERM with {clients} clients: {counts}, ended with {code}, {tracebacks} tracebacks",
        found.total(),
        bad,
    )


@dataclass(frozen=True)
class Proof:
    """What came of one proof.

    Attributes:
        line: that is printed.
        attempts: how often something was tried.
        failures: how often what came was not as promised.
    """

    line: str
    attempts: int = 0
    failures: int = 0

    @classmethod
    def of_statuses(
        cls, name: str, statuses: Mapping[int, int], allowed: Container[int], more: str = ""
    ) -> Proof:
        """Count answers with another status than those that are allowed."""
        bad = sum(count for status, count in statuses.items() if status not in allowed)
        return cls(f"{name}: {dict(statuses)}{more}", sum(statuses.values()), bad)


REFUSED = range(400, 500)
"""Statuses of answers to what is wrong with a request."""

BUSY = (200, 429, 503)
"""Statuses of answers to a sound request while too many come."""

MEMORY = 250.0
"""Megabytes that the service may take."""

GROWTH = 5.0
"""Megabytes by which it may grow after its first thousand requests."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fuzz", type=int, default=10_000)
    parser.add_argument("--slow", type=int, default=1_000)
    parser.add_argument("--names", type=int, default=1_000)
    parser.add_argument("--overload", type=float, default=60.0)
    parser.add_argument("--memory", type=int, default=100_000)
    options = parser.parse_args()
    attempts = failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for proof in proofs(Path(folder), options):
            print(proof.line, f"FAILED: {proof.failures}" if proof.failures else "", flush=True)
            attempts += proof.attempts
            failures += proof.failures
    print(f"{attempts} attempts, {failures} failures")
    return int(failures > 0)


def proofs(folder: Path, options: argparse.Namespace) -> Iterator[Proof]:
    """Yield each proof."""
    save_model(folder / "shop")
    log = folder / "log.txt"
    with running(folder / "shop", log=log) as service:
        yield from speed(service)
        yield from attacks(service, options)
        code = service.stop()
    tracebacks = log.read_text().count("Traceback")
    yield Proof(f"ended with {code}, {tracebacks} tracebacks", 1, int(code != 0 or tracebacks > 0))
    with running(folder / "shop", "--processes", "2", log=log) as service:
        service.post(whole())
        time.sleep(2)  # until the second process has loaded the model
        yield from rates(service, "two processes")
    with running(folder / "shop", log=log) as service:
        yield from growth(service, options.memory)
    yield bad_rollout(folder, log)
    yield ended_under_load(folder, log)


def speed(service: Service) -> Iterator[Proof]:
    """Yield how long answers take; that depends on the machine, and is no failure."""
    service.post(whole())
    yield Proof(f"ready after {service.seconds:.1f} s, {service.memory:.0f} MB")
    yield from rates(service, "one process")


def rates(service: Service, name: str) -> Iterator[Proof]:
    """Yield how long 50 clients wait, with shorter and shorter pauses."""
    for pause in (2.0, 0.5, 0.25, 0.12):
        found = paced(service, 10, 50, pause)
        rate = found["statuses"][200] / 10
        yield Proof(f"50 clients, {name}, {rate:.0f} requests/s: {found['p50 p95 p99']}")
    body = json.dumps(whole()).encode()
    asked = ask_without_pause(service.host, service.port, body, 50, 10)
    yield Proof.of_statuses(
        f"50 clients, {name}, without a pause",
        asked.statuses,
        (200,),
        f", p50 p95 p99 {asked.quantiles()}, their own processor time {asked.own:.1f} s",
    )


def attacks(service: Service, options: argparse.Namespace) -> Iterator[Proof]:
    """Yield what came of requests that are wrong, slow or too many."""
    yield Proof.of_statuses("names like paths", names(service, options.names), (404,))
    count, seconds = slow_connections(service, options.slow)
    worst = max(seconds)
    yield Proof(
        f"{count} slow connections, healthy ones meanwhile: {worst:.2f} s at most",
        count,
        int(worst > 5),
    )
    yield Proof.of_statuses("strange bodies", fuzz(service, options.fuzz), (200, *REFUSED))
    found = overload(service, options.overload, 500)
    yield Proof.of_statuses("500 clients", found["statuses"], BUSY, f", p95 {found['p95']:.2f} s")
    yield Proof.of_statuses("after it", {service.post(whole()).status: 1}, (200,))


def growth(service: Service, most: int) -> Iterator[Proof]:
    """Yield the memory after many requests, and whether it grows.

    Allocators keep some megabytes now and then and give them back some thousand requests later;
    what grows does not come back. So the least of the last readings counts.
    """
    counts = [min(1_000, most), *np.linspace(1_000, most, READINGS + 1, dtype=int)[1:].tolist()]
    first, *later = memory(service, counts)
    readings = [megabytes for _, megabytes in later]
    last = min(readings[-READINGS // 4 :])
    line = (
        f"after {first[0]:,} requests {first[1]} MB, until {later[-1][0]:,} requests at most "
        f"{max(readings)} MB, at their end at least {last} MB"
    )
    yield Proof(line, 1, int(max(readings) > MEMORY or last - first[1] > GROWTH))


if __name__ == "__main__":
    sys.exit(main())
