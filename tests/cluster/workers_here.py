"""Requests answered in the process of a test, so that it need not wait for another to start."""

from __future__ import annotations

import pytest


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer requests here."""

    class Here:
        def __init__(self, opening, _limits):
            self.station = opening.open(opening.arguments, print)

        def ask(self, kind, content, told):
            return self.station.answer(kind, content, told)

        def stop(self):
            pass

        close = stop

    monkeypatch.setattr("forecast.search.processes.ProcessWorker", Here)
