"""Findings about a table (errors, warnings, notes), and how messages write rows and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, ParamSpec, TypeVar

import numpy as np

from forecast.errors import DataError

P = ParamSpec("P")
T = TypeVar("T")

SHOWN = 5
"""Rows, columns or series listed in a message before "and N more"."""


@dataclass(frozen=True)
class Finding:
    """One finding about a table.

    Attributes:
        code: short name of the kind of finding, such as `duplicate_stamps`.
        severity: a table with an error is refused; a warning or a note changes nothing.
        message: the finding, with series, rows and dates.
        fix: instruction for the reader; empty where nothing needs to be done.
    """

    code: str
    severity: Literal["error", "warning", "note"]
    message: str
    fix: str = ""

    @property
    def sentence(self) -> str:
        """Message and fix in one line."""
        if not self.fix:
            return self.message
        return f"{self.message.rstrip('.')}. {self.fix[0].upper()}{self.fix[1:]}"


class BadTableError(DataError):
    """A table is refused because of one finding."""

    def __init__(self, code: str, message: str, fix: str = "") -> None:
        """Make the error of a finding after which the table cannot be examined further."""
        self.finding = Finding(code, "error", message, fix)
        super().__init__(self.finding.sentence)


@dataclass
class FindingLog:
    """List of findings; where `strict`, the first error is raised instead."""

    strict: bool
    findings: list[Finding] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.severity == "error" for finding in self.findings)

    def error(self, code: str, message: str, fix: str) -> None:
        """Add a finding for which the table is refused.

        Raises:
            BadTableError: always where `strict`.
        """
        if self.strict:
            raise BadTableError(code, message, fix)
        self.findings.append(Finding(code, "error", message, fix))

    def warn(self, code: str, message: str, fix: str = "") -> None:
        """Add a finding that may be a fault of the table."""
        self.findings.append(Finding(code, "warning", message, fix))

    def note(self, code: str, message: str, fix: str = "") -> None:
        """Add a note on how the table was read or changed."""
        self.findings.append(Finding(code, "note", message, fix))

    def attempt(self, stage: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Run one stage; where it raises a `BadTableError`, keep the finding and return None.

        Raises:
            BadTableError: that of the stage, where `strict`.
        """
        try:
            return stage(*args, **kwargs)
        except BadTableError as error:
            if self.strict:
                raise
            self.findings.append(error.finding)
            return None


def show_stamp(stamp: object) -> str:
    """Write a timestamp in its shortest form, without seconds or time of day that are zero."""
    if not isinstance(stamp, np.datetime64):
        return str(stamp)
    seconds = stamp.astype("datetime64[s]")
    if stamp != seconds:  # it has a fraction of a second
        return str(stamp).replace("T", " ")
    text = str(seconds).replace("T", " ")
    if not text.endswith(":00"):
        return text
    return text.removesuffix(":00").removesuffix(" 00:00")


def listed(names: Iterable[object], shown: int = 12) -> str:
    """Write the first names of a list, in quotes, and the number of the others."""
    names = list(names)
    return ", ".join(repr(name) for name in names[:shown]) + and_more(len(names), shown)


def counted(number: int, noun: str) -> str:
    """Write `1 row`, `2,000 rows`; a noun that ends in s, such as `series`, stays as it is."""
    if number == 1 or noun.endswith("s"):
        return f"{number:,} {noun}"
    return f"{number:,} {noun}s"


def and_more(total: int, shown: int = SHOWN) -> str:
    """Write ` and 3 more` where a message lists only the first items, else nothing."""
    if total <= shown:
        return ""
    return f" and {total - shown} more"
