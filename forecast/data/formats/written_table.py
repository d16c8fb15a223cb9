"""Settings that say how a table is written: separator, marks of its numbers, encoding, dates."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from forecast.data.dates.number_dates import NUMBER_FORMATS
from forecast.data.panel import Name
from forecast.errors import nearest
from forecast.section import Section


class WrittenTable(Section):
    """Settings that say how a table is written, whatever is done with it.

    Raises:
        ConfigError: two marks are the same, or there is no such format of timestamps.
    """

    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """CSV column separator; default: detected."""
    decimal: Literal[".", ","] = "."
    """CSV decimal mark."""
    thousands: Literal[",", ".", " ", "'"] | None = None
    """Mark between thousands in text, as in `1.234,56` with the decimal mark `,`; null: none."""
    bounds: Literal["refuse", "half", "limit"] = "refuse"
    """Cells such as `<1` or `>1000` in a column of numbers: refuse the table, or read each as its
    limit; `half` reads those below a limit above 0 as half of it."""
    missing_codes: tuple[float, ...] | None = None
    """Numbers that stand for a missing value, such as -999 and 9999.9; null: a table with numbers
    that seem to do so is refused."""
    encoding: Name = "utf-8"
    """CSV text encoding."""
    sheet: Name | None = None
    """Sheet of an Excel workbook; null: the only one that is not empty."""
    time_format: str | None = None
    """`strptime` format of the stamps, for dates that could be read in two ways. For numbers also
    `unix_s`, `unix_ms`, `unix_us`, `unix_ns` (since 1970, UTC), `excel` (days), `year_quarter`
    (202004, 2020-Q4), `year_week` (202053, 2020-W53), `decimal_year` (2020.25 is April) or
    `fiscal_year` (2019/20 and FY2019 are 2019).
    """
    tz: str | None = None
    """Time zone of stamps that carry none, for example `Europe/Berlin`; where they carry one, the
    zone they are shown in."""

    @model_validator(mode="after")
    def _check_marks(self) -> Self:
        """Refuse settings that contradict each other, and an unknown format of timestamps."""
        if self.separator == self.decimal:
            raise ValueError(
                f"separator is {self.separator!r} and so is decimal; expected two different "
                f"characters"
            )
        if self.thousands == self.decimal:
            raise ValueError(
                f"thousands is {self.thousands!r} and so is decimal; expected two different "
                f"characters"
            )
        known = (*NUMBER_FORMATS, "ISO8601", "mixed")
        written = self.time_format
        if written is not None and "%" not in written and written not in known:
            raise ValueError(
                f"time_format is {written!r}; expected a strptime format such as '%Y%m' or one of "
                f"{', '.join(NUMBER_FORMATS)}{nearest(written, NUMBER_FORMATS)}"
            )
        return self

    @property
    def as_written(self) -> dict[str, Any]:
        """These settings by name."""
        return {name: getattr(self, name) for name in WrittenTable.model_fields}
