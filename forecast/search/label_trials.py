"""Parts that trials of classifiers and of forecasts of categories share."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, TypeVar

from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.categories.fitted_categories import FittedCategories
from forecast.classification.class_search import all_scores
from forecast.classification.class_settings import Classification
from forecast.classification.evaluated import NETWORK, ClassifierResult
from forecast.classification.fitted_classifier import FittedClassifier
from forecast.classification.label_sets.set_result import LabelSetResult
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.errors import ConfigError
from forecast.search.space import search_of, with_values
from forecast.search.state import FoldScore, Task, derived_seed

OfLabels = TypeVar("OfLabels", Classification, CategorySettings)


def settings_of_trial(config: OfLabels, task: Task, fold: int, execution: int) -> OfLabels:
    """Return the settings of a training: one network, with a seed of its own.

    Args:
        config: the settings with their search.
        task: the trial.
        fold: number of the fold.
        execution: number of the repetition.
    """
    search = search_of(config)
    seed = derived_seed(search.seed, "trial", task.number, fold, execution) % 2**31
    settings = with_values(config, task.values)
    training: dict[str, Any] = {"seed": seed, "seeds": 1}
    if task.epochs is not None:
        training["epochs"] = task.epochs
    training_settings = settings.training.model_copy(update=training)
    return settings.model_copy(update={"training": training_settings})


def scored_fold(
    config: Classification | CategorySettings,
    number: tuple[int, int],
    fitted: FittedClassifier | FittedCategories,
    result: ClassifierResult | LabelSetResult,
    start: float,
) -> FoldScore:
    """Return the scores of the network alone on a fold.

    Args:
        config: the settings with their search.
        number: of the fold and of the repetition.
        fitted: on what is not in the fold; one network.
        result: on the fold.
        start: of the training, on the clock of `time.perf_counter`.

    Raises:
        ConfigError: the fold does not define the objective.
    """
    alone = result.probabilities.get(NETWORK, result.probabilities[result.alias])
    scores = all_scores(alone, result.truth)
    fold, execution = number
    _check_objective(config, scores, fold)
    return FoldScore(
        fold=fold,
        execution=execution,
        scores=scores,
        epochs=len(fitted.histories[0]["loss"]),
        seconds=time.perf_counter() - start,
        parameters=sum(weight.size for weight in fitted.networks[0].weights.values()),
    )


def final_scores(result: ClassifierResult | LabelSetResult) -> dict[str, Any]:
    """Return the scores of a test set.

    Returns:
        `scores`: those of the model as `model`, and those of the best baseline under its name;
        `windows`: the number of what was judged.
    """
    best = result.best_baseline()
    models = {"model": result.alias, best: best}
    scores = {
        shown: all_scores(result.probabilities[model], result.truth)
        for shown, model in models.items()
    }
    return {"scores": scores, "windows": len(result.truth)}


def _check_objective(
    config: Classification | CategorySettings, scores: Mapping[str, float], fold: int
) -> None:
    """Raise where a fold does not define the objective.

    Raises:
        ConfigError: names the fold.
    """
    objective = search_of(config).objective
    if objective not in scores:
        raise ConfigError(
            f"{objective} is not defined on fold {fold + 1}: choose another `search.objective`"
        )


def digest_of(sequences: Sequences) -> str:
    """Return a SHA-256 of the contents of all sequences."""
    digest = hashlib.sha256()
    digest.update(sequences.offsets.tobytes())
    digest.update(sequences.numbers.tobytes())
    columns = (*sequences.words.items(), ("labels", sequences.labels))
    more = (("ids", sequences.ids), ("groups", sequences.groups), ("sets", sequences.sets))
    for name, values in (*columns, *more):
        if values is not None:
            digest.update("\x1f".join([name, *map(str, values)]).encode())
    return digest.hexdigest()
