"""What is wrong, odd or worth knowing about a table, and how its rows are called."""

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
    """One thing found in a table.

    Attributes:
        code: short name of the kind of finding, such as `duplicate_stamps`.
        severity: an error keeps the table out; a warning or a note does not.
        message: what was found, with series, rows and dates.
        fix: what to do about it; empty where nothing need be done.
    """

    code: str
    severity: Literal["error", "warning", "note"]
    message: str
    fix: str = ""

    @property
    def sentence(self) -> str:
        """Message and fix in one line."""
        return (
            f"{self.message.rstrip('.')}. {self.fix[0].upper()}{self.fix[1:]}"
            if self.fix
            else self.message
        )


class BadTableError(DataError):
    """A table is kept out because of one finding."""

    def __init__(self, code: str, message: str, fix: str = "") -> None:
        """Make the error of a finding that nothing can follow."""
        self.finding = Finding(code, "error", message, fix)
        super().__init__(self.finding.sentence)


@dataclass
class FindingLog:
    """Collects findings; the first error is raised at once where `strict`."""

    strict: bool
    findings: list[Finding] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether an error was found."""
        return any(finding.severity == "error" for finding in self.findings)

    def error(self, code: str, message: str, fix: str) -> None:
        """Report something that keeps the table out.

        Raises:
            BadTableError: always where `strict`.
        """
        if self.strict:
            raise BadTableError(code, message, fix)
        self.findings.append(Finding(code, "error", message, fix))

    def warn(self, code: str, message: str, fix: str = "") -> None:
        """Report something that may be wrong."""
        self.findings.append(Finding(code, "warning", message, fix))

    def note(self, code: str, message: str, fix: str = "") -> None:
        """Report something that was done to the table."""
        self.findings.append(Finding(code, "note", message, fix))

    def attempt(self, stage: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Run one stage; where it cannot go on, keep its finding and return None (or raise where `strict`)."""
        try:
            return stage(*args, **kwargs)
        except BadTableError as error:
            if self.strict:
                raise
            self.findings.append(error.finding)
            return None


def show_stamp(stamp: object) -> str:
    """Write a stamp as short as it can be: no seconds where they are zero."""
    if not isinstance(stamp, np.datetime64):
        return str(stamp)
    text = str(stamp.astype("datetime64[s]")).replace("T", " ")
    if stamp != stamp.astype("datetime64[s]"):
        return str(stamp).replace("T", " ")
    return text.removesuffix(":00").removesuffix(" 00:00") if text.endswith(":00") else text


def listed(names: Iterable[object], shown: int = 12) -> str:
    """Write names one after another, the first of many only."""
    names = list(names)
    return ", ".join(repr(name) for name in names[:shown]) + and_more(len(names), shown)


def counted(number: int, noun: str) -> str:
    """Write `1 row`, `2 rows`; `series` stays as it is."""
    return f"{number} {noun}" if number == 1 or noun.endswith("s") else f"{number} {noun}s"


def and_more(total: int, shown: int = SHOWN) -> str:
    """Write ` and 3 more` where a message lists the first of many, else nothing."""
    return f" and {total - shown} more" if total > shown else ""
