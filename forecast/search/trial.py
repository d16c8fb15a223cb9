"""One trial: every fold prepared, trained and judged by the same path as `forecast fit`."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data.panel import Panel
from forecast.data.subset import rows_before
from forecast.errors import ConfigError, DataError, FileError, ForecastError
from forecast.experiment.prepare import open_panel, prepare_panel, resolve, split_at_cutoffs
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.search.journal import (
    COMPLETED,
    FAILED,
    PRUNED,
    FoldScore,
    Outcome,
    Task,
    by_fold,
    derived_seed,
)
from forecast.search.space import Values, search_of, with_values
from forecast.windows.splits import ends_of, first_rows_at

if TYPE_CHECKING:
    import pandas as pd


Tell = Callable[[FoldScore], None]


Judge = Callable[[Task, int, int], FoldScore]


Tick = Callable[[Any], None]


@dataclass(frozen=True, eq=False)
class Bench:
    """Where trials are run: the data, read once, and a folder for what must outlive an interruption.

    Attributes:
        config: the experiment with its search.
        panel: all rows.
        folds: what trials are judged on.
        folder: for checkpoints.
        tick: is told of every step and epoch of training.
    """

    config: Experiment
    panel: Panel
    folds: Folds
    folder: Path
    tick: Tick | None = None

    def run(self, task: Task, done: Sequence[FoldScore], tell: Tell) -> Outcome:
        """Run a trial; see `run_trial`."""
        return run_trial(self.config, task, done, judge=self.judge, tell=tell)

    def judge(self, task: Task, fold: int, execution: int) -> FoldScore:
        """Train on one fold and score the stretch after it.

        Training goes on from its last epoch where a checkpoint of it is left.
        """
        start, search = time.perf_counter(), search_of(self.config)
        config = self.folds.experiment(with_values(self.config, task.values))
        training = {"seed": derived_seed(search.seed, "trial", task.number, fold, execution)}
        if task.epochs is not None:
            training["epochs"] = task.epochs
        config = with_training(config, **training)
        checkpoint = checkpoint_of(self.folder, f"{task.name}-{fold}-{execution}")
        forecaster = self._fit(config, self.folds.panels[fold], checkpoint)
        scores = forecaster.evaluate().scores().values[config.name]
        if not math.isfinite(scores.get(search.objective, math.nan)):
            raise DataError(
                f"{search.objective} cannot be worked out on fold {fold + 1}: choose another "
                f"search.objective, or for one of quantiles training.loss quantile"
            )
        return FoldScore(
            fold=fold,
            execution=execution,
            scores=_finite(scores),
            epochs=len(forecaster.fitted.history.loss),
            seconds=time.perf_counter() - start,
            parameters=forecaster.fitted.model.count_params(),
        )

    def final(self, name: str, values: Values) -> dict[str, Any]:
        """Train as `forecast fit` would and score the test part, beside the best baseline.

        Args:
            name: of the checkpoint.
            values: settings that replace those of the experiment.

        Returns:
            Scores of the model as `model`, those of the best baseline under its name, and the
            `windows` judged.
        """
        config = with_values(self.config, values)
        forecaster = self._fit(config, self.panel, checkpoint_of(self.folder, name))
        scores = forecaster.evaluate().scores()
        chosen = {"model": config.name} | (
            {scores.best_baseline: scores.best_baseline} if scores.best_baseline else {}
        )
        return {
            "scores": {shown: _finite(scores.values[name]) for shown, name in chosen.items()},
            "windows": scores.num_windows,
        }

    def _fit(self, config: Experiment, panel: Panel, checkpoint: Path) -> Forecaster:
        # What is refitted is not judged any more, and nobody forecasts with it.
        config = with_training(config, refit=False)
        prepared = prepare_panel(config, panel)
        return Forecaster(config).fit_prepared(
            prepared, checkpoint=checkpoint, resume=True, reporter=self.tick
        )


def with_training(config: Experiment, **settings: Any) -> Experiment:
    """The experiment with other settings of `training`, which nothing chooses from the data any more."""
    return config.model_copy(update={"training": config.training.model_copy(update=settings)})


def make_bench(
    config: Experiment, table: str | pd.DataFrame | None, folder: Path, tick: Tick | None = None
) -> Bench:
    """Read the table of an experiment and cut it into folds."""
    panel = open_panel(config.data, table)
    return Bench(config, panel, make_folds(config, panel), folder, tick)


TRAINING = "training"


CHECKPOINTS = re.compile(r"(\d{4,}-\d+-\d+|best|written)\.checkpoint(-\d+)?")
"""Names of files in the folder of trainings under way."""


def checkpoint_of(folder: Path, name: str) -> Path:
    """The file of a training under way."""
    return folder / TRAINING / f"{name}.checkpoint"


def drop_checkpoints(folder: Path, name: str) -> None:
    """Remove the checkpoints of a training; `*` in its name stands for any text."""
    for path in (folder / TRAINING).glob(f"{name}.checkpoint*"):
        if CHECKPOINTS.fullmatch(path.name):
            path.unlink(missing_ok=True)


def run_trial(
    config: Experiment, task: Task, done: Sequence[FoldScore], *, judge: Judge, tell: Tell
) -> Outcome:
    """Judge a trial on fold after fold, until the last one or until it is hopeless.

    Args:
        config: the experiment with its search.
        task: the trial.
        done: what its trainings left before an interruption.
        judge: trains and scores (task, fold, execution).
        tell: is given every new score before the next training begins.

    Raises:
        FileError: the disk is full or cannot be written; that is no fault of the trial.
    """
    search, folds = search_of(config), list(done)
    try:
        for fold in range(search.folds):
            for execution in range(search.executions):
                if not any((one.fold, one.execution) == (fold, execution) for one in folds):
                    folds.append(judge(task, fold, execution))
                    tell(folds[-1])
            mean = statistics.fmean(by_fold(folds, search.objective)[: fold + 1])
            limit = task.limits[fold] if task.limits else None
            if limit is not None and mean > limit and fold + 1 < search.folds:
                reason = f"{search.objective} {mean:.4g} after fold {fold + 1}, above the median of {limit:.4g}"
                return Outcome(PRUNED, reason, tuple(folds))
    except FileError:
        raise
    except Exception as error:  # whatever it is, it goes into the table
        return Outcome(FAILED, one_line(error), tuple(folds))
    return Outcome(COMPLETED, "", tuple(folds))


def _finite(scores: dict[str, float]) -> dict[str, float]:
    return {name: score for name, score in scores.items() if math.isfinite(score)}


def one_line(error: BaseException) -> str:
    """What an error says, without line breaks."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, ForecastError) else f"{type(error).__name__}: {text}"[:400]


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
            f"search.folds is {search.folds} with {size} steps each, which leaves no row before "
            f"the first: give more "
            "rows, or lower search.folds or evaluation.validation_size"
        )
    return Folds(tuple(panels), size)


def _judged_steps(config: Experiment, panel: Panel) -> int:
    """Steps of the validation part, of the series in the middle where each has its own; at least one horizon."""
    asked = config.evaluation.validation_size
    if not asked:
        raise ConfigError(
            "evaluation.validation_size is 0, and every fold of a search is as long as the "
            "validation part: give it "
            "some rows"
        )
    if isinstance(asked, float):
        filled = panel.lengths > 0
        first = panel.positions[panel.offsets[:-1][filled]]
        stop = panel.positions[panel.offsets[1:][filled] - 1] + 1
        span = (
            np.median(stop - first)
            if config.evaluation.split_by == "series"
            else stop.max() - first.min()
        )
        asked = round(asked * float(span))
    return max(int(asked), config.windows.horizon)
