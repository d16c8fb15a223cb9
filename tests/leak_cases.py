"""Random tables and experiments for the leak check; as a program, check many and print counts.

make leak-proofs ARGS="--cases 200"
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.experiment.file import experiment_from
from forecast.experiment.settings import Experiment
from forecast.leakage.own import check_experiment
from forecast.leakage.pipeline import LeakReport

Draw = np.random.Generator

FREQUENCIES = ("h", "30min", "D", "B", "W", "MS", "index")
WORDS = ("dry", "wet", "snow", "fog")
SCALERS = ("standard", "min_max", "robust", "mean_abs")
TRAIN_EVERY = 40
"""One case in so many also fits a small model for every changed table."""

SMALL = {
    "model": {
        "name": "bigru",
        "units": 2,
        "cell": "rnn",
        "decoder": "direct",
        "bidirectional": False,
    }
} | {
    "ensemble": {"linear": "member"},
    "training": {"epochs": 1, "windows_per_epoch": 32, "jit": "off"},
}
"""Settings of the cases that fit one: a network and a ridge regression."""


def random_table(draw: Draw, freq: str) -> pd.DataFrame:
    """Some series of unequal start, length and level, with one covariate of each kind."""
    parts = []
    for number in range(int(draw.integers(1, 5))):
        rows = int(draw.integers(45, 80))
        start = int(draw.integers(0, 3)) * int(draw.integers(0, 30))
        places = np.arange(start, start + rows)
        stamps = (
            places
            if freq == "index"
            else pd.date_range("2023-01-02", periods=start + rows, freq=freq)[start:]
        )
        level = float(np.exp(draw.uniform(-1, 6)))
        wave = np.sin(places * 2 * np.pi / 12) + draw.normal(size=rows) / 3
        y = (
            level * np.exp(places / 60 + 0.2 * wave)
            if draw.random() < 0.5
            else level * (draw.integers(0, 4) + wave)
        )
        part = pd.DataFrame(
            {"unique_id": f"s{number}", "ds": stamps, "y": y, "z": np.round(np.abs(y))}
        )
        part["wind"] = draw.normal(size=rows).cumsum()
        part["price"] = draw.integers(1, 5, size=rows)
        part["sky"] = draw.choice(WORDS, size=rows)
        part["sale"] = draw.choice(["yes", "no"], size=rows)
        part["size"] = level
        part["kind"] = draw.choice(["large", "small"])
        parts.append(part)
    if draw.random() < 0.2:
        parts.append(parts[0].head(3).assign(unique_id="tiny"))
    return pd.concat(parts, ignore_index=True)


def damaged(draw: Draw, table: pd.DataFrame, *, holes: bool, gaps: bool) -> pd.DataFrame:
    """The table with missing cells and missing rows."""
    table = table.copy()
    for name in ("y", "z", "wind", "price", "sky") if holes else ():
        table[name] = table[name].where(draw.random(len(table)) > draw.choice([0.0, 0.05, 0.3]))
    return table[draw.random(len(table)) > 0.03] if gaps else table


def subset(draw: Draw, names: tuple[str, ...], share: float = 0.5) -> list[str]:
    return [name for name in names if draw.random() < share]


def random_target(draw: Draw) -> list[dict[str, Any]]:
    """A chain of maps of the targets."""
    maps: list[dict[str, Any]] = []
    if draw.random() < 0.2:
        maps.append({"name": "log1p"})
    if draw.random() < 0.3:
        maps.append({"name": "difference", "lag": int(draw.integers(1, 5))})
    if draw.random() < 0.8:
        maps.append(
            {"name": str(draw.choice(SCALERS)), "scope": str(draw.choice(["per_series", "global"]))}
        )
    return maps


def random_case(seed: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """Settings and a table; not every pair fits."""
    draw = np.random.default_rng(seed)
    freq = str(draw.choice(FREQUENCIES))
    policy = str(draw.choice(["refuse", "forward_fill", "interpolate", "zero", "mask"]))
    gaps = str(
        draw.choice(["refuse", "skip"] if policy == "refuse" else ["refuse", "skip", "fill"])
    )
    table = damaged(draw, random_table(draw, freq), holes=policy != "refuse", gaps=gaps != "refuse")
    past = subset(draw, ("wind", "sky"))
    known = subset(draw, ("price", "sale"))
    static = subset(draw, ("size", "kind", "unique_id"), 0.3)
    words = ("sky", "sale", "kind", "unique_id")
    data: dict[str, Any] = {
        "target_cols": ["y", "z"] if draw.random() < 0.3 else ["y"],
        "past_covariates": past,
        "known_covariates": known,
        "static_covariates": static,
        "categorical": [name for name in [*past, *known, *static] if name in words],
        "missing": policy,
        "gaps": gaps,
        "short_series": "skip",
        "freq": "1" if freq == "index" else freq,
    }
    if freq not in ("index", "MS") and draw.random() < 0.3:
        data["calendar"] = subset(
            draw, ("hour", "weekday", "day_of_year", "month", "weekend", "holiday:US")
        )
    if freq in ("h", "30min", "D") and draw.random() < 0.3:
        data["tz"] = "Europe/Berlin"
    if draw.random() < 0.3:
        data["season_length"] = int(draw.integers(2, 9))
    settings: dict[str, Any] = {"data": data, "windows": {"horizon": int(draw.integers(1, 5))}}
    settings["evaluation"] = {
        "validation_size": int(draw.integers(5, 9)),
        "test_size": int(draw.integers(6, 12)),
        "purge": int(draw.integers(0, 3)),
    }
    if draw.random() < 0.5:
        settings["evaluation"]["split_by"] = str(draw.choice(["time", "series"]))
    settings["transforms"] = {"covariates": str(draw.choice([*SCALERS, "none"]))}
    if draw.random() < 0.5:
        settings["model"] = {"name": "bigru", "units": 2, "cell": "rnn", "decoder": "direct"}
        settings["windows"]["stride"] = int(draw.integers(1, 3))
        settings["windows"]["context_length"] = int(draw.integers(2, 9))
        settings["transforms"]["target"] = random_target(draw)
    else:
        settings["model"] = {"name": "segment_bigru", "units": 2}
        if draw.random() < 0.5:
            settings["transforms"]["target"] = random_target(draw)
    settings["training"] = {
        "epochs": 1,
        "windows_per_epoch": 32,
        "seed": int(draw.integers(0, 100)),
    }
    return settings, table


def checked_cases(
    number: int, *, train_every: int = 0, first: int = 0
) -> Iterator[tuple[int, Experiment, LeakReport]]:
    """Check so many random cases; those whose settings do not fit their table are left out."""
    seed = first
    while number:
        settings, table = random_case(seed)
        train = train_every > 0 and number % train_every == 0
        try:
            config = experiment_from(settings | SMALL if train else settings)
            report = check_experiment(config, table, train=train)
            yield seed, config, report
            number -= 1
        except ForecastError as error:
            print(f"case {seed} does not fit: {error}", file=sys.stderr)
        seed += 1


def main() -> int:
    """Check many cases, and print what they were and what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first case")
    options = parser.parse_args()
    kinds: Counter[str] = Counter()
    compared: Counter[str] = Counter()
    leaking = []
    refused = 0
    begun = time.monotonic()
    for seed, config, report in checked_cases(
        options.cases, train_every=TRAIN_EVERY, first=options.first
    ):
        kinds.update(
            [
                f"model {config.model.name}",
                f"missing {config.data.missing}",
                f"gaps {config.data.gaps}",
            ]
        )
        compared.update(report.compared)
        refused += len(report.refusals)
        if not report.ok:
            leaking.append(seed)
            print(f"case {seed}:\n{report.text()}", flush=True)
    print(", ".join(f"{name}: {count}" for name, count in sorted(kinds.items())))
    print("comparisons: " + ", ".join(f"{name} {count}" for name, count in compared.items()))
    took = f"{time.monotonic() - begun:.0f} s"
    print(f"{options.cases} cases, {len(leaking)} leak, {refused} kinds of changes refused, {took}")
    return 1 if leaking else 0


if __name__ == "__main__":
    sys.exit(main())
