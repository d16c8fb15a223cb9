"""A piece of work and its run in MLflow: opened before the work, complete after it.

The server may be lost while a model is trained. Then the work goes on, what is not logged is said
once, and the folder of the work is complete.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from forecast.errors import SkillError
from forecast.experiment.file import load_experiment
from forecast.experiment.settings import Experiment
from forecast.export.tracking.destination import (
    check_installed,
    experiment_id,
    probe,
    quietly,
    unreachable,
)
from forecast.export.tracking.entries import (
    METRICS_AT_ONCE,
    PARAMS_AT_ONCE,
    finite_metrics,
    flat_params,
    name_for,
)
from forecast.export.tracking.logged_trials import TrialLog
from forecast.export.tracking.pyfunc_model import model_arguments, without_advice
from forecast.forecasting.artifact import package_version
from forecast.runs.records import CONFIG, DATA, MODEL, SCORES
from forecast.training.events import Both, EpochDone, Event, Started
from forecast.training.voice import Voice

Kind = Literal["fit", "backtest", "tune"]

EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
"""Variable of MLflow with the name of the experiment; default: the name of the table."""

ENDINGS: dict[Kind, str] = {"fit": "", "backtest": "-backtest", "tune": "-search"}
"""End of the name of each command's folder."""

MOST_DIGEST = 36
"""Characters of the digest of a data set, at most."""


@dataclass(frozen=True)
class Work:
    """A piece of work that is tracked.

    Attributes:
        kind: the command.
        config: the experiment, with its source.
        folder: that the command writes.
    """

    kind: Kind
    config: Experiment
    folder: Path

    @classmethod
    def of(cls, kind: Kind, config: Experiment, table: object, out: str | None) -> Work:
        """Return the work of a command; the folder is the one that the command would choose.

        Args:
            kind: the command.
            config: the experiment.
            table: a file, `dataset:NAME` or an object; default: `config.data.source`.
            out: the folder; default: as in `fit_run`, `backtest_run` and `tune_run`.
        """
        config = config.with_source(table)
        return cls(kind, config, Path(out or Path("runs") / f"{config.folder_name}{ENDINGS[kind]}"))


@dataclass(eq=False)
class Tracker:
    """The run in MLflow of a piece of work.

    Attributes:
        uri: of the tracking server or database.
        client: of MLflow.
        experiment: id of the experiment.
        work: the piece of work.
        warn: takes the line about a server that is lost.
        run_id: of the run; empty until it is opened.
        is_lost: whether it is: nothing more is sent then.
    """

    uri: str
    client: Any
    experiment: str
    work: Work
    warn: Callable[[str], None]
    run_id: str = ""
    is_lost: bool = False
    _rounds: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Open the run, once: the command has checked its table and its folder by then.

        Raises:
            ConfigError: it cannot be opened.
        """
        if self.run_id:
            return
        tags = {"forecast.command": self.work.kind, "forecast.version": package_version()}
        name = self.work.folder.name
        try:
            run = self.client.create_run(self.experiment, tags=tags, run_name=name)
        except Exception as error:
            raise unreachable(self.uri, error) from error
        self.run_id = run.info.run_id

    def attempt(self, send: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Send something; a failure is said once, and ends the tracking but not the work."""
        if self.is_lost:
            return None
        try:
            return send(*arguments, **options)
        except Exception as error:
            self.is_lost = True
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self.warn(
                f"warning: the run {self.run_id} at {self.uri} stays incomplete, as nothing more "
                f"can be logged there ({text[:200]}); {self.work.folder} gets all files"
            )
            return None

    def report(self, event: Event) -> None:
        """Log the losses of an epoch, of a second training of a network under another name."""
        if isinstance(event, Started):
            self._rounds[event.name] += 1
        if not isinstance(event, EpochDone):
            return
        prefix = event.name
        number = self._rounds[event.name]
        if self.work.kind == "backtest":
            prefix = f"training {number}/{prefix}"
        elif number > 1:
            prefix = f"refit/{prefix}"
        values = {"loss": event.loss, "val_loss": event.val_loss, "lr": event.learning_rate}
        self.metrics(finite_metrics(values, prefix.rstrip("/")), step=event.epoch)

    def metrics(self, values: Mapping[str, float], *, step: int = 0) -> None:
        """Log numbers."""
        from mlflow.entities import Metric
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        entries = [Metric(name, value, now, step) for name, value in values.items()]
        for chunk in _chunks(entries, METRICS_AT_ONCE):
            self.attempt(self.client.log_batch, self.run_id, metrics=chunk)

    def params(self, values: Mapping[str, str]) -> None:
        """Log settings."""
        from mlflow.entities import Param

        entries = [Param(name, value) for name, value in values.items()]
        for chunk in _chunks(entries, PARAMS_AT_ONCE):
            self.attempt(self.client.log_batch, self.run_id, params=chunk)

    def record(self, folder: Path) -> None:
        """Log settings, scores, data and files of the folder of the work, and the model of a fit.

        Args:
            folder: that the command wrote.
        """
        self.begin()
        if (folder / CONFIG).is_file():
            config = load_experiment(folder / CONFIG)
            self.params(flat_params(config.model_dump(mode="json", exclude={"search"})))
        if (folder / SCORES).is_file():
            self._scores(_read(folder / SCORES))
        if (folder / DATA).is_file():
            self._data(_read(folder / DATA))
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.name.startswith(".") and path.stat().st_size:
                self.attempt(self.client.log_artifact, self.run_id, str(path))
        if (folder / MODEL).is_dir():
            self.attempt(self._model, folder)

    def _scores(self, scores: Mapping[str, Any]) -> None:
        """Log the scores of the model by their names, and those of others after theirs."""
        values = finite_metrics(scores["values"].get(scores["alias"], {}))
        for name, of_model in scores["values"].items():
            if name != scores["alias"]:
                values |= finite_metrics(of_model, name_for(name))
        self.metrics(values)

    def _data(self, data: Mapping[str, Any]) -> None:
        """Log the fingerprint of the table, and the table as a data set of the run."""
        from mlflow.entities import Dataset, DatasetInput

        source = self.work.config.data.source or "a table in memory"
        dataset = Dataset(
            name=Path(source).name,
            digest=data["fingerprint"][:MOST_DIGEST],
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps({"num_series": data["num_series"], "num_rows": data["num_rows"]}),
        )
        self.attempt(self.client.set_tag, self.run_id, "forecast.data", data["fingerprint"])
        self.attempt(self.client.log_inputs, self.run_id, datasets=[DatasetInput(dataset, [])])

    def _model(self, folder: Path) -> None:
        """Log the model from code, under the run."""
        import mlflow

        with (
            without_advice(),
            model_arguments(folder) as arguments,
            mlflow.start_run(run_id=self.run_id),
        ):
            mlflow.pyfunc.log_model(name=MODEL, **arguments)

    def end(self, status: str) -> None:
        """Close the run, if there is one."""
        if self.run_id:
            self.attempt(self.client.set_terminated, self.run_id, status)


@contextmanager
def opened(uri: str, work: Work, warn: Callable[[str], None]) -> Iterator[Tracker]:
    """Find the experiment of a run in MLflow; the run ends with this block, and says how.

    Args:
        uri: of the tracking server or database.
        work: the piece of work.
        warn: takes the line about a server that is lost.

    Raises:
        ConfigError: no run can be opened there.
    """
    check_installed(uri)
    probe(uri)
    with quietly(uri):
        from mlflow import MlflowClient

        try:
            client = MlflowClient(tracking_uri=uri)
            name = os.environ.get(EXPERIMENT) or work.config.folder_name
            experiment = experiment_id(client, uri, name)
        except Exception as error:
            raise unreachable(uri, error) from error
        tracker = Tracker(uri, client, experiment, work, warn)
        try:
            yield tracker
        except KeyboardInterrupt:
            tracker.end("KILLED")
            raise
        except BaseException:
            tracker.end("FAILED")
            raise
        tracker.end("FINISHED")


def run_tracked(uri: str | None, work: Work, voice: Voice, run: Callable[[Voice], Path]) -> Path:
    """Do a piece of work, and log it where a URI is given.

    Args:
        uri: of the tracking server or database; None: nothing is logged.
        work: the piece of work.
        voice: where its lines and progress go.
        run: does it with the voice it is given, and returns its folder.

    Returns:
        The folder.

    Raises:
        ConfigError: no run can be opened there; the work was not begun.
        SkillError: from `run`; all is logged nevertheless.
    """
    if uri is None:
        return run(voice)
    with opened(uri, work, voice.warn) as tracker:

        def start() -> None:
            tracker.begin()
            if voice.start is not None:
                voice.start()

        heard = replace(voice, reporter=Both((voice.reporter, tracker.report)), start=start)
        trials = None
        if work.config.search is not None and work.kind == "tune":
            trials = TrialLog(tracker, work.folder, work.config.search.objective)
            heard = replace(voice, say=trials.after(voice.say), start=start)
        try:
            folder = run(heard)
        except SkillError:
            tracker.record(work.folder)
            raise
        if trials is not None:
            trials.update()
        tracker.record(folder)
        if not tracker.is_lost:
            voice.say(f"logged run {tracker.run_id} at {uri}")
    return folder


def _chunks(entries: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
