"""From windows to a fitted state: train, combine, calibrate, judge, and train once more on all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from forecast.experiment.prepare import Prepared, with_all_rows
from forecast.forecasting.calibrate import calibrate
from forecast.forecasting.combine import with_combination
from forecast.forecasting.fitted import MODEL, Fitted, collect, shape_of
from forecast.forecasting.judge import judge, judge_rolled, unseen_part
from forecast.forecasting.seasonal_member import fit_seasonal
from forecast.forecasting.simple_members import fit_linear, smoothing_of
from forecast.scores.evaluation import BacktestResult
from forecast.training.fit import fit_network, refit_network


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


def fit_stages(
    prepared: Prepared,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    reporter: Callable[[Any], None] | None = None,
) -> Stages:
    """Train all members, find their weights, calibrate the intervals; with `refit` train again.

    Args:
        prepared: the windows, and the data they were made from.
        checkpoint: as in `fit_network`.
        resume: as in `fit_network`.
        reporter: as in `fit_network`.

    Raises:
        TrainingError: as in `fit_network`.
    """
    network = fit_network(
        prepared, shape_of(prepared), checkpoint=checkpoint, resume=resume, reporter=reporter
    )
    linear = fit_linear(prepared)
    fitted = collect(prepared, network, linear, smoothing_of(prepared))
    fitted = replace(fitted, seasonal=fit_seasonal(prepared, fitted.season_length))
    fitted, rolled = with_combination(fitted, prepared)
    fitted = calibrate(fitted, prepared, rolled)
    evaluated = None
    if rolled is not None and not len(prepared.test):
        evaluated = judge_rolled(fitted, prepared, rolled)
    if not prepared.config.training.refit:
        return Stages(fitted, prepared, evaluated)

    if len(prepared.test):
        part = unseen_part(fitted, prepared.panel)
        evaluated = judge(fitted, prepared.panel, part, features=prepared.features)
    whole = with_all_rows(prepared)
    if fitted.weights[MODEL]:
        network = refit_network(
            whole,
            shape_of(whole),
            network,
            checkpoint=checkpoint,
            resume=resume,
            reporter=reporter,
        )
    linear = fit_linear(whole, linear.penalty)
    refitted = collect(whole, network, linear, smoothing_of(whole))
    # Errors on unseen windows, and the units they are measured in, are those of the first fit.
    last = replace(
        refitted,
        calibration=fitted.calibration,
        recent=fitted.recent,
        weights=fitted.weights,
        seasonal=fitted.seasonal and fit_seasonal(whole, fitted.season_length, fitted.seasonal),
        series=replace(refitted.series, unit=fitted.series.unit),
    )
    return Stages(last, whole, evaluated)
