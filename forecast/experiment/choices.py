"""Values for the settings that are `auto`, chosen from the data.

The rules below are for `segment_bigru`, the default architecture; with any other one, `auto` stands
for the plain values of `plain_choices`. The rules were fixed before any data set was evaluated with
them. A question that no rule can answer, whether the series grow by factors or by sums, is decided
on the validation windows (`target_scale`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from forecast.baselines.seasonal_ridge import SEASONAL
from forecast.baselines.simple import BASELINE_NAMES
from forecast.data.findings import Choice, counted
from forecast.data.panel import Panel
from forecast.experiment.held_back import (
    PLAIN_TEST_SIZE,
    PLAIN_VALIDATION_SIZE,
    Choices,
    is_network_wanted,
    set_sizes,
    shortest,
    steps_of,
)
from forecast.experiment.point_choice import point_choices
from forecast.experiment.settings import Experiment, TransformConfig
from forecast.layers.encoder import PLAIN_UNITS
from forecast.section import AUTO, decided

CHOOSING_MODEL = "segment_bigru"
"""Architecture for which the rules were made."""

ENSEMBLE = "ensemble"
"""Name of the forecast of several members."""

LONGEST_CONTEXT = 720
"""Steps, unless the horizon is longer."""

LEAST_BLOCKS = 3
"""Stretches of one horizon in a row that show how much the gain of a member varies, at least."""

LEAST_SERIES = 8
"""Series that show it where there are fewer stretches."""

LEAST_SEASONS = 100
"""Seasons of a series of usual length from which on each step of the season has a regression."""

WINDOWS_PER_EPOCH = 40_000
"""Training windows of one target that are drawn for an epoch, at most."""


@dataclass(frozen=True)
class Chosen:
    """An experiment some of whose settings were chosen from the data.

    Attributes:
        config: the experiment.
        reasons: path of every setting that was chosen -> the reason for its value.
    """

    config: Experiment
    reasons: Mapping[str, str]

    def with_choices(self, choices: Choices) -> Chosen:
        """Replace those settings that are still `auto`; a value that a person gave stays.

        Args:
            choices: values by path; those of other settings are left alone.

        Raises:
            ConfigError: a chosen value does not fit one that was given.
        """
        taken = {
            path: choice for path, choice in choices.items() if self.config.setting(path) == AUTO
        }
        if not taken:
            return self
        return self.with_values(taken)

    def with_values(self, values: Choices) -> Chosen:
        """Replace settings, whatever they are.

        Args:
            values: values by path.

        Raises:
            ConfigError: they do not fit the other settings.
        """
        config = self.config.with_settings({path: value for path, (value, _) in values.items()})
        reasons = {path: reason for path, (_, reason) in values.items()}
        return Chosen(config, {**self.reasons, **reasons})


class Capacity(NamedTuple):
    """Size of the network and length of its training for an amount of data."""

    values: float  # to learn from, at most
    units: int
    batch_size: int
    epochs: int


CAPACITIES = (
    Capacity(3_000, units=32, batch_size=32, epochs=40),
    Capacity(30_000, units=64, batch_size=64, epochs=20),
    Capacity(np.inf, units=128, batch_size=128, epochs=15),
)


def choose(config: Experiment, panel: Panel, season_length: int) -> Chosen:
    """Replace every setting that is `auto`, but for the scale of the targets (`choose_scale`).

    Args:
        config: the experiment.
        panel: its series.
        season_length: m.

    Raises:
        ConfigError: a chosen value does not fit one that was given.
    """
    chosen = Chosen(config, {})
    usual = "median"
    if config.model.name != CHOOSING_MODEL:
        usual = "mean"
        chosen = chosen.with_choices(plain_choices(config, panel, season_length))
    else:
        chosen = chosen.with_choices(set_sizes(config, panel, season_length))
        chosen = chosen.with_choices(context_lengths(chosen.config, panel, season_length))
        chosen = chosen.with_choices(capacity(chosen.config, panel, season_length))
    default = Choice(usual, f"default of {config.model.name}")
    chosen = chosen.with_choices(point_choices(chosen.config, panel, season_length, default))
    return chosen.with_choices({"name": _name(chosen.config)})


def _name(config: Experiment) -> Choice:
    """Return the name of the forecast: the architecture is that of a single network alone."""
    simple = decided(config.ensemble.simple, "ensemble.simple")
    num_members = config.ensemble.num_members + len(simple)
    if num_members > 1:
        return Choice(ENSEMBLE, f"{num_members} members may forecast together")
    return Choice(config.model.name, "the architecture, as a single network forecasts")


def plain_choices(config: Experiment, panel: Panel, season_length: int) -> Choices:
    """Return the values of settings that are `auto` with an architecture that has no rules.

    Args:
        config: the experiment.
        panel: its series.
        season_length: m.
    """
    name = config.model.name
    context_length = max(3 * config.windows.horizon, 2 * season_length)
    context_reason = f"three horizons or two seasons, default of {name}"
    if config.ensemble.context_lengths not in (AUTO, ()):
        context_length = max(config.ensemble.context_lengths)
        context_reason = "longest of ensemble.context_lengths"
    elif context_length > (longest := _half_of_rows(config, panel)):
        context_reason = f"half of the rows: three horizons or two seasons are {context_length}"
        context_length = longest
    split_by = Choice("time", f"default of {name}")
    if panel.freq.is_integer:
        split_by = Choice("series", "an integer index")
    values: dict[str, Any] = {
        "transforms.target": plain_scale(),
        "model.units": PLAIN_UNITS,
        "training.schedule": "constant",
        "training.epochs": 30,
        "training.batch_size": 64,
        "training.windows_per_epoch": None,
        "training.refit": False,
        "ensemble.seeds": 1,
        "ensemble.context_lengths": (),
        "ensemble.linear": "none",
        "ensemble.simple": (),
        "evaluation.validation_size": PLAIN_VALIDATION_SIZE,
        "evaluation.test_size": PLAIN_TEST_SIZE,
    }
    choices = {path: Choice(value, f"default of {name}") for path, value in values.items()}
    choices["windows.context_length"] = Choice(context_length, context_reason)
    choices["evaluation.split_by"] = split_by
    return choices


def _half_of_rows(config: Experiment, panel: Panel) -> int:
    """Return the steps of half of the longest series, at least a horizon.

    Seasons that are longer than a table leave no window.
    """
    return max((int(panel.lengths.max()) - config.windows.horizon) // 2, config.windows.horizon)


def step_choices(config: Experiment, panel: Panel) -> Choices:
    """Say how the rows became steps, so that new rows become steps in the same way.

    Args:
        config: the experiment.
        panel: its series.
    """
    data = config.data
    empty = "zero" if data.empty_is_zero else "missing"
    closed = panel.freq.closed
    trading_days = Choice(False, "all days and hours are steps")
    if closed is not None:
        trading_days = Choice(True, f"{counted(len(closed), 'holiday')} without a row")
    elif panel.freq.is_trading:
        trading_days = Choice(False, "many days have no row")
    return {
        "data.empty_intervals": Choice(empty, f"aggregate is {data.aggregate}"),
        "data.trading_days": trading_days,
    }


def plain_scale() -> tuple[TransformConfig, ...]:
    """Return the maps of targets that are not put on a logarithmic scale."""
    return (TransformConfig(name="standard"),)


def context_lengths(config: Experiment, panel: Panel, season_length: int) -> Choices:
    """Choose two contexts, or the longer one alone where the other is nearly as long.

    At least the horizon; at most as many steps as windows would be left to learn from, were all
    series of usual length, and as the shortest series can hold.

    Args:
        config: the experiment.
        panel: its series.
        season_length: m.
    """
    evaluation = config.evaluation
    horizon = config.windows.horizon
    rows = int(np.median(panel.lengths))
    left = rows - horizon + 1  # windows of a series and steps of context together
    left -= steps_of(decided(evaluation.validation_size, "evaluation.validation_size"), rows)
    left -= steps_of(evaluation.calibration_size, rows)
    left -= steps_of(decided(evaluation.test_size, "evaluation.test_size"), rows)

    long, short, reason = _seasonal_contexts(panel, season_length, horizon, left)
    enough = (
        left * panel.num_series // (panel.num_series + 1)
    )  # L where all have L windows together
    usual = max(min(season_length, horizon), 2)
    longest = max(int(panel.lengths.max()) - horizon, 1)  # context of a table of few rows
    most = max(min(enough, shortest(config, panel) - horizon), min(usual, longest))
    if max(long, horizon) > most:
        reason = "a longer one would leave fewer training windows than its steps"
    elif long < horizon:
        reason = "the horizon"
    long = min(max(long, horizon), most)
    lengths: tuple[int, ...] = (long,)
    if short <= 0.75 * long:
        lengths = (short, long)

    given = config.ensemble.context_lengths
    if given not in (AUTO, ()):
        return {"windows.context_length": Choice(max(given), "longest of ensemble.context_lengths")}
    members = Choice(lengths, reason)
    if config.windows.context_length != AUTO:
        members = Choice((), "windows.context_length is given")
    elif evaluation.validation_size == 0:
        members = Choice((), "no validation set to choose weights on")
    return {
        "windows.context_length": Choice(long, reason),
        "ensemble.context_lengths": members,
    }


def _seasonal_contexts(
    panel: Panel, season_length: int, horizon: int, left: int
) -> tuple[int, int, str]:
    """Return a long and a short context, and the words for them.

    Args:
        panel: the series.
        season_length: m.
        horizon: H.
        left: windows of a series and steps of context together.
    """
    week = panel.freq.steps_per_week
    if panel.freq.is_integer and season_length % 24 == 0:  # hours without stamps
        week = 7 * season_length
    if week is None and season_length > 12:
        return 2 * season_length, season_length, "two seasons and one"
    if week is None:
        season = season_length
        if season == 1:
            season = horizon
        return 3 * season, 2 * season, "three seasons and two"
    if week > 7:  # several steps a day
        long = min(2 * week, LONGEST_CONTEXT)
        return long, long // 2, "two weeks and one, at most 720 steps"
    year = 52 * week + 1
    if left < 3 * year:
        return 8 * week, 4 * week, "eight weeks and four"
    return year, 8 * week, "a year and eight weeks"


def capacity(config: Experiment, panel: Panel, season_length: int) -> Choices:
    """Choose units, batches, epochs and members by the amount of data, and the loss.

    Args:
        config: the experiment.
        panel: its series.
        season_length: m.
    """
    targets = len(panel.columns.target_cols)
    values = panel.num_rows * targets
    size = next(each for each in CAPACITIES if values <= each.values)
    amount = f"for a table of {values:,} values"

    drawn = WINDOWS_PER_EPOCH // targets
    windows_per_epoch = Choice(None, f"all, as the table has at most {drawn:,} rows")
    if panel.num_rows > drawn:
        windows_per_epoch = Choice(drawn, f"as the table has more than {drawn:,} rows")
    seeds = Choice(1, amount)
    linear = Choice("residual", "networks learn the errors of a linear map")
    if config.evaluation.validation_size == 0:
        seeds = Choice(1, "no validation set to choose weights on")
        linear = Choice("none", "no validation set to choose weights on")
    elif size != CAPACITIES[-1]:
        seeds = Choice(2, amount)
    if not _is_trained(config, panel):
        seeds = Choice(0, "the validation set is too short to judge a network")
        linear = Choice("member", "the ridge regressions of the ensemble")
    simple = Choice(_simple_members(panel, season_length), "weighted by their errors")
    if config.training.forecasts_quantiles:
        linear = Choice("none", "a linear map has no quantiles")
        simple = Choice((), "baselines have no quantiles")
    return {
        "model.units": Choice(size.units, amount),
        "training.schedule": Choice("cosine", f"default of {CHOOSING_MODEL}"),
        "training.epochs": Choice(size.epochs, amount),
        "training.batch_size": Choice(max(8, size.batch_size // targets), amount),
        "training.windows_per_epoch": windows_per_epoch,
        "training.refit": Choice(True, f"default of {CHOOSING_MODEL}"),
        "ensemble.seeds": seeds,
        "ensemble.linear": linear,
        "ensemble.simple": simple,
    }


def _simple_members(panel: Panel, season_length: int) -> tuple[str, ...]:
    """Return the baselines, and the regression of each step of long seasons with their dates."""
    seasons = float(np.median(panel.lengths)) / season_length
    if season_length == 1 or panel.freq.is_integer or seasons < LEAST_SEASONS:
        return BASELINE_NAMES
    return (*BASELINE_NAMES, SEASONAL)


def _is_trained(config: Experiment, panel: Panel) -> bool:
    """Return whether a network is trained: its errors can be known, or somebody wants one.

    Args:
        config: the experiment, with the sizes of its sets.
        panel: its series.
    """
    if is_network_wanted(config):
        return True
    size = decided(config.evaluation.validation_size, "evaluation.validation_size")
    if size != 0 and panel.num_series >= LEAST_SERIES:
        return True
    steps = steps_of(size, int(np.median(panel.lengths)))
    return steps >= LEAST_BLOCKS * config.windows.horizon
