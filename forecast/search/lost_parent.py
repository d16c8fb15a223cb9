"""The end of a process whose parent has ended."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 0.2
"""Time between two looks at the parent."""


def watch_parent(parent: int, then: Callable[[], object]) -> None:
    """Do something as soon as the parent of this process has ended, in a thread of its own.

    Args:
        parent: id of the process that started this one.
        then: called once.
    """

    def watch() -> None:
        while parent_is_running(parent):
            time.sleep(LOOK_SECONDS)
        then()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def parent_is_running(parent: int) -> bool:
    """Return whether the process that started this one is running.

    Where it ended, POSIX gives this process another parent, and Windows does not; there
    `multiprocessing` has a handle of it.

    Args:
        parent: its id.
    """
    known = multiprocessing.parent_process()
    return os.getppid() == parent and (known is None or known.is_alive())
