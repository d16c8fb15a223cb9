"""A real process of `forecast serve`, and requests to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from forecast.experiment.settings import EnsembleConfig, Experiment
from forecast.forecasting.forecaster import Forecaster

HORIZON = 7


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def values(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The lines of a refusal."""
        return " ".join(self.values["errors"])


@dataclass(frozen=True)
class Service:
    """A running process."""

    process: subprocess.Popen[str]
    host: str
    port: int
    log: Path
    seconds: float

    def connection(self, timeout: float = 60) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request on a connection of its own."""
        connection = self.connection()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()

    def post(self, body: Any, path: str = "/predict", **headers: str) -> Reply:
        """Send JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        return self.ask("POST", path, data, {**kind, **headers})

    def post_csv(self, text: str, query: str = "") -> Reply:
        """Send a CSV file."""
        return self.ask("POST", f"/predict{query}", text.encode(), {"Content-Type": "text/csv"})

    @property
    def memory(self) -> float:
        """Megabytes that are resident."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running(
    *arguments: str | Path, environment: dict[str, str] | None = None, log: Path
) -> Iterator[Service]:
    """Run `forecast serve` on a free port."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "forecast", "serve", *map(str, arguments), "--port", "0"]
    variables = {**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"}
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=variables
        )
        try:
            yield Service(process, *_address(process, log), log, time.perf_counter() - start)
        finally:
            process.kill()
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()


def _address(process: subprocess.Popen[str], log: Path) -> tuple[str, int]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready: "):
            address = urlsplit(line.removeprefix("ready: ").strip())
            return str(address.hostname), int(address.port or 0)
    raise AssertionError(f"the service did not start: {log.read_text()}")


def table(num_series: int = 3, rows: int = 120) -> pd.DataFrame:
    """Days of sales with a week in them."""
    draw = np.random.default_rng(3)
    frames = []
    for place in range(num_series):
        wave = 20 + 5 * np.sin(2 * np.pi * np.arange(rows) / 7)
        frames.append(
            pd.DataFrame(
                {
                    "store": f"s{place}",
                    "day": pd.date_range("2025-01-01", periods=rows, freq="D").astype(str),
                    "sales": (wave * (place + 1) + draw.normal(size=rows)).round(2),
                    "price": draw.uniform(1, 3, rows).round(2),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def save_model(folder: Path, *, known: Sequence[str] = (), rows: int = 120) -> Forecaster:
    """Fit a model without networks and save it."""
    config = Experiment(ensemble=EnsembleConfig(seeds=0, linear="member"))
    forecaster = Forecaster(
        config, id="store", time="day", target="sales", known=list(known), horizon=HORIZON
    )
    forecaster.fit(table(rows=rows), verbose=0).save(folder)
    return forecaster


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON has them."""
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return found
