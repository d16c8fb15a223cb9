"""A child run in MLflow for each trial of a search, as soon as the table of trials has it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from forecast.export.tracking.entries import finite_metrics, name_for, shown

TABLE = "trials.csv"

PARENT = "mlflow.parentRunId"
"""Tag with which MLflow shows a run under another one."""

_FACTS = ("trial", "status", "reason")

_COSTS = ("worst_fold", "epochs", "seconds", "parameters")


class Parent(Protocol):
    """The run of a search, under which those of its trials stand.

    Attributes:
        client: of MLflow.
        experiment: id of the experiment.
        run_id: of the run.
    """

    client: Any
    experiment: str
    run_id: str

    def attempt(self, send: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Send something; a failure ends the tracking but not the work."""
        ...


class TrialLog:
    """The trials of a search that are logged.

    Args:
        tracker: the run of the search.
        folder: of the search.
        objective: the score that is minimised.
    """

    def __init__(self, tracker: Parent, folder: Path, objective: str) -> None:
        self.tracker = tracker
        self.table = folder / TABLE
        self.objective = objective
        self.logged: set[str] = set()

    def after(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """Return a voice after each line of which the trials are brought up to date."""

        def said(line: str) -> None:
            say(line)
            self.update()

        return said

    def update(self) -> None:
        """Log the trials that are new in the table."""
        if not self.table.is_file():
            return
        with self.table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            if row["trial"] not in self.logged:
                self.logged.add(row["trial"])
                self.tracker.attempt(self._log, row)

    def _log(self, row: dict[str, str]) -> None:
        """Log one trial: its values as parameters, its scores as metrics."""
        from mlflow.entities import Param

        client = self.tracker.client
        tags = {PARENT: self.tracker.run_id, "forecast.command": "trial"}
        if row["reason"]:
            tags["forecast.reason"] = row["reason"]
        run = client.create_run(
            self.tracker.experiment, tags=tags, run_name=f"trial {row['trial']}"
        )
        is_score = {self.objective, *_COSTS}
        numbers: dict[str, Any] = {}
        params = []
        for name, text in row.items():
            if name in is_score or name.startswith("fold_"):
                numbers[name] = float(text) if text else None
            elif name not in _FACTS and text:
                params.append(Param(name_for(name), shown(text)))
        client.log_batch(run.info.run_id, params=params)
        for name, value in finite_metrics(numbers).items():
            client.log_metric(run.info.run_id, name, value)
        status = "FAILED" if row["status"] == "failed" else "FINISHED"
        client.set_terminated(run.info.run_id, status)
