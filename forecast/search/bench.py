"""Context of trials of any kind: the data, read once, and the folds that trials are scored on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.class_settings import Classification
from forecast.search.category_trial import make_category_bench
from forecast.search.class_trial import make_class_bench
from forecast.search.kinds import Searched
from forecast.search.space import Values
from forecast.search.state import FoldScore, Outcome, Task
from forecast.search.trial import OnScore, make_bench

if TYPE_CHECKING:
    import pandas as pd

    from forecast.training.events import Reporter


class AnyBench(Protocol):
    """Runs trials on data that was read once."""

    @property
    def config(self) -> Searched:
        """Settings with their search."""
        ...

    @property
    def folder(self) -> Path:
        """Folder of the search."""
        ...

    @property
    def has_test_set(self) -> bool:
        """Whether something is held out to judge the best settings on."""
        ...

    def table_line(self) -> str:
        """Describe the table in one line."""
        ...

    def identity(self) -> dict[str, str]:
        """Describe the search; see `experiment.identity.describe`."""
        ...

    def check_folds(self) -> None:
        """Prepare what may be wrong with the table, before the first trial.

        Raises:
            DataError: a fold cannot be learned from.
        """
        ...

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        """Run a trial."""
        ...

    def final(self, name: str, values: Values) -> dict[str, Any]:
        """Train on everything before the test set, and score that."""
        ...


def open_bench(
    config: Searched,
    table: str | pd.DataFrame | None,
    folder: Path,
    reporter: Reporter | None = None,
) -> AnyBench:
    """Read the table of a search and cut it into folds.

    Args:
        config: settings with their search.
        table: a file, `dataset:NAME` or a frame; None: that of an experiment's `data.source`.
        folder: of the search.
        reporter: optional; called with every step and epoch of the training of a forecaster.
    """
    if isinstance(config, Classification):
        return make_class_bench(config, table, folder)
    if isinstance(config, CategorySettings):
        return make_category_bench(config, table, folder)
    return make_bench(config, table, folder, reporter)
