"""From windows to a fitted state: train, combine, calibrate, judge, and train once more on all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from forecast.experiment.prepare import Prepared, with_all_rows
from forecast.forecasting.calibrate import calibrate
from forecast.forecasting.combine import Rolled, roll_simple, weights_of_all, with_combination
from forecast.forecasting.fitted import MODEL, Fitted, collect, shape_of
from forecast.forecasting.judge import judge, judge_rolled, unseen_part
from forecast.forecasting.sample_paths import record_trajectories
from forecast.forecasting.seasonal_member import fit_seasonal
from forecast.forecasting.simple_members import fit_linear, smoothing_of
from forecast.scores.evaluation import BacktestResult
from forecast.section import decided
from forecast.training.events import of_refit
from forecast.training.fit import fit_network, refit_network
from forecast.training.fitted_network import FittedNetwork


class Stages(NamedTuple):
    """Result of `fit_stages`.

    Attributes:
        fitted: the state to forecast with.
        prepared: the windows it was last trained on.
        evaluated: the evaluation, where it was made on the way: before a refit, or on earlier
            cutoffs of a table without a test set.
    """

    fitted: Fitted
    prepared: Prepared
    evaluated: BacktestResult | None


Combine = Callable[[FittedNetwork], tuple[Fitted, Rolled | None]]
"""Networks -> the state with their weight and those of the simple members."""


def _combination(prepared: Prepared) -> Combine:
    """Return the combination of networks with simple members, which are fitted once."""
    linear = fit_linear(prepared)
    smoothing = smoothing_of(prepared)
    season_length = prepared.config.data.season_length or prepared.panel.freq.season_length
    seasonal = fit_seasonal(prepared, season_length)
    found: list[Rolled | None] = []

    def combine(network: FittedNetwork) -> tuple[Fitted, Rolled | None]:
        fitted = collect(prepared, network, linear, smoothing)
        fitted = replace(fitted, seasonal=seasonal)
        if not found:
            found.append(roll_simple(fitted, prepared))
        return with_combination(fitted, prepared, found[0])

    return combine


def fit_stages(
    prepared: Prepared,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    reporter: Callable[[Any], None] | None = None,
    start: Callable[[], Any] | None = None,
) -> Stages:
    """Train all members, find their weights, calibrate the intervals; with `refit` train again.

    The first network goes ahead: where it earns no weight beside the simple members, the others
    are not trained.

    Args:
        prepared: the windows, and the data they were made from.
        checkpoint: as in `fit_network`.
        resume: as in `fit_network`.
        reporter: as in `fit_network`.
        start: as in `fit_network`.

    Raises:
        TrainingError: as in `fit_network`.
    """
    combine = _combination(prepared)

    def has_weight(network: FittedNetwork) -> bool:
        return combine(network)[0].weights[MODEL] > 0

    has_simple = bool(decided(prepared.config.ensemble.simple, "ensemble.simple"))
    network = fit_network(
        prepared,
        shape_of(prepared),
        checkpoint=checkpoint,
        resume=resume,
        reporter=reporter,
        is_of_use=has_weight if has_simple else None,
        start=start,
    )
    fitted, rolled = combine(network)
    fitted = calibrate(fitted, prepared, rolled)
    fitted = replace(fitted, trajectories=record_trajectories(fitted, prepared, rolled))
    evaluated = None
    if rolled is not None and not len(prepared.test):
        evaluated = judge_rolled(fitted, prepared, rolled)
    if not prepared.config.training.refit:
        return Stages(fitted, prepared, evaluated)

    if len(prepared.test):
        part = unseen_part(fitted, prepared.panel)
        evaluated = judge(fitted, prepared.panel, part, features=prepared.features)
    whole = with_all_rows(prepared)
    if len(prepared.test):
        fitted = replace(fitted, weights=weights_of_all(fitted, prepared, whole))
    if fitted.weights[MODEL]:
        network = refit_network(
            whole,
            shape_of(whole),
            network,
            checkpoint=checkpoint,
            resume=resume,
            reporter=of_refit(reporter),
        )
    linear = fit_linear(whole, fitted.linear.penalty)
    refitted = collect(whole, network, linear, smoothing_of(whole))
    # Errors on unseen windows, and the units they are measured in, are those of the first fit.
    last = replace(
        refitted,
        calibration=fitted.calibration,
        recent=fitted.recent,
        trajectories=fitted.trajectories,
        weights=fitted.weights,
        seasonal=fitted.seasonal and fit_seasonal(whole, fitted.season_length, fitted.seasonal),
        series=replace(refitted.series, unit=fitted.series.unit),
    )
    return Stages(last, whole, evaluated)
