"""Parts that the run folders of classifiers, categories and symbols have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from forecast.errors import ConfigError, OutputError
from forecast.experiment.settings import table_name
from forecast.files.atomic import replace_folder, write_file
from forecast.files.outputs import ENVIRONMENT, Content, check_file, check_folder, read_record
from forecast.files.yaml import to_yaml
from forecast.forecasting.artifact import SAVED_MODEL, SIGNATURE_ENDING
from forecast.runs.records import (
    CONFIG,
    HISTORY,
    MODEL,
    REPORT,
    environment_record,
    has_environment,
    to_json,
    write_histories,
)
from forecast.scores.history import History
from forecast.section import Section
from forecast.training.voice import Voice

SCORES_FILE = "scores.csv"
LOSS = "loss.png"


@dataclass(frozen=True)
class LabelRun:
    """A kind of run folder.

    Attributes:
        what: name in messages, such as `run of classify fit`.
        plural: of what is told, in the name of a folder.
        about: file that says of which table and settings a run is.
        others: its files beside those that all have.
    """

    what: str
    plural: str
    about: str
    others: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Every file of the run folder."""
        shared = (CONFIG, ENVIRONMENT, HISTORY, self.about, SCORES_FILE, REPORT, LOSS)
        saved = (f"{MODEL}/{name}" for name in SAVED_MODEL.names or ())
        return (*shared, *self.others, *saved, f"{MODEL}{SIGNATURE_ENDING}")

    @property
    def content(self) -> Content:
        """The folder for the rules about outputs."""
        return Content(self.what, "run", self._is_own, self.files)

    def _is_own(self, folder: Path) -> bool:
        """Return whether a folder has the records of such a run."""
        given = read_record(folder / self.about).get("given")
        return (
            isinstance(given, dict)
            and given.keys() == {"table", "settings"}
            and has_environment(folder)
        )


@dataclass(frozen=True, eq=False)
class Claim:
    """A folder that a run may write.

    Attributes:
        check: raises where it may not any more.
        about: the table and the settings of the run.
    """

    check: Callable[[], None]
    about: dict[str, Any]


def claim_folder(
    kind: LabelRun, folder: Path, table: str, settings: Section, *, replace: bool
) -> Claim:
    """Check that a run may be written to a folder.

    Args:
        kind: of the run.
        folder: new, empty, or with an earlier run of the same table and settings.
        table: a file.
        settings: of the run.
        replace: also replace another run.

    Raises:
        OutputError: the folder contains something else.
    """
    check = partial(check_folder, folder, kind.content, table)
    check()
    about = {"table": Path(table).name, "settings": settings.model_dump(mode="json")}
    earlier = read_record(folder / kind.about)
    if earlier and earlier.get("given") != about and not replace:
        raise OutputError(
            f"{folder} contains a run of another table or with other settings: replace it with "
            f"`replace=true`, or name another folder with `out=`"
        )
    return Claim(check, {"given": about})


@dataclass(frozen=True, eq=False)
class Finished:
    """A model that was trained and judged.

    Attributes:
        model: it can be saved.
        settings: those that were decided.
        seed: of its training.
        histories: losses of each network by name.
        write: writes the other files, given the folder and the name that it will have.
        lines: what to say of it.
    """

    model: Saves
    settings: Section
    seed: int
    histories: Mapping[str, History]
    write: Callable[[Path, str], None]
    lines: Sequence[str]


class Saves(Protocol):
    """A fitted model."""

    def save(self, path: Path) -> None:
        """Write it to a folder."""


@dataclass(frozen=True, eq=False)
class LabelWork:
    """Settings, table and folder of a run.

    Attributes:
        settings: the settings.
        table: a file.
        out: the folder; None: `runs/` and the name of the table. It is new, empty, or an earlier
            run of the same table with the same settings.
        replace: also replace another run.
        voice: where lines go.
    """

    settings: Section
    table: str
    out: str | Path | None
    replace: bool
    voice: Voice


def run_labels(kind: LabelRun, work: LabelWork, finish: Callable[[], Finished]) -> Path:
    """Train a model, and write its run folder atomically.

    Args:
        kind: of the run.
        work: settings, table and folder.
        finish: trains and judges.

    Returns:
        The folder.

    Raises:
        OutputError: the folder contains something else.
    """
    folder = Path(work.out or Path("runs") / f"{table_name(work.table)}-{kind.plural}")
    claim = claim_folder(kind, folder, work.table, work.settings, replace=work.replace)
    work.voice.wake()
    finished = finish()
    with replace_folder(folder, claim.check) as temporary:
        (temporary / kind.about).write_bytes(to_json(claim.about))
        settings = to_yaml(finished.settings.model_dump(mode="json"))
        (temporary / CONFIG).write_text(settings, "utf-8")
        (temporary / ENVIRONMENT).write_bytes(to_json(environment_record(finished.seed)))
        write_histories(finished.histories, temporary)
        finished.model.save(temporary / MODEL)
        finished.write(temporary, folder.name)
    for line in finished.lines:
        work.voice.say(line)
    work.voice.say(f"wrote {folder}: model, scores, predictions, pictures and {REPORT}")
    return folder


def model_folder(run: str | Path, command: str) -> Path:
    """Return the folder of the saved model in a run folder, or of a saved model itself.

    Args:
        run: the folder.
        command: that writes such folders.

    Raises:
        ConfigError: there is no such folder, or it has no model.
    """
    folder = Path(run)
    for place in (folder / MODEL, folder):
        if (place / "manifest.json").is_file():
            return place
    raise ConfigError(f"{run} has no saved model: give a folder that `{command}` has written")


class Predicts(Protocol):
    """A fitted model."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the last table that was read, a sentence each."""

    def predict(self, table: str) -> pd.DataFrame:
        """Return the predictions for a table."""


class Predicted(NamedTuple):
    """Predictions, and how the table was read."""

    frame: pd.DataFrame
    notes: tuple[str, ...]


def predict_to(
    load: Callable[[], Predicts], table: str, output: str | Path | None, what: str
) -> Predicted:
    """Return the predictions for a table; write them where a file is named.

    Args:
        load: returns the model; called where the file may be written.
        table: a file.
        output: CSV file to write; None: none.
        what: the predictions in messages.
    """
    if output is not None:
        check_file(output, lambda _: False, what, (table,))
    model = load()
    frame = model.predict(table)
    if output is not None:
        write_file(output, frame.to_csv(index=False).encode())
    return Predicted(frame, model.notes)


class Judged(Protocol):
    """A result with scores and a verdict."""

    def scores(self) -> pd.DataFrame:
        """Return a row of scores for each model."""

    def verdict(self) -> str:
        """Return the comparison with the best baseline, in one sentence."""


def members_in_words(alias: str, weights: Mapping[str, float]) -> str:
    """Return which member does the work, such as `bigru: 80 % network, 20 % after the last 1`.

    Args:
        alias: name of them together.
        weights: of each by name.
    """
    parts = [f"{100 * weight:.0f} % {name}" for name, weight in weights.items() if weight > 0]
    return f"{alias}: {', '.join(parts)}"


def judged_lines(result: Judged) -> list[str]:
    """Return scores and verdict, a line at a time."""
    return [*result.scores().round(3).to_string().splitlines(), result.verdict()]


def history_of(losses: Mapping[str, Sequence[float]], *, keeps_best: bool = True) -> History:
    """Return the losses of a network as figures take them.

    Args:
        losses: by epoch, `loss` and perhaps `val_loss`.
        keeps_best: whether the weights of the best epoch are used; else those of the last one.
    """
    num_epochs = len(losses["loss"])
    validation = losses.get("val_loss", [])
    best = num_epochs
    if keeps_best and len(validation):
        best = int(np.argmin(validation)) + 1
    return History(
        loss=tuple(losses["loss"]),
        val_loss=tuple(validation),
        learning_rate=(),
        seconds=(),
        best_epoch=best,
    )


def by_network(
    histories: Sequence[Mapping[str, Sequence[float]]], *, keeps_best: bool = True
) -> dict[str, History]:
    """Return the losses of several networks by their names; see `history_of`."""
    return {
        f"network {number}": history_of(losses, keeps_best=keeps_best)
        for number, losses in enumerate(histories, start=1)
    }
