"""The published protocols: which rows, which scale, which windows, which scores.

Each function returns the scores of our preset and of every baseline for one case and one seed, from
the raw file on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from series_scores import cpu_seconds

from forecast import Forecaster
from forecast.experiment.file import load_experiment
from forecast.experiment.settings import Experiment
from forecast.scores.metrics import owa

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FORECAST_DATA") or ROOT.parent / "shared" / "data")
Array = NDArray[np.float64]
Scores = dict[str, dict[str, float]]

ETT_ROWS, ETT_TRAIN = 14_400, 8_640
ETT_WINDOWS = {96: 2785, 192: 2689, 336: 2545, 720: 2161}
EXCHANGE_TRAIN, EXCHANGE_WINDOWS = 5_311, {96: 1422, 192: 1326, 336: 1182, 720: 798}
EPF_TRAIN, EPF_WINDOWS = 36_691, 10_460
BIKE_TRAIN, BIKE_WINDOWS = 12_280, 3_485
NAIVE2 = {"hourly": (18.383, 2.395), "weekly": (9.161, 2.777)}
"""sMAPE and MASE of the competition's benchmark Naive2."""


@dataclass(frozen=True)
class Protocol:
    """A table that others have published.

    Attributes:
        config: file of the preset.
        cases: horizons, or one name.
        run: (preset, case) -> scores, and what else is worth keeping.
        changes: settings that replace those of the preset.
    """

    config: str
    cases: tuple[int | str, ...]
    run: Callable[[Experiment, Any], tuple[Scores, Forecaster]]
    changes: tuple[str, ...] = ()


def ett(name: str) -> Callable[[Experiment, int], tuple[Scores, Forecaster]]:
    """Seven channels, scaled by the training rows, all windows of the test set."""

    def run(config: Experiment, horizon: int) -> tuple[Scores, Forecaster]:
        frame = pd.read_csv(DATA / f"{name}.csv").head(ETT_ROWS)
        return judged(with_horizon(config, horizon), frame, ETT_TRAIN, ETT_WINDOWS[horizon])

    return run


def exchange_rate(config: Experiment, horizon: int) -> tuple[Scores, Forecaster]:
    """Eight channels, 70/10/20, all windows of the test set."""
    frame = pd.read_csv(DATA / "exchange_rate.csv")
    return judged(with_horizon(config, horizon), frame, EXCHANGE_TRAIN, EXCHANGE_WINDOWS[horizon])


def epf(config: Experiment, market: str) -> tuple[Scores, Forecaster]:
    """One price, two forecasts known ahead, 70/10/20; column names differ between markets."""
    frame = pd.read_csv(DATA / "epf" / f"{market}.csv")
    data = config.data.model_copy(update={"known_covariates": tuple(frame.columns[1:3])})
    return judged(config.model_copy(update={"data": data}), frame, EPF_TRAIN, EPF_WINDOWS)


def bike_sharing(config: Experiment, _: str) -> tuple[Scores, Forecaster]:
    """One count, the weather known ahead, 70/10/20."""
    return judged(config, pd.read_csv(DATA / "bike_sharing.csv"), BIKE_TRAIN, BIKE_WINDOWS)


def with_horizon(config: Experiment, horizon: int) -> Experiment:
    """The same preset for another horizon."""
    return config.model_copy(
        update={"windows": config.windows.model_copy(update={"horizon": horizon})}
    )


def judged(
    config: Experiment, frame: pd.DataFrame, training_rows: int, num_windows: int
) -> tuple[Scores, Forecaster]:
    """Fit, and score all windows of the test set on the scale of the training rows.

    Raises:
        ValueError: the number of windows is not that of the protocol.
    """
    every = config.evaluation.model_copy(
        update={"stride": 1}
    )  # which memory would make 2 for the longest horizons
    forecaster = Forecaster(config.model_copy(update={"evaluation": every})).fit(frame)
    result = forecaster.evaluate()
    if len(result.actual) != num_windows:
        raise ValueError(f"{len(result.actual)} test windows; the protocol has {num_windows}")
    spread = frame[list(config.data.target_cols)].to_numpy()[:training_rows].std(axis=0)
    return scaled_scores(result.actual, result.forecasts, spread), forecaster


def scaled_scores(actual: Array, forecasts: Mapping[str, Array], spread: Array) -> Scores:
    """Return MSE and MAE of values in standard deviations of the training rows, over all axes."""
    found = {}
    for name, values in forecasts.items():
        error = (values - actual) / spread
        found[name] = {"MSE": float(np.square(error).mean()), "MAE": float(np.abs(error).mean())}
    return found


def m4(group: str, season_length: int) -> Callable[[Experiment, str], tuple[Scores, Forecaster]]:
    """sMAPE, MASE and OWA as the competition took them; every series counts alike."""

    def run(config: Experiment, _: str) -> tuple[Scores, Forecaster]:
        train, test = (
            pd.read_parquet(DATA / "m4" / f"m4_{group}_{part}.parquet")
            for part in ("train", "test")
        )
        forecaster = Forecaster(config).fit(train)
        made = forecaster.predict().frame()
        naive = last_values(train, test, forecaster.config.name)
        left_out = naive[~naive["unique_id"].isin(made["unique_id"])]  # too short for one window
        forecasts = {config.name: pd.concat([made, left_out]), "last_value": naive}
        found = {
            name: m4_scores(train, test, frame, config.name, season_length, NAIVE2[group])
            for name, frame in forecasts.items()
        }
        found[config.name]["left out"] = float(left_out["unique_id"].nunique())
        return found, forecaster

    return run


def hospital(config: Experiment, _: str) -> tuple[Scores, Forecaster]:
    """MASE of the last year, seasonal errors of 12 months as its scale."""
    train, test = (
        pd.read_parquet(DATA / "hospital" / f"hospital_{part}.parquet")
        for part in ("train", "test")
    )
    return mase_of(config, train, test, 12)


def us_births(config: Experiment, _: str) -> tuple[Scores, Forecaster]:
    """MASE of the last 30 days, seasonal errors of a week as its scale."""
    frame = pd.read_csv(DATA / "us_births.csv", parse_dates=["ds"]).assign(unique_id="births")
    return mase_of(config, frame.iloc[:-30], frame.iloc[-30:], 7)


def mase_of(
    config: Experiment, train: pd.DataFrame, test: pd.DataFrame, season: int
) -> tuple[Scores, Forecaster]:
    """MASE of one forecast of the test rows, and of the last value and the last season carried on.

    Raises:
        ValueError: a series has another number of test rows than the preset forecasts.
    """
    if test.groupby("unique_id").size().ne(config.windows.horizon).any():
        raise ValueError(
            f"the test part has series of another length than {config.windows.horizon}"
        )
    forecaster = Forecaster(config).fit(train)
    ends = train.groupby("unique_id")["y"].apply(lambda y: y.to_numpy()[-season:])
    seasons = np.stack(test["unique_id"].map(ends).to_numpy())
    step = test.groupby("unique_id").cumcount().to_numpy() % season
    keys, alias = test[["unique_id", "ds"]], config.name
    forecasts = {
        alias: forecaster.predict().frame(),
        "last_value": keys.assign(**{alias: seasons[:, -1]}),
        "seasonal_naive": keys.assign(**{alias: seasons[np.arange(len(test)), step]}),
    }
    made = {
        name: m4_scores(train, test, one, alias, season, (1.0, 1.0))
        for name, one in forecasts.items()
    }
    return {name: {"MASE": scores["MASE"]} for name, scores in made.items()}, forecaster


def last_values(train: pd.DataFrame, test: pd.DataFrame, alias: str) -> pd.DataFrame:
    """Return the last value of each series for all steps of its test set."""
    last = train.groupby("unique_id")["y"].last()
    return test[["unique_id", "ds"]].assign(**{alias: test["unique_id"].map(last)})


def m4_scores(
    train: pd.DataFrame,
    test: pd.DataFrame,
    made: pd.DataFrame,
    alias: str,
    season: int,
    naive2: tuple[float, float],
) -> dict[str, float]:
    """The competition's scores of one forecast of every test row."""
    both = test.merge(
        made[["unique_id", "ds", alias]], on=["unique_id", "ds"], validate="one_to_one"
    )
    if len(both) != len(test):
        raise ValueError(f"{len(both)} of {len(test)} test rows were forecast")
    error = (both["y"] - both[alias]).abs()
    relative = 200 * error / (both["y"].abs() + both[alias].abs())
    ids = both["unique_id"]
    scale = train.groupby("unique_id")["y"].agg(
        lambda y: np.abs(y.to_numpy()[season:] - y.to_numpy()[:-season]).mean()
    )
    smape = float(relative.groupby(ids).mean().mean())
    mase = float((error.groupby(ids).mean() / scale).mean())
    return {"sMAPE": smape, "MASE": mase, "OWA": owa(smape, mase, reference=naive2)}


CONTEXT_96 = ("ensemble.context_lengths=[96]",)
"""The same preset where windows may not look back further, as in some of the published tables."""

PROTOCOLS = {
    "etth1": Protocol("etth1.yaml", (96, 192, 336, 720), ett("ETTh1")),
    "etth2": Protocol("etth2.yaml", (96, 192, 336, 720), ett("ETTh2")),
    "etth1_96": Protocol("etth1.yaml", (96, 192, 336, 720), ett("ETTh1"), CONTEXT_96),
    "etth2_96": Protocol("etth2.yaml", (96, 192, 336, 720), ett("ETTh2"), CONTEXT_96),
    "exchange_rate": Protocol("exchange_rate.yaml", (96, 192, 336, 720), exchange_rate),
    "epf": Protocol("epf.yaml", ("NP", "FR"), epf),
    "bike_sharing": Protocol("bike_sharing.yaml", ("all",), bike_sharing),
    "hospital": Protocol("hospital.yaml", ("all",), hospital),
    "us_births": Protocol("us_births.yaml", ("all",), us_births),
    "m4_hourly": Protocol("m4_hourly.yaml", ("all",), m4("hourly", 24)),
    "m4_weekly": Protocol("m4_weekly.yaml", ("all",), m4("weekly", 1)),
}


def preset(name: str, seed: int, overrides: tuple[str, ...] = ()) -> Experiment:
    """The settings of a protocol."""
    protocol = PROTOCOLS[name]
    changes = [*protocol.changes, f"training.seed={seed}", *overrides]
    return load_experiment(ROOT / "configs" / protocol.config, changes)


def untouched(name: str, seed: int) -> Experiment:
    """The default, which is told how to read the table, its horizon and the rows of the test."""
    declared = preset(name, seed)
    config = Experiment(
        name=declared.name,
        data=declared.data.model_copy(update={"calendar": Experiment().data.calendar}),
        windows=Experiment().windows.model_copy(update={"horizon": declared.windows.horizon}),
    )
    changes: dict[str, Any] = {"training.seed": seed}
    if declared.evaluation.test_size:
        changes["evaluation.test_size"] = declared.evaluation.test_size
    return config.with_settings(changes)


def run_case(
    name: str,
    case: int | str,
    seed: int,
    overrides: tuple[str, ...] = (),
    *,
    is_default: bool = False,
) -> dict[str, Any]:
    """Fit the preset of a protocol, or the default, and score it: figures, and how they came."""
    protocol, config = PROTOCOLS[name], preset(name, seed, overrides)
    if is_default:
        config = untouched(name, seed)
    start = time.perf_counter()
    start_of_work = cpu_seconds()
    scores, forecaster = protocol.run(config, case)
    fitted = forecaster.fitted
    return {
        "set": name,
        "case": case,
        "seed": seed,
        "config": config.model_dump(mode="json"),
        "scores": scores,
        "shares": fitted.members,
        "parameters": int(fitted.model.count_params()),
        "epochs": len(fitted.history.loss),
        "best_epoch": fitted.history.best_epoch,
        "val_loss": min(fitted.history.val_loss, default=None),
        "epoch_seconds": float(np.median(fitted.history.seconds)),
        "seconds": time.perf_counter() - start,
        "cpu_seconds": cpu_seconds() - start_of_work,
    }
