"""Coverage of 80 and 95 % intervals on real test sets: fixed, adapting, and those of `predict`.

Prints one row per set and level.

    python benchmarks/accuracy/coverage.py                       all sets, and the table of the page
    python benchmarks/accuracy/coverage.py weather hospital      some of them, printed only

The presets are those of the tables of accuracy, with a calibration part cut off the end of the
training rows. Nothing of the intervals was chosen on these test parts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from protocols import DATA, ROOT
from tables import row

from forecast import Forecaster
from forecast.data import datasets
from forecast.experiment.file import load_experiment
from forecast.forecasting.calibrate import with_intervals
from forecast.intervals.conformal import POINT, Calibration
from forecast.intervals.coverage import coverage_by
from forecast.intervals.levels import SHOWN_LEVELS
from forecast.scores.evaluation import BacktestResult

PAGE = ROOT / "benchmarks" / "accuracy" / "README.md"
CUTOFFS = 150
FIXED = ["training.refit=false"]  # the intervals judged are those from before


def hospital() -> pd.DataFrame:
    """Training and test rows as one table."""
    parts = [
        pd.read_parquet(DATA / "hospital" / f"hospital_{part}.parquet")
        for part in ("train", "test")
    ]
    return pd.concat(parts).sort_values(["unique_id", "ds"], ignore_index=True)


SETS: dict[str, tuple[Callable[[], pd.DataFrame], str, list[str]]] = {
    "weather": (lambda: datasets.load("nyc_weather"), "demo", ["evaluation.calibration_size=0.15"]),
    "bike_sharing": (
        lambda: pd.read_csv(DATA / "bike_sharing.csv"),
        "bike_sharing",
        ["evaluation.calibration_size=0.1", *FIXED],
    ),
    "epf NP": (
        lambda: pd.read_csv(DATA / "epf" / "NP.csv"),
        "epf",
        ["evaluation.calibration_size=0.1", *FIXED],
    ),
    "hospital": (
        hospital,
        "hospital",
        ["evaluation.calibration_size=12", "evaluation.test_size=12", *FIXED],
    ),
}


def run(name: str) -> list[str]:
    """Train, and return the rows of the table."""
    table, config, settings = SETS[name]
    frame, experiment = table(), load_experiment(ROOT / "configs" / f"{config}.yaml", settings)
    if name == "epf NP":
        data = experiment.data.model_copy(update={"known_covariates": tuple(frame.columns[1:3])})
        experiment = experiment.model_copy(update={"data": data})
    forecaster = Forecaster(experiment).fit(frame)
    adapting = forecaster.evaluate()
    fixed = without_adapting(forecaster, adapting)
    first = int(adapting.freq.positions(adapting.cutoffs).min())
    lines = []
    for level in SHOWN_LEVELS:
        cells: list[Any] = [name, f"{level:g} %"]
        for result in (fixed, adapting):
            whole, steps = (
                coverage_by(result, one).set_index("level").loc[[level]]
                for one in ("overall", "step")
            )
            one = whole.iloc[0]
            cells.append(f"{100 * one['covered']:.1f} %" + " *" * (not one["inside"]))
            cells.append(f"{100 * one['low']:.1f} to {100 * one['high']:.1f} %")
            cells.append(f"{int(steps['inside'].sum())} of {len(steps)}")
        cells += [
            after_the_table(forecaster.fitted.recent, first, level, adapting=one)
            for one in (False, True)
        ]
        lines.append(row(cells))
    return lines


def without_adapting(forecaster: Forecaster, result: BacktestResult) -> BacktestResult:
    """The same evaluation with the intervals that the calibration windows alone give."""
    fitted = forecaster.fitted
    unit = fitted.series.unit[fitted.series.index_of(result.series_ids)][result.series]
    forecasts = result.forecasts[result.alias]
    levels, quantiles = with_intervals(
        fitted, fitted.calibration, forecasts, None, unit, SHOWN_LEVELS
    )
    return replace(result, quantile_levels=levels, quantiles=quantiles)


def after_the_table(recent: Calibration | None, first: int, level: float, *, adapting: bool) -> str:
    """Return the coverage of `predict`, as if the table ended at `CUTOFFS` rows of the test set.

    Args:
        recent: errors on calibration and test windows.
        first: place of the first cutoff of the test part on the grid of time.
        level: per cent.
        adapting: with the widths that were come to by then, as `predict` has them, or with those of
            all errors alike.
    """
    if recent is None:
        return "-"
    errors, held = recent.scores[POINT], []
    cutoffs = np.unique(recent.positions[recent.positions >= first])
    for cutoff in cutoffs[np.linspace(0, len(cutoffs) - 1, min(CUTOFFS, len(cutoffs))).astype(int)]:
        over, now = recent.positions + errors.shape[1] <= cutoff, recent.positions == cutoff
        known = Calibration({POINT: errors[over]}, recent.positions[over], False, recent.lowest)
        reach = known.ends(
            np.zeros((1, *errors.shape[1:])),
            np.ones((1, errors.shape[2])),
            level,
            adapting=adapting,
        )[1]
        held.append((errors[now] <= reach)[np.isfinite(errors[now])])
    return f"{100 * float(np.concatenate(held).mean()):.1f} %"


def main(names: list[str]) -> None:
    """Print the rows of some sets, or of all and write the table."""
    head = [
        "set",
        "level",
        "fixed",
        "may be chance",
        "steps within",
        "adapting",
        "may be chance",
        "steps within",
    ]
    head += ["`predict`, fixed", "`predict`"]
    lines = [row(head), row(["---"] * len(head))]
    for name in names or SETS:
        made = run(name)
        lines += made
        print(*made, sep="\n", flush=True)
    if not names:
        before, rest = PAGE.read_text(encoding="utf-8").split("<!-- coverage -->\n")
        after, table = rest.split("<!-- end of coverage -->")[1], "\n".join(lines)
        page = f"{before}<!-- coverage -->\n\n{table}\n\n<!-- end of coverage -->{after}"
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
