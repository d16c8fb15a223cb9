"""A classifier and its run folder, which is written atomically.

- `config.yaml`: settings, those that the table decides included
- `environment.json`: package versions and platform
- `history.json`: losses per epoch of every network
- `scores.csv`: scores of the classifier and the baselines on the test set
- `confusion.csv`: how often each class was taken for which; `labels.csv` in its place, precision
  and recall of each label, where a sequence has any number of labels
- `predictions.csv`: class and probabilities of each test sequence, with its true label
- `model/`: the saved model
- `*.png`: confusion matrix, reliability, losses; with `pooling: attention` the weights of the steps
- `report.html`: all of this on one page
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from forecast.classification.class_settings import Classification, SequenceColumns
from forecast.classification.classifier import Classifier
from forecast.classification.evaluated import ClassifierResult
from forecast.classification.label_sets.set_result import LabelSetResult
from forecast.data.findings import listed
from forecast.report.class_page import ClassRecord, class_page
from forecast.report.plots.classes import plot_confusion, plot_labels, plot_reliability
from forecast.report.plots.loss import CROSS_ENTROPY, plot_loss
from forecast.report.plots.step_weights import plot_step_weights
from forecast.report.plots.style import save_figure
from forecast.runs.label_records import (
    LOSS,
    SCORES_FILE,
    Finished,
    LabelRun,
    LabelWork,
    Predicted,
    by_network,
    judged_lines,
    members_in_words,
    model_folder,
    predict_to,
    run_labels,
)
from forecast.runs.records import CONFIG, REPORT
from forecast.runs.weighed_sequences import shown_sequences
from forecast.training.voice import Voice

AnyResult = ClassifierResult | LabelSetResult

CONFUSION = "confusion.csv"
BY_LABEL = "labels.csv"
PREDICTIONS = "predictions.csv"
ABOUT = "classifier.json"
ATTENTION = "attention.png"
PICTURES = ("confusion.png", "labels.png", "reliability.png", ATTENTION, LOSS)

CLASS_RUN = LabelRun(
    "run of classify fit",
    "classes",
    ABOUT,
    (CONFUSION, BY_LABEL, PREDICTIONS, *(name for name in PICTURES if name != LOSS)),
)
"""Folder that `classify_run` writes."""

FILES = CLASS_RUN.files


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
        out: the folder, as in `LabelWork`.
        replace: also replace another run.
        voice: where lines go.

    Returns:
        The folder.

    Raises:
        OutputError: the folder contains something else.
    """
    work = LabelWork(config, table, out, replace, voice)
    return run_labels(CLASS_RUN, work, partial(_finished, config, table))


def _finished(config: Classification, table: str) -> Finished:
    """Train and judge."""
    classifier = Classifier(config).fit(table)
    fitted = classifier.fitted
    training = fitted.config.training
    histories = by_network(fitted.histories, keeps_best=training.keep != "last")
    result = classifier.evaluate() if classifier.has_test_set else None

    def write(folder: Path, name: str) -> None:
        _write(folder, name, classifier, result, Path(table).name)

    notes = [f"note: {note}" for note in classifier.notes]
    lines = [*notes, members_in_words(config.alias, fitted.weights), *_judged(config, result)]
    return Finished(classifier, fitted.config, training.seed, histories, write, lines)


def _judged(config: Classification, result: AnyResult | None) -> list[str]:
    """Return what the test set says, or why there is none."""
    if result is not None:
        return judged_lines(result)
    reason = "no sequence could be held out, since each label has one sequence or group"
    if config.split.test == 0 or config.data.split_col is not None:
        reason = "no sequence is held out"
    return [f"there is no test set ({reason}): this classifier was not evaluated"]


def predict_classes(run: str | Path, table: str, output: str | Path | None = None) -> Predicted:
    """Return class and probabilities of each sequence of a table; write them where a file is named.

    Args:
        run: run folder, or the folder of a saved model.
        table: a file; it needs no labels.
        output: CSV file to write; default: none.
    """
    return predict_to(lambda: load_run(run), table, output, "prediction of this run")


def load_run(run: str | Path) -> Classifier:
    """Return the classifier of a run folder, or of a saved model.

    Raises:
        ConfigError: there is no such folder, or it has no model.
    """
    return Classifier.load(model_folder(run, "classify fit"))


def _write(
    folder: Path, run: str, classifier: Classifier, result: AnyResult | None, table: str
) -> None:
    """Write all files of a run."""
    fitted = classifier.fitted
    settings = (folder / CONFIG).read_text("utf-8")
    keeps_best = fitted.config.training.keep != "last"
    histories = by_network(fitted.histories, keeps_best=keeps_best)

    label = label_of(fitted.config.data)
    subject = f"{label}, {table}"
    if not keeps_best:
        # no epoch was chosen by its loss, so none is marked
        histories = {name: replace(one, best_epoch=0) for name, one in histories.items()}
    save_figure(plot_loss(histories, subject=subject, y_title=CROSS_ENTROPY), folder / LOSS)
    finding = members_in_words(classifier.config.alias, classifier.fitted.weights)
    scores = None
    if result is not None:
        scores = result.scores()
        scores.to_csv(folder / SCORES_FILE)
        result.frame(fitted.config.data.id_col).to_csv(folder / PREDICTIONS, index=False)
        finding = result.verdict()
        _write_classes(result, folder, subject)
        if fitted.config.model.pooling == "attention":
            shown = shown_sequences(fitted, classifier.test_set, result)
            save_figure(plot_step_weights(shown, subject=subject), folder / ATTENTION)
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
            commands=f"forecast classify predict {run} NEW_TABLE --output classes.csv",
        )
    )
    (folder / REPORT).write_text(page, "utf-8")


def label_of(columns: SequenceColumns) -> str:
    """Return the name of what is told: the column of labels, or of several the first ones."""
    if columns.label_cols:
        return listed(columns.label_cols)
    return str(columns.label_col)


def _write_classes(result: AnyResult, folder: Path, subject: str) -> None:
    """Write what is right and wrong by class, as a table and as pictures."""
    given = result.probabilities[result.alias]
    truth = result.truth
    if isinstance(result, LabelSetResult):
        result.by_label().to_csv(folder / BY_LABEL)
        figure = plot_labels(result.counts(), subject=subject)
        save_figure(figure, folder / "labels.png")
        each = given.reshape(-1)
        given = np.stack([1.0 - each, each], axis=1)
        truth = truth.reshape(-1)
    else:
        result.confusion().to_csv(folder / CONFUSION)
        counts = result.confusion().to_numpy()
        confusion = plot_confusion(counts, result.classes, subject=subject)
        save_figure(confusion, folder / "confusion.png")
    save_figure(plot_reliability(given, truth, subject=subject), folder / "reliability.png")


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
        "members": members_in_words(classifier.config.alias, classifier.fitted.weights),
    }
    if result is not None:
        facts["test set"] = f"{len(result.truth):,} sequences"
    return facts
