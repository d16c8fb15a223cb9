"""A function run in child processes, killed at each of their changes of the disk in turn."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

CALLS = ("open", "write", "fsync", "close", "mkdir", "replace", "rename", "unlink", "rmdir")
"""Functions of `os` with which the module changes the disk."""


def die_at(number: int, *, after: bool) -> None:
    """Kill this process before or after the numbered one of its calls of `CALLS`."""
    counted = iter(range(10**6))

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            mine = next(counted) == number
            if mine and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*args, **options)
            finally:
                if mine:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    for name in CALLS:
        setattr(os, name, wrap(getattr(os, name)))


def killed_runs(act: Callable[[], None]) -> Iterator[tuple[int, bool]]:
    """Run `act` in child processes, killed at each system call in turn, until one survives."""
    number = 0
    while True:
        for after in (False, True):
            child = os.fork()
            if child == 0:  # never returns into pytest
                code = 1
                try:
                    die_at(number, after=after)
                    act()
                    code = 0
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            assert killed or os.waitstatus_to_exitcode(status) == 0
            yield number, killed
        if not killed:
            return
        number += 1
