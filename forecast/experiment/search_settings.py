"""Settings of a hyperparameter search: ranges that name settings, proposals, evaluation."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from forecast.scores.scoring import objectives
from forecast.section import OneOf, Section

Count = Annotated[int, Field(ge=1, le=100)]

# named here, because `int` and `float` are settings inside the class below
Bounds = tuple[float, float]

WholeBounds = tuple[int, int]

Stride = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]

MAX_VALUES = 1000
"""Values of one range that are listed, at most."""


class RangeConfig(Section):
    """Values that one setting may take in a search: exactly one of `choice`, `int` and `float`.

    Example:
        >>> from forecast import RangeConfig
        >>> RangeConfig(float=(0.0, 0.3), step=0.1).listed()
        [0.0, 0.1, 0.2, 0.3]
        >>> RangeConfig(float=(1e-4, 1e-2), log=True).bounds
        (0.0001, 0.01)
    """

    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    """These values, written as the setting takes them."""
    int: WholeBounds | None = None
    """Whole numbers from the first to the second, both included."""
    float: Bounds | None = None
    """Numbers from the first to the second; those without `step` are rounded to four significant
    digits."""
    step: Stride | None = None
    """Distance between two values of `int` or `float`, counted from the first."""
    log: bool = False
    """Whether numbers of `int` or `float` are drawn evenly on a logarithmic scale."""
    when: dict[str, Any] = Field(default_factory=dict)
    """Searched only where other searched settings have this value, or one of a list of values."""

    @model_validator(mode="after")
    def _check_together(self) -> RangeConfig:
        given = [name for name in ("choice", "int", "float") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"{' and '.join(given) or 'nothing'} given; expected one of choice, int and float, "
                f"such as {{choice: [32, 64]}} or {{float: [1e-4, 1e-2], log: true}}"
            )
        if self.choice is not None:
            self._check_choice(list(self.choice))
        else:
            self._check_bounds(given[0], getattr(self, given[0]))
        return self

    def _check_choice(self, values: list[Any]) -> None:
        if self.step is not None or self.log:
            raise ValueError(
                "step and log are read with int and float only, not with choice: remove them"
            )
        if any(value in values[:number] for number, value in enumerate(values)):
            raise ValueError(f"choice is {values}; expected each value once")

    def _check_bounds(self, name: str, bounds: Bounds) -> None:
        low, high = bounds
        if not low < high:
            raise ValueError(f"{name} is {list(bounds)}; expected the smaller number first")
        if self.log and low <= 0:
            raise ValueError(f"{name} is {list(bounds)} with log: true; expected numbers above 0")
        if self.log and self.step is not None:
            raise ValueError(
                "step and log are both given; expected one of them, or a choice of the values"
            )
        if name == "int" and self.step is not None and self.step != round(self.step):
            raise ValueError(f"step is {self.step:g} with int; expected a whole number")
        if self.step is not None and (high - low) / self.step > MAX_VALUES:
            raise ValueError(
                f"step is {self.step:g} within {list(bounds)}; expected at most {MAX_VALUES} steps"
            )

    @property
    def bounds(self) -> Bounds | None:
        """Return first and last number; None for a choice."""
        if self.int is not None:
            return self.int
        return self.float

    def listed(self) -> list[Any] | None:
        """Return every value in order; None for `float` without `step` and for a long `int`."""
        if self.choice is not None:
            return list(self.choice)
        if self.bounds is None or (self.step is None and self.int is None):
            return None
        low, high = (Decimal(str(bound)) for bound in self.bounds)  # exact: 0.1 + 0.2 is 0.3
        step = Decimal(str(self.step or 1))
        count = 1 + (high - low) // step
        if count > MAX_VALUES:
            return None
        numbers = [low + step * number for number in range(round(count))]
        if self.int is not None:
            return [round(number) for number in numbers]
        return [number.__float__() for number in numbers]  # `float` is a setting here


class SearchConfig(Section):
    """A hyperparameter search; run by `forecast tune`.

    Example:
        >>> from forecast import RangeConfig, SearchConfig
        >>> space = {"model.units": RangeConfig(choice=(32, 64))}
        >>> SearchConfig(space=space, max_trials=2).algorithm
        'random'
    """

    algorithm: Literal["random", "grid", "hyperband", "bayesian"] = "random"
    """Rule that proposes values. `grid` tries them in order; `hyperband` trains many for few epochs
    and continues with the best; `bayesian` needs the extra of that name."""
    objective: Annotated[str, OneOf(objectives)] = "MAE"
    """Score to minimise: the mean over the folds. Scores of quantiles need a model with quantiles,
    as with `training.loss: quantile`."""
    max_trials: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Settings to try, at most."""
    space: Annotated[dict[str, RangeConfig], Field(min_length=1)]
    """Setting -> its range, such as `model.units: {choice: [32, 64]}`."""
    folds: Count = 2
    """Validation folds of every trial, one after another at the end of the rows before the test
    set, each as long as the validation set; the trial learns from the rows before each."""
    executions: Count = 1
    """Trainings on every fold, each with another seed."""
    pruning: Literal["none", "median"] = "none"
    """`median`: a trial ends after a fold where its score is worse than the median of earlier
    trials after that fold."""
    in_flight: Count = 4
    """Trials that may be unfinished at a time, K: a proposal waits for the results of all trials
    but the latest K - 1, and reads no others, so that the table is the same for any number of
    workers."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Start of the proposals and of the seed of every training."""
