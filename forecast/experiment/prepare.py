"""Every stage before training, in order: from settings and a table to windows ready for a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from forecast.data import datasets
from forecast.data.doctor import Diagnosis, diagnose
from forecast.data.findings import Finding, counted
from forecast.data.load import load_panel
from forecast.data.panel import AUTO_ROLES, Panel
from forecast.data.per_series.ended import ENDED, ended_notes, refuse_unreachable
from forecast.data.per_series.subset import select_series
from forecast.data.read import Source
from forecast.errors import ConfigError, DataError
from forecast.experiment.choices import CHOOSING_MODEL, Chosen, choose
from forecast.experiment.held_back import Choice, Choices
from forecast.experiment.settings import DataConfig, Experiment
from forecast.experiment.stretches import explain_gaps
from forecast.experiment.target_scale import choose_scale
from forecast.section import AUTO, decided
from forecast.transforms import TRANSFORMS
from forecast.transforms.missing import Filled, fill_missing
from forecast.windows.calendar import default_calendar
from forecast.windows.features import FeatureMap, Features, FeatureSettings
from forecast.windows.index import index_windows
from forecast.windows.splits import Part, Split, split_panel
from forecast.windows.windowed import WindowedFeatures

EVALUATED_VALUES = 10_000_000
"""Values of one model that are evaluated with `evaluation.stride: null`, at most: 80 MB each."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything made from the table before a model sees it.

    Attributes:
        config: the experiment, with every setting that the data decide replaced by its value.
        reasons: path of every such setting, for example `training.epochs` -> the reason for it.
        panel: the checked series.
        filled: its rows after the missing policy.
        split: the rows of each set.
        feature_map: scales and vocabularies, fitted on the training set.
        features: the model inputs of every row.
        training: windows to learn from.
        validation: windows for early stopping; none where `validation_size` is 0.
        calibration: windows for the width of intervals; none where `calibration_size` is 0.
        test: windows for the scores; none where `test_size` is 0.
        notes: what was done on the way, one sentence each.
    """

    config: Experiment
    reasons: Mapping[str, str]
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
    """Read a table and make windows of it.

    Args:
        config: the experiment.
        source: a table or its file; default: `config.data.source`.
        cut_future: as in `load_panel`.

    Raises:
        DataError: the table is refused, or one of the sets has no window.
        ConfigError: no source is named, or a setting does not fit the data.
    """
    return prepare_panel(config, open_panel(config.data, source, cut_future=cut_future))


def prepare_panel(config: Experiment, panel: Panel) -> Prepared:
    """Make windows of a checked panel; see `prepare`."""
    chosen = resolve_with_reasons(config, panel)
    _refuse_unreachable(config, panel)
    panel, notes = _long_enough(panel, chosen.config)
    split = split_at_cutoffs(panel, chosen.config)
    filled, fill_notes = fill_missing(panel, config.data.missing)
    chosen = choose_scale(chosen, panel, filled, split)
    chosen = _with_stride(chosen, panel, split)
    prepared = _prepared(chosen, panel, filled, split, notes=panel.notes + notes + fill_notes)
    _refuse_empty_sets(prepared)
    return prepared


def with_all_rows(prepared: Prepared) -> Prepared:
    """Return the same table with every row in the training set, for scales and vocabularies too.

    Targets that the logarithm of the training set cannot map are learned as it read them.
    """
    panel = prepared.panel
    end = panel.offsets[1:]
    nothing = Part(end, end)
    split = Split(Part.whole(panel), nothing, nothing, nothing)
    filled = replace(prepared.filled, values=prepared.feature_map.clip(prepared.filled.values)[0])
    chosen = Chosen(prepared.config, prepared.reasons)
    return _prepared(chosen, panel, filled, split, notes=prepared.notes)


def _prepared(
    chosen: Chosen, panel: Panel, filled: Filled, split: Split, *, notes: tuple[str, ...]
) -> Prepared:
    """Fit scales, and make inputs and windows, for a resolved experiment and divided rows."""
    config = chosen.config
    feature_map = FeatureMap.fit(panel, filled, part=split.train, settings=feature_settings(config))
    features = feature_map.apply(panel, filled)

    def held_back(part: Part) -> WindowedFeatures:
        return windows_of(config, panel, features, part, stride=config.evaluation.stride or 1)

    return Prepared(
        config=config,
        reasons=chosen.reasons,
        panel=panel,
        filled=filled,
        split=split,
        feature_map=feature_map,
        features=features,
        training=windows_of(config, panel, features, split.train, stride=config.windows.stride),
        validation=held_back(split.validation),
        calibration=held_back(split.calibration),
        test=held_back(split.test),
        notes=notes + feature_map.clip(filled.values)[1],
    )


def resolve(config: Experiment, panel: Panel) -> Experiment:
    """Return the experiment with the settings that the data decide before they are divided.

    These are the frequency, the season, the calendar and everything that is `auto`, but for the
    scale of the targets, which is decided on the training rows.

    Args:
        config: the experiment.
        panel: its series.

    Raises:
        ConfigError: a chosen value does not fit one that was given.
    """
    return resolve_with_reasons(config, panel).config


def resolve_with_reasons(config: Experiment, panel: Panel) -> Chosen:
    """Resolve an experiment as `resolve` does, and give the reasons."""
    season_length = config.data.season_length or panel.freq.season_length
    chosen = choose(config, panel, season_length)
    chosen = chosen.with_choices(
        {
            "data.calendar": _calendar(panel),
            "data.trading_days": _trading_days(panel),
            **_roles(panel),
        }
    )
    found = _as_read(config, panel)
    if config.data.freq is None:
        found["data.freq"] = Choice(panel.freq.alias, "the step between timestamps")
    if config.data.season_length is None:
        found["data.season_length"] = Choice(season_length, "by the frequency")
    chosen = chosen.with_values(found)
    # H, given, is h now, and a column with a comma in its name is a list of one
    spelled = chosen.config.with_settings(
        {"data.freq": panel.freq.alias, "data.id_col": panel.columns.id_col}
    )
    return replace(chosen, config=spelled)


def _roles(panel: Panel) -> Choices:
    """Return the names of the columns whose role may be `auto`."""
    return {
        f"data.{role}": Choice(getattr(panel.columns, role), "as the table was read")
        for role in AUTO_ROLES
    }


def _as_read(config: Experiment, panel: Panel) -> Choices:
    """Return the settings that the form of the table decided, but for those that were given."""
    unset = Experiment()
    return {
        path: Choice(decision.value, decision.reason)
        for path, decision in panel.decisions.items()
        if config.setting(path) == unset.setting(path)
    }


def _calendar(panel: Panel) -> Choice:
    return Choice(tuple(default_calendar(panel.freq)), "by the frequency")


def _trading_days(panel: Panel) -> Choice:
    closed = panel.freq.closed
    if not panel.freq.is_business:
        return Choice(False, "steps are no business days")
    if closed is None:
        return Choice(False, "many business days have no row")
    return Choice(True, f"{counted(len(closed), 'business day')} without a row")


def _with_stride(chosen: Chosen, panel: Panel, split: Split) -> Chosen:
    """Choose the stride of evaluation that keeps every forecast of every model in memory."""
    config = chosen.config
    if config.evaluation.stride is not None:
        return chosen
    length = context_length_of(config)
    horizon = config.windows.horizon
    most = max(
        len(index_windows(panel, length, horizon, part=part))
        for part in (split.validation, split.test)
    )
    values = most * horizon * len(panel.columns.target_cols)
    stride = max(1, math.ceil(values / EVALUATED_VALUES))
    return chosen.with_values(
        {"evaluation.stride": Choice(stride, f"for {values:,} values in all test windows")}
    )


def split_at_cutoffs(panel: Panel, config: Experiment) -> Split:
    """Divide the rows in time by the evaluation settings of a resolved experiment."""
    evaluation = config.evaluation
    return split_panel(
        panel,
        validation_size=decided(evaluation.validation_size, "evaluation.validation_size"),
        test_size=decided(evaluation.test_size, "evaluation.test_size"),
        calibration_size=evaluation.calibration_size,
        purge=evaluation.purge,
        by=decided(evaluation.split_by, "evaluation.split_by"),
    )


def windows_of(
    config: Experiment, panel: Panel, features: Features, part: Part, *, stride: int
) -> WindowedFeatures:
    """Return the windows of a resolved experiment whose forecast rows lie in `part`."""
    index = index_windows(
        panel,
        context_length_of(config),
        config.windows.horizon,
        part=part,
        stride=stride,
        usable=features.usable,
    )
    return WindowedFeatures(features, index)


def context_length_of(config: Experiment) -> int:
    """Return the context length L of a resolved experiment."""
    return decided(config.windows.context_length, "windows.context_length")


def diagnose_table(
    config: Experiment, source: Source | None = None, *, for_windows: bool = True
) -> Diagnosis:
    """Collect everything that is wrong with the table of an experiment.

    Args:
        config: the experiment.
        source: a table or its file; default: `config.data.source`.
        for_windows: whether every series must have the rows of one window, rather than two.
    """
    data = config.data
    needed_rows = 2
    if for_windows:
        needed_rows = _needed_rows(config)
    diagnosis = diagnose(
        _table_of(data, source),
        data.columns,
        table_format=data.table_format,
        freq=data.freq,
        gaps=data.gaps,
        allow_missing=data.missing != "refuse",
        needed_rows=needed_rows,
    )
    if diagnosis.panel is None:
        return diagnosis
    _refuse_unreachable(config, diagnosis.panel)
    findings = tuple(
        _about_ends(finding, diagnosis.panel, data) if finding.code == ENDED else finding
        for finding in diagnosis.findings
    )
    return replace(diagnosis, findings=findings)


def _refuse_unreachable(config: Experiment, panel: Panel) -> None:
    horizon = config.windows.horizon
    refuse_unreachable(panel, config.data.ended_series, horizon, horizon)


def _about_ends(finding: Finding, panel: Panel, data: DataConfig) -> Finding:
    """Return the finding about series that end early, with what becomes of them and other ways."""
    (message,) = ended_notes(panel, data.ended_series)
    if data.ended_series != "own_end":
        return replace(finding, message=message)
    fix = (
        "data.ended_series=common_end forecasts them to the same last step as the others, and "
        "data.ended_series=leave_out not at all"
    )
    return replace(finding, message=message, fix=fix)


def _needed_rows(config: Experiment) -> int:
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
        source: a table or its file; default: `data.source`.
        freq: the frequency the table must have; default: `data.freq`.
        cut_future: as in `load_panel`.
    """
    panel = load_panel(
        _table_of(data, source),
        data.columns,
        table_format=data.table_format,
        freq=freq or data.freq,
        gaps=data.gaps,
        allow_missing=data.missing != "refuse",
        cut_future=cut_future,
    )
    usual = ended_notes(panel)
    own = ended_notes(panel, data.ended_series)
    notes = [note for note in panel.notes if note not in usual]
    return replace(panel, notes=(*notes, *own))


def _table_of(data: DataConfig, source: Source | None) -> Source:
    source = data.source if source is None else source
    if source is None:
        raise ConfigError("no table was given: name a file, set data.source, or pass a frame")
    if isinstance(source, str) and source.startswith("dataset:"):
        return datasets.load(source.removeprefix("dataset:"))
    return source


def feature_settings(config: Experiment) -> FeatureSettings:
    """Return the settings by which columns become inputs, for a resolved experiment."""
    return FeatureSettings(
        target=decided(config.transforms.target, "transforms.target"),
        covariates=config.transforms.covariates,
        calendar=decided(config.data.calendar, "data.calendar"),
        missing=config.data.missing,
    )


def _long_enough(panel: Panel, config: Experiment) -> tuple[Panel, tuple[str, ...]]:
    """Refuse or leave out the series that are shorter than one window."""
    needed = _needed_rows(config)
    short = np.flatnonzero(panel.lengths < needed)
    if not len(short):
        return panel, ()

    window = f"context {context_length_of(config)} + horizon {config.windows.horizon}"
    if _lag(config):
        window += f" + differences {_lag(config)}"
    named = ", ".join(f"{panel.series_ids[i]!r} ({panel.lengths[i]} rows)" for i in short[:5])
    text = (
        f"{len(short)} of {panel.num_series} series are shorter than the {needed} rows of one "
        f"window ({window}): {named}"
    )
    fix = "shorten windows.context_length or windows.horizon, or give more rows"
    if len(short) == panel.num_series:
        raise DataError(f"{text}: {fix}")
    if config.data.short_series == "refuse":
        raise DataError(f"{text}: {fix}, or set short_series: skip")
    long = np.setdiff1d(np.arange(panel.num_series), short)
    return select_series(panel, long), (f"left out: {text}",)


def _refuse_empty_sets(prepared: Prepared) -> None:
    """Raise where a set that was asked for has no window."""
    evaluation = prepared.config.evaluation
    split = prepared.split
    sizes = (evaluation.validation_size, evaluation.calibration_size, evaluation.test_size)
    held_back = ("validation", "calibration", "test")
    asked = ["training"] + [name for name, size in zip(held_back, sizes, strict=True) if size != 0]
    sets = {
        "training": (prepared.training, split.train),
        "validation": (prepared.validation, split.validation),
        "calibration": (prepared.calibration, split.calibration),
        "test": (prepared.test, split.test),
    }
    changes = [f"evaluation.{name}_size" for name in held_back]
    if evaluation.calibration_size == 0:
        changes.remove("evaluation.calibration_size")
    for name in asked:
        windows, part = sets[name]
        if len(windows):
            continue
        reason = explain_gaps(
            prepared.panel,
            prepared.features,
            [sets[each][1] for each in asked],
            context_length_of(prepared.config),
            prepared.config.windows.horizon,
        )
        if reason:
            raise DataError(f"the {name} set has no window: {reason}")
        longest = int(np.max(part.last - part.first, initial=0))
        raise DataError(
            f"the {name} set has no window: its longest series has {longest} rows, a window needs "
            f"{prepared.config.windows.horizon} to forecast after "
            f"{context_length_of(prepared.config)} of context: give more rows, or change "
            f"{', '.join(changes)}, windows.context_length or windows.horizon"
        )
