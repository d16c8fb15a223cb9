"""Trials of a forecast of categories: stretches of time, by the same path as `categories fit`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.categories.category_table import read_series
from forecast.classification.categories.category_windows import (
    CategorySets,
    all_windows,
    divide,
    fold_sets,
)
from forecast.classification.categories.fitted_categories import fit_categories, fit_sets
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.data.findings import counted
from forecast.errors import ConfigError, DataError
from forecast.experiment.identity import describe_work
from forecast.search.label_trials import digest_of, final_scores, scored_fold, settings_of_trial
from forecast.search.space import Values, search_of, with_values
from forecast.search.state import FoldScore, Outcome, Task
from forecast.search.trial import OnScore, packages_of, run_trial

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class CategoryBench:
    """Context of trials of a forecast of categories.

    Attributes:
        config: the settings with their search.
        sequences: the series.
        folder: of the search.
    """

    config: CategorySettings
    sequences: Sequences
    folder: Path

    @property
    def has_test_set(self) -> bool:
        """Whether rows are held out to judge the best settings on."""
        windows = all_windows(self.sequences, self.config.windows)
        sets = divide(self.sequences, windows, self.config.windows.horizon, self.config.split)
        return len(sets.test.starts) > 0

    def table_line(self) -> str:
        """Describe the table in one line."""
        num_rows = int(self.sequences.offsets[-1])
        return f"{self.sequences.num_sequences:,} series, {counted(num_rows, 'row')}"

    def identity(self) -> dict[str, str]:
        """Describe the search; see `experiment.identity.describe_work`."""
        sequences = self.sequences
        size = f"{sequences.num_sequences:,} series, sha256 {digest_of(sequences)[:12]}"
        settings = self.config.model_dump(mode="json")
        return describe_work(settings, size, packages_of(self.config))

    def folds(self, config: CategorySettings) -> list[CategorySets]:
        """Return the sets of each fold, for the windows of some settings."""
        num_folds = search_of(self.config).folds
        windows = all_windows(self.sequences, config.windows)
        horizon = config.windows.horizon
        return fold_sets(self.sequences, windows, horizon, config.split, num_folds)

    def check_folds(self) -> None:
        """Look whether every fold has windows to learn from and to judge.

        Raises:
            DataError: one has not.
        """
        for number, sets in enumerate(self.folds(self.config), start=1):
            if not len(sets.train.starts) or not len(sets.test.starts):
                raise DataError(
                    f"fold {number} of the search has {len(sets.train.starts)} windows to learn "
                    f"from and {len(sets.test.starts)} to judge; expected some of both: give "
                    f"longer series, or lower `search.folds` or `windows.horizon`"
                )

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        """Run a trial; see `run_trial`."""
        return run_trial(self.config, task, done, train_fold=self.train_fold, on_score=on_score)

    def train_fold(self, task: Task, fold: int, execution: int) -> FoldScore:
        """Train one network on the rows before a fold, and score it alone on the fold."""
        start = time.perf_counter()
        config = settings_of_trial(self.config, task, fold, execution)
        sets = self.folds(config)[fold]
        fitted = fit_sets(config, self.sequences, sets)
        result = fitted.evaluate(self.sequences, sets.test).flat()
        return scored_fold(self.config, (fold, execution), fitted, result, start)

    def final(self, name: str, values: Values) -> dict[str, Any]:  # noqa: ARG002 - no checkpoint
        """Train as `forecast categories fit` does and score the test set.

        Args:
            name: of the training.
            values: settings that replace those of the file.

        Returns:
            Scores of the forecaster as `model`, those of the best baseline under its name, and the
            number of judged steps as `windows`.
        """
        fitted, test = fit_categories(with_values(self.config, values), self.sequences)
        result = fitted.evaluate(self.sequences, test).flat()
        return final_scores(result)


def make_category_bench(
    config: CategorySettings, table: str | pd.DataFrame | None, folder: Path
) -> CategoryBench:
    """Read the table of a forecast of categories.

    Raises:
        ConfigError: there is no table.
    """
    if table is None:
        raise ConfigError("there is no table to search on; expected a file or a frame")
    sequences = read_series(table, config.data)
    return CategoryBench(config.with_columns(sequences.columns), sequences, folder)
