"""Rolling-origin folds in the rows before the test part: each is an experiment on a panel that ends earlier.

    |-- training ------------------|-- validation --|-- judged --|                              fold 1
    |-- training -------------------------------|-- validation --|-- judged --|                 fold 2
    |-- training and validation of the experiment ----------------------------|-- test --|

A fold is the usual split of a shorter panel: it learns from the first part, stops on the second and is judged on the
third, with `evaluation.purge` steps between two parts. The rows of the test part are cut off before, so that no trial
can look at them whatever it does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.config import Experiment
from forecast.data.extend import rows_before
from forecast.data.panel import Panel
from forecast.data.splits import ends_of, first_rows_at
from forecast.errors import ConfigError, DataError
from forecast.preparation import resolve, split_at_cutoffs
from forecast.tuning.space import search_of


@dataclass(frozen=True, eq=False)
class Folds:
    """What trials are judged on.

    Attributes:
        panels: of each fold, from the earliest to the latest, the rows it may know.
        size: steps of a judged stretch, and of the validation part before it.
    """

    panels: tuple[Panel, ...]
    size: int

    def experiment(self, config: Experiment) -> Experiment:
        """The settings of a trial with the sizes of a fold; series too short for a fold are left out of it."""
        sizes = {"validation_size": self.size, "calibration_size": 0, "test_size": self.size}
        return config.model_copy(
            update={
                "evaluation": config.evaluation.model_copy(update=sizes),
                "data": config.data.model_copy(update={"short_series": "skip"}),
            }
        )


def make_folds(config: Experiment, panel: Panel) -> Folds:
    """Cut the rows before the test part into folds.

    Args:
        config: the experiment with its search.
        panel: all rows.

    Raises:
        ConfigError: the validation part, which gives the folds their size, is empty.
        DataError: there are too few rows.
    """
    search, config = search_of(config), resolve(config, panel)
    split = split_at_cutoffs(panel, config)
    end = np.maximum(split.train.last, split.validation.last)
    size = _judged_steps(config, panel)
    known = rows_before(panel, end)
    panels = []
    for back in reversed(range(search.folds)):
        stop = ends_of(known, config.evaluation.split_by or "time") - back * size
        panels.append(rows_before(known, first_rows_at(known, stop)))
    if not panels[0].num_series:
        raise DataError(
            f"search.folds is {search.folds} with {size} steps each, which leaves no row before the first: give more "
            "rows, or lower search.folds or evaluation.validation_size"
        )
    return Folds(tuple(panels), size)


def _judged_steps(config: Experiment, panel: Panel) -> int:
    """Steps of the validation part, of the series in the middle where each has its own; at least one horizon."""
    asked = config.evaluation.validation_size
    if not asked:
        raise ConfigError(
            "evaluation.validation_size is 0, and every fold of a search is as long as the validation part: give it "
            "some rows"
        )
    if isinstance(asked, float):
        filled = panel.lengths > 0
        first = panel.positions[panel.offsets[:-1][filled]]
        stop = panel.positions[panel.offsets[1:][filled] - 1] + 1
        span = np.median(stop - first) if config.evaluation.split_by == "series" else stop.max() - first.min()
        asked = round(asked * float(span))
    return max(int(asked), config.windows.horizon)
