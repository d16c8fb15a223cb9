"""Stations for tests of executors, and a small model with tables for it."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.errors import FileError
from forecast.search.processes import Tell


@dataclass(frozen=True)
class Echo:
    """Answers with the request, and does what it is asked to do with its process."""

    folder: Path

    def answer(self, kind: str, content: tuple[Any, ...], tell: Tell) -> Any:
        (number,) = content
        with (self.folder / f"{number}-{os.getpid()}-{kind}").open("a") as file:
            file.write("x")
        times = sum(path.stat().st_size for path in self.folder.glob(f"{number}-*"))
        if kind == "die twice" and number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "die once" and times == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "wrong" and number == 3:
            raise ValueError("three\nis wrong")
        if kind == "disk full" and number == 3:
            raise FileError("the disk is full")
        if kind == "sleep":
            time.sleep(30)
        tell(f"told {number}")
        return number * 10


def open_echo(folder: Path, _tell: Tell) -> Echo:
    return Echo(folder)


class Surroundings:
    """Answers with the threads of its process and the heavy modules in it."""

    def answer(self, kind: str, _content: tuple[Any, ...], _tell: Tell) -> Any:
        import threadpoolctl

        pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
        return os.environ.get("OMP_NUM_THREADS"), pools, kind in sys.modules


def open_surroundings(_: None, _tell: Tell) -> Surroundings:
    import numpy  # noqa: F401 - its threads are looked at

    return Surroundings()


def daily(num_series: int, num_rows: int = 60, *, seed: int = 0) -> pd.DataFrame:
    """Sales by day with a weekly season, a known promotion, and ids `s0`, `s1`, ..."""
    random = np.random.default_rng(seed)
    days = np.arange(num_rows)
    promo = random.random((num_series, num_rows)) < 0.2
    level = random.uniform(20, 200, num_series)[:, None]
    sales = level * (1 + 0.3 * np.sin(2 * np.pi * days / 7) + 0.5 * promo)
    return pd.DataFrame(
        {
            "store": np.repeat([f"s{i}" for i in range(num_series)], num_rows),
            "day": np.tile(pd.date_range("2026-01-01", periods=num_rows), num_series),
            "sales": (sales * random.uniform(0.9, 1.1, sales.shape)).ravel().round(3),
            "promo": promo.ravel().astype(int),
        }
    )
