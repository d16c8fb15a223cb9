"""Settings of the way from the rows of a table to regular steps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from forecast.data.dates.local_time import NamesStep
from forecast.data.regular.intervals import check_resample
from forecast.section import AUTO, Auto, Section

Aggregate = Literal["refuse", "sum", "mean", "last", "first", "max", "min", "count"]


class TimeSteps(Section):
    """Settings by which rows become regular steps; `TableFormat` has them."""

    stamps: NamesStep = AUTO
    """Whether a timestamp names the start or the end of its step, as 01:00 to 24:00 name the hours
    of a day by their end. Stamps stay as they are; calendar features, totals and the intervals of
    `resample` go by the start. `auto`: the end where the last hour is 24:00 and none is 00:00."""
    aggregate: Aggregate = "refuse"
    """Rows of a series with one timestamp, or in one interval of `resample`: refuse the table, or
    join them. This is about the targets: `count` counts the rows that have one, whatever it is.
    Covariates are joined in the same way, but for `sum` and `count` by their mean; of categories
    the last is taken. Missing cells are left out."""
    resample: Annotated[str, AfterValidator(check_resample)] | None = None
    """Frequency of the steps that are made of rows at any time, such as `D`, `W-SUN` or `15min`;
    null: the rows are the steps. `freq` says which steps a table has, `resample` makes them."""
    empty_intervals: Literal["auto", "zero", "missing"] = AUTO
    """Meaning of an interval of `resample` without a row: the target is 0, or it is a missing
    timestamp, as `gaps` treats it; `auto`: zero with `sum` and `count`, else missing."""
    partial_intervals: Literal["drop", "keep"] = "drop"
    """First and last interval of `resample` where the table begins or ends in their middle."""
    trading_days: Auto | bool = AUTO
    """Whether times without any row are not counted as steps: public holidays among business days,
    and nights, weekends and holidays where rows are at certain hours of the week alone; `auto`:
    where only few steps are missing besides."""

    @property
    def empty_is_zero(self) -> bool:
        """Whether the target of an interval without a row is 0."""
        if self.empty_intervals == AUTO:
            return self.aggregate in ("sum", "count")
        return self.empty_intervals == "zero"


RESULT_STEPS = {"aggregate": "refuse", "resample": None}
"""Settings of a table whose rows are steps already, as results have them."""
