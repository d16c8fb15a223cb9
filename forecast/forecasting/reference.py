"""The baseline that stands beside a forecast of the steps after a table."""

from __future__ import annotations

import numpy as np

from forecast.axes import FloatArray, evenly_spaced
from forecast.baselines.compare import all_baselines, batches_of_history, history_reader
from forecast.baselines.simple import BASELINE_NAMES, ETS, LINEAR
from forecast.data.panel import Panel
from forecast.errors import ConfigError, nearest
from forecast.experiment.prepare import Prepared
from forecast.forecasting.fitted import Fitted, smoothing_for
from forecast.forecasting.simple_members import steps_of
from forecast.transforms.missing import fill_missing
from forecast.windows.splits import Part

USUAL_BASELINE = "seasonal_naive"
"""Baseline where none could be compared with actual values."""

COMPARED_WINDOWS = 4_000
"""Validation windows on which the baselines are compared, at most."""


def best_on_validation(fitted: Fitted, prepared: Prepared) -> str:
    """Return the baseline with the smallest mean absolute error on the validation windows.

    Args:
        fitted: the state, with the ridge baseline.
        prepared: the data that it was trained on.
    """
    windows = prepared.validation
    if not len(windows):
        return USUAL_BASELINE
    steps = steps_of(fitted, prepared.panel)
    num_targets = fitted.shape.num_targets
    series, first = windows.index.locate(evenly_spaced(len(windows), COMPARED_WINDOWS))
    last = first + windows.index.context_length - 1
    actual = prepared.filled.measured(num_targets)
    history_of = history_reader(
        prepared.panel, prepared.filled.values[:, :num_targets], steps.history_length
    )
    baselines = all_baselines(steps, ridge=fitted.linear, smoothing=fitted.smoothing)
    errors: dict[str, list[FloatArray]] = {}
    for numbers in batches_of_history(len(last), steps.history_length * num_targets):
        history = history_of(last[numbers])
        ahead = actual[windows.index.horizon_rows(first[numbers])]
        for name, baseline in baselines.items():
            made = baseline(history, series[numbers])
            errors.setdefault(name, []).append(np.abs(made - ahead).ravel())
    means = {name: _mean(np.concatenate(parts)) for name, parts in errors.items()}
    best = min(means, key=lambda name: means[name])
    if np.isfinite(means[best]):
        return best
    return USUAL_BASELINE


def baseline_ahead(fitted: Fitted, panel: Panel, name: str, steps: int) -> FloatArray:
    """Forecast (N, H, D) the steps after the end of every series with a baseline.

    Steps after the horizon of training are forecast from forecasts by the ridge baseline.

    Args:
        fitted: the trained state.
        panel: the history.
        name: of the baseline.
        steps: H.

    Raises:
        ConfigError: there is no such baseline.
    """
    if name not in BASELINE_NAMES:
        raise ConfigError(
            f"baseline is {name!r}{nearest(name, BASELINE_NAMES)}; expected one of "
            f"{', '.join(BASELINE_NAMES)}"
        )
    lengths = steps_of(fitted, panel, steps)
    filled = fill_missing(panel, fitted.config.data.missing)[0]
    num_targets = len(panel.columns.target_cols)
    history_of = history_reader(panel, filled.values[:, :num_targets], lengths.history_length)
    history = history_of(panel.offsets[1:] - 1)
    if name != LINEAR:
        smoothing = None
        if name == ETS:
            smoothing = smoothing_for(fitted, panel, Part.whole(panel))
        baselines = all_baselines(lengths, smoothing=smoothing)
        return baselines[name](history, np.arange(panel.num_series))
    num_rows = history.shape[1]
    while history.shape[1] < num_rows + steps:
        history = np.concatenate([history, fitted.linear.predict(history)], axis=1)
    return history[:, num_rows : num_rows + steps]


def _mean(errors: FloatArray) -> float:
    """Return the mean of what is finite, infinity where nothing is."""
    known = errors[np.isfinite(errors)]
    if not len(known):
        return np.inf
    return float(known.mean())
