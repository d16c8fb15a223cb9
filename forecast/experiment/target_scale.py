"""Scale on which the targets are learned: logarithms or plain numbers, decided on the data.

A ridge regression decides, by its errors on rows after those it was fitted on. It takes seconds
where a network takes minutes, and meets the same difficulty: on the scale on which changes have the
same size everywhere, one map serves all levels.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.baselines.moments import RidgeRows
from forecast.baselines.ridge import RidgeWindow
from forecast.data.findings import Choice
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.experiment.choices import CHOOSING_MODEL, Chosen, plain_scale
from forecast.experiment.settings import Experiment, TransformConfig
from forecast.section import AUTO, decided
from forecast.transforms.missing import Filled
from forecast.windows.features import FeatureMap, FeatureSettings, series_deviations
from forecast.windows.index import WindowIndex, index_windows
from forecast.windows.splits import Part, Split, part_rows

LEARNED_SHARE = 0.6
"""Share of the training rows that the ridge regression is fitted on."""

FEWEST_WINDOWS = 8
"""Windows beside each other that errors need to decide on the scale."""

EVALUATED_WINDOWS = 5_000
"""Windows on which the scale is decided, at most."""

MOST_VALUES = 20_000
"""Windows times targets that a ridge regression is fitted and evaluated on, about.

Windows are left out evenly, targets are not: the scale is that of all of them.
"""


def choose_scale(chosen: Chosen, panel: Panel, filled: Filled, split: Split) -> Chosen:
    """Choose the maps of the targets where they are `auto`: standard alone, or after log1p.

    Logarithms need training values of at least 0; what turns negative later is read as 0 (`Log1p`).

    Args:
        chosen: the experiment, all else chosen.
        panel: its series.
        filled: its rows after the missing policy.
        split: the rows of each set.
    """
    config = chosen.config
    if config.transforms.target != AUTO or config.model.name != CHOOSING_MODEL:
        return chosen
    logarithm = (TransformConfig(name="log1p"), *plain_scale())
    scale = Choice(plain_scale(), "a ridge regression forecasts no better on logarithms")
    if config.training.point == "mean":
        scale = Choice(plain_scale(), "logarithms do not lead to the mean")
    elif config.evaluation.validation_size == 0:
        scale = Choice(plain_scale(), "no validation set to decide on")
    elif _smallest(panel, filled, split.train) < 0:
        scale = Choice(plain_scale(), "training values below 0 have no logarithm")
    elif _num_windows(config, split) < FEWEST_WINDOWS:
        targets = filled.measured(len(panel.columns.target_cols))
        growth = growth_of_spread(targets, split.train, config.data.season_length or 1)
        scale = Choice(plain_scale(), "the spread does not grow with the level")
        if growth > 0.5:
            scale = Choice(logarithm, "the spread grows with the level")
    else:
        plain_error = ridge_error(config, panel, filled, split, plain_scale())
        if ridge_error(config, panel, filled, split, logarithm) < plain_error:
            scale = Choice(logarithm, "a ridge regression forecasts better on logarithms")
    return chosen.with_choices({"transforms.target": scale})


def _smallest(panel: Panel, filled: Filled, train: Part) -> float:
    """Return the smallest training value of a target; infinity where none was measured."""
    targets = filled.measured(len(panel.columns.target_cols))
    return float(np.nanmin(targets[part_rows(train)], initial=np.inf))


def _num_windows(config: Experiment, split: Split) -> float:
    """Return how many horizons fit beside each other into the training rows not learned from."""
    rows = (1 - LEARNED_SHARE) * (split.train.last - split.train.first).sum()
    return float(rows / config.windows.horizon)


def growth_of_spread(targets: FloatArray, train: Part, season_length: int) -> float:
    """Return the power of the level by which the spread grows: 0 for sums, 1 for factors.

    The regression slope of the logarithm of spread on that of level, over stretches of a season or
    eight rows within each series: 1 minus the parameter of the Box-Cox transform that makes the
    spread alike everywhere (Guerrero 1993). 0 where nothing is known.

    Args:
        targets: (R, D) as measured.
        train: the rows to look at.
        season_length: m.
    """
    length = max(season_length, 8)
    levels = []
    spreads = []
    for first, last in zip(train.first.tolist(), train.last.tolist(), strict=True):
        number = (last - first) // length
        if number < 2:
            continue
        for column in targets[last - number * length : last].T:
            stretches = column.reshape(number, length)
            level = stretches.mean(axis=1)
            spread = np.diff(stretches, axis=1).std(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                both = np.log(np.stack([level, spread]))
            both = both[:, np.isfinite(both).all(axis=0)]
            if both.shape[1] > 1:
                levels.append(both[0] - both[0].mean())
                spreads.append(both[1] - both[1].mean())
    if not levels:
        return 0.0
    x = np.concatenate(levels)
    y = np.concatenate(spreads)
    return float(x @ y / max(float(x @ x), np.finfo(np.float64).tiny))


def ridge_error(
    config: Experiment,
    panel: Panel,
    filled: Filled,
    split: Split,
    transforms: tuple[TransformConfig, ...],
) -> float:
    """Return the mean absolute error of a ridge regression on transformed targets.

    In the unit of the data, divided by the deviation of each series. Errors are absolute, as the
    loss of the network is. Evaluated are the training rows not learned from and the validation rows
    together, since a short validation set would hold too few windows. Of many windows and targets
    every so many windows are read (`MOST_VALUES`).

    Args:
        config: the experiment, all but the scale chosen.
        panel: its series.
        filled: its rows after the missing policy.
        split: the rows of each set.
        transforms: maps of the targets.
    """
    settings = FeatureSettings(transforms, missing=config.data.missing)
    feature_map = FeatureMap.fit(panel, filled, part=split.train, settings=settings)
    features = feature_map.apply(panel, filled)
    num_targets = features.target.shape[1]
    inputs = features.past[:, :num_targets].astype(np.float64)  # (R, D)
    usable = np.asarray(np.isfinite(inputs).all(axis=1))
    length = decided(config.windows.context_length, "windows.context_length")

    def windows(part: Part) -> WindowIndex:
        index = index_windows(panel, length, config.windows.horizon, part=part, usable=usable)
        return every_so_many(index, math.ceil(len(index) * num_targets / MOST_VALUES))

    middle = _middle(split.train)
    learned = windows(Part(split.train.first, middle))
    evaluated = windows(Part(middle, np.maximum(split.train.last, split.validation.last)))
    if not len(learned):  # short series have no window in less than the whole training set
        learned = windows(split.train)
        evaluated = windows(split.validation)
    if not len(learned) or not len(evaluated):
        return 0.0

    deviations = np.ones((panel.num_series, num_targets))
    rows = RidgeRows(
        features.target.astype(np.float64), deviations, inputs=inputs, positions=panel.positions
    )
    try:
        ridge = RidgeWindow.fit(rows, learned, evaluated, robust=True)
    except DataError:  # some step has no value in these windows; all training windows may have one
        return 0.0
    number = min(len(evaluated), EVALUATED_WINDOWS, max(MOST_VALUES // num_targets, 1))
    spaced = evenly_spaced(len(evaluated), number)
    series, first = evaluated.locate(spaced)
    context = evaluated.context_rows(first)
    history = filled.values[:, :num_targets][context]
    forecast = feature_map.target.invert(
        ridge.predict(inputs[context]), series=series, history=history
    )

    measured = filled.measured(num_targets)
    scale = series_deviations(panel, measured, split.train)
    error = np.abs(forecast - measured[evaluated.horizon_rows(first)])  # (B, H, D)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = error / np.where(scale > 0, scale, np.nan)[series][:, None]
    if not np.isfinite(relative).any():
        return 0.0
    return float(np.nanmean(relative))


def every_so_many(index: WindowIndex, number: int) -> WindowIndex:
    """Return every `number`-th window of each run, the first one among them; all for 0 and 1."""
    number = max(number, 1)
    counts = np.diff(np.concatenate([[0], index.run_ends]))
    return replace(
        index,
        stride=number * index.stride,
        run_ends=np.cumsum(-(-counts // number), dtype=np.int64),
    )


def _middle(train: Part) -> IntArray:
    """Return the row of each series that ends the learned share of its training rows."""
    rows = np.rint(LEARNED_SHARE * (train.last - train.first)).astype(np.int64)
    return train.first + rows
