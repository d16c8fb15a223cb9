"""Time the default on 50 stores of two years of days, beside AutoETS (`make bench-stores`).

    python benchmarks/accuracy/stores/run.py            50 stores, and the page
    python benchmarks/accuracy/stores/run.py --quick    5 stores; nothing stored
    python benchmarks/accuracy/stores/run.py --show     the stored results

The last 28 days of every store are forecast from the days before. AutoETS (season of 7 days) runs
in the same run where `FORECAST_STATSFORECAST` names a Python with statsforecast, so that processor
times compare; otherwise its stored figures are shown. `--label before` is the state that the page
compares with.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))  # for `series_scores`, `statistical` and `stored`

from series_scores import cpu_seconds  # noqa: E402
from stored import (  # noqa: E402
    read_result,
    weights_text,
    write_between_marks,
    write_result,
)

PAGE = HERE / "README.md"
RESULTS = HERE / "results"
NUM_STORES, NUM_DAYS, HORIZON = 50, 730, 28


def make_stores(num_stores: int = NUM_STORES) -> pd.DataFrame:
    """Return rows `unique_id, ds, y`: level, trend, week, year and noise of 8 %, by factors."""
    rng = np.random.default_rng(0)
    day = np.arange(NUM_DAYS)
    stamps = pd.date_range("2023-01-02", periods=NUM_DAYS)
    tables = []
    for number in range(num_stores):
        level = rng.uniform(80, 600)
        trend = 1 + rng.normal(0, 0.15) * day / 365
        week = 1 + 0.25 * rng.normal(0, 1, 7)[day % 7].clip(-2, 2)
        year = 1 + rng.uniform(0.05, 0.2) * np.sin(2 * np.pi * (day / 365.25 + rng.uniform()))
        noise = np.exp(rng.normal(0, 0.08, NUM_DAYS))
        sales = np.round(level * trend * week * year * noise, 1)
        name = f"store_{number:02d}"
        tables.append(pd.DataFrame({"unique_id": name, "ds": stamps, "y": sales}))
    return pd.concat(tables, ignore_index=True)


def judge(num_stores: int) -> dict[str, Any]:
    """Forecast with the default and, where its Python is named, with AutoETS."""
    from forecast import Forecaster
    from forecast.scores.member_weights import shares

    table = make_stores(num_stores)
    left = table.groupby("unique_id").cumcount(ascending=False)
    train, test = table[left >= HORIZON], table[left < HORIZON]
    actual = test["y"].to_numpy().reshape(num_stores, HORIZON)
    start = cpu_seconds()
    forecaster = Forecaster(horizon=HORIZON).fit(train, verbose=0)
    seconds = cpu_seconds() - start
    made = np.asarray(forecaster.predict().values).reshape(actual.shape)
    members = {share.kind: share.weight for share in shares(forecaster.fitted.members)}
    own = {**_errors(actual, made), "cpu_seconds": seconds}
    found: dict[str, Any] = {"stores": num_stores, "default": own, "members": members}
    if os.environ.get("FORECAST_STATSFORECAST"):
        from statistical import statistical_forecasts

        start = cpu_seconds()
        peer = statistical_forecasts(train, ["AutoETS"], HORIZON, 7)["AutoETS"].to_numpy()
        seconds = cpu_seconds() - start
        found["AutoETS"] = {**_errors(actual, peer.reshape(actual.shape)), "cpu_seconds": seconds}
    return found


def _errors(actual: np.ndarray, made: np.ndarray) -> dict[str, float]:
    """Return the mean absolute error, and its standard error over the stores."""
    errors = np.abs(actual - made).mean(axis=1)
    return {"mae": float(errors.mean()), "error": float(errors.std(ddof=1) / len(errors) ** 0.5)}


def table_text(label: str) -> str:
    """Return the stored results of a label as a table of Markdown."""
    lines = ["| model | MAE | CPU s |", "| --- | --- | --- |"]
    result = read_result(RESULTS / f"{label}.json")
    before = read_result(RESULTS / "before.json")
    rows = {"default": result.get("default"), "AutoETS": result.get("AutoETS")}
    rows["AutoETS"] = rows["AutoETS"] or before.get("AutoETS")
    if label != "before":
        rows["default, before"] = before.get("default")
    for model, row in rows.items():
        if row:
            lines.append(f"| {model} | {row['mae']:.2f} | {row['cpu_seconds']:.0f} |")
    members = weights_text(result.get("members", {}))
    return "\n".join([*lines, "", f"Members of the default: {members}."])


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--label", default="now", help="name of the results; default: now")
    parser.add_argument("--quick", action="store_true", help="5 stores; nothing stored")
    parser.add_argument("--show", action="store_true", help="print the stored result")
    options = parser.parse_args()
    if options.quick:
        print(judge(5))
        return
    if not options.show:
        write_result(RESULTS / f"{options.label}.json", judge(NUM_STORES))
        write_between_marks(PAGE, options.label, table_text(options.label))
    print(table_text(options.label))


if __name__ == "__main__":
    main()
