"""A command that is told to end says so in one line, and leaves its files in order."""

from __future__ import annotations

import signal
import sys
import threading
from functools import partial
from typing import Any, NoReturn

_NAMES = ("SIGTERM", "SIGHUP")
"""Of a system that shuts down, and of a terminal that is closed; Windows lacks the second."""


_LOOK_SECONDS = 1.0
"""Time between two looks whether the exception is still on its way."""


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


def stop_looking() -> None:
    """Look no more whether `Ended` is on its way: it has arrived."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _raise(number: int, _: Any) -> NoReturn:
    """Raise once: a second signal ends the process at once.

    Keras and TensorFlow have bare `except:`, which swallow any exception; so from now on somebody
    looks whether it is lost. Windows has no timer of this kind.
    """
    signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, partial(_raise_again, number))
        signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
    raise Ended(number)


def _raise_again(number: int, *_: Any) -> None:
    """Raise again unless an earlier `Ended` is on its way, past code that cleans up behind it."""
    handled = sys.exc_info()[1]
    while handled is not None:
        if isinstance(handled, Ended):
            return
        handled = handled.__context__
    raise Ended(number)
