"""Settings of the way from the rows of a table to regular steps."""

from __future__ import annotations

from forecast.section import AUTO, Auto, Section


class TimeSteps(Section):
    """Settings by which rows become regular steps; `TableFormat` has them."""

    trading_days: Auto | bool = AUTO
    """Whether business days without any row, such as public holidays, are not counted as steps;
    `auto`: where they are few and scattered."""
