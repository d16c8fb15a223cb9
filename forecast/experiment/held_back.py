"""Sizes of validation and test set, chosen from the data: a step of `choices`."""

from __future__ import annotations

import numpy as np

from forecast.data.findings import Choice, counted
from forecast.data.panel import Panel
from forecast.errors.interface import in_use
from forecast.experiment.settings import Experiment
from forecast.section import AUTO

PLAIN_VALIDATION_SIZE = 0.1

PLAIN_TEST_SIZE = 0.2

SHORT_SERIES = 0.1
"""Share of the series that may be too short, with `short_series: skip`."""

MANY_HORIZONS = 10
"""Horizons left to learn from with which there is a test set, though they are less than two seasons
and two horizons."""


LEAST_CONTEXT = 2
"""Steps of context of a window, at least."""


Choices = dict[str, Choice]
"""Path of a setting, such as `training.epochs` -> its choice."""


def set_sizes(config: Experiment, panel: Panel, season_length: int) -> Choices:
    """Choose the rows held back: the usual shares where these fit a horizon, else one horizon.

    There is no test set where less than two seasons and two horizons would be left to learn from,
    unless these are many horizons.

    Args:
        config: the experiment.
        panel: its series.
        season_length: m.
    """
    rows = shortest(config, panel)
    test = _test_size(config, rows, season_length)
    if test.value == 0:
        ways = _ways_to_a_test_set(config, rows, season_length)
        test = Choice(0, f"{test.reason}; {ways}")
    validation = _validation_size(config, rows, season_length)
    choices = {
        "evaluation.split_by": _division(panel),
        "evaluation.validation_size": validation,
        "evaluation.test_size": test,
    }
    if validation.value == 0 and not is_network_wanted(config):
        choices["ensemble.seeds"] = Choice(0, "no validation set to judge a network on")
        choices["ensemble.linear"] = Choice("member", "the ridge regressions of the ensemble")
    return choices


def is_network_wanted(config: Experiment) -> bool:
    """Return whether a network is trained however few rows there are.

    It is where it would forecast alone, and where somebody has settings for it. Beside simple
    members a network that cannot be judged would get no weight.
    """
    ensemble = config.ensemble
    if ensemble.simple == () or config.training.forecasts_quantiles:
        return True
    if config.model != type(config.model)() or config.training.epochs != AUTO:
        return True
    return ensemble.seeds not in (0, AUTO) or ensemble.linear not in ("member", AUTO)


def no_test_set(config: Experiment, reason: str | None) -> str:
    """Return one line on why an experiment has no test set; nothing where it has one.

    Args:
        config: the experiment, resolved.
        reason: for `evaluation.test_size`, where the data decided it.
    """
    if config.evaluation.test_size != 0:
        return ""
    if reason is None:
        reason = "evaluation.test_size is 0"
    return f"no test set: {reason}"


def _test_size(config: Experiment, rows: int, season_length: int) -> Choice:
    """Choose the size of the test set of a series of some rows."""
    horizon = config.windows.horizon
    left = _left(config, rows, season_length)
    least = 2 * season_length + 2 * horizon
    usual = steps_of(PLAIN_TEST_SIZE, rows)
    if usual >= horizon and left - usual >= least:
        return Choice(PLAIN_TEST_SIZE, "default share")
    if left - horizon >= least:
        return Choice(horizon, "one horizon")
    if usual >= horizon and left - usual >= MANY_HORIZONS * horizon:
        return Choice(PLAIN_TEST_SIZE, f"default share, as {MANY_HORIZONS} horizons are left")
    seasons = ""
    if season_length > 1:
        seasons = f"two seasons of {season_length} steps and "
    return Choice(0, f"less than {seasons}two horizons of {counted(horizon, 'step')} would be left")


def _left(config: Experiment, rows: int, season_length: int) -> int:
    """Return the rows of a series before the test set that are not held back."""
    left = rows - steps_of(_validation_size(config, rows, season_length).value, rows)
    return left - steps_of(config.evaluation.calibration_size, rows)


def _ways_to_a_test_set(config: Experiment, rows: int, season_length: int) -> str:
    """Return the rows more that would give a test set, and the setting that gives one now."""
    more = 1
    while _test_size(config, rows + more, season_length).value == 0:
        more += 1
    text = f"{counted(more, 'more row')} of each series would give one"
    horizon = config.windows.horizon
    if _left(config, rows, season_length) - horizon < _least_window(config, season_length):
        return text
    return in_use().worded(f"{text}, as would `evaluation.test_size={horizon}`")


def _least_window(config: Experiment, season_length: int) -> int:
    """Return the rows of the shortest window that `choices.context_lengths` would choose."""
    context = max(min(season_length, config.windows.horizon), LEAST_CONTEXT)
    if config.windows.context_length != AUTO:
        context = config.windows.context_length
    elif config.ensemble.context_lengths not in (AUTO, ()):
        context = max(config.ensemble.context_lengths)
    return context + config.windows.horizon


def _validation_size(config: Experiment, rows: int, season_length: int) -> Choice:
    if config.evaluation.validation_size != AUTO:
        return Choice(config.evaluation.validation_size, "given")
    horizon = config.windows.horizon
    least = horizon + _least_window(config, season_length)
    if rows < least and not is_network_wanted(config):
        return Choice(0, f"{rows} rows are too few to hold a horizon back")
    if steps_of(PLAIN_VALIDATION_SIZE, rows) < horizon:
        return Choice(horizon, f"one horizon, as 10 % of {rows} rows are less")
    return Choice(PLAIN_VALIDATION_SIZE, "default share")


def _division(panel: Panel) -> Choice:
    if panel.freq.is_integer:
        return Choice("series", "an integer index")
    ends = panel.timestamps[panel.offsets[1:][panel.lengths > 0] - 1]
    if (ends == ends.max()).mean() < 0.5:
        return Choice("series", "most series end before the last timestamp")
    return Choice("time", "most series end at the last timestamp")


def shortest(config: Experiment, panel: Panel) -> int:
    """Return the rows of the shortest series, with `short_series: skip` of those that count."""
    share = 0.0
    if config.data.short_series == "skip":
        share = SHORT_SERIES
    return int(np.quantile(panel.lengths, share, method="lower"))


def steps_of(size: int | float, rows: int) -> int:
    """Return the steps of a set whose size is given in steps or as a share."""
    if isinstance(size, float):
        return round(size * rows)
    return size
