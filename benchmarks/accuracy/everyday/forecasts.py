"""Forecasts of one task: the default, the package's baselines, and models of statsforecast.

The default is what a person gets: `Forecaster(horizon=H).fit(rows up to the cutoff).predict()`. A
fit serves some cutoffs (`catalogue.Task.blocks`); at the later ones it reads the rows up to there.
Baselines and statistical models are fitted anew at every cutoff, which is to their advantage.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from catalogue import HERE, Task
from ratios import RIVALS
from series_scores import cpu_seconds, scores_by_series
from statistical import statistical_forecasts

from forecast import BacktestConfig, Forecaster, ForecastError, backtest_table
from forecast.baselines.simple import BASELINE_NAMES
from forecast.scores.member_weights import shares

DEFAULT = "default"
PEERS = ("AutoETS", "AutoTheta")
BASELINES = tuple(name for name in BASELINE_NAMES if name in RIVALS)
MODELS = (*BASELINES, *PEERS, DEFAULT)
KEYS = ["unique_id", "ds", "cutoff"]


@dataclass(frozen=True)
class Fit:
    """One fit of the default.

    Attributes:
        table: name of the task.
        cutoff: last stamp that it learned from.
        cpu_seconds: of the fit alone.
        members: JSON, kind of member -> weight; empty for a single model.
        refusal: the sentence where there is no forecast.
    """

    table: str
    cutoff: pd.Timestamp
    cpu_seconds: float
    members: str
    refusal: str = ""


def default_forecasts(
    task: Task, table: pd.DataFrame, blocks: list[list[pd.Timestamp]]
) -> tuple[pd.DataFrame, list[Fit]]:
    """Fit the default at the first cutoff of each block, and forecast from all of them."""
    made: list[pd.DataFrame] = []
    fits = []
    for cutoffs in blocks:
        start = cpu_seconds()
        forecaster = _unfitted(task)
        try:
            forecaster.fit(table[table["ds"] <= cutoffs[0]], verbose=0)
            seconds = cpu_seconds() - start
            made += [_from_cutoff(forecaster, task, table, cutoff) for cutoff in cutoffs]
            fits.append(Fit(task.name, cutoffs[0], seconds, _members(forecaster)))
        except ForecastError as error:
            seconds = cpu_seconds() - start
            fits.append(Fit(task.name, cutoffs[0], seconds, "", str(error)))
    if fits and all(fit.refusal for fit in fits):
        return pd.DataFrame(columns=[*KEYS, DEFAULT]), fits
    return pd.concat(made), fits


def _unfitted(task: Task) -> Forecaster:
    """Return the default: it is told the horizon, and the columns that are known ahead."""
    if task.known:
        return Forecaster(horizon=task.horizon, known=list(task.known))
    return Forecaster(horizon=task.horizon)


def _from_cutoff(
    forecaster: Forecaster, task: Task, table: pd.DataFrame, cutoff: pd.Timestamp
) -> pd.DataFrame:
    """Return the forecasts after one cutoff; only known columns are read after it."""
    history = table[table["ds"] <= cutoff]
    known = None
    if task.known:
        later = table[table["ds"] > cutoff].groupby("unique_id").head(task.horizon)
        known = later[["unique_id", "ds", *task.known]]
    frame = forecaster.predict(history, known=known).frame()
    frame = frame.rename(columns={forecaster.fitted.config.name: DEFAULT})
    return frame[["unique_id", "ds", DEFAULT]].assign(cutoff=cutoff)


def _members(forecaster: Forecaster) -> str:
    found = shares(forecaster.fitted.members)
    return json.dumps({share.kind: round(share.weight, 4) for share in found})


def baseline_forecasts(
    task: Task, table: pd.DataFrame, blocks: list[list[pd.Timestamp]]
) -> pd.DataFrame:
    """Return the forecasts of every baseline; one that cannot be fitted has none."""
    made = actual_rows(task, table, blocks)[KEYS]
    backtest = BacktestConfig(num_windows=sum(map(len, blocks)), step=task.horizon, refit="each")
    config = _unfitted(task).config
    for name in BASELINES:
        chosen = backtest.model_copy(update={"models": (name,)})
        try:
            result = backtest_table(config.model_copy(update={"backtest": chosen}), table)
        except ForecastError as error:
            print(f"{task.name}: {name}: {error}")
            continue
        made = made.merge(result.frame()[[*KEYS, name]], on=KEYS, how="left")
    return made


def make_peers(task: Task) -> pd.DataFrame:
    """Run the statistical models at every cutoff, and store their forecasts."""
    histories = []
    steps = []
    for table in task.tables():
        for cutoff in [cutoff for block in task.blocks(table) for cutoff in block]:
            # One series per cutoff, so that the other Python starts once and not at each.
            suffix = f" until {cutoff}"
            history = table[table["ds"] <= cutoff]
            histories.append(history.assign(unique_id=history["unique_id"] + suffix))
            later = table[table["ds"] > cutoff].groupby("unique_id").head(task.horizon)
            number = later.groupby("unique_id").cumcount()
            until = later["unique_id"] + suffix
            steps.append(later[["unique_id", "ds"]].assign(cutoff=cutoff, step=number, until=until))
    made = statistical_forecasts(pd.concat(histories), PEERS, task.horizon, task.season)
    made = made.rename(columns={"unique_id": "until"})
    found = pd.concat(steps).merge(made, on=["until", "step"], validate="one_to_one")
    found = found[[*KEYS, *PEERS]]
    found.to_csv(_peers_path(task), index=False, float_format="%.6g")
    return found


def peer_forecasts(task: Task) -> pd.DataFrame:
    """Read the stored forecasts of the statistical models."""
    return pd.read_csv(_peers_path(task), parse_dates=["ds", "cutoff"])


def _peers_path(task: Task) -> Path:
    return HERE / "peers" / f"{task.name}.csv"


def actual_rows(task: Task, table: pd.DataFrame, blocks: list[list[pd.Timestamp]]) -> pd.DataFrame:
    """Return the rows `unique_id, ds, cutoff, y` that are forecast."""
    parts = [
        table[table["ds"] > cutoff].groupby("unique_id").head(task.horizon).assign(cutoff=cutoff)
        for block in blocks
        for cutoff in block
    ]
    return pd.concat(parts)[[*KEYS, "y"]]


def judge(task: Task, *, quick: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecast one task with all models, and score it.

    Args:
        task: the task.
        quick: the last cutoff alone.

    Returns:
        Rows `table, unique_id, cutoff, model, mase`, and the fits of the default.
    """
    scores = []
    fits: list[Fit] = []
    peers = peer_forecasts(task)
    for table in task.tables():
        blocks = task.blocks(table)
        if quick:
            blocks = [[blocks[-1][-1]]]
        default, own_fits = default_forecasts(task, table, blocks)
        fits += own_fits
        made = actual_rows(task, table, blocks)
        for part in (baseline_forecasts(task, table, blocks), peers, default):
            made = made.merge(part, on=KEYS, how="left")
        made = made.reindex(columns=[*KEYS, "y", *MODELS])
        for cutoff, steps in made.groupby("cutoff"):
            history = table[table["ds"] <= cutoff]
            found = scores_by_series(history, steps, MODELS, task.season)
            scores.append(found.assign(table=task.name, cutoff=cutoff))
    columns = ["table", "unique_id", "cutoff", "model", "mase"]
    return pd.concat(scores)[columns], pd.DataFrame(fits)
