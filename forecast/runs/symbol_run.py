"""A model of the next symbol and its run folder, which is written atomically.

- `config.yaml`, `environment.json`, `history.json`: settings, versions, losses by pass
- `scores.csv`: accuracy, nats, bits and perplexity of the network and the baselines
- `model/`: the saved model
- `loss.png`, `report.html`: losses by pass; all of this on one page
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from forecast.classification.symbols.next_symbol import NextSymbol
from forecast.classification.symbols.symbol_mixture import MODEL as MODEL_NAME
from forecast.classification.symbols.symbol_settings import NextSymbolSettings
from forecast.report.class_page import ClassRecord, class_page
from forecast.report.plots.loss import CROSS_ENTROPY, plot_loss
from forecast.report.plots.style import save_figure
from forecast.runs.label_records import (
    LOSS,
    SCORES_FILE,
    Finished,
    LabelRun,
    LabelWork,
    history_of,
    judged_lines,
    members_in_words,
    model_folder,
    run_labels,
)
from forecast.runs.records import CONFIG, REPORT
from forecast.training.voice import Voice

SYMBOL_RUN = LabelRun("run of symbols fit", "symbols", "symbols.json", ())
"""Folder that `run_symbols` writes."""


def run_symbols(
    settings: NextSymbolSettings,
    table: str,
    *,
    out: str | Path | None = None,
    replace: bool = False,
    voice: Voice,
) -> Path:
    """Train a model of the next symbol, judge it on the validation symbols, write the run folder.

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
    return run_labels(SYMBOL_RUN, work, partial(_finished, settings, table))


def _finished(settings: NextSymbolSettings, table: str) -> Finished:
    """Train and judge."""
    model = NextSymbol(settings).fit(table)
    result = model.evaluate()
    fitted = model.fitted
    histories = {MODEL_NAME: history_of({"loss": fitted.loss, "val_loss": fitted.val_loss})}
    *scores, verdict = judged_lines(result)
    lines = [
        *(f"note: {note}" for note in model.notes),
        members_in_words(MODEL_NAME, fitted.weights),
        *scores,
        "on the validation symbols, by which training was stopped:",
        verdict,
    ]

    def write(folder: Path, name: str) -> None:
        result.scores().to_csv(folder / SCORES_FILE)
        figure = plot_loss(histories, subject=Path(table).name, y_title=CROSS_ENTROPY)
        save_figure(figure, folder / LOSS)
        page = class_page(
            ClassRecord(
                title=f"next symbols of {Path(table).name}",
                finding=verdict,
                facts=_facts(model),
                scores=result.scores(),
                settings=(folder / CONFIG).read_text("utf-8"),
                pictures={LOSS: (folder / LOSS).read_bytes()},
                commands=f"forecast symbols generate {name} --prompt TEXT --length 200",
            )
        )
        (folder / REPORT).write_text(page, "utf-8")

    return Finished(model, fitted.settings, settings.training.seed, histories, write, lines)


def load_symbol_run(run: str | Path) -> NextSymbol:
    """Return the model of a run folder, or of a saved model.

    Raises:
        ConfigError: there is no such folder, or it has no model.
    """
    return NextSymbol.load(model_folder(run, "symbols fit"))


def _facts(model: NextSymbol) -> dict[str, str]:
    """Return what the page says of the symbols."""
    fitted = model.fitted
    return {
        "different symbols": f"{len(fitted.symbols.names):,}",
        "members": members_in_words(MODEL_NAME, fitted.weights),
        "passes over the training symbols": f"{len(fitted.loss):,}",
        "scores": "on the validation symbols, by which training was stopped",
    }
