"""The interface in use, Python or the command line, in whose words messages name what to pass.

A message marks what its reader can pass with backquotes:

    `data.gaps`              a setting                  gaps             --set data.gaps
    `data.gaps="fill"`       a setting, value as JSON   gaps="fill"      --set data.gaps=fill
    `known=`                 an argument                known=           --known
    `resume=true`            an argument to switch on   resume=True      --resume

Python is in use unless a command runs: `forecast.cli.entry` enters `using(command_line())`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Settings = Mapping[str, Any]
"""Path of each setting, such as `data.gaps` -> its value."""

_MARK = re.compile(
    r"`(?:(?P<path>[a-z_]+[.][a-z_]+)(?:=(?P<value>[^`]+))?"  # a setting
    r"|(?P<argument>[a-z_]+)=(?P<given>true)?)`"
)


@dataclass(frozen=True)
class Interface:
    """Words of an interface for what its users pass.

    Attributes:
        write: writes settings with their values.
        name: names one setting, given its path.
        argument: names an argument of a function or a command, such as `known`; the second value
            is whether it is switched on.
    """

    write: Callable[[Settings], str]
    name: Callable[[str], str]
    argument: Callable[[str, bool], str]

    def worded(self, text: str) -> str:
        """Return a text in which marks are replaced by the words of this interface."""
        return _MARK.sub(self._word, text)

    def _word(self, mark: re.Match[str]) -> str:
        path = mark["path"]
        if path is None:
            return self.argument(mark["argument"], mark["given"] is not None)
        if mark["value"] is None:
            return self.name(path)
        return self.write({path: json.loads(mark["value"])})


def in_python(settings: Settings) -> str:
    """Write settings as keyword arguments: `gaps="fill", missing="mask"`."""
    return ", ".join(f"{_keyword(path)}={_literal(value)}" for path, value in settings.items())


def _keyword(path: str) -> str:
    return path.rpartition(".")[2]


def _literal(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_literal(item) for item in value)}]"
    return repr(value)


def _argument(name: str, is_on: bool) -> str:
    if name == "template":  # a command writes the rows that this method returns
        return "make_future_frame()"
    return f"{name}={is_on or ''}"


PYTHON = Interface(in_python, _keyword, _argument)
"""Settings as keyword arguments."""

_IN_USE = [PYTHON]
"""The interface in use is the last, for all threads: a command may work in several."""


def in_use() -> Interface:
    """Return the interface for which messages are written now."""
    return _IN_USE[-1]


@contextmanager
def using(interface: Interface) -> Iterator[None]:
    """Write the messages made inside this block for an interface."""
    _IN_USE.append(interface)
    try:
        yield
    finally:
        _IN_USE.pop()
