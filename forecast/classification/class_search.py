"""Settings of a hyperparameter search of a classifier, and what it minimises."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from forecast.axes import FloatArray, IntArray
from forecast.classification.class_scores import CLASS_SCORES
from forecast.classification.label_sets.set_scores import SET_SCORES
from forecast.experiment.search_settings import SearchConfig
from forecast.section import OneOf

ERRORS = {
    "error": "accuracy",
    "balanced error": "balanced accuracy",
    "subset error": "subset accuracy",
}
"""Objective -> the share of right answers that it is 1 minus."""


def class_objectives() -> tuple[str, ...]:
    """Names of what a search can minimise: one number, and the lowest is best."""
    scores = CLASS_SCORES | SET_SCORES
    lowest = [name for name, score in scores.items() if not score.higher_is_better]
    return (*lowest, *ERRORS)


def all_scores(probabilities: FloatArray, truth: IntArray) -> dict[str, float]:
    """Return every score and every objective by name; those that are not defined are left out.

    Args:
        probabilities: (N, K).
        truth: (N,) places of the true classes, or (N, K) 1 for each that a sequence has.
    """
    table = SET_SCORES if truth.ndim == 2 else CLASS_SCORES
    values = {name: score.function(probabilities, truth) for name, score in table.items()}
    values |= {name: 1.0 - values[score] for name, score in ERRORS.items() if score in values}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def category_objectives() -> tuple[str, ...]:
    """Names of what a search of a forecast of categories can minimise."""
    lowest = [name for name, score in CLASS_SCORES.items() if not score.higher_is_better]
    return (*lowest, *(name for name, score in ERRORS.items() if score in CLASS_SCORES))


class CategorySearch(SearchConfig):
    """A hyperparameter search; run by `forecast categories tune`.

    Example:
        >>> from forecast import RangeConfig
        >>> from forecast.classification.class_search import CategorySearch
        >>> CategorySearch(space={"model.units": RangeConfig(choice=(16, 32))}).folds
        3
    """

    objective: Annotated[str, OneOf(category_objectives)] = "log loss"
    """Score of the network to minimise, the mean over all steps ahead and over the folds; `error`
    is 1 - accuracy."""
    folds: Annotated[int, Field(ge=2, le=100)] = 3
    """Validation folds of every trial: stretches of equal length before the test set; the trial
    learns from the rows before each."""


class ClassSearch(SearchConfig):
    """A hyperparameter search; run by `forecast classify tune`.

    Example:
        >>> from forecast import RangeConfig
        >>> from forecast.classification.class_search import ClassSearch
        >>> space = {"model.pooling": RangeConfig(choice=("last", "mean"))}
        >>> ClassSearch(space=space).objective
        'log loss'
    """

    objective: Annotated[str, OneOf(class_objectives)] = "log loss"
    """Score of the network to minimise, the mean over the folds; `error` is 1 - accuracy. `Hamming
    loss` and `subset error` are for sequences with any number of labels."""
    folds: Annotated[int, Field(ge=2, le=100)] = 3
    """Validation folds of every trial: equal shares of the sequences before the test set, with the
    same shares of every label, groups whole; the trial learns from the other sequences. With
    `split.by: order` they are the last sequences, and the trial learns from those before each."""
