"""Every stage before training, in order: from settings and a table to windows ready for a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from forecast.data import datasets
from forecast.data.findings import BadTableError, Choice
from forecast.data.known import covers
from forecast.data.load import Request, load_requested
from forecast.data.panel import AUTO_ROLES, LISTS, Panel
from forecast.data.per_series.ended import refuse_unreachable
from forecast.data.read import Source
from forecast.errors import ConfigError, ForecastError
from forecast.experiment.alternatives import alternatives
from forecast.experiment.calendar_choice import calendar_choice
from forecast.experiment.choices import Chosen, choose, step_choices
from forecast.experiment.enough import (
    TOO_FEW_ROWS,
    WindowSet,
    context_length_of,
    long_enough,
    refuse_empty_sets,
    refuse_unforecastable,
    refuse_unlearnable,
    refuse_weightless,
)
from forecast.experiment.held_back import Choices
from forecast.experiment.named_functions import load_functions
from forecast.experiment.point_choice import mean_notes
from forecast.experiment.result_names import refuse_doubled_names
from forecast.experiment.settings import DataConfig, Experiment
from forecast.experiment.target_scale import choose_scale
from forecast.experiment.training_rows import split_at_cutoffs
from forecast.section import decided
from forecast.transforms.missing import Filled, fill_missing
from forecast.windows.calendar import holiday_names
from forecast.windows.features import FeatureMap, Features, FeatureSettings
from forecast.windows.index import index_windows
from forecast.windows.splits import Part, Split
from forecast.windows.window_weights import of_mean_one
from forecast.windows.windowed import WindowedFeatures

EVALUATED_VALUES = 10_000_000
"""Values of one model that are evaluated with `evaluation.stride: null`, at most: 80 MB each."""

MOST_TRIED_ROWS = 100_000
"""Rows of a table with which other settings are tried where windows are missing, at most."""


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
    load_functions(config)
    return prepare_panel(config, open_panel(config.data, source, cut_future=cut_future))


def prepare_panel(config: Experiment, panel: Panel) -> Prepared:
    """Make windows of a checked panel; see `prepare`.

    Where the rows are too few for them, settings with which they are enough are proposed.
    """
    load_functions(config)
    try:
        return _prepare(config, panel)
    except BadTableError as error:
        raise _with_changes(error, config, panel) from None


def refuse_no_forecast(config: Experiment, prepared: Prepared) -> None:
    """Raise where a forecast is made after training, and the last rows of a series are no context.

    Args:
        config: the experiment as given.
        prepared: its windows.

    Raises:
        BadTableError: a gap, or a value that no policy fills, is too near to the end.
    """
    try:
        _refuse_no_forecast(prepared)
    except BadTableError as error:
        raise _with_changes(error, config, prepared.panel) from None


def _refuse_no_forecast(prepared: Prepared) -> None:
    config = prepared.config
    if covers(prepared.panel, config.windows.horizon, config.data.ended_series):
        refuse_unforecastable(prepared.panel, prepared.features, config)


def _with_changes(error: BadTableError, config: Experiment, panel: Panel) -> BadTableError:
    """Return an error with more changes of settings, each of which was tried."""
    finding = error.finding
    if finding.code not in TOO_FEW_ROWS or panel.num_rows > MOST_TRIED_ROWS:
        return error
    resolved = resolve(config, panel)
    changes = alternatives(config, resolved, partial(_is_accepted, panel))
    if not changes:  # at least windows, of which the last rows may still be none
        changes = alternatives(config, resolved, partial(_has_windows, panel))
    known = [set(settings) for settings in finding.settings]
    new = [change for change in changes if set(change) not in known]
    return BadTableError(finding.code, finding.message, finding.fix, [*finding.settings, *new])


def _has_windows(panel: Panel, config: Experiment) -> bool:
    """Return whether a panel has windows with an experiment."""
    try:
        _prepare(config, panel)
    except ForecastError:
        return False
    return True


def _is_accepted(panel: Panel, config: Experiment) -> bool:
    """Return whether a panel has windows with an experiment, also one to forecast from."""
    try:
        _refuse_no_forecast(_prepare(config, panel))
    except ForecastError:
        return False
    return True


def _prepare(config: Experiment, panel: Panel) -> Prepared:
    """Make windows of a checked panel."""
    chosen = resolve_with_reasons(config, panel)
    refuse_doubled_names(chosen.config, panel.columns)
    _refuse_unreachable(config, panel)
    panel, notes = long_enough(panel, chosen.config)
    split = split_at_cutoffs(panel, chosen.config)
    filled, fill_notes = fill_missing(panel, config.data.missing)
    notes += fill_notes + mean_notes(chosen.reasons)
    chosen = choose_scale(chosen, panel, filled, split)
    chosen = _with_stride(chosen, panel, split)
    prepared = _prepared(chosen, panel, filled, split, notes=panel.notes + notes)
    sets = {
        "training": WindowSet(prepared.training, split.train),
        "validation": WindowSet(prepared.validation, split.validation),
        "calibration": WindowSet(prepared.calibration, split.calibration),
        "test": WindowSet(prepared.test, split.test),
    }
    refuse_empty_sets(panel, prepared.features, prepared.config, sets)
    refuse_unlearnable(panel, filled, prepared.config, sets["training"])
    refuse_weightless(prepared.features, prepared.config, sets)
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
    learned = windows_of(config, panel, features, split.train, stride=config.windows.stride).index
    weights = of_mean_one(features.weights, features.target, learned)
    features = replace(features, weights=weights)

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
        training=WindowedFeatures(features, learned),
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
    calendar = {"data.calendar": calendar_choice(chosen.config, panel)}
    chosen = chosen.with_choices({**calendar, **step_choices(config, panel), **_roles(panel)})
    chosen = chosen.with_values(_names_with_commas(chosen.config, panel))
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


def _names_with_commas(config: Experiment, panel: Panel) -> Choices:
    """Return the lists of columns in which the table showed that a comma belongs to a name."""
    if config.data.layout == "wide":
        return {}
    found = {}
    for role in LISTS:
        names = getattr(panel.columns, role)
        if names != getattr(config.data, role) and any("," in name for name in names):
            found[f"data.{role}"] = Choice(names, "a comma belongs to a name")
    return found


def _as_read(config: Experiment, panel: Panel) -> Choices:
    """Return the settings that the form of the table decided, but for those that were given."""
    unset = Experiment()
    return {
        path: decision
        for path, decision in panel.decisions.items()
        if config.setting(path) == unset.setting(path)
    }


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


def _refuse_unreachable(config: Experiment, panel: Panel) -> None:
    horizon = config.windows.horizon
    refuse_unreachable(panel, config.data.ended_series, horizon, horizon)


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
    request = replace(request_of(data, freq), cut_future=cut_future)
    return load_requested(table_of(data, source), request)


def request_of(data: DataConfig, freq: str | None = None) -> Request:
    """Return the settings with which a table is read.

    Args:
        data: the settings of the table.
        freq: the frequency the table must have; default: `data.freq`.
    """
    return Request(
        data.columns,
        data.table_format,
        freq or data.freq,
        data.gaps,
        allow_missing=data.missing != "refuse",
        ended_series=data.ended_series,
    )


def table_of(data: DataConfig, source: Source | None) -> Source:
    """Return the table an experiment names, or another source that is given."""
    source = data.source if source is None else source
    if source is None:
        raise ConfigError("no table was given: name a file, set data.source, or pass a frame")
    if isinstance(source, str) and source.startswith("dataset:"):
        return datasets.load(source.removeprefix("dataset:"))
    return source


def feature_settings(config: Experiment) -> FeatureSettings:
    """Return the settings by which columns become inputs, for a resolved experiment."""
    calendar = decided(config.data.calendar, "data.calendar")
    return FeatureSettings(
        target=decided(config.transforms.target, "transforms.target"),
        covariates=config.transforms.covariates,
        calendar=calendar + holiday_names(config.data.holidays),
        missing=config.data.missing,
    )
