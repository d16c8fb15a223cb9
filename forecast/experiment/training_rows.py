"""The rows of each set, and facts about the training rows that choices are made by."""

from __future__ import annotations

import numpy as np

from forecast.data.findings import BadTableError
from forecast.data.panel import Panel
from forecast.experiment.settings import Experiment
from forecast.section import decided
from forecast.windows.splits import Part, Split, split_panel

DAY_NS = 86_400 * 10**9


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


def training_part(config: Experiment, panel: Panel) -> Part:
    """Return the training rows, none where the sets leave none: that is refused later.

    Args:
        config: the experiment, with the sizes of its sets.
        panel: the series.
    """
    try:
        return split_at_cutoffs(panel, config).train
    except BadTableError:
        return Part(panel.offsets[:-1], panel.offsets[:-1])


def learned_days(config: Experiment, panel: Panel) -> float:
    """Return the days that a series of median length gives to learn from; 0 of an index.

    With `training.refit` the members that forecast have learned from all rows.

    Args:
        config: the experiment, with the sizes of its sets.
        panel: the series.
    """
    part = Part.whole(panel)
    if not decided(config.training.refit, "training.refit"):
        part = training_part(config, panel)
    first = part.first[part.last > part.first]
    last = part.last[part.last > part.first] - 1
    if panel.freq.is_integer or not len(first):
        return 0.0
    begin = panel.timestamps[first].astype(np.int64)
    between = panel.timestamps[last].astype(np.int64) - begin  # ns
    steps = panel.positions[last] - panel.positions[first]
    step = between.sum() / max(int(steps.sum()), 1)  # on average: months differ
    return float((np.median(between) + step) / DAY_NS)
