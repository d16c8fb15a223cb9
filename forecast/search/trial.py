"""One trial: every fold prepared, trained and scored by the same path as `forecast fit`."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data.panel import Panel
from forecast.data.per_series.subset import rows_before
from forecast.errors import ConfigError, DataError, FileError
from forecast.experiment.identity import PACKAGES, describe
from forecast.experiment.named_functions import load_functions
from forecast.experiment.prepare import open_panel, prepare_panel, resolve
from forecast.experiment.settings import Experiment
from forecast.experiment.training_rows import split_at_cutoffs
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.heading import table_line
from forecast.search.kinds import Searched
from forecast.search.processes import one_line
from forecast.search.space import Values, search_of, with_values
from forecast.search.state import (
    COMPLETED,
    FAILED,
    PRUNED,
    FoldScore,
    Outcome,
    Task,
    by_fold,
    derived_seed,
)
from forecast.section import AUTO, decided
from forecast.windows.splits import ends_of, first_rows_at

if TYPE_CHECKING:
    import pandas as pd

    from forecast.training.events import Event, Reporter


OnScore = Callable[[FoldScore], None]
"""Called with the score of every training as soon as it is known."""


TrainFold = Callable[[Task, int, int], FoldScore]
"""Trains and scores (task, fold, execution)."""


_BAYESIAN_PACKAGES = ("scikit-learn", "scipy")


def packages_of(config: Searched) -> list[str]:
    """Return the packages whose versions decide what a search proposes and trains."""
    packages = [*PACKAGES, "keras-tuner"]
    if search_of(config).algorithm == "bayesian":
        packages += _BAYESIAN_PACKAGES
    return packages


@dataclass(frozen=True, eq=False)
class Bench:
    """Context of trials: settings, the data, read once, and a folder for checkpoints.

    Attributes:
        config: the experiment with its search.
        panel: all rows.
        folds: that trials are evaluated on.
        folder: of the search.
        reporter: optional; called with every step and epoch of training.
    """

    config: Experiment
    panel: Panel
    folds: Folds
    folder: Path
    reporter: Reporter | None = None

    @property
    def has_test_set(self) -> bool:
        """Whether rows are held out to judge the best settings on."""
        return self.config.evaluation.test_size != 0

    def table_line(self) -> str:
        """Describe the table in one line."""
        return table_line(self.panel, self.config.data.source)

    def identity(self) -> dict[str, str]:
        """Describe the search; see `experiment.identity.describe`."""
        return describe(
            self.config, self.panel, without=("backtest",), packages=packages_of(self.config)
        )

    def check_folds(self) -> None:
        """Prepare the smallest fold and all rows once, so that a wrong table is refused early."""
        written = with_values(self.config, {})
        prepare_panel(self.folds.experiment(written), self.folds.panels[0])
        prepare_panel(written, self.panel)

    def run(self, task: Task, done: Sequence[FoldScore], on_score: OnScore) -> Outcome:
        """Run a trial; see `run_trial`."""
        return run_trial(self.config, task, done, train_fold=self.train_fold, on_score=on_score)

    def train_fold(self, task: Task, fold: int, execution: int) -> FoldScore:
        """Train on one fold and score its test set.

        Training resumes after its last epoch where there is a checkpoint of it.
        """
        start = time.perf_counter()
        search = search_of(self.config)
        seed = derived_seed(search.seed, "trial", task.number, fold, execution)
        config = self.folds.experiment(with_values(self.config, task.values))
        config = _without_baselines(_with_training(config, seed=seed))
        if task.epochs is not None:
            config = _with_training(config, epochs=task.epochs)

        checkpoint = checkpoint_of(self.folder, f"{task.name}-{fold}-{execution}")
        words = f"trial {task.number + 1}"
        if search.folds > 1:
            words += f", fold {fold + 1}"
        forecaster = self._fit(config, self.folds.panels[fold], checkpoint, words)
        result = forecaster.evaluate()
        scores = result.scores().values[result.alias]
        if not math.isfinite(scores.get(search.objective, math.nan)):
            raise DataError(
                f"{search.objective} is not defined on fold {fold + 1}: choose another "
                '`search.objective`, or `training.loss="quantile"` for a score of quantiles'
            )
        return FoldScore(
            fold=fold,
            execution=execution,
            scores=finite(scores),
            epochs=len(forecaster.fitted.history.loss),
            seconds=time.perf_counter() - start,
            parameters=sum(array.size for array in forecaster.fitted.network.weights.values()),
        )

    def final(self, name: str, values: Values) -> dict[str, Any]:
        """Train as `forecast fit` does and score the test set, beside the best baseline.

        Args:
            name: of the checkpoint.
            values: settings that replace those of the experiment.

        Returns:
            Scores of the model as `model`, those of the best baseline under its name, and the
            number of `windows`.
        """
        config = with_values(self.config, values)
        forecaster = self._fit(
            config, self.panel, checkpoint_of(self.folder, name), f"{name} settings"
        )
        scores = forecaster.evaluate().scores()
        names = {"model": scores.alias}
        if scores.best_baseline:
            names[scores.best_baseline] = scores.best_baseline
        return {
            "scores": {alias: finite(scores.values[name]) for alias, name in names.items()},
            "windows": scores.num_windows,
        }

    def _fit(self, config: Experiment, panel: Panel, checkpoint: Path, words: str) -> Forecaster:
        # A refit changes no score, and this model makes no other forecasts.
        config = _with_training(config, refit=False)
        prepared = prepare_panel(config, panel)
        return Forecaster(config).fit_prepared(
            prepared, checkpoint=checkpoint, resume=True, reporter=_named(self.reporter, words)
        )


def _named(reporter: Reporter | None, words: str) -> Reporter | None:
    """Return a reporter that says which training an event is of, before the name of its network."""
    if reporter is None:
        return None

    def report(event: Event) -> None:
        reporter(replace(event, name=", ".join(filter(None, (words, event.name)))))

    return report


def _with_training(config: Experiment, **settings: Any) -> Experiment:
    """Return the experiment with other settings of `training`, now fixed rather than chosen."""
    return config.model_copy(update={"training": config.training.model_copy(update=settings)})


def _without_baselines(config: Experiment) -> Experiment:
    """Return the experiment whose model forecasts alone, where the data decide who forecasts.

    Beside baselines that do the work, all values of a setting of the network would score alike.
    """
    if config.ensemble.simple != AUTO:
        return config
    return config.model_copy(update={"ensemble": config.ensemble.model_copy(update={"simple": ()})})


def make_bench(
    config: Experiment,
    table: str | pd.DataFrame | None,
    folder: Path,
    reporter: Reporter | None = None,
) -> Bench:
    """Read the table of an experiment and cut it into folds."""
    load_functions(config)
    panel = open_panel(config.data, table)
    return Bench(config, panel, make_folds(config, panel), folder, reporter)


TRAINING = "training"
"""Folder of the checkpoints of trainings under way."""


CHECKPOINTS = re.compile(r"(\d{4,}-\d+-\d+|best|written)\.checkpoint(-\d+)?")
"""Names of the files in it."""


def checkpoint_of(folder: Path, name: str) -> Path:
    """Return the checkpoint file of a training."""
    return folder / TRAINING / f"{name}.checkpoint"


def drop_checkpoints(folder: Path, name: str) -> None:
    """Remove the checkpoints of a training; `*` in its name matches any text."""
    for path in (folder / TRAINING).glob(f"{name}.checkpoint*"):
        if CHECKPOINTS.fullmatch(path.name):
            path.unlink(missing_ok=True)


def run_trial(
    config: Searched,
    task: Task,
    done: Sequence[FoldScore],
    *,
    train_fold: TrainFold,
    on_score: OnScore,
) -> Outcome:
    """Evaluate a trial fold by fold, until the last one or until it is pruned.

    Args:
        config: the experiment with its search.
        task: the trial.
        done: scores from before an interruption.
        train_fold: trains and scores (task, fold, execution).
        on_score: called with every new score before the next training begins.

    Raises:
        FileError: the disk is full or cannot be written; the trial is not to blame.
    """
    search = search_of(config)
    folds = list(done)
    scored = {(score.fold, score.execution) for score in folds}
    try:
        for fold in range(search.folds):
            for execution in range(search.executions):
                if (fold, execution) in scored:
                    continue
                score = train_fold(task, fold, execution)
                folds.append(score)
                on_score(score)

            mean = statistics.fmean(by_fold(folds, search.objective)[: fold + 1])
            limit = None
            if task.limits and fold + 1 < search.folds:
                limit = task.limits[fold]
            if limit is not None and mean > limit:
                reason = (
                    f"{search.objective} {mean:.4g} after fold {fold + 1}, above the median of "
                    f"{limit:.4g}"
                )
                return Outcome(PRUNED, reason, tuple(folds))
    except FileError:
        raise
    except Exception as error:  # any error of a trial is its result, and goes into the table
        return Outcome(FAILED, one_line(error), tuple(folds))
    return Outcome(COMPLETED, "", tuple(folds))


def finite(scores: dict[str, float]) -> dict[str, float]:
    """Return the scores that are defined."""
    return {name: score for name, score in scores.items() if math.isfinite(score)}


@dataclass(frozen=True, eq=False)
class Folds:
    """The folds that trials are evaluated on.

    Attributes:
        panels: of each fold, from the earliest to the latest, the rows up to the end of its test
            set.
        size: steps of the test set of a fold, and of the validation set before it.
    """

    panels: tuple[Panel, ...]
    size: int

    def experiment(self, config: Experiment) -> Experiment:
        """Return the settings of a trial with the sizes of a fold, which skips too short series."""
        sizes = {"validation_size": self.size, "calibration_size": 0, "test_size": self.size}
        return config.model_copy(
            update={
                "evaluation": config.evaluation.model_copy(update=sizes),
                "data": config.data.model_copy(update={"short_series": "skip"}),
            }
        )


def make_folds(config: Experiment, panel: Panel) -> Folds:
    """Cut the rows before the test set into folds.

    Args:
        config: the experiment with its search.
        panel: all rows.

    Raises:
        ConfigError: the validation set, which gives the folds their size, is empty.
        DataError: there are too few rows.
    """
    search = search_of(config)
    config = resolve(config, panel)
    split = split_at_cutoffs(panel, config)
    size = _steps_of_a_fold(config, panel)
    known = rows_before(panel, np.maximum(split.train.last, split.validation.last))
    ends = ends_of(known, decided(config.evaluation.split_by, "evaluation.split_by"))

    panels = []
    for steps_back in reversed(range(0, search.folds * size, size)):
        panels.append(rows_before(known, first_rows_at(known, ends - steps_back)))
    if not panels[0].num_series:
        raise DataError(
            f"search.folds is {search.folds} with {size} steps each, which leaves no row before "
            f"the first: give more rows, or lower `search.folds` or `evaluation.validation_size`"
        )
    return Folds(tuple(panels), size)


def _steps_of_a_fold(config: Experiment, panel: Panel) -> int:
    """Return the length of the validation set, at least one horizon.

    Where it is a share of the rows and series are split by their own ends, that of a median series.
    """
    size = decided(config.evaluation.validation_size, "evaluation.validation_size")
    if not size:
        raise ConfigError(
            "evaluation.validation_size is 0, and every fold of a search is as long as the "
            "validation set: give it some rows with `evaluation.validation_size`"
        )
    if isinstance(size, float):
        filled = panel.lengths > 0
        first = panel.positions[panel.offsets[:-1][filled]]
        stop = panel.positions[panel.offsets[1:][filled] - 1] + 1
        span = stop.max() - first.min()
        if config.evaluation.split_by == "series":
            span = np.median(stop - first)
        size = round(size * float(span))
    return max(int(size), config.windows.horizon)
