"""Findings about a table (errors, warnings, notes), and how messages write rows and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from forecast.errors import DataError
from forecast.errors.interface import Interface, Settings, in_use

P = ParamSpec("P")
T = TypeVar("T")

MOST_LETTERS = 2000
"""Letters of a message."""

SHOWN = 5
"""Rows, columns or series listed in a message before "and N more"."""


@dataclass(frozen=True)
class Change:
    """Settings that remove a finding, and what for.

    Attributes:
        settings: all that must be given together.
        purpose: such as `to insert rows`, where the names of the settings do not say it.
    """

    settings: Settings
    purpose: str = ""


@dataclass(frozen=True)
class Finding:
    """One finding about a table.

    Attributes:
        code: short name of the kind of finding, such as `duplicate_stamps`.
        severity: a table with an error is refused; a warning or a note changes nothing.
        message: the finding, with series, rows and dates.
        fix: an instruction that is no setting, such as "correct these cells"; empty: none. It and
            the message may have marks, see `forecast.errors.interface`.
        changes: changes of settings, each of which alone removes the finding.
        asks: whether the reader must know which change is true of the table.
        advice: verb before the settings; with another one than `pass`, the fix comes first.
    """

    code: str
    severity: Literal["error", "warning", "note"]
    message: str
    fix: str = ""
    changes: tuple[Change, ...] = ()
    asks: bool = False
    advice: str = "pass"

    def __post_init__(self) -> None:
        """Shorten a message with a cell of megabytes."""
        if len(self.message) > MOST_LETTERS:
            end = self.message[-MOST_LETTERS // 4 :]
            object.__setattr__(self, "message", f"{self.message[: MOST_LETTERS // 2]} ... {end}")

    @property
    def settings(self) -> tuple[Settings, ...]:
        """The settings of each change."""
        return tuple(change.settings for change in self.changes)

    def instruction(self, interface: Interface | None = None) -> str:
        """Return the ways to remove the finding, in one line; empty where there is nothing to do.

        Args:
            interface: default: the one in use.
        """
        interface = interface or in_use()
        passed = [f"{interface.write(change.settings)} {change.purpose}" for change in self.changes]
        ways = [" ".join(words.split()) for words in passed]
        if ways:
            ways[0] = f"{self.advice} {ways[0]}"
        if self.fix:
            place = len(ways) if self.advice == "pass" else 0
            ways.insert(place, interface.worded(self.fix))
        return ", or ".join(ways)

    def text(self, interface: Interface | None = None) -> str:
        """Write message and instruction in one line."""
        interface = interface or in_use()
        instruction = self.instruction(interface)
        message = interface.worded(self.message)
        if not instruction:
            return message
        return f"{message.rstrip('.')}. {instruction[0].upper()}{instruction[1:]}"

    @property
    def sentence(self) -> str:
        """Message and instruction in one line, in the words of the interface in use."""
        return self.text()


class Choice(NamedTuple):
    """A value that the data decide for a setting, and the reason for it in a few words."""

    value: Any
    reason: str


Decisions = Mapping[str, Choice]
"""Path of each setting that the form of a table decides, such as `data.layout` -> its choice."""


def _as_changes(settings: Iterable[Settings | Change]) -> tuple[Change, ...]:
    return tuple(change if isinstance(change, Change) else Change(change) for change in settings)


class BadTableError(DataError):
    """A table is refused because of one finding."""

    def __init__(
        self,
        code: str,
        message: str,
        fix: str = "",
        settings: Iterable[Settings | Change] = (),
        *,
        asks: bool = False,
        advice: str = "pass",
    ) -> None:
        """Make the error of a finding after which the table cannot be examined further.

        Args:
            code: as in `Finding`.
            message: the finding, with series, rows and dates.
            fix: an instruction that is no setting.
            settings: the changes of settings, each of which alone removes the finding.
            asks: whether the reader must know which of them is true of the table.
            advice: verb before the settings, as in `Finding`.
        """
        self.finding = Finding(code, "error", message, fix, _as_changes(settings), asks, advice)
        super().__init__(self.finding.sentence)

    @classmethod
    def of(cls, finding: Finding) -> BadTableError:
        """Return the error of a finding."""
        return cls(finding.code, finding.message, finding.fix, finding.changes, asks=finding.asks)


@dataclass
class FindingLog:
    """List of findings; where `strict`, the first error is raised instead.

    Attributes:
        strict: whether the first error is raised.
        findings: in the order in which they were made.
        decisions: settings that the table decided.
    """

    strict: bool
    findings: list[Finding] = field(default_factory=list)
    decisions: dict[str, Choice] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.severity == "error" for finding in self.findings)

    def error(
        self,
        code: str,
        message: str,
        fix: str = "",
        settings: Iterable[Settings | Change] = (),
        *,
        asks: bool = False,
    ) -> None:
        """Add a finding for which the table is refused; arguments as those of `BadTableError`.

        Raises:
            BadTableError: always where `strict`.
        """
        error = BadTableError(code, message, fix, settings, asks=asks)
        if self.strict:
            raise error
        self.findings.append(error.finding)

    def warn(
        self,
        code: str,
        message: str,
        fix: str = "",
        settings: Iterable[Settings | Change] = (),
    ) -> None:
        """Add a finding that may be a fault of the table."""
        self.findings.append(Finding(code, "warning", message, fix, _as_changes(settings)))

    def note(
        self,
        code: str,
        message: str,
        fix: str = "",
        settings: Iterable[Settings | Change] = (),
    ) -> None:
        """Add a note on how the table was read or changed."""
        self.findings.append(Finding(code, "note", message, fix, _as_changes(settings)))

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


def show_stamp(stamp: object, tz: str | None = None) -> str:
    """Write a timestamp in its shortest form, without seconds or time of day that are zero.

    Args:
        stamp: a timestamp, in UTC where there is a time zone, or a whole number.
        tz: time zone of the table.
    """
    if not isinstance(stamp, np.datetime64):
        return str(stamp)
    if tz is not None:
        local = pd.DatetimeIndex([stamp]).tz_localize("UTC").tz_convert(tz).tz_localize(None)
        return show_stamp(local.to_numpy("datetime64[ns]")[0])
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


def report_lines(
    findings: Iterable[Finding], width: int, interface: Interface | None = None
) -> list[str]:
    """Return findings as lines for a terminal, each with what to do, and the number of problems.

    Args:
        findings: of a table.
        width: of the column that the severities stand in.
        interface: in whose words settings are written; default: the one in use.
    """
    interface = interface or in_use()
    lines = []
    num_errors = 0
    for finding in findings:
        num_errors += finding.severity == "error"
        lines.append(f"{finding.severity:<{width}}{interface.worded(finding.message)}")
        instruction = finding.instruction(interface)
        if instruction:
            lines.append(f"{'':<{width}}-> {instruction}")
    if num_errors:
        lines.append(f"{counted(num_errors, 'problem')} to fix before training")
    else:
        lines.append("no problem found")
    return lines


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
