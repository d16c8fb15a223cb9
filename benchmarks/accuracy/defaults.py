"""Accuracy of the defaults: only table and horizon are given. Prints one row per data set.

    python benchmarks/accuracy/defaults.py                  all sets, and the table of the page
    python benchmarks/accuracy/defaults.py months air       some of them, printed only

The test rows of the published protocols are not read: what is judged here are the last rows of
their training parts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from protocols import BIKE_TRAIN, DATA, m4_scores
from tables import row

from forecast import Forecaster
from forecast.data import datasets
from forecast.experiment.file import experiment_from

PAGE = Path(__file__).resolve().parent / "README.md"


@dataclass(frozen=True)
class Case:
    """A table, and the few settings that a person would give.

    Attributes:
        table: makes the rows, long.
        horizon: steps to forecast, the last ones of each series.
        season: of the naive forecast and of MASE, in steps.
        settings: beyond the horizon, what the table needs to be read at all.
    """

    table: Callable[[], pd.DataFrame]
    horizon: int
    season: int
    settings: dict[str, Any] = field(default_factory=dict)


def months() -> pd.DataFrame:
    """767 series of patients."""
    return pd.read_parquet(DATA / "hospital" / "hospital_train.parquet")


def quarters() -> pd.DataFrame:
    """The same by quarters: 24 rows to learn from."""
    frame = months()
    frame["ds"] = pd.PeriodIndex(frame["ds"], freq="Q").to_timestamp()
    return frame.groupby(["unique_id", "ds"], as_index=False)["y"].sum()


def days() -> pd.DataFrame:
    """Return one series of births without its test month."""
    frame = pd.read_csv(DATA / "us_births.csv", parse_dates=["ds"])
    return frame.iloc[:-30].assign(unique_id="births")


def days_with_holes() -> pd.DataFrame:
    """Return eight series of 750 days of births at different levels, 10 % of the values missing."""
    values, draw, parts = days()["y"].to_numpy(float), np.random.default_rng(0), []
    for number in range(8):
        own = values[750 * number : 750 * (number + 1)] * (1 + number)
        own[draw.random(750) < 0.1] = np.nan
        stamps = pd.date_range("2010-01-01", periods=750)
        parts.append(pd.DataFrame({"unique_id": f"s{number}", "ds": stamps, "y": own}))
    return pd.concat(parts, ignore_index=True)


def days_of_rentals() -> pd.DataFrame:
    """One series of bicycle rentals, two thirds of two years."""
    frame = pd.read_csv(DATA / "bike_sharing.csv", parse_dates=["date_time"]).head(BIKE_TRAIN)
    daily = frame.set_index("date_time")["users"].resample("D").sum().iloc[:-1]
    return pd.DataFrame({"unique_id": "rentals", "ds": daily.index, "y": daily.to_numpy(float)})


def weeks() -> pd.DataFrame:
    """Seven series of influenza-like illness."""
    frame = pd.read_csv(DATA / "national_illness.csv")
    frame = frame.head(int(0.8 * len(frame)))
    stamps = frame.columns[0]
    frame[stamps] = pd.to_datetime(frame[stamps])
    return frame.melt(stamps, var_name="unique_id", value_name="y").rename(columns={stamps: "ds"})


def air() -> pd.DataFrame:
    """144 months of passengers."""
    return datasets.load("air_passengers").assign(unique_id="air")[["unique_id", "ds", "y"]]


CASES = {
    "months": Case(months, 12, 12),
    "quarters": Case(quarters, 4, 4),
    "days": Case(days, 30, 7),
    "days with holes": Case(days_with_holes, 56, 7, {"data": {"missing": "interpolate"}}),
    "days of rentals": Case(days_of_rentals, 14, 7),
    "weeks": Case(weeks, 24, 52),
    "air": Case(air, 12, 12),
}


def judge(case: Case) -> tuple[dict[str, float], dict[str, float], Forecaster, float]:
    """Return sMAPE and MASE of the default and of seasonal naive, the default, and its seconds."""
    frame = case.table().sort_values(["unique_id", "ds"])
    left = frame.groupby("unique_id").cumcount(ascending=False)
    train, test = frame[left >= case.horizon], frame[left < case.horizon]
    start = time.perf_counter()
    forecaster = Forecaster(
        experiment_from({"windows": {"horizon": case.horizon}, **case.settings, "name": "ours"})
    ).fit(train)
    made, seconds = forecaster.predict().frame(), time.perf_counter() - start
    filled = train.assign(y=train.groupby("unique_id")["y"].ffill().bfill())
    ends = filled.groupby("unique_id")["y"].apply(lambda y: y.to_numpy()[-case.season :])
    step = test.groupby("unique_id").cumcount().to_numpy() % case.season
    seasonal = np.stack(test["unique_id"].map(ends).to_numpy())[np.arange(len(test)), step]
    naive, seen = test[["unique_id", "ds"]].assign(ours=seasonal), test.dropna(subset=["y"])
    ours, its = (
        m4_scores(filled, seen, one, "ours", case.season, (1.0, 1.0)) for one in (made, naive)
    )
    return ours, its, forecaster, seconds


def main(names: list[str]) -> None:
    """Judge the default on some sets, or on all and write the table."""
    lines = [
        row(
            [
                "set",
                "series, rows",
                "horizon",
                "MASE",
                "seasonal naive",
                "sMAPE",
                "seasonal naive",
                "time",
            ]
        ),
        row(["---"] * 8),
    ]
    for name in names or CASES:
        case = CASES[name]
        ours, its, forecaster, seconds = judge(case)
        size = f"{case.table()['unique_id'].nunique()}, {len(case.table()):,}"
        scores = [
            f"**{ours['MASE']:.3f}**",
            f"{its['MASE']:.3f}",
            f"**{ours['sMAPE']:.2f}**",
            f"{its['sMAPE']:.2f}",
        ]
        lines.append(row([name, size, str(case.horizon), *scores, f"{seconds:.0f} s"]))
        config = forecaster.fitted.config
        chosen = (
            config.ensemble.context_lengths,
            [one.name for one in config.transforms.target],
            config.model.units,
        )
        print(lines[-1], *chosen, flush=True)
    if not names:
        text = PAGE.read_text(encoding="utf-8")
        before, rest = text.split("<!-- defaults -->\n")
        after = rest.split("<!-- end of defaults -->")[1]
        table = "\n".join(lines)
        page = f"{before}<!-- defaults -->\n\n{table}\n\n<!-- end of defaults -->{after}"
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
