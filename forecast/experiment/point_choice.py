"""The number of a step's distribution that is forecast, and the loss that leads to it.

An absolute loss leads to the median, a squared one to the mean (Gneiting, Making and Evaluating
Point Forecasts, 2011). Where demand comes on few days the median of every day is 0, which is right
by that loss and of no use: the forecasts add up to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from forecast.data.findings import Choice
from forecast.data.panel import Panel
from forecast.errors.interface import in_use
from forecast.experiment.held_back import Choices
from forecast.experiment.settings import Experiment
from forecast.experiment.training_rows import training_part
from forecast.section import AUTO
from forecast.windows.splits import part_rows

MANY_ZEROS = 0.5
"""Share of zeros among the training values above which their median is 0."""

LEAST_SEASONAL = 0.5
"""Share of the total that medians by position in the season hold where zeros are a season, as those
of solar power at night."""

MEAN = "and so is their median: the mean is forecast"

OF_LOSS = {"mse": "mean", "mae": "median", "huber": "median", "quantile": "median"}
"""Point that each loss leads to on the scale of the data."""

LOSS_OF = {"mean": "mse", "median": "mae"}
"""Loss that leads to each point."""


def point_choices(config: Experiment, panel: Panel, season_length: int, usual: Choice) -> Choices:
    """Choose point and loss together.

    Args:
        config: the experiment, with the sizes of its sets.
        panel: the series.
        season_length: m.
        usual: the point where no loss is given and the data do not speak for the mean.
    """
    point = _point(config, panel, season_length, usual)
    wanted = point.value
    if config.training.point != AUTO:
        wanted = config.training.point
    return {
        "training.point": point,
        "training.loss": Choice(LOSS_OF[wanted], f"leads to the {wanted}"),
    }


def mean_notes(reasons: Mapping[str, str]) -> tuple[str, ...]:
    """Return a note where the data decided for the mean.

    Args:
        reasons: for the settings that were chosen.
    """
    reason = reasons.get("training.point", "")
    if not reason.endswith(MEAN):
        return ()
    other = in_use().worded('`training.point="median"`')
    return (f"{reason} ({other} forecasts the median)",)


def _point(config: Experiment, panel: Panel, season_length: int, usual: Choice) -> Choice:
    """Choose the point by the loss, or by the zeros among the training values."""
    loss = config.training.loss
    if config.transforms.have_logarithm:
        return Choice("median", "the mean of logarithms leads to a median")
    if config.training.has_own_loss:
        return Choice("median", f"as training.loss {loss} does not tell; mean may be given")
    if loss != AUTO:
        return Choice(OF_LOSS[loss], f"training.loss {loss} leads to it")
    values, groups = _training_values(config, panel, season_length)
    zeros = float((values == 0).mean()) if len(values) else 0.0
    if zeros <= MANY_ZEROS:
        return usual
    found = f"{100 * zeros:.0f} % of the training values are 0"
    medians = pd.Series(values).groupby(groups).transform("median")
    if np.abs(medians).sum() >= LEAST_SEASONAL * np.abs(values).sum():
        return Choice(usual.value, f"{found}, but by season, so that medians are forecasts")
    return Choice("mean", f"{found}, {MEAN}")


def _training_values(
    config: Experiment, panel: Panel, season_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the training values of all targets, and numbers for series and place in the season."""
    rows = part_rows(training_part(config, panel))
    targets = panel.targets[rows]  # (R, D)
    place = panel.positions[rows] % season_length
    group = panel.series_of_rows()[rows] * season_length + place
    num_targets = targets.shape[1]
    groups = group[:, None] * num_targets + np.arange(num_targets)
    measured = np.isfinite(targets)
    return targets[measured], groups[measured]
