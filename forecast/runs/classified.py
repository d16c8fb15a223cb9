"""A classifier and its run folder, which is written atomically.

- `config.yaml`: settings, those that the table decides included
- `environment.json`: package versions and platform
- `history.json`: losses per epoch of every network
- `scores.csv`: scores of the classifier and the baselines on the test set
- `confusion.csv`: how often each class was taken for which; `labels.csv` in its place, precision
  and recall of each label, where a sequence has any number of labels
- `predictions.csv`: class and probabilities of each test sequence, with its true label
- `model/`: the saved model
- `*.png`: confusion matrix, reliability, losses
- `report.html`: all of this on one page
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from forecast.classification.class_settings import Classification, SequenceColumns
from forecast.classification.classifier import Classifier
from forecast.classification.evaluated import ClassifierResult
from forecast.classification.label_sets.set_result import LabelSetResult
from forecast.data.findings import listed
from forecast.errors import ConfigError, OutputError
from forecast.files.atomic import replace_folder, write_file
from forecast.files.outputs import ENVIRONMENT, Content, check_file, check_folder, read_record
from forecast.files.yaml import to_yaml
from forecast.forecasting.artifact import SAVED_MODEL
from forecast.report.class_page import ClassRecord, class_page
from forecast.report.plots.classes import plot_confusion, plot_reliability
from forecast.report.plots.loss import plot_loss
from forecast.report.plots.style import save_figure
from forecast.runs.records import (
    CONFIG,
    HISTORY,
    MODEL,
    REPORT,
    environment_record,
    to_json,
    write_histories,
)
from forecast.scores.history import History
from forecast.training.voice import Voice

if TYPE_CHECKING:
    import pandas as pd

AnyResult = ClassifierResult | LabelSetResult

CLASS_SCORES_FILE = "scores.csv"
CONFUSION = "confusion.csv"
BY_LABEL = "labels.csv"
PREDICTIONS = "predictions.csv"
ABOUT = "classifier.json"
PICTURES = ("confusion.png", "reliability.png", "loss.png")

FILES = (
    CONFIG,
    ENVIRONMENT,
    HISTORY,
    ABOUT,
    CLASS_SCORES_FILE,
    CONFUSION,
    BY_LABEL,
    PREDICTIONS,
    REPORT,
    *PICTURES,
    *(f"{MODEL}/{name}" for name in SAVED_MODEL.names or ()),
)
"""Every file of the run folder of a classifier."""

CLASS_RUN = Content(
    "run of classify fit", "run", lambda folder: bool(read_record(folder / ABOUT)), FILES
)
"""Content that `classify_run` writes into its folder."""


def classify_run(
    config: Classification,
    table: str,
    *,
    out: str | Path | None = None,
    replace: bool = False,
    voice: Voice,
) -> Path:
    """Train a classifier on a table, evaluate it, and write the run folder.

    Args:
        config: the settings.
        table: a file.
        out: the folder; default: `runs/` and the name of the table. It is new, empty, or an earlier
            run of the same table with the same settings.
        replace: also replace another run.
        voice: where lines go.

    Returns:
        The folder.

    Raises:
        OutputError: the folder contains something else.
    """
    folder = Path(out or Path("runs") / f"{Path(table).stem}-classes")
    check = partial(check_folder, folder, CLASS_RUN, table)
    check()
    about = {"table": Path(table).name, "settings": config.model_dump(mode="json")}
    earlier = read_record(folder / ABOUT)
    if earlier and earlier.get("given") != about and not replace:
        raise OutputError(
            f"{folder} contains a run of another table or with other settings: replace it with "
            f"`replace=true`, or name another folder with `out=`"
        )
    voice.wake()
    classifier = Classifier(config).fit(table)
    result = None
    if classifier.has_test_set:
        result = classifier.evaluate()

    with replace_folder(folder, check) as temporary:
        (temporary / ABOUT).write_bytes(to_json({"given": about}))
        _write(temporary, folder, classifier, result, Path(table).name)
    voice.say(_members(classifier))
    if result is None:
        voice.say("there is no test set (split.test: 0): this classifier was not evaluated")
    else:
        for line in result.scores().round(3).to_string().splitlines():
            voice.say(line)
        voice.say(result.verdict())
    voice.say(f"wrote {folder}: model, scores, predictions, pictures and {REPORT}")
    return folder


def predict_classes(run: str | Path, table: str, output: str | Path | None = None) -> pd.DataFrame:
    """Return class and probabilities of each sequence of a table; write them where a file is named.

    Args:
        run: run folder, or the folder of a saved model.
        table: a file; it needs no labels.
        output: CSV file to write; default: none.
    """
    if output is not None:
        check_file(output, lambda _: False, "prediction of this run", (table,))
    predicted = load_run(run).predict(table)
    if output is not None:
        write_file(output, predicted.to_csv(index=False).encode())
    return predicted


def evaluate_classes(run: str | Path, table: str) -> AnyResult:
    """Return the predictions for the sequences of a table beside their labels."""
    return load_run(run).evaluate(table)


def load_run(run: str | Path) -> Classifier:
    """Return the classifier of a run folder, or of a saved model.

    Raises:
        ConfigError: there is no such folder, or it has no model.
    """
    folder = Path(run)
    for place in (folder / MODEL, folder):
        if (place / "manifest.json").is_file():
            return Classifier.load(place)
    raise ConfigError(f"{run} has no saved model: give a folder that `classify fit` has written")


def _write(
    folder: Path, place: Path, classifier: Classifier, result: AnyResult | None, table: str
) -> None:
    """Write all files of a run."""
    fitted = classifier.fitted
    settings = to_yaml(fitted.config.model_dump(mode="json"))
    (folder / CONFIG).write_text(settings)
    (folder / ENVIRONMENT).write_bytes(to_json(environment_record(fitted.config.training.seed)))
    histories = {
        f"network {number}": _history(losses)
        for number, losses in enumerate(fitted.histories, start=1)
    }
    write_histories(histories, folder)
    classifier.save(folder / MODEL)

    label = label_of(fitted.config.data)
    subject = f"{label}, {table}"
    save_figure(plot_loss(histories, subject=subject), folder / "loss.png")
    finding = _members(classifier)
    scores = None
    if result is not None:
        scores = result.scores()
        scores.to_csv(folder / CLASS_SCORES_FILE)
        result.frame(fitted.config.data.id_col).to_csv(folder / PREDICTIONS, index=False)
        finding = result.verdict()
        _write_classes(result, folder, subject)
    page = class_page(
        ClassRecord(
            title=f"{label}, classes of {table}",
            finding=finding,
            facts=_facts(classifier, result),
            scores=scores,
            settings=settings,
            pictures={
                name: (folder / name).read_bytes() for name in PICTURES if (folder / name).is_file()
            },
            commands=f"forecast classify predict {place.name} NEW_TABLE --output classes.csv",
        )
    )
    (folder / REPORT).write_text(page, "utf-8")


def label_of(columns: SequenceColumns) -> str:
    """Return the name of what is told: the column of labels, or of several the first ones."""
    if columns.label_cols:
        return listed(columns.label_cols)
    return columns.label_col


def _write_classes(result: AnyResult, folder: Path, subject: str) -> None:
    """Write what is right and wrong by class, as a table and as pictures."""
    given = result.probabilities[result.alias]
    truth = result.truth
    if isinstance(result, LabelSetResult):
        result.by_label().to_csv(folder / BY_LABEL)
        each = given.reshape(-1)
        given = np.stack([1.0 - each, each], axis=1)
        truth = truth.reshape(-1)
    else:
        result.confusion().to_csv(folder / CONFUSION)
        counts = result.confusion().to_numpy()
        confusion = plot_confusion(counts, result.classes, subject=subject)
        save_figure(confusion, folder / "confusion.png")
    save_figure(plot_reliability(given, truth, subject=subject), folder / "reliability.png")


def _history(losses: dict[str, list[float]]) -> History:
    """Return the losses of a network as figures take them."""
    num_epochs = len(losses["loss"])
    validation = losses.get("val_loss", [])
    best = int(np.argmin(validation)) + 1 if validation else num_epochs
    return History(
        loss=tuple(losses["loss"]),
        val_loss=tuple(validation),
        learning_rate=(float("nan"),) * num_epochs,
        seconds=(0.0,) * num_epochs,
        best_epoch=best,
    )


def _members(classifier: Classifier) -> str:
    """Return which member does the work, such as `bigru: 80 % network, 20 % ridge on words`."""
    weights = classifier.fitted.weights
    parts = [f"{100 * weight:.0f} % {name}" for name, weight in weights.items() if weight > 0]
    return f"{classifier.config.alias}: {', '.join(parts)}"


def _facts(classifier: Classifier, result: AnyResult | None) -> dict[str, str]:
    """Return what the page says of the task."""
    fitted = classifier.fitted
    columns = fitted.config.data
    read = [*fitted.encoding.vocabulary]
    if columns.features != "auto":
        read = [*columns.features, *read]
    facts = {
        "label": f"{label_of(columns)}: {', '.join(fitted.encoding.classes)}",
        "columns read": ", ".join(read),
        "longest sequence": f"{fitted.length:,} steps",
        "members": _members(classifier),
    }
    if result is not None:
        facts["test set"] = f"{len(result.truth):,} sequences"
    return facts
