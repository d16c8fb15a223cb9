"""Judge the default on the M3 competition (`make bench-m3`).

    python benchmarks/accuracy/m3/run.py                    yearly, quarterly, monthly, and the page
    python benchmarks/accuracy/m3/run.py --groups yearly    one of them
    python benchmarks/accuracy/m3/run.py --quick            every tenth series, nothing stored
    python benchmarks/accuracy/m3/run.py --show             the stored results
    python benchmarks/accuracy/m3/run.py --peers            statistical models once more

Each frequency is one table: the default learns from all its series, without their last 6, 8 or 18
values, and forecasts these. `FORECAST_DATA` names the folder of the data. `--label before` is the
state that the page compares with.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from naive2 import naive2

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))  # for `protocols`, `series_scores`, `statistical` and `stored`

from protocols import DATA  # noqa: E402
from series_scores import cpu_seconds, scores_by_series  # noqa: E402
from stored import judge_groups, read_result, weights_text  # noqa: E402

PAGE = HERE / "README.md"
RESULTS = HERE / "results"
GROUPS = {"yearly": (6, 1), "quarterly": (8, 4), "monthly": (18, 12)}
"""Frequency -> horizon of the competition, steps of a season."""

PEERS = ("Theta", "AutoTheta", "AutoETS")
MODELS = ("Naive2", *PEERS, "default")
PUBLISHED = {
    "yearly": {"Naive2": 17.88, "Theta": 16.90},
    "quarterly": {"Naive2": 9.95, "Theta": 8.96},
    "monthly": {"Naive2": 16.91, "Theta": 13.85},
}
"""sMAPE. Naive2: Makridakis and Hibon, The M3-Competition, 2000. Theta: recomputed by its authors'
package forecTheta."""


def read(group: str, *, quick: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows to learn from, and those to forecast."""
    horizon = GROUPS[group][0]
    frame = pd.read_parquet(DATA / "m3" / f"m3_{group}.parquet")
    frame = frame.sort_values(["unique_id", "ds"], ignore_index=True)
    if quick:
        frame = frame[frame["unique_id"].isin(frame["unique_id"].unique()[::10])]
    left = frame.groupby("unique_id").cumcount(ascending=False)
    return frame[left >= horizon], frame[left < horizon]


def naive2_forecasts(train: pd.DataFrame, test: pd.DataFrame, group: str) -> pd.DataFrame:
    """Return rows `unique_id, ds, Naive2`."""
    horizon, season = GROUPS[group]
    made = [
        naive2(values.to_numpy(np.float64), season, horizon)
        for _, values in train.groupby("unique_id")["y"]
    ]
    return test[["unique_id", "ds"]].assign(Naive2=np.concatenate(made))


def make_peers(group: str) -> None:
    """Run the statistical models, and store their forecasts."""
    from statistical import statistical_forecasts

    train, test = read(group)
    made = statistical_forecasts(train, PEERS, *GROUPS[group])
    steps = test[["unique_id", "ds"]].assign(step=test.groupby("unique_id").cumcount())
    found = steps.merge(made, on=["unique_id", "step"]).drop(columns="step")
    found.to_csv(peers_path(group), index=False, float_format="%.6g")


def peers_path(group: str) -> Path:
    """Return the file of stored forecasts."""
    return HERE / "peers" / f"{group}.csv"


def default_forecasts(train: pd.DataFrame, horizon: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return rows `unique_id, ds, default`, none of a refused table, and facts of the fit."""
    from forecast import Forecaster, ForecastError
    from forecast.scores.member_weights import shares

    start = cpu_seconds()
    try:
        forecaster = Forecaster(horizon=horizon).fit(train, verbose=0)
        seconds = cpu_seconds() - start
        frame = forecaster.predict().frame()
    except ForecastError as error:
        frame = pd.DataFrame(columns=["unique_id", "ds", "default"])
        return frame, {"cpu_seconds": cpu_seconds() - start, "refusal": str(error)}
    members = {share.kind: share.weight for share in shares(forecaster.fitted.members)}
    frame = frame.rename(columns={forecaster.fitted.config.name: "default"})
    facts = {"cpu_seconds": seconds, "members": members, "refusal": ""}
    return frame[["unique_id", "ds", "default"]], facts


def judge(group: str, *, quick: bool = False) -> dict[str, Any]:
    """Forecast one frequency with all models; return the means of their scores and facts."""
    horizon, season = GROUPS[group]
    train, test = read(group, quick=quick)
    default, facts = default_forecasts(train, horizon)
    peers = pd.read_csv(peers_path(group), parse_dates=["ds"])
    made = test
    for part in (naive2_forecasts(train, test, group), peers, default):
        made = made.merge(part, on=["unique_id", "ds"], how="left", validate="one_to_one")
    forecast_ids = made.loc[made["default"].notna(), "unique_id"].unique()
    left_out = int(made["unique_id"].nunique() - len(forecast_ids))
    # Series that the default leaves out are forecast by Naive2, so that every row is of all series.
    made["default"] = made["default"].fillna(made["Naive2"])
    scores = scores_by_series(train, made, MODELS, season)
    wide = scores.pivot(index="unique_id", columns="model", values=["smape", "mase"])
    difference = wide["mase"]["default"] - wide["mase"]["AutoETS"]
    return {
        "group": group,
        "series": len(wide),
        "left_out": left_out,
        **facts,
        "smape": {model: float(wide["smape"][model].mean()) for model in MODELS},
        "mase": {model: float(wide["mase"][model].mean()) for model in MODELS},
        "mase_error": float(difference.std() / np.sqrt(difference.notna().sum())),
    }


def table_text(label: str) -> str:
    """Return the stored results of a label as a table of Markdown."""
    lines = ["| sMAPE / MASE | " + " | ".join(GROUPS) + " |", "| --- |" + " --- |" * len(GROUPS)]
    found = {group: read_result(result_path(label, group)) for group in GROUPS}
    for model in MODELS:
        cells = [_pair(found[group], model) for group in GROUPS]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    if label != "before":
        cells = [_pair(read_result(result_path("before", group)), "default") for group in GROUPS]
        lines.append(f"| default, before | {' | '.join(cells)} |")
    for model in ("Naive2", "Theta"):
        cells = [f"{PUBLISHED[group][model]:.2f}" for group in GROUPS]
        lines.append(f"| {model}, published | {' | '.join(cells)} |")
    lines.append("")
    for result in found.values():
        if result:
            lines.append(_facts(result))
    return "\n".join(lines)


def result_path(label: str, group: str) -> Path:
    """Return the file of a stored result."""
    return RESULTS / f"{label}-{group}.json"


def _pair(result: dict[str, Any], model: str) -> str:
    if not result:
        return "-"
    return f"{result['smape'][model]:.2f} / {result['mase'][model]:.3f}"


def _facts(result: dict[str, Any]) -> str:
    """Return one line on the fit of a frequency."""
    members = weights_text(result.get("members", {}))
    difference = result["mase"]["default"] - result["mase"]["AutoETS"]
    text = (
        f"- {result['group']}: {result['series']} series, {result['left_out']} left out; "
        f"{result['cpu_seconds']:.0f} s of CPU; {members}; MASE less that of AutoETS "
        f"{difference:+.3f} ± {result['mase_error']:.3f}"
    )
    if result["refusal"]:
        text += f"; refused: `{result['refusal']}`"
    return text


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--label", default="now", help="name of the results; default: now")
    parser.add_argument("--quick", action="store_true", help="every tenth series; nothing stored")
    parser.add_argument("--show", action="store_true", help="print stored results")
    parser.add_argument("--peers", action="store_true", help="run the statistical models")
    options = parser.parse_args()
    if options.peers:
        for group in options.groups:
            make_peers(group)
        return
    judge_groups(options, options.groups, PAGE, judge, result_path, table_text)


if __name__ == "__main__":
    main()
