"""A forecast of categories and its run folder, which is written atomically.

- `config.yaml`, `environment.json`, `history.json`: settings, versions, losses by epoch
- `scores.csv`: scores of the forecaster and the baselines on the test windows
- `by_step.csv`: accuracy of each by step ahead
- `confusion.csv`: how often each category was taken for which
- `test_forecasts.csv`: forecasts of the test windows beside what came
- `forecasts.csv`: forecasts after the last row of each series
- `model/`: the saved model
- `*.png`, `report.html`: confusion matrix, reliability, losses; all of this on one page
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from forecast.classification.categories.category_forecaster import CategoryForecaster
from forecast.classification.categories.category_result import CategoryResult
from forecast.classification.categories.category_settings import CategorySettings
from forecast.report.class_page import ClassRecord, class_page
from forecast.report.plots.classes import plot_confusion, plot_reliability
from forecast.report.plots.loss import CROSS_ENTROPY, plot_loss
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
from forecast.training.voice import Voice

BY_STEP = "by_step.csv"
CONFUSION = "confusion.csv"
TEST_FORECASTS = "test_forecasts.csv"
FORECASTS = "forecasts.csv"
PICTURES = ("confusion.png", "reliability.png", LOSS)

CATEGORY_RUN = LabelRun(
    "run of categories fit",
    "categories",
    "categories.json",
    (BY_STEP, CONFUSION, TEST_FORECASTS, FORECASTS, *PICTURES[:2]),
)
"""Folder that `run_categories` writes."""


def run_categories(
    settings: CategorySettings,
    table: str,
    *,
    out: str | Path | None = None,
    replace: bool = False,
    voice: Voice,
) -> Path:
    """Train a forecast of categories on a table, evaluate it, and write the run folder.

    Args:
        settings: the settings.
        table: a file.
        out: the folder, as in `LabelWork`.
        replace: also replace another run.
        voice: where lines go.

    Returns:
        The folder.

    Raises:
        OutputError: the folder contains something else.
    """
    work = LabelWork(settings, table, out, replace, voice)
    return run_labels(CATEGORY_RUN, work, partial(_finished, settings, table))


def _finished(settings: CategorySettings, table: str) -> Finished:
    """Train and judge."""
    forecaster = CategoryForecaster(settings).fit(table)
    notes = [f"note: {note}" for note in forecaster.notes]
    fitted = forecaster.fitted
    result = forecaster.evaluate() if forecaster.has_test_set else None
    forecasts = forecaster.predict(table)

    def write(folder: Path, name: str) -> None:
        forecasts.to_csv(folder / FORECASTS, index=False)
        _write(folder, forecaster, result, name, Path(table).name)

    judged = ["there is no test set (split.test: 0): this forecaster was not evaluated"]
    if result is not None:
        judged = judged_lines(result)
    members = members_in_words(settings.alias, fitted.weights)
    lines = [*notes, members, *judged]
    histories = by_network(fitted.histories)
    return Finished(forecaster, fitted.settings, settings.training.seed, histories, write, lines)


def predict_categories(run: str | Path, table: str, output: str | Path | None = None) -> Predicted:
    """Return the forecasts after each series of a table; write them where a file is named.

    Args:
        run: run folder, or the folder of a saved model.
        table: a file.
        output: CSV file to write; default: none.
    """
    return predict_to(lambda: load_category_run(run), table, output, "forecast of this run")


def load_category_run(run: str | Path) -> CategoryForecaster:
    """Return the forecaster of a run folder, or of a saved model.

    Raises:
        ConfigError: there is no such folder, or it has no model.
    """
    return CategoryForecaster.load(model_folder(run, "categories fit"))


def _write(
    folder: Path,
    forecaster: CategoryForecaster,
    result: CategoryResult | None,
    run: str,
    table: str,
) -> None:
    """Write scores, pictures and the page."""
    fitted = forecaster.fitted
    target = fitted.settings.data.target_col
    subject = f"{target}, {table}"
    histories = by_network(fitted.histories)
    save_figure(plot_loss(histories, subject=subject, y_title=CROSS_ENTROPY), folder / LOSS)
    members = members_in_words(fitted.settings.alias, fitted.weights)
    finding = members
    scores = None
    facts = {
        "categories": f"{target}: {', '.join(forecaster.classes)}",
        "steps": f"{fitted.settings.windows.context_length} read, "
        f"{fitted.settings.windows.horizon} forecast",
        "members": members,
    }
    if result is not None:
        scores = result.scores()
        scores.to_csv(folder / SCORES_FILE)
        result.by_step().to_csv(folder / BY_STEP)
        counts = result.confusion()
        counts.to_csv(folder / CONFUSION)
        result.frame(fitted.settings.data.id_col).to_csv(folder / TEST_FORECASTS, index=False)
        finding = result.verdict()
        flat = result.flat()
        figures = {
            "confusion.png": plot_confusion(counts.to_numpy(), result.classes, subject=subject),
            "reliability.png": plot_reliability(
                flat.probabilities[result.alias], flat.truth, subject=subject
            ),
        }
        for name, figure in figures.items():
            save_figure(figure, folder / name)
        facts["test set"] = f"{len(result.truth):,} windows"
    page = class_page(
        ClassRecord(
            title=f"{target}, categories of {table}",
            finding=finding,
            facts=facts,
            scores=scores,
            settings=(folder / CONFIG).read_text("utf-8"),
            pictures={
                name: (folder / name).read_bytes() for name in PICTURES if (folder / name).is_file()
            },
            commands=f"forecast categories predict {run} NEW_TABLE --output forecasts.csv",
        )
    )
    (folder / REPORT).write_text(page, "utf-8")
