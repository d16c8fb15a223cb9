"""A worker that naps for some seconds, asked by a process that may be stopped meanwhile.

    PYTHONPATH=.:tests python tests/search/napping.py SECONDS LIMIT

Prints its answer, or why there is none.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from forecast.search.processes import Limits, LocalProcesses, Opening


class Napper:
    """Naps as long as it is told."""

    def answer(self, kind: str, content: tuple[Any, ...], tell: Any) -> str:  # noqa: ARG002
        """Nap in short pieces, and return a word."""
        left = content[0]
        while left > 0:
            time.sleep(0.1)  # a nap that was interrupted by a stop goes on afterwards
            left -= 0.1
        return "awake"


def open_napper(arguments: Any, tell: Any) -> Napper:  # noqa: ARG001
    """Return a napper."""
    return Napper()


def main() -> None:
    """Ask for a nap."""
    seconds, limit = map(float, sys.argv[1:])
    opening = Opening("naps", open_napper, None, with_keras=False)
    worker = LocalProcesses().open(opening, Limits(timeout=limit))
    worker.ask("nap", (0.0,), print)  # the process has started
    print("started", flush=True)
    print(worker.ask("nap", (seconds,), print), flush=True)
    worker.close()


if __name__ == "__main__":
    main()
