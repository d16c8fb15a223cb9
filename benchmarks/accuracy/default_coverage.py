"""How much the intervals of the default hold after the end of a table (80 and 95 %).

    python benchmarks/accuracy/default_coverage.py                    all sets
    python benchmarks/accuracy/default_coverage.py hospital air       some of them

The default is told the table and the horizon; what it forecasts are rows it has never seen. One
row per set: the share of actual values inside, and the fits and values behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from protocols import DATA
from series_scores import cpu_seconds

from forecast import Forecaster
from forecast.data import datasets

Case = tuple[pd.DataFrame, pd.DataFrame, int]
"""Rows to learn from, rows after them, and the horizon."""


def hospital() -> Iterator[Case]:
    """767 series of 72 months, 12 ahead."""
    train, test = (
        pd.read_parquet(DATA / "hospital" / f"hospital_{part}.parquet")
        for part in ("train", "test")
    )
    yield train, test, 12


def air() -> Iterator[Case]:
    """One series of 84, 96 ... 132 months, 12 ahead."""
    table = datasets.load("air_passengers").assign(unique_id="air")[["unique_id", "ds", "y"]]
    for end in range(84, 133, 12):
        yield table[:end], table[end : end + 12], 12


def m3(group: str, horizon: int) -> Callable[[], Iterator[Case]]:
    """A group of the competition, the official horizon."""

    def cases() -> Iterator[Case]:
        table = pd.read_parquet(DATA / "m3" / f"m3_{group}.parquet")
        left = table.groupby("unique_id").cumcount(ascending=False)
        yield table[left >= horizon], table[left < horizon], horizon

    return cases


def births() -> Iterator[Case]:
    """One series of days, 30 ahead, from three cutoffs."""
    table = pd.read_csv(DATA / "us_births.csv", parse_dates=["ds"]).assign(unique_id="births")
    for end in (6_300, 6_700, len(table) - 30):
        yield table[:end], table[end : end + 30], 30


SETS: dict[str, Callable[[], Iterator[Case]]] = {
    "air": air,
    "m3 yearly": m3("yearly", 6),
    "m3 quarterly": m3("quarterly", 8),
    "hospital": hospital,
    "births": births,
}


def covered(train: pd.DataFrame, test: pd.DataFrame, horizon: int, level: int) -> pd.Series:
    """Return whether each actual value is inside; of no value where there is no interval."""
    forecaster = Forecaster(horizon=horizon).fit(train, verbose=0)
    made = forecaster.predict(level="auto").frame()
    both = test.merge(made, on=["unique_id", "ds"], validate="one_to_one")
    alias = forecaster.fitted.config.name
    inside = {}
    for each in (80, level):
        if f"{alias}-lo-{each}" not in both:
            continue
        low, high = (both[f"{alias}-{end}-{each}"] for end in ("lo", "hi"))
        inside[each] = ((both["y"] >= low) & (both["y"] <= high)).mean()
    return pd.Series(inside).rename(len(both))


def main(names: list[str]) -> None:
    """Print a row for each set."""
    print("| set | fits | values | 80 % | 95 % | CPU s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in names or SETS:
        start = cpu_seconds()
        found = [covered(*case, level=95) for case in SETS[name]()]
        values = np.array([each.name for each in found], np.int64)
        cells = []
        for level in (80, 95):
            given = [each[level] for each in found if level in each]
            cells.append(f"{100 * np.mean(given):.1f} %" if len(given) == len(found) else "-")
        spent = cpu_seconds() - start
        print(
            f"| {name} | {len(found)} | {values.sum():,} | {' | '.join(cells)} | {spent:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
