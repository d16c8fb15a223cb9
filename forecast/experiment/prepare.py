"""From settings and a table to windows ready for a model: every stage of the road before training, in order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecast.data import datasets
from forecast.data.doctor import Diagnosis, diagnose
from forecast.data.load import load_panel
from forecast.data.panel import Panel
from forecast.data.read import Source
from forecast.data.subset import select_series
from forecast.errors import ConfigError, DataError
from forecast.experiment.choices import choose, choose_scale
from forecast.experiment.settings import DataConfig, Experiment
from forecast.transforms.missing import Filled, fill_missing
from forecast.windows.calendar import default_calendar
from forecast.windows.features import FeatureMap, Features, FeatureSettings
from forecast.windows.index import index_windows
from forecast.windows.splits import Part, Split, split_panel
from forecast.windows.windowed import WindowedFeatures

JUDGED_VALUES = 10_000_000
"""Values of one model that are judged by default, at most: 80 MB each."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything made from the table before a model sees it.

    Attributes:
        config: the experiment, with what the data decided filled in (frequency, season, context,
            calendar).
        panel: the checked series.
        filled: what the missing policy made of them.
        split: the rows of each part.
        feature_map: scales and vocabularies, fitted on the training part.
        features: the model inputs of every row.
        training: windows to learn from.
        validation: windows for early stopping; none where `validation_size` is 0.
        calibration: windows for the width of intervals; none where `calibration_size` is 0.
        test: windows for the scores; none where `test_size` is 0.
        notes: what was done on the way, one sentence each.
    """

    config: Experiment
    panel: Panel
    filled: Filled
    split: Split
    feature_map: FeatureMap
    features: Features
    training: WindowedFeatures
    validation: WindowedFeatures
    calibration: WindowedFeatures
    test: WindowedFeatures
    notes: tuple[str, ...]


def prepare(
    config: Experiment, source: Source | None = None, *, cut_future: bool = True
) -> Prepared:
    """Take the road from a table to windows.

    Args:
        config: the experiment.
        source: a table or its file; `config.data.source` if left out.
        cut_future: as in `load_panel`.

    Raises:
        DataError: the table is refused, or a part of it holds no window.
        ConfigError: no source is named, or a setting does not fit the data.
    """
    return prepare_panel(config, open_panel(config.data, source, cut_future=cut_future))


def prepare_panel(config: Experiment, panel: Panel) -> Prepared:
    """Take the rest of the road from a checked panel; see `prepare`."""
    config = resolve(config, panel)
    panel, notes = _long_enough(panel, config)
    split = split_at_cutoffs(panel, config)
    filled, fill_notes = fill_missing(panel, config.data.missing)
    config = _with_stride(choose_scale(config, panel, filled, split), panel, split)
    prepared = _prepared(config, panel, filled, split, notes=panel.notes + notes + fill_notes)
    _refuse_empty_parts(prepared)
    return prepared


def with_all_rows(prepared: Prepared) -> Prepared:
    """The same table with every row to learn from, scales and vocabularies included, and none to choose or judge on.

    Targets that the logarithm of the training part cannot map are learned as it read them.
    """
    panel, end = prepared.panel, prepared.panel.offsets[1:]
    split = Split(Part.whole(panel), Part(end, end), Part(end, end), Part(end, end))
    filled = replace(prepared.filled, values=prepared.feature_map.clip(prepared.filled.values)[0])
    return _prepared(prepared.config, panel, filled, split, notes=prepared.notes)


def _prepared(
    config: Experiment, panel: Panel, filled: Filled, split: Split, *, notes: tuple[str, ...]
) -> Prepared:
    """What follows from a resolved experiment and a division of the rows: scales, inputs and windows."""
    feature_map = FeatureMap.fit(panel, filled, part=split.train, settings=feature_settings(config))
    features = feature_map.apply(panel, filled)
    return Prepared(
        config=config,
        panel=panel,
        filled=filled,
        split=split,
        feature_map=feature_map,
        features=features,
        training=windows_of(config, panel, features, split.train, stride=config.windows.stride),
        validation=windows_of(
            config, panel, features, split.validation, stride=config.evaluation.stride or 1
        ),
        calibration=windows_of(
            config, panel, features, split.calibration, stride=config.evaluation.stride or 1
        ),
        test=windows_of(config, panel, features, split.test, stride=config.evaluation.stride or 1),
        notes=notes + feature_map.clip(filled.values)[1],
    )


def resolve(config: Experiment, panel: Panel) -> Experiment:
    """Fill in what the settings leave to the data: frequency, season, context, calendar, split and what is chosen."""
    season_length = config.data.season_length or panel.freq.season_length
    config = choose(config, panel, season_length)
    usual = max(3 * config.windows.horizon, 2 * season_length)
    context_length = config.windows.context_length or max(
        config.ensemble.context_lengths, default=usual
    )
    calendar = (
        default_calendar(panel.freq) if config.data.calendar == "auto" else config.data.calendar
    )
    data = config.data.model_copy(
        update={
            "freq": panel.freq.alias,
            "season_length": season_length,
            "calendar": tuple(calendar),
        }
    )
    windows = config.windows.model_copy(update={"context_length": context_length})
    split_by = config.evaluation.split_by or ("series" if panel.freq.is_integer else "time")
    evaluation = config.evaluation.model_copy(update={"split_by": split_by})
    return config.model_copy(update={"data": data, "windows": windows, "evaluation": evaluation})


def _with_stride(config: Experiment, panel: Panel, split: Split) -> Experiment:
    """Fill in the stride of evaluation that keeps every forecast of every model in memory."""
    if config.evaluation.stride is not None:
        return config
    length, horizon = context_length_of(config), config.windows.horizon
    most = max(
        len(index_windows(panel, length, horizon, part=part))
        for part in (split.validation, split.test)
    )
    stride = max(1, -(-most * horizon * len(panel.columns.target_cols) // JUDGED_VALUES))
    evaluation = config.evaluation.model_copy(update={"stride": stride})
    return config.model_copy(update={"evaluation": evaluation})


def split_at_cutoffs(panel: Panel, config: Experiment) -> Split:
    """Divide the rows in time as the evaluation settings say."""
    evaluation = config.evaluation
    return split_panel(
        panel,
        validation_size=evaluation.validation_size,
        test_size=evaluation.test_size,
        calibration_size=evaluation.calibration_size,
        purge=evaluation.purge,
        by=evaluation.split_by or "time",
    )


def windows_of(
    config: Experiment, panel: Panel, features: Features, part: Part, *, stride: int
) -> WindowedFeatures:
    """The windows of a resolved experiment whose forecast rows lie in `part`."""
    context_length, horizon = context_length_of(config), config.windows.horizon
    index = index_windows(
        panel, context_length, horizon, part=part, stride=stride, usable=features.usable
    )
    return WindowedFeatures(features, index)


def context_length_of(config: Experiment) -> int:
    """L of a resolved experiment."""
    if config.windows.context_length is None:
        raise ConfigError(
            "windows.context_length is not set: resolve the experiment with its data first"
        )
    return config.windows.context_length


def diagnose_table(config: Experiment, source: Source | None = None) -> Diagnosis:
    """Collect everything that is wrong with the table of an experiment."""
    data = config.data
    return diagnose(
        _table_of(data, source),
        data.columns,
        table_format=data.table_format,
        freq=data.freq,
        gaps=data.gaps,
        allow_missing=data.missing != "refuse",
        needed_rows=_needed_rows(config) if "horizon" in config.windows.model_fields_set else 2,
    )


def _needed_rows(config: Experiment) -> int:
    """Rows one window takes; of the context its least where it is left to the data."""
    horizon = config.windows.horizon
    least = 2 if config.is_left_out("windows", "context_length") else 3 * horizon
    context_length = config.windows.context_length or max(
        config.ensemble.context_lengths, default=least
    )
    return context_length + horizon + _lag(config)


def _lag(config: Experiment) -> int:
    """Earlier rows that the differences of the targets take."""
    return sum(one.lag for one in config.transforms.target if one.name == "difference")


def open_panel(
    data: DataConfig,
    source: Source | None = None,
    *,
    freq: str | None = None,
    cut_future: bool = True,
) -> Panel:
    """Read and check the table an experiment names.

    Args:
        data: the settings of the table.
        source: a table or its file; `data.source` if left out.
        freq: the frequency the table must have; `data.freq` if left out.
        cut_future: as in `load_panel`.
    """
    return load_panel(
        _table_of(data, source),
        data.columns,
        table_format=data.table_format,
        freq=freq or data.freq,
        gaps=data.gaps,
        allow_missing=data.missing != "refuse",
        cut_future=cut_future,
    )


def _table_of(data: DataConfig, source: Source | None) -> Source:
    source = data.source if source is None else source
    if source is None:
        raise ConfigError("no table was given: name a file, set data.source, or pass a frame")
    if isinstance(source, str) and source.startswith("dataset:"):
        return datasets.load(source.removeprefix("dataset:"))
    return source


def feature_settings(config: Experiment) -> FeatureSettings:
    """How the columns become inputs, for a resolved experiment."""
    return FeatureSettings(
        target=config.transforms.target,
        covariates=config.transforms.covariates,
        calendar=tuple(config.data.calendar),
        missing=config.data.missing,
    )


def _long_enough(panel: Panel, config: Experiment) -> tuple[Panel, tuple[str, ...]]:
    """Refuse or leave out the series that cannot hold one window."""
    context_length, lag, needed = context_length_of(config), _lag(config), _needed_rows(config)
    short = np.flatnonzero(panel.lengths < needed)
    if not len(short):
        return panel, ()
    parts = f"context {context_length} + horizon {config.windows.horizon}" + (
        f" + differences {lag}" if lag else ""
    )
    named = ", ".join(f"{panel.series_ids[i]!r} ({panel.lengths[i]} rows)" for i in short[:5])
    text = f"{len(short)} of {panel.num_series} series are shorter than the {needed} rows of one window ({parts}): {named}"
    if config.data.short_series == "refuse" or len(short) == panel.num_series:
        fix = "shorten windows.context_length or windows.horizon, or give more rows"
        raise DataError(
            text
            + f": {fix}"
            + ("" if len(short) == panel.num_series else ", or set short_series: skip")
        )
    return select_series(panel, np.setdiff1d(np.arange(panel.num_series), short)), (
        f"left out: {text}",
    )


def _refuse_empty_parts(prepared: Prepared) -> None:
    """Raise where a part that was asked for holds no window."""
    evaluation, horizon = prepared.config.evaluation, prepared.config.windows.horizon
    asked = {
        "training": (prepared.training, True, prepared.split.train),
        "validation": (
            prepared.validation,
            evaluation.validation_size > 0,
            prepared.split.validation,
        ),
        "calibration": (
            prepared.calibration,
            evaluation.calibration_size > 0,
            prepared.split.calibration,
        ),
        "test": (prepared.test, evaluation.test_size > 0, prepared.split.test),
    }
    for name, (windows, wanted, part) in asked.items():
        if wanted and not len(windows):
            longest = int(np.max(part.last - part.first, initial=0))
            raise DataError(
                f"the {name} part holds no window: its longest series has {longest} rows, a window "
                f"needs {horizon} "
                f"to forecast after {context_length_of(prepared.config)} of context: give more "
                f"rows, or change "
                f"evaluation.validation_size, "
                f"{'evaluation.calibration_size, ' * (evaluation.calibration_size > 0)}"
                "evaluation.test_size, windows.context_length or windows.horizon"
            )
