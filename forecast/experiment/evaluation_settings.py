"""Settings of evaluation: the division of the rows in time, and the cutoffs of a backtest."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from forecast.section import AUTO, Auto, Name, PositiveInt, Section, Steps
from forecast.section.own_functions import OwnFunction

Size = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0.0, lt=1.0)]
"""Steps, or a share of the time."""


class EvaluationConfig(Section):
    """Division of the rows in time: training, validation, calibration and test set.

    Example:
        >>> from forecast import EvaluationConfig
        >>> EvaluationConfig(validation_size=14, test_size=0.25).split_by
        'auto'
    """

    validation_size: Size | Auto = AUTO
    """End of the rows before calibration and test set, for early stopping: steps (whole number) or
    share of the time; `auto`: 0.1, or one horizon where that is more (`bigru`: 0.1)."""
    test_size: Size | Auto = AUTO
    """End of the table, for the scores: steps (whole number) or share of the time; `auto`: 0.2, or
    one horizon where that is more, or 0 where neither two seasons and two horizons nor ten horizons
    would be left to learn from (`bigru`: 0.2)."""
    calibration_size: Size = 0
    """Rows between validation and test set whose errors give intervals their width, so that the
    test set can evaluate them: steps or share of the time. With 0 the errors on the test set give
    the width of intervals after the end of the table."""
    purge: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Steps left out between two sets."""
    split_by: Literal["auto", "time", "series"] = AUTO
    """`time`: one cutoff for all series. `series`: counted back from the end of each series.
    `auto`: series for an integer index, and where most series end before the last timestamp; else
    time (`bigru`: series for an integer index alone)."""
    stride: Steps | None = None
    """Steps between two validation or test windows; null: 1, or more where over 10 million values
    would be evaluated."""
    metrics: tuple[OwnFunction, ...] = ()
    """Functions of one's own in the table of scores, by import path such as
    `mypackage.metrics:wis`: of `actual` and, by name, `forecast`, `scale`, or `quantiles` and
    `levels`, to a number; lower is better."""

    @model_validator(mode="after")
    def _leave_something_to_learn_from(self) -> EvaluationConfig:
        sizes = {"validation_size": self.validation_size, "test_size": self.test_size}
        if self.calibration_size:
            sizes["calibration_size"] = self.calibration_size
        shares = [size for size in sizes.values() if isinstance(size, float)]
        if sum(shares) >= 1.0:
            given = [f"{name} is {size}" for name, size in sizes.items()]
            raise ValueError(
                f"{' and '.join(given)}; expected shares that leave some of the time for training"
            )
        return self


class BacktestConfig(Section):
    """Rolling cutoffs, and the models that forecast from each; run by `forecast backtest`.

    Example:
        >>> from forecast import BacktestConfig
        >>> BacktestConfig(num_windows=12, refit="each").models
        ()
    """

    num_windows: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Cutoffs; after the last one comes one horizon of rows."""
    step: Steps | None = None
    """Steps from one cutoff to the next; null: the horizon."""
    refit: Literal["never", "each"] | PositiveInt = "never"
    """Whether models are fitted anew: at the first cutoff alone, at each, or, with a number K, at
    the first of every K; always on rows up to that cutoff, some of them held back for validation,
    none for a test."""
    history: PositiveInt | None = None
    """Rows of each series to learn from, the latest before the cutoff; null: all of them."""
    models: tuple[Name, ...] = ()
    """Models that forecast: `name` for the experiment, an architecture for a single network of it,
    baselines, AutoETS, AutoARIMA, Theta, SeasonalNaive, Naive of statsforecast; an empty list: the
    experiment and all baselines."""
