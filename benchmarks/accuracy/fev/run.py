"""Judge the default on two tasks of fev-bench: electricity prices a day ahead (`make bench-fev`).

    python benchmarks/accuracy/fev/run.py                 both markets, and the page
    python benchmarks/accuracy/fev/run.py --markets NP    one of them
    python benchmarks/accuracy/fev/run.py --quick         learn from the last 3,000 hours, 3 windows
    python benchmarks/accuracy/fev/run.py --show          the stored results

The last 20 x 24 hours are forecast in 20 windows that do not overlap; two forecasts of the day are
known ahead. MASE is that of each window, with the seasonal error (24 hours) of all rows before its
cutoff, averaged over the windows. The default is fitted once, before the first window. Source:
Shchur et al., fev-bench, 2025 (arXiv 2509.26468), and its package fev.

`FORECAST_DATA` names the folder of the data. `--label before` is the state to compare with.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))  # for `protocols`, `series_scores` and `stored`

from protocols import DATA  # noqa: E402
from series_scores import cpu_seconds, seasonal_error  # noqa: E402
from stored import judge_groups, read_result, weights_text  # noqa: E402

PAGE = HERE / "README.md"
RESULTS = HERE / "results"
MARKETS = ("NP", "FR")
HORIZON, SEASON, NUM_WINDOWS = 24, 24, 20
PUBLISHED = {
    "PatchTST": (0.806, 0.421),
    "TFT": (0.859, 0.493),
    "Chronos-2": (0.850, 0.450),
}
"""Model -> MASE of each market on the leaderboard of fev-bench."""


def read(market: str) -> pd.DataFrame:
    """Return rows `ds, y` and the two columns that are known a day ahead."""
    frame = pd.read_csv(DATA / "epf" / f"{market}.csv", skipinitialspace=True)
    frame = frame.rename(columns={"date": "ds", "OT": "y"})
    frame["ds"] = pd.to_datetime(frame["ds"], format="%Y/%m/%d %H:%M")
    return frame.rename(columns=str.strip).assign(unique_id=market)


def windows(num_rows: int, num_windows: int = NUM_WINDOWS) -> list[int]:
    """Return the first row of every window, ascending; the last window ends the table."""
    return [num_rows - HORIZON * back for back in range(num_windows, 0, -1)]


def judge(market: str, *, quick: bool = False) -> dict[str, Any]:
    """Fit once and forecast every window; return MASE of all windows and facts of the fit."""
    from forecast import Forecaster
    from forecast.scores.member_weights import shares

    table = read(market)
    known = [name for name in table if name not in ("ds", "y", "unique_id")]
    firsts = windows(len(table))
    if quick:
        table = table.tail(3_000).reset_index(drop=True)
        firsts = windows(len(table), 3)
    start = cpu_seconds()
    forecaster = Forecaster(horizon=HORIZON, known=known).fit(table[: firsts[0]], verbose=0)
    seconds = cpu_seconds() - start
    values = table["y"].to_numpy(np.float64)
    errors: dict[str, list[float]] = {"default": [], "seasonal_naive": []}
    for first in firsts:
        ahead = table[first : first + HORIZON]
        forecast = forecaster.predict(table[:first], known=ahead[["unique_id", "ds", *known]])
        scale = seasonal_error(values[:first], SEASON)
        actual = values[first : first + HORIZON]
        made = np.asarray(forecast.values).reshape(HORIZON)
        errors["default"].append(float(np.abs(actual - made).mean() / scale))
        naive = values[first - SEASON : first]
        errors["seasonal_naive"].append(float(np.abs(actual - naive).mean() / scale))
    members = {share.kind: share.weight for share in shares(forecaster.fitted.members)}
    return {"market": market, "mase": errors, "cpu_seconds": seconds, "members": members}


def table_text(label: str) -> str:
    """Return the stored results of a label as a table of Markdown."""
    lines = [f"| MASE | {' | '.join(MARKETS)} |", "| --- | --- | --- |"]
    found = {market: read_result(result_path(label, market)) for market in MARKETS}
    rows = {"default": found, "seasonal_naive": found}
    if label != "before":
        rows["default, before"] = {
            market: read_result(result_path("before", market)) for market in MARKETS
        }
    for title, results in rows.items():
        cells = [_mean(results[market], title.split(",")[0]) for market in MARKETS]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    for model, figures in PUBLISHED.items():
        lines.append(f"| {model} | {' | '.join(f'{figure:.3f}' for figure in figures)} |")
    lines.append("")
    for result in found.values():
        if result:
            members = weights_text(result["members"])
            lines.append(f"- {result['market']}: {result['cpu_seconds']:.0f} s of CPU; {members}")
    return "\n".join(lines)


def result_path(label: str, market: str) -> Path:
    """Return the file of a stored result."""
    return RESULTS / f"{label}-{market}.json"


def _mean(result: dict[str, Any], model: str) -> str:
    if not result:
        return "-"
    values = np.array(result["mase"][model])
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--markets", nargs="+", choices=MARKETS, default=list(MARKETS))
    parser.add_argument("--label", default="now", help="name of the results; default: now")
    parser.add_argument("--quick", action="store_true", help="few rows; nothing stored")
    parser.add_argument("--show", action="store_true", help="print stored results")
    options = parser.parse_args()
    judge_groups(options, options.markets, PAGE, judge, result_path, table_text)


if __name__ == "__main__":
    main()
