"""Many fits, predictions and requests in one process: memory, descriptors and threads stay.

    python tests/long_runs.py --fits 1000 --predictions 100000 --hours 24
    python tests/long_runs.py --only day --hours 1

Each part runs in a process of its own and is measured a number of times, after a collection of
garbage. The slope of the memory is that of a straight line through the measurements after the first
fifth, with its 95 % interval. Prints a line for each measurement and part, and exits with 1 where a
slope is above its limit, or descriptors or threads grow.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

MEASUREMENTS = 50
"""Of each part."""

WARM = 0.2
"""Share of the measurements that is left out: caches fill."""

LIMITS = {"fits": 64 * 1024.0, "predictions": 200.0, "day": 1024.0}
"""Bytes of memory a fit, a prediction or a request may leave behind."""

FASTER = 100.0
"""Simulated seconds of a day in each real one."""


@dataclass(frozen=True)
class Measured:
    """The process at a moment.

    Attributes:
        done: fits, predictions or requests so far.
        memory: bytes that are resident.
        descriptors: open ones.
        threads: that run.
        objects: of Python, tracked by its collector.
    """

    done: int
    memory: int
    descriptors: int
    threads: int
    objects: int


def measured(done: int) -> Measured:
    """Measure this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Measured(
        done,
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        len(gc.get_objects()),
    )


@dataclass(frozen=True)
class Slope:
    """Bytes a step, with the ends of the 95 % interval."""

    bytes: float
    low: float
    high: float

    @classmethod
    def of(cls, found: list[Measured]) -> Slope:
        """Return that of the measurements after the warm ones."""
        kept = found[round(WARM * len(found)) :]
        line = stats.linregress([each.done for each in kept], [each.memory for each in kept])
        width = stats.t.ppf(0.975, len(kept) - 2) * line.stderr
        return cls(line.slope, line.slope - width, line.slope + width)


def table(seed: int = 0, rows: int = 80) -> pd.DataFrame:
    """A series of days with a week in it."""
    noise = np.random.default_rng(seed).normal(size=rows)
    days = pd.date_range("2024-01-01", periods=rows)
    return pd.DataFrame({"unique_id": "a", "ds": days, "y": np.arange(rows) % 7 + noise})


def settings() -> dict[str, Any]:
    """A network of four units, an epoch, and nothing beside it."""
    return {
        "windows": {"context_length": 14, "horizon": 3},
        "model": {"name": "bigru", "units": 4},
        "training": {"epochs": 1},
        "ensemble": {"seeds": 1, "linear": "none", "simple": []},
    }


def fits(number: int) -> Iterator[None]:
    """Fit again and again, each time on another table."""
    from forecast import Experiment, Forecaster

    experiment = Experiment.model_validate(settings())
    for seed in range(number):
        Forecaster(experiment).fit(table(seed), verbose=0)
        yield


def predictions(number: int) -> Iterator[None]:
    """Predict again and again."""
    from forecast import Experiment, Forecaster

    forecaster = Forecaster(Experiment.model_validate(settings())).fit(table(), verbose=0)
    for seed in range(number):
        # a new table, as pandas keeps up to 500 references to what it has read of an old one
        forecaster.predict(table(seed, 40))
        yield


# ------------------------------------------------------------------------------------ a day


class FastSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Waits as long as a fast clock says."""

    def select(self, timeout: float | None = None) -> Any:
        """See `selectors`."""
        return super().select(None if timeout is None else timeout / FASTER)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is fast."""

    def time(self) -> float:
        """Return simulated seconds."""
        return FASTER * time.monotonic()


def request_of(number: int) -> tuple[str, str, bytes, list[tuple[bytes, bytes]]]:
    """Return method, path, body and headers of one of the requests of a day."""
    frame = table(number % 20, 40).astype({"ds": str})
    rows = json.loads(frame.to_json(orient="records"))
    host = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    kinds: list[tuple[str, str, bytes]] = [
        ("POST", "/predict", json.dumps({"rows": rows}).encode()),
        ("POST", "/check", json.dumps({"rows": rows}).encode()),
        ("POST", "/predict", json.dumps({"rows": rows[:3]}).encode()),
        ("POST", "/predict", b"{" * 50),
        ("POST", "/predict", json.dumps({"rows": rows, "model": f"m{number}"}).encode()),
        ("GET", f"/absent/{number}", b""),
        ("GET", "/metrics", b""),
        ("GET", "/models", b""),
    ]
    method, path, body = kinds[number % len(kinds)]
    return method, path, body, host


async def ask(app: Any, number: int) -> int:
    """Send a request to an app, every fiftieth so slowly that it is refused; return its status."""
    method, path, body, headers = request_of(number)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
    answers: list[int] = []
    is_slow = number % 50 == 49

    async def receive() -> dict[str, Any]:
        if is_slow:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    await app(scope, receive, send)
    return answers[0]


def day(hours: float, measure: Callable[[int], None]) -> int:
    """Serve for some simulated hours, while versions of models and damaged ones come and go.

    Args:
        hours: of the simulated clock.
        measure: gets the number of requests, some times.
    """
    from forecast import Experiment, Forecaster
    from forecast.serving import served_models
    from forecast.serving.app import make_app
    from forecast.serving.limits import Limits

    served_models.POLL_SECONDS /= FASTER
    given = settings() | {"ensemble": {"seeds": 0, "linear": "member"}}
    forecaster = Forecaster(Experiment.model_validate(given)).fit(table(), verbose=0)
    statuses: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as place:
        models = Path(place)
        forecaster.save(models / "sales")
        store = served_models.ModelStore(None, models, lambda _: None)
        store.start()
        app = make_app(store, Limits(workers=2, queue=4, read_seconds=10.0))

        async def serve() -> int:
            loop = asyncio.get_running_loop()
            start = loop.time()
            number = 0
            while loop.time() - start < 3600 * hours:
                burst = [ask(app, number + place) for place in range(16)]
                for status in await asyncio.gather(*burst):
                    statuses[status] = statuses.get(status, 0) + 1
                number += len(burst)
                if number % 400 == 0:
                    _roll_out(forecaster, models, number)
                    measure(number)
            return number

        with asyncio.Runner(loop_factory=lambda: FastLoop(FastSelector())) as runner:
            number = runner.run(serve())
        store.stop()
    print(f"answers by status: {dict(sorted(statuses.items()))}", flush=True)
    return number


def _roll_out(forecaster: Any, models: Path, number: int) -> None:
    """Save a version again, put a damaged model beside it, and take the last damaged one away."""
    forecaster.save(models / "sales")
    damaged = models / f"damaged{number}"
    forecaster.save(damaged)
    (damaged / "config.json").write_bytes(b"{}")
    for earlier in models.glob("damaged*"):
        if earlier != damaged:
            for path in earlier.iterdir():
                path.unlink()
            earlier.rmdir()


# ------------------------------------------------------------------------------------ the parts


def run_part(part: str, number: float, minutes: float) -> list[Measured]:
    """Run a part in this process; return its measurements.

    Args:
        part: its name.
        number: of fits or predictions, or hours of a day.
        minutes: after which fits or predictions end, however many there were.
    """
    until = time.monotonic() + 60 * minutes
    found: list[Measured] = []

    def measure(done: int) -> None:
        found.append(measured(done))
        print(json.dumps(asdict(found[-1])), flush=True)

    if part == "day":
        day(number, measure)
        return found
    every = max(1, round(number / MEASUREMENTS))
    steps = {"fits": fits, "predictions": predictions}[part](round(number))
    for done, _ in enumerate(steps, start=1):
        if done % every == 0:
            measure(done)
        if time.monotonic() > until:
            break
    return found


def judged(part: str, found: list[Measured]) -> tuple[str, bool]:
    """Return what was found in words, and whether it is within the limits."""
    slope = Slope.of(found)
    kept = found[round(WARM * len(found)) :]
    grown = {
        name: getattr(kept[-1], name) - getattr(kept[0], name)
        for name in ("descriptors", "threads", "objects")
    }
    is_right = slope.low <= LIMITS[part] and grown["descriptors"] <= 2 and grown["threads"] <= 2
    words = (
        f"{part}: {found[-1].done} steps, {slope.bytes:,.0f} bytes a step "
        f"({slope.low:,.0f} to {slope.high:,.0f}), from {found[0].memory / 2**20:.0f} to "
        f"{found[-1].memory / 2**20:.0f} MiB; descriptors {grown['descriptors']:+d}, threads "
        f"{grown['threads']:+d}, objects {grown['objects']:+d}"
    )
    return words, is_right


def main() -> int:
    """Run the parts, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--minutes", type=float, default=1e9, help="of fits or of predictions")
    parser.add_argument("--only", choices=list(LIMITS))
    parser.add_argument("--here", action="store_true", help="in this process; for the parts")
    options = parser.parse_args()
    numbers = {"fits": options.fits, "predictions": options.predictions, "day": options.hours}
    if options.here:
        warnings.simplefilter("ignore")
        run_part(options.only, numbers[options.only], options.minutes)
        return 0
    attempts = 0
    failures = 0
    for part in [options.only] if options.only else LIMITS:
        words = [sys.executable, __file__, "--here", "--only", part]
        words += ["--fits", str(options.fits), "--predictions", str(options.predictions)]
        words += ["--hours", str(options.hours), "--minutes", str(options.minutes)]
        found = []
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                if line.startswith("{"):
                    found.append(Measured(**json.loads(line)))
        said, is_right = (
            judged(part, found) if len(found) > 4 else (f"{part}: it ended early", False)
        )
        print(said, flush=True)
        attempts += found[-1].done if found else 0
        failures += not (is_right and process.returncode == 0)
    print(f"long runs: {attempts} attempts, {failures} failures")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
