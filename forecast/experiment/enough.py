"""Rows enough for the windows of an experiment: refused before training where there are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from forecast.baselines.moments import RidgeRows
from forecast.baselines.ridge import learned_steps
from forecast.data.findings import BadTableError, Change
from forecast.data.panel import Panel
from forecast.data.per_series.ended import steps_behind
from forecast.data.per_series.subset import select_series
from forecast.data.regular.proposed_steps import FILL
from forecast.errors.interface import Settings
from forecast.experiment.choices import CHOOSING_MODEL
from forecast.experiment.settings import Experiment
from forecast.experiment.stretches import explain_gaps
from forecast.section import AUTO, decided
from forecast.transforms import TRANSFORMS
from forecast.transforms.missing import Filled
from forecast.windows.features import Features, series_deviations
from forecast.windows.index import contiguous_runs, first_usable
from forecast.windows.splits import Part
from forecast.windows.window_weights import forecast_counts
from forecast.windows.windowed import WindowedFeatures

HELD_BACK = ("validation", "calibration", "test")

SHORT_SERIES = "short_series"
"""Code of the finding that series are shorter than one window."""

TOO_FEW_ROWS = (SHORT_SERIES, "no_window", "no_training_rows", "no_forecast", "no_learned_step")
"""Codes of findings for which other lengths of windows or sets may be the fix."""

_MORE_ROWS = "give more rows"

_LONGEST_HORIZON = 48
"""Steps of the horizon that is proposed, at most."""

_HORIZONS_IN_ROWS = 10
"""Horizons that the shortest series should have, at least."""

_FEW_WINDOWS = 1000
"""Training windows among which a step may have no value at all."""


class WindowSet(NamedTuple):
    """Windows of one set, and the rows that they forecast."""

    windows: WindowedFeatures
    part: Part


def context_length_of(config: Experiment) -> int:
    """Return the context length L of a resolved experiment."""
    return decided(config.windows.context_length, "windows.context_length")


def needed_rows(config: Experiment) -> int:
    """Return the rows of one window; with a context that is `auto`, the fewest there can be."""
    return _least_context(config) + config.windows.horizon + _lag(config)


def _least_context(config: Experiment) -> int:
    context_length = config.windows.context_length
    if context_length != AUTO:
        return context_length
    lengths = config.ensemble.context_lengths
    if lengths not in (AUTO, ()):
        return max(lengths)
    if config.model.name == CHOOSING_MODEL:
        return 2
    return 3 * config.windows.horizon


def _lag(config: Experiment) -> int:
    """Return the earlier rows that the differences of the targets take."""
    target = config.transforms.target
    if target == AUTO:  # which stands for maps without a difference
        return 0
    return sum(spec.lag for spec in target if TRANSFORMS[spec.name].takes_lag)


def long_enough(panel: Panel, config: Experiment) -> tuple[Panel, tuple[str, ...]]:
    """Return the series that are as long as one window, and a note on those left out.

    Raises:
        BadTableError: a series is shorter, and short ones are refused; or all are.
    """
    needed = needed_rows(config)
    short = np.flatnonzero(panel.lengths < needed)
    if not len(short):
        return panel, ()

    window = f"context {context_length_of(config)} + horizon {config.windows.horizon}"
    if _lag(config):
        window += f" + differences {_lag(config)}"
    named = ", ".join(f"{panel.series_ids[i]!r} ({panel.lengths[i]} rows)" for i in short[:5])
    verb = "is" if len(short) == 1 else "are"
    text = (
        f"{len(short)} of {panel.num_series} series {verb} shorter than the {needed} rows of one "
        f"window ({window}): {named}"
    )
    if len(short) == panel.num_series or config.data.short_series == "refuse":
        raise BadTableError(SHORT_SERIES, text, _MORE_ROWS)
    long = np.setdiff1d(np.arange(panel.num_series), short)
    return select_series(panel, long), (f"left out: {text}",)


def refuse_empty_sets(
    panel: Panel, features: Features, config: Experiment, sets: Mapping[str, WindowSet]
) -> None:
    """Raise where a set that was asked for has no window.

    Args:
        panel: the series.
        features: the inputs of the windows.
        config: the resolved experiment.
        sets: by name: training, and those held back.

    Raises:
        BadTableError: always then.
    """
    sizes = {name: getattr(config.evaluation, f"{name}_size") for name in HELD_BACK}
    asked = ["training", *(name for name in HELD_BACK if sizes[name] != 0)]
    empty = [name for name in asked if not len(sets[name].windows)]
    if not empty:
        return
    context_length = context_length_of(config)
    horizon = config.windows.horizon
    parts = [sets[name].part for name in asked]
    reason, settings = explain_gaps(panel, features, parts, context_length, horizon)
    if reason:
        raise BadTableError(
            "no_window", f"the {empty[0]} set has no window: {reason}", "", settings
        )
    part = sets[empty[0]].part
    longest = int(np.max(part.last - part.first, initial=0))
    raise BadTableError(
        "no_window",
        f"the {empty[0]} set has no window: its longest series has {longest} rows, a window needs "
        f"{horizon} to forecast after {context_length} of context",
        _MORE_ROWS,
    )


def usual_horizon(panel: Panel) -> int:
    """Return the steps of one season, or fewer where series are short."""
    season = panel.freq.season_length
    if season < 2:
        season = _HORIZONS_IN_ROWS
    shortest = int(panel.lengths.min())
    return max(1, min(season, _LONGEST_HORIZON, shortest // _HORIZONS_IN_ROWS))


def refuse_unlearnable(panel: Panel, filled: Filled, config: Experiment, train: WindowSet) -> None:
    """Raise where no training window has a value at some step of the horizon.

    Args:
        panel: the series.
        filled: their values after the missing policy.
        config: the resolved experiment.
        train: the training set.

    Raises:
        BadTableError: always then.
    """
    index = train.windows.index
    if len(index) > _FEW_WINDOWS:
        return
    num_targets = len(panel.columns.target_cols)
    targets = filled.measured(num_targets)
    scale = series_deviations(panel, targets, train.part)
    rows = RidgeRows(targets, scale, inputs=filled.values[:, :num_targets])
    missing = np.flatnonzero(~learned_steps(rows, index))
    if rows.vary and len(missing):
        raise BadTableError(
            "no_learned_step",
            f"no training window of {context_length_of(config)} + {config.windows.horizon} steps "
            f"has a value at step {missing[0] + 1}, in a series that varies ({len(index)} in all)",
            "give more rows with values that vary",
        )


def refuse_weightless(
    features: Features, config: Experiment, sets: Mapping[str, WindowSet]
) -> None:
    """Raise where every row that the windows of a set learn or judge by has the weight 0.

    Args:
        features: the inputs of the windows.
        config: the resolved experiment.
        sets: by name; those that nothing is learned or chosen by are not read.

    Raises:
        BadTableError: always then.
    """
    if features.weights is None:
        return
    for name in ("training", "validation"):
        index = sets[name].windows.index
        is_read = forecast_counts(index, len(features.weights)) > 0
        if len(index) and not features.weights[is_read].any():
            raise BadTableError(
                "no_weight",
                f"weight {config.data.weight_col!r} is 0 in every row that the {len(index):,} "
                f"{name} windows forecast",
                f"give rows of the {name} set a weight above 0",
                (Change({"data.weight_col": None}, "to do without weights"),),
            )


def refuse_unforecastable(panel: Panel, features: Features, config: Experiment) -> None:
    """Raise where the last rows of a series are no context, so that it cannot be forecast.

    Args:
        panel: the series.
        features: the inputs of the windows.
        config: the resolved experiment.

    Raises:
        BadTableError: a gap, or a value that no policy fills, is too near to the end.
    """
    needed = context_length_of(config)
    start, stop, series = contiguous_runs(panel)
    rows = np.maximum(stop - first_usable(start, features.usable), 0)
    at_end = np.zeros(panel.num_series, np.int64)  # rows of the last run of each series
    at_end[series] = rows  # runs are in order of time: the last one stays
    is_forecast = np.ones(panel.num_series, bool)
    if config.data.ended_series == "leave_out":
        is_forecast = steps_behind(panel) == 0
    bad = np.flatnonzero((at_end < needed) & is_forecast)
    if not len(bad):
        return
    named = ", ".join(f"{panel.series_ids[i]!r} ({at_end[i]} rows)" for i in bad[:5])
    changes: list[Settings] = []
    if (np.diff(panel.positions) > 1).any() and config.data.gaps == "skip":
        changes.append(FILL)
    raise BadTableError(
        "no_forecast",
        f"{len(bad)} of {panel.num_series} series cannot be forecast: {named} after the last gap "
        f"or value that is not filled; a forecast reads the last {needed} rows",
        _MORE_ROWS,
        changes,
    )
