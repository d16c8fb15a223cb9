"""Simple members of a forecast: the baselines, fitted where they learn, on any windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.baselines.compare import all_baselines, batches_of_history, history_reader
from forecast.baselines.lengths import Steps
from forecast.baselines.moments import RidgeRows
from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.smoothing import Smoothing
from forecast.data.findings import listed
from forecast.data.panel import Panel
from forecast.experiment.prepare import Prepared
from forecast.forecasting.fitted import MODEL, Fitted, fit_smoothing
from forecast.transforms.missing import Filled
from forecast.windows.features import series_deviations


def fit_linear(prepared: Prepared, penalty: float | None = None) -> RidgeWindow:
    """Fit the ridge baseline on the training windows.

    Every series is divided by its standard deviation over the training rows. Divided by its changes
    from step to step instead, a smooth series outweighs the others: on ETTh2, 336 steps ahead, the
    error of this baseline is then 0.45 in place of 0.35.

    Args:
        prepared: the windows.
        penalty: chosen before; optional.
    """
    return RidgeWindow.fit(
        linear_rows(prepared), prepared.training.index, prepared.validation.index, penalty=penalty
    )


def linear_rows(prepared: Prepared) -> RidgeRows:
    """Return the rows that the ridge baseline is fitted on."""
    num_targets = len(prepared.panel.columns.target_cols)
    targets = prepared.filled.measured(num_targets)
    scale = series_deviations(prepared.panel, targets, prepared.split.train)
    return RidgeRows(
        targets,
        scale,
        inputs=prepared.filled.values[:, :num_targets],
        positions=prepared.panel.positions,
    )


def smoothing_of(prepared: Prepared) -> Smoothing:
    """Fit exponential smoothing to the training rows."""
    panel = prepared.panel
    season_length = prepared.config.data.season_length or panel.freq.season_length
    return fit_smoothing(panel, prepared.filled, prepared.split.train, season_length)


def steps_of(fitted: Fitted, panel: Panel, horizon: int | None = None) -> Steps:
    """Return the lengths that baselines read.

    Args:
        fitted: the state.
        panel: the series.
        horizon: steps to forecast; default: the horizon of training.
    """
    return Steps(
        horizon=horizon or fitted.shape.horizon,
        context_length=fitted.shape.context_length,
        season_length=fitted.season_length,
        week_length=panel.freq.steps_per_week,
    )


def simple_forecasts(
    fitted: Fitted, panel: Panel, filled: Filled, last: IntArray, names: Sequence[str]
) -> FloatArray:
    """Return (M, B, H, D) forecasts of some baselines in the unit of the data.

    Args:
        fitted: the state, aligned with the panel.
        panel: the series.
        filled: its rows after the missing policy.
        last: (B,) row of the panel at each cutoff.
        names: of the M baselines.
    """
    steps = steps_of(fitted, panel)
    num_targets = fitted.shape.num_targets
    baselines = all_baselines(steps, ridge=fitted.linear, smoothing=fitted.smoothing)
    length = steps.history_length
    history_of = history_reader(panel, filled.values[:, :num_targets], length)
    series = panel.series_at(last)
    made = np.empty((len(names), len(last), steps.horizon, num_targets))
    for numbers in batches_of_history(len(last), length * num_targets):
        history = history_of(last[numbers])
        for place, name in enumerate(names):
            made[place, numbers] = baselines[name](history, series[numbers])
    return made


def unread_notes(fitted: Fitted) -> tuple[str, ...]:
    """Return a note where known covariates do not count, since only simple members forecast."""
    known = fitted.feature_map.columns.known_covariates
    if not known or fitted.weights[MODEL]:
        return ()
    return (
        f"{listed(known)} does not count in the forecast: at earlier cutoffs the members that read "
        f"it were no better than the others, or there are too few rows to tell",
    )
