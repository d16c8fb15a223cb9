"""Findings about a table (errors, warnings, notes), and how messages write rows and counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from forecast.errors import DataError

P = ParamSpec("P")
T = TypeVar("T")

SHOWN = 5
"""Rows, columns or series listed in a message before "and N more"."""


Settings = Mapping[str, Any]
"""Path of each setting, such as `data.gaps` -> its value."""


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
class Interface:
    """An interface of the package: words for settings as its users write them.

    Attributes:
        write: writes settings with their values.
        name: names one setting, given its path.
    """

    write: Callable[[Settings], str]
    name: Callable[[str], str]

    def worded(self, text: str) -> str:
        """Return a text in which paths of settings between backquotes are named."""
        return _PATH.sub(lambda match: self.name(match[1]), text)


_PATH = re.compile(r"`([a-z_]+[.][a-z_]+)`")


def in_python(settings: Settings) -> str:
    """Write settings as keyword arguments: `gaps="fill", missing="mask"`."""
    return ", ".join(f"{_argument(path)}={_literal(value)}" for path, value in settings.items())


def _argument(path: str) -> str:
    return path.rpartition(".")[2]


def _literal(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_literal(item) for item in value)}]"
    return repr(value)


PYTHON = Interface(in_python, _argument)
"""Settings as keyword arguments."""


@dataclass(frozen=True)
class Finding:
    """One finding about a table.

    Attributes:
        code: short name of the kind of finding, such as `duplicate_stamps`.
        severity: a table with an error is refused; a warning or a note changes nothing.
        message: the finding, with series, rows and dates.
        fix: an instruction that is no setting, such as "correct these cells"; empty: none. In it
            and in the message, the path of a setting between backquotes becomes its name.
        changes: changes of settings, each of which alone removes the finding.
        asks: whether the reader must know which change is true of the table.
    """

    code: str
    severity: Literal["error", "warning", "note"]
    message: str
    fix: str = ""
    changes: tuple[Change, ...] = ()
    asks: bool = False

    @property
    def settings(self) -> tuple[Settings, ...]:
        """The settings of each change."""
        return tuple(change.settings for change in self.changes)

    def instruction(self, interface: Interface = PYTHON) -> str:
        """Return the ways to remove the finding, in one line; empty where there is nothing to do.

        Args:
            interface: the one in use.
        """
        write = interface.write
        passed = [f"{write(change.settings)} {change.purpose}" for change in self.changes]
        ways = [" ".join(words.split()) for words in passed]
        if ways:
            ways[0] = f"pass {ways[0]}"
        if self.fix:
            ways.append(interface.worded(self.fix))
        return ", or ".join(ways)

    def text(self, interface: Interface = PYTHON) -> str:
        """Write message and instruction in one line."""
        instruction = self.instruction(interface)
        message = interface.worded(self.message)
        if not instruction:
            return message
        return f"{message.rstrip('.')}. {instruction[0].upper()}{instruction[1:]}"

    @property
    def sentence(self) -> str:
        """Message and instruction in one line, settings as keyword arguments."""
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
    ) -> None:
        """Make the error of a finding after which the table cannot be examined further.

        Args:
            code: as in `Finding`.
            message: the finding, with series, rows and dates.
            fix: an instruction that is no setting.
            settings: the changes of settings, each of which alone removes the finding.
            asks: whether the reader must know which of them is true of the table.
        """
        self.finding = Finding(code, "error", message, fix, _as_changes(settings), asks)
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
