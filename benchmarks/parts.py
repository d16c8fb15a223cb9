"""Processor time and memory of forecasts through parts, for more and more series.

    python benchmarks/parts.py                              10,000 to 1,000,000 series
    python benchmarks/parts.py --series 10000 20000

Series have 60 rows, parts some 12,500 series, and two processes work on them. Seconds are those of
the processor, in the command and the processes below it; memory is that of the largest of them.
Beside the seconds stands what a straight line through the least and the most series gives.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from actors import NETWORK, ROLES, sales
from inference import cost_of
from tables import table

SERIES = [10_000, 40_000, 100_000, 1_000_000]
PER_PART = 12_500


def cost(folder: Path, *words: str) -> dict[str, float]:
    """Run a command, and return its seconds, those of the processor, and megabytes."""
    start = time.monotonic()
    processor, megabytes = cost_of([sys.executable, "-m", "forecast", *words], folder)
    seconds = time.monotonic() - start
    return {"seconds": seconds, "processor": processor, "megabytes": megabytes}


def measured(folder: Path, run: Path, series: int) -> dict[str, float]:
    """Forecast so many series, and return what it cost."""
    path = folder / f"{series}.parquet"
    sales(series, 8).to_parquet(path)
    parts = folder / f"parts-{series}"
    count = str(-(-series // PER_PART))
    split = cost(folder, "split", str(path), "--id=store", "--parts", count, "--output", str(parts))
    output = str(folder / f"forecasts-{series}")
    whole = ["predict", str(run), "--parts", str(parts), "--workers=2", "--output", output]
    return {"split": split["processor"], "split MB": split["megabytes"], **cost(folder, *whole)}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--series", type=int, nargs="+", default=SERIES)
    options = parser.parse_args()
    numbers = sorted(options.series)
    with tempfile.TemporaryDirectory(prefix="parts-") as temporary:
        folder = Path(temporary)
        sales(400, 8).to_csv(folder / "small.csv", index=False)
        run = folder / "run"
        cost(folder, "fit", str(folder / "small.csv"), *ROLES, *NETWORK, "--out", str(run))
        found = {number: measured(folder, run, number) for number in numbers}

    first, last = found[numbers[0]]["processor"], found[numbers[-1]]["processor"]
    each = (last - first) / max(1, numbers[-1] - numbers[0])
    rows = []
    for number, costs in found.items():
        line = first + each * (number - numbers[0])
        rows.append(
            [
                f"{number:,}",
                f"{costs['processor']:.1f} s",
                f"{line:.1f} s ({100 * (costs['processor'] / line - 1):+.0f} %)",
                f"{costs['seconds']:.0f} s",
                f"{costs['megabytes']:.0f} MB",
                f"{costs['split']:.1f} s, {costs['split MB']:.0f} MB",
            ]
        )
    header = ["series", "processor", "on the line", "clock", "largest process", "split"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
