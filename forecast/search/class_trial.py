"""Trials of a classifier: folds of whole sequences, trained by the same path as `classify fit`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.classification.class_settings import Classification
from forecast.classification.fitted_classifier import fit_classifier
from forecast.classification.sequence_split import Fold, split_sequences, validation_folds
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.sequence_table import read_sequences
from forecast.data.findings import counted
from forecast.errors import ConfigError, DataError
from forecast.experiment.identity import describe_work
from forecast.search.label_trials import digest_of, final_scores, scored_fold, settings_of_trial
from forecast.search.space import Values, search_of, with_values
from forecast.search.state import FoldScore, Outcome, Task
from forecast.search.trial import OnScore, packages_of, run_trial

if TYPE_CHECKING:
    import pandas as pd

    from forecast.data.formats.readers import Source


@dataclass(frozen=True, eq=False)
class ClassBench:
    """Context of trials of a classifier.

    Attributes:
        config: the settings with their search.
        source: the table.
        sequences: read from it.
        folds: that trials are evaluated on.
        folder: of the search.
    """

    config: Classification
    source: Source
    sequences: Sequences
    folds: tuple[Fold, ...]
    folder: Path

    @property
    def has_test_set(self) -> bool:
        """Whether sequences are held out to judge the best settings on."""
        return len(split_sequences(self.sequences, self.config.split).test) > 0

    def table_line(self) -> str:
        """Describe the table in one line."""
        labels = self.sequences.labels
        assert labels is not None
        num_steps = int(self.sequences.lengths.sum())
        return (
            f"{counted(self.sequences.num_sequences, 'sequence')} of {num_steps:,} steps, "
            f"{counted(len(set(labels)), 'label')}"
        )

    def identity(self) -> dict[str, str]:
        """Describe the search; see `experiment.identity.describe_work`."""
        sequences = self.sequences
        size = f"{sequences.num_sequences:,} sequences, sha256 {digest_of(sequences)[:12]}"
        settings = self.config.model_dump(mode="json")
        return describe_work(settings, size, packages_of(self.config))

    def check_folds(self) -> None:
        """Look whether every fold has two labels to learn from.

        Raises:
            DataError: one has not.
        """
        labels = self.sequences.labels
        assert labels is not None
        for number, (train, held_out) in enumerate(self.folds, start=1):
            num_labels = len(set(labels[train]))
            if num_labels < 2 or not len(held_out):
                raise DataError(
                    f"fold {number} of the search has {counted(num_labels, 'label')} in "
                    f"{counted(len(train), 'sequence')} to learn from and {len(held_out)} to "
                    f"judge; expected two labels: give more sequences of each label, or lower "
                    f"`search.folds`"
                )

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        """Run a trial; see `run_trial`."""
        return run_trial(self.config, task, done, train_fold=self.train_fold, on_score=on_score)

    def train_fold(self, task: Task, fold: int, execution: int) -> FoldScore:
        """Train one network without a fold, and score it alone on the fold."""
        start = time.perf_counter()
        config = settings_of_trial(self.config, task, fold, execution)
        split = config.split.model_copy(update={"test": 0.0})
        config = config.model_copy(update={"split": split})
        sequences = self._read(config, task.values)
        train, held_out = self.folds[fold]
        fitted, _ = fit_classifier(config, sequences.take(train))
        result = fitted.evaluate(sequences.take(held_out))
        return scored_fold(self.config, (fold, execution), fitted, result, start)

    def final(self, name: str, values: Values) -> dict[str, Any]:  # noqa: ARG002 - no checkpoint
        """Train as `forecast classify fit` does and score the test set.

        Args:
            name: of the training.
            values: settings that replace those of the file.

        Returns:
            Scores of the classifier as `model`, those of the best baseline under its name, and the
            number of sequences as `windows`.
        """
        config = with_values(self.config, values)
        sequences = self._read(config, values)
        fitted, split = fit_classifier(config, sequences)
        result = fitted.evaluate(sequences.take(split.test))
        return final_scores(result)

    def _read(self, config: Classification, values: Values) -> Sequences:
        """Return the sequences, read again where a trial reads texts in another way."""
        if any(path.startswith("text.") for path in values):
            return read_sequences(self.source, config.data, config.text)
        return self.sequences


def make_class_bench(
    config: Classification, table: str | pd.DataFrame | None, folder: Path
) -> ClassBench:
    """Read the table of a classification and cut it into folds.

    Raises:
        ConfigError: there is no table.
    """
    if table is None:
        raise ConfigError("there is no table to search on; expected a file or a frame")
    sequences = read_sequences(table, config.data, config.text)
    folds = validation_folds(sequences, config.split, search_of(config).folds)
    return ClassBench(config, table, sequences, tuple(folds), folder)
