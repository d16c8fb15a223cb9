"""What a search over settings may be told: ranges that name settings, how to propose, how to judge."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from forecast.scores.scoring import objectives
from forecast.section import Section

Count = Annotated[int, Field(ge=1, le=100)]


# named here, because `int` and `float` are settings inside the class below
Bounds = tuple[float, float]


WholeBounds = tuple[int, int]


Stride = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


def _check_objective(name: str) -> str:
    """Refuse what is no score, when it is given: the table of scores may have grown by then."""
    if name not in objectives():
        expected = ", ".join(objectives())
        raise PydanticCustomError("score", "expected one of {scores}", {"scores": expected})
    return name


Objective = Annotated[
    str,
    AfterValidator(_check_objective),
    WithJsonSchema({"type": "string", "enum": list(objectives())}),
]


MAX_VALUES = 1000
"""Values of one range that are listed, at most."""


class RangeConfig(Section):
    """The values one setting may take in a search: exactly one of `choice`, `int` and `float`."""

    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    """These values, written as the setting takes them."""
    int: WholeBounds | None = None
    """Whole numbers from the first to the second, both included."""
    float: Bounds | None = None
    """Numbers from the first to the second; those without `step` are rounded to four significant
    digits."""
    step: Stride | None = None
    """Only every so many of `int` or `float`, counted from the first."""
    log: bool = False
    """Whether small numbers of `int` or `float` are tried as often as large ones, in orders of
    magnitude."""
    when: dict[str, Any] = Field(default_factory=dict)
    """Searched only where other searched settings have this value, or one of a list of values."""

    @model_validator(mode="after")
    def _check_together(self) -> RangeConfig:
        given = [name for name in ("choice", "int", "float") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"{' and '.join(given) or 'nothing'} given; expected one of choice, int and float, "
                f"such as "
                "{choice: [32, 64]} or {float: [1e-4, 1e-2], log: true}"
            )
        if self.choice is not None:
            self._check_choice()
        else:
            self._check_bounds(given[0], getattr(self, given[0]))
        return self

    def _check_choice(self) -> None:
        if self.step is not None or self.log:
            raise ValueError(
                "step and log are read with int and float only, not with choice: remove them"
            )
        choices = list(self.choice or ())
        if any(one in choices[:place] for place, one in enumerate(choices)):
            raise ValueError(f"choice is {choices}; expected each value once")

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
        """First and last number; None for a choice."""
        return self.int if self.int is not None else self.float

    def listed(self) -> list[Any] | None:
        """Every value in order, or None where there are too many: `float` without `step`, a long `int`."""
        if self.choice is not None:
            return list(self.choice)
        if self.bounds is None or (self.step is None and self.int is None):
            return None
        low, high, step = (
            Decimal(str(one)) for one in (*self.bounds, self.step or 1)
        )  # 0.1 + 0.2 is 0.3 here
        count = 1 + (high - low) // step
        if count > MAX_VALUES:
            return None
        numbers = [low + step * place for place in range(round(count))]
        return [round(one) if self.int is not None else one.__float__() for one in numbers]


class SearchConfig(Section):
    """A search for better settings than those written; run by `forecast tune`."""

    algorithm: Literal["random", "grid", "hyperband", "bayesian"] = "random"
    """How values are proposed. `grid` tries them in order; `hyperband` trains many for few epochs
    and goes on with the best; `bayesian` needs the extra of that name."""
    objective: Objective = "MAE"
    """Score to bring down: the mean over the folds. Scores of quantiles need a model that writes
    some, as with `training.loss: quantile`."""
    max_trials: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Settings to try, at most."""
    space: Annotated[dict[str, RangeConfig], Field(min_length=1)]
    """Setting -> its range, such as `model.units: {choice: [32, 64]}`."""
    folds: Count = 2
    """Stretches that every trial is judged on, one after another at the end of the rows before the
    test part, each as long as the validation part; it learns from what comes before each."""
    executions: Count = 1
    """Trainings with seeds of their own on every fold."""
    pruning: Literal["none", "median"] = "none"
    """`median`: a trial ends after a fold that leaves it worse than the median of earlier trials
    after that fold."""
    in_flight: Count = 4
    """Trials that may be undecided at a time: a proposal waits for the results of all trials but
    the latest so many, less one, and knows no others, so that the table is the same for any number
    of workers."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Start of the proposals and of the seed of every training."""
