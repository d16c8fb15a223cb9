"""A command that is told to end says so in one line, and leaves its files in order."""

from __future__ import annotations

import signal
import threading
from typing import Any, NoReturn

_NAMES = ("SIGTERM", "SIGHUP")
"""Of a system that shuts down, and of a terminal that is closed; Windows lacks the second."""


class Ended(BaseException):
    """A signal has told the command to end; no error, so that nothing takes it for one.

    Attributes:
        code: exit code.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.code = 128 + number


def end_in_order() -> None:
    """Raise `Ended` at a signal to end, where nobody else has a use for it, such as `nohup`."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _raise)


def _raise(number: int, _: Any) -> NoReturn:
    """Raise once: a second signal ends the process at once."""
    signal.signal(number, signal.SIG_DFL)
    raise Ended(number)
