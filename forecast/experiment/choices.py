"""What a person leaves out is chosen here from the data, for the architecture that is taken without asking.

Only settings that were not given are chosen, and only with `segment_bigru`; every other
architecture has the defaults that the settings name. The rules were fixed before any set was judged
with them. What a rule cannot know, whether the series grow by factors or by sums, is decided on the
validation windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forecast.axes import FloatArray, evenly_spaced
from forecast.baselines.ridge import RidgeRows, RidgeWindow
from forecast.data.panel import Panel
from forecast.experiment.settings import CHOSEN, Experiment, TransformConfig
from forecast.transforms.missing import Filled
from forecast.windows.features import FeatureMap, FeatureSettings, series_deviations
from forecast.windows.index import WindowIndex, index_windows
from forecast.windows.splits import Part, Split, part_rows

Settings = dict[str, dict[str, Any]]


LONGEST_CONTEXT = 720
"""Steps, unless the horizon is longer."""


SHORT_SERIES = 0.1
"""Share of the series that may be too short where such series are left out."""


CAPACITY = ((3_000, 32, 32, 40), (30_000, 64, 64, 20), (None, 128, 128, 15))
"""Windows up to which there are so many units, windows per step, and epochs at most."""


WINDOWS_PER_EPOCH = 40_000
"""Training windows of one target that are drawn for an epoch, at most."""


LEARNED_SHARE = 0.6
"""Of the training rows, when the scale of the targets is chosen."""


FEWEST_WINDOWS = 8
"""That do not overlap, for errors to decide on the scale of the targets."""


JUDGED_WINDOWS = 5_000
"""Windows on which the scale of the targets is chosen, at most."""


def choose(config: Experiment, panel: Panel, season_length: int) -> Experiment:
    """Fill in what was left out, but for the scale of the targets (`choose_scale`).

    Args:
        config: the experiment.
        panel: its series.
        season_length: m.
    """
    settings = part_sizes(config, panel, season_length)
    config = filled_in(config, settings)
    config = filled_in(config, context_lengths(config, panel, season_length))
    return filled_in(config, capacity(config, panel))


def filled_in(config: Experiment, settings: Settings) -> Experiment:
    """The experiment with those of the settings that it leaves to the data."""
    sections = {}
    for section, values in settings.items():
        left_out = {
            name: value for name, value in values.items() if config.is_left_out(section, name)
        }
        if left_out:
            sections[section] = getattr(config, section).model_copy(update=left_out)
    return config.model_copy(update=sections)


def settled(config: Experiment) -> Experiment:
    """The experiment with nothing left to choose: what no rule has changed keeps its value."""
    values = {
        section: {name: getattr(getattr(config, section), name) for name in names}
        for section, names in CHOSEN.items()
    }
    return filled_in(config, values)


def part_sizes(config: Experiment, panel: Panel, season_length: int) -> Settings:
    """How many rows are held back: the usual shares where they hold a horizon, else one horizon each.

    Where what is left would not hold two seasons and two horizons, there is no test part. Series
    that mostly end before the last stamp are divided one by one.
    """
    horizon, rows = config.windows.horizon, shortest(config, panel)
    ends = panel.timestamps[panel.offsets[1:][panel.lengths > 0] - 1]
    settings: dict[str, Any] = {}
    if (
        ends == ends.max()
    ).mean() < 0.5:  # an integer index is divided so in any case: `experiment.prepare.resolve`
        settings["split_by"] = "series"
    validation, test = config.evaluation.validation_size, config.evaluation.test_size
    usual = [steps_of(size, rows) for size in (validation, test)]
    rows -= steps_of(config.evaluation.calibration_size, rows)
    if usual[0] < horizon and config.is_left_out("evaluation", "validation_size"):
        settings["validation_size"] = usual[0] = horizon
    if config.is_left_out("evaluation", "test_size"):
        least = 2 * season_length + 2 * horizon
        wanted = max(usual[1], horizon)
        if rows - usual[0] - wanted < least:
            wanted = horizon if rows - usual[0] - horizon >= least else 0
        if wanted != usual[1]:
            settings["test_size"] = wanted
    return {"evaluation": settings}


def context_lengths(config: Experiment, panel: Panel, season_length: int) -> Settings:
    """Two contexts, the shorter one left out where it is nearly as long as the other.

    Two weeks and one where a day has several steps. Of days a year and eight weeks where there are
    three years to learn from, else eight weeks and four. Two years and one of weeks, three seasons
    and two of anything else. The horizon at least; at most what leaves as many windows to learn
    from as steps of context, were all series of usual length, and what the shortest series can
    hold. Seasons of 24 without stamps are hours.
    """
    horizon = config.windows.horizon
    evaluation, number, rows = config.evaluation, panel.num_series, int(np.median(panel.lengths))
    sizes = (evaluation.validation_size, evaluation.calibration_size, evaluation.test_size)
    held_back = sum(steps_of(size, rows) for size in sizes)
    left = rows - held_back - horizon + 1  # windows of a series and steps of context together
    enough = left * number // (number + 1)  # L where all series have L windows together
    most = max(min(enough, shortest(config, panel) - horizon), min(season_length, horizon), 2)
    week = panel.freq.steps_per_week
    if panel.freq.is_integer and season_length % 24 == 0:
        week = 7 * season_length
    if week is not None:
        year = 52 * week + 1
        of_days = year if left >= 3 * year else 8 * week
        long = min(2 * week, LONGEST_CONTEXT) if week > 7 else of_days
        short = 8 * week if long == year else long // 2
    elif season_length > 12:
        long, short = 2 * season_length, season_length
    else:
        season = season_length if season_length > 1 else horizon
        long, short = 3 * season, 2 * season
    long = min(max(long, horizon), most)
    lengths = [short, long] if short <= 0.75 * long else [long]
    if config.windows.context_length is not None or config.evaluation.validation_size == 0:
        return {"windows": {"context_length": lengths[-1]}, "ensemble": {"context_lengths": ()}}
    if not config.is_left_out("ensemble", "context_lengths"):
        return {"windows": {"context_length": max(config.ensemble.context_lengths, default=long)}}
    return {"windows": {"context_length": long}, "ensemble": {"context_lengths": tuple(lengths)}}


def capacity(config: Experiment, panel: Panel) -> Settings:
    """Units, batches, epochs and members by the amount of data, and the losses that go with a blend."""
    targets = len(panel.columns.target_cols)
    windows = panel.num_rows * targets
    _, units, batch_size, epochs = next(
        one for one in CAPACITY if one[0] is None or windows <= one[0]
    )
    drawn = WINDOWS_PER_EPOCH // targets
    training: dict[str, Any] = {
        "loss": "mae",
        "schedule": "cosine",
        "epochs": epochs,
        "batch_size": max(8, batch_size // targets),
        "windows_per_epoch": drawn if panel.num_rows > drawn else None,
        "refit": True,
    }
    is_blend = config.evaluation.validation_size != 0
    ensemble = {
        "seeds": 2 if is_blend and units < CAPACITY[-1][1] else 1,
        "linear": "residual" if is_blend and config.training.loss != "quantile" else "none",
    }
    return {"model": {"units": units}, "training": training, "ensemble": ensemble}


def shortest(config: Experiment, panel: Panel) -> int:
    """Rows of the shortest series; of the shortest that counts where short ones are left out."""
    share = 0.0 if config.data.short_series == "refuse" else SHORT_SERIES
    return int(np.quantile(panel.lengths, share, method="lower"))


def steps_of(size: int | float, rows: int) -> int:
    """Steps of a part given in steps or as a share."""
    return round(size * rows) if isinstance(size, float) else size


def choose_scale(config: Experiment, panel: Panel, filled: Filled, split: Split) -> Experiment:
    """Logarithms or plain numbers, by the errors of a ridge regression on rows after those it learned from.

    Where these hold fewer than `FEWEST_WINDOWS` beside each other, what decides is whether the
    spread of a series grows with its level. Logarithms need training values of at least 0; what
    turns negative later is read as 0 (`Log1p`).

    Learned from is the first part of the training rows; judged on are the others and the validation
    rows, since a short validation part would hold too few windows. Ridge takes seconds where a
    network takes minutes, and meets the same difficulty: on the scale on which changes have the
    same size everywhere, one map serves all levels. Errors are absolute, as the network's loss is,
    in the unit of the data, and divided by the deviation of their series.

    Args:
        config: the experiment, all else chosen.
        panel: its series.
        filled: what the missing policy made of them.
        split: the rows of each part.
    """
    plain = (TransformConfig(name="standard"),)
    logarithm = (TransformConfig(name="log1p"), *plain)
    target: tuple[TransformConfig, ...] = plain
    if not config.is_left_out("transforms", "target") or not config.evaluation.validation_size:
        return settled(filled_in(config, {"transforms": {"target": target}}))
    targets = filled.measured(len(panel.columns.target_cols))
    if np.nanmin(targets[part_rows(split.train)], initial=np.inf) >= 0:
        rows = (1 - LEARNED_SHARE) * (split.train.last - split.train.first).sum()
        if rows / config.windows.horizon < FEWEST_WINDOWS:
            is_better = growth_of_spread(targets, split.train, config.data.season_length or 1) > 0.5
        else:
            errors = [
                ridge_error(config, panel, filled, split, maps) for maps in (plain, logarithm)
            ]
            is_better = errors[1] < errors[0]
        target = logarithm if is_better else plain
    return settled(filled_in(config, {"transforms": {"target": target}}))


def growth_of_spread(targets: FloatArray, train: Part, season_length: int) -> float:
    """By which power of its level the spread of a series grows: 0 for sums, 1 for factors, 0 where nothing is known.

    The slope of the logarithm of spread on that of level, over stretches of a season or eight rows
    within each series: 1 minus the parameter of the Box-Cox transform that makes the spread alike
    everywhere (Guerrero 1993).

    Args:
        targets: (R, D) as measured.
        train: the rows to look at.
        season_length: m.
    """
    length, levels, spreads = max(season_length, 8), [], []
    for first, last in zip(train.first.tolist(), train.last.tolist(), strict=True):
        number = (last - first) // length
        for column in targets[last - number * length : last].T if number > 1 else ():
            stretches = column.reshape(number, length)
            level, spread = stretches.mean(axis=1), np.diff(stretches, axis=1).std(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                both = np.log(np.stack([level, spread]))
            both = both[:, np.isfinite(both).all(axis=0)]
            if both.shape[1] > 1:
                levels.append(both[0] - both[0].mean())
                spreads.append(both[1] - both[1].mean())
    if not levels:
        return 0.0
    x, y = np.concatenate(levels), np.concatenate(spreads)
    return float(x @ y / max(float(x @ x), np.finfo(np.float64).tiny))


def ridge_error(
    config: Experiment,
    panel: Panel,
    filled: Filled,
    split: Split,
    maps: tuple[TransformConfig, ...],
) -> float:
    """Mean absolute error, in deviations of each series, of a ridge regression on mapped targets."""
    settings = FeatureSettings(maps, missing=config.data.missing)
    feature_map = FeatureMap.fit(panel, filled, part=split.train, settings=settings)
    features = feature_map.apply(panel, filled)
    num_targets, horizon = features.target.shape[1], config.windows.horizon
    inputs = features.past[:, :num_targets].astype(np.float64)
    usable = np.asarray(np.isfinite(inputs).all(axis=1))

    def windows(part: Part) -> WindowIndex:
        return index_windows(
            panel, config.windows.context_length or 1, horizon, part=part, usable=usable
        )

    middle = split.train.first + np.rint(
        LEARNED_SHARE * (split.train.last - split.train.first)
    ).astype(np.int64)
    learned = windows(Part(split.train.first, middle))
    judged = windows(Part(middle, np.maximum(split.train.last, split.validation.last)))
    if not len(learned):  # the usual parts, then: short series have no window in less
        learned, judged = windows(split.train), windows(split.validation)
    if not len(learned) or not len(judged):
        return 0.0
    rows = RidgeRows(
        features.target.astype(np.float64), np.ones((panel.num_series, num_targets)), inputs=inputs
    )
    ridge = RidgeWindow.fit(rows, learned, judged, robust=True)
    kept = min(len(judged), JUDGED_WINDOWS)
    series, first = judged.locate(evenly_spaced(len(judged), kept))
    context = judged.context_rows(first)
    values, measured = filled.values[:, :num_targets], filled.measured(num_targets)
    made = feature_map.target.invert(
        ridge.predict(inputs[context]), series=series, history=values[context]
    )
    scale = series_deviations(panel, measured, split.train)
    error = np.abs(made - measured[judged.horizon_rows(first)])
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = error / np.where(scale > 0, scale, np.nan)[series][:, None]
    return float(np.nanmean(relative)) if np.isfinite(relative).any() else 0.0
