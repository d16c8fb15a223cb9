"""Limits of the service: how much one request, and all of them together, may take."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """Limits of the service, each an option of `forecast serve`.

    Attributes:
        max_bytes: of a body, counted while it is read.
        max_rows: of a table, and of one of known covariates.
        max_series: of a table.
        max_horizon: steps to forecast.
        max_depth: nesting of a JSON body.
        workers: large requests that are worked on at a time; small ones are, together.
        queue: further requests that wait.
        seconds: of a request in the queue, and of its forecast.
        read_seconds: until a request has arrived whole.
    """

    max_bytes: int = 10_000_000
    max_rows: int = 100_000
    max_series: int = 1_000
    max_horizon: int = 1_000
    max_depth: int = 8
    workers: int = 2
    queue: int = 64
    seconds: float = 30.0
    read_seconds: float = 10.0


HELP = {
    "max_bytes": "bytes of a body",
    "max_rows": "rows of a table",
    "max_series": "series of a table",
    "max_horizon": "steps to forecast",
    "max_depth": "nesting of a JSON body",
    "workers": "large requests worked on at a time",
    "queue": "further requests that wait",
    "seconds": "seconds that a request waits, and again that its forecast takes",
    "read_seconds": "seconds until a request has arrived whole",
}
"""Limit -> what it limits, for the help of the command."""

NAMES = tuple(field.name for field in fields(Limits))

HELD_BODIES = 10
"""Bodies of the largest size that may be in memory together, waiting included."""


class RefusedError(Exception):
    """A request that is refused.

    Attributes:
        status: of the answer.
        lines: what was given, what was expected, what to do.
        retry_after: seconds after which to ask again; None where that would not help.
    """

    def __init__(self, status: int, *lines: str, retry_after: int | None = None) -> None:
        super().__init__(" ".join(lines))
        self.status = status
        self.lines = lines
        self.retry_after = retry_after
