"""Parts that the run folders of classifiers, categories and symbols have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from forecast.errors import ConfigError, OutputError
from forecast.files.atomic import write_file
from forecast.files.outputs import ENVIRONMENT, Content, check_file, check_folder, read_record
from forecast.files.yaml import to_yaml
from forecast.forecasting.artifact import SAVED_MODEL
from forecast.runs.records import CONFIG, HISTORY, MODEL, REPORT, environment_record, to_json
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
        about: file that says of which table and settings a run is.
        others: its files beside those that all have.
    """

    what: str
    about: str
    others: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Every file of the run folder."""
        shared = (CONFIG, ENVIRONMENT, HISTORY, self.about, SCORES_FILE, REPORT, LOSS)
        saved = (f"{MODEL}/{name}" for name in SAVED_MODEL.names or ())
        return (*shared, *self.others, *saved)

    @property
    def content(self) -> Content:
        """The folder for the rules about outputs."""
        return Content(
            self.what, "run", lambda folder: bool(read_record(folder / self.about)), self.files
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


def write_settings(kind: LabelRun, claim: Claim, settings: Section, seed: int, folder: Path) -> str:
    """Write what a run was made of and with; return the settings as YAML.

    Args:
        kind: of the run.
        claim: of its folder.
        settings: those that were decided.
        seed: of the training.
        folder: to write to.
    """
    text = to_yaml(settings.model_dump(mode="json"))
    (folder / kind.about).write_bytes(to_json(claim.about))
    (folder / CONFIG).write_text(text)
    (folder / ENVIRONMENT).write_bytes(to_json(environment_record(seed)))
    return text


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

    def predict(self, table: str) -> pd.DataFrame:
        """Return the predictions for a table."""


def predict_to(
    load: Callable[[], Predicts], table: str, output: str | Path | None, what: str
) -> pd.DataFrame:
    """Return the predictions for a table; write them where a file is named.

    Args:
        load: returns the model; called where the file may be written.
        table: a file.
        output: CSV file to write; None: none.
        what: the predictions in messages.
    """
    if output is not None:
        check_file(output, lambda _: False, what, (table,))
    predicted = load().predict(table)
    if output is not None:
        write_file(output, predicted.to_csv(index=False).encode())
    return predicted


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
        weights: part of each by name.
    """
    parts = [f"{100 * weight:.0f} % {name}" for name, weight in weights.items() if weight > 0]
    return f"{alias}: {', '.join(parts)}"


def say_judged(result: Judged, voice: Voice) -> None:
    """Say scores and verdict, a line at a time."""
    for line in result.scores().round(3).to_string().splitlines():
        voice.say(line)
    voice.say(result.verdict())


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
