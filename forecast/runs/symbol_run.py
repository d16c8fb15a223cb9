"""A model of the next symbol and its run folder, which is written atomically.

- `config.yaml`, `environment.json`, `history.json`: settings, versions, losses by pass
- `scores.csv`: accuracy, nats, bits and perplexity of the network and the baselines
- `model/`: the saved model
- `loss.png`, `report.html`: losses by pass; all of this on one page
"""

from __future__ import annotations

from pathlib import Path

from forecast.classification.symbols.next_symbol import NextSymbol
from forecast.classification.symbols.symbol_settings import NextSymbolSettings
from forecast.files.atomic import replace_folder
from forecast.report.class_page import ClassRecord, class_page
from forecast.report.plots.loss import CROSS_ENTROPY, plot_loss
from forecast.report.plots.style import save_figure
from forecast.runs.label_records import (
    LOSS,
    SCORES_FILE,
    LabelRun,
    claim_folder,
    history_of,
    members_in_words,
    model_folder,
    write_settings,
)
from forecast.runs.records import MODEL, REPORT, write_histories
from forecast.training.voice import Voice

SYMBOL_RUN = LabelRun("run of symbols fit", "symbols.json", ())
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
        out: the folder; default: `runs/` and the name of the table. It is new, empty, or an earlier
            run of the same table with the same settings.
        replace: also replace another run.
        voice: where lines go.

    Returns:
        The folder.

    Raises:
        OutputError: the folder contains something else.
    """
    folder = Path(out or Path("runs") / f"{Path(table).stem}-symbols")
    claim = claim_folder(SYMBOL_RUN, folder, table, settings, replace=replace)
    voice.wake()
    model = NextSymbol(settings).fit(table)
    result = model.evaluate()
    scores = result.scores()
    fitted = model.fitted
    history = history_of({"loss": fitted.loss, "val_loss": fitted.val_loss})
    with replace_folder(folder, claim.check) as temporary:
        seed = settings.training.seed
        text = write_settings(SYMBOL_RUN, claim, fitted.settings, seed, temporary)
        write_histories({"gru_next": history}, temporary)
        scores.to_csv(temporary / SCORES_FILE)
        model.save(temporary / MODEL)
        figure = plot_loss({"gru_next": history}, subject=Path(table).name, y_title=CROSS_ENTROPY)
        save_figure(figure, temporary / LOSS)
        page = class_page(
            ClassRecord(
                title=f"next symbols of {Path(table).name}",
                finding=result.verdict(),
                facts=_facts(model),
                scores=scores,
                settings=text,
                pictures={LOSS: (temporary / LOSS).read_bytes()},
                commands=f"forecast symbols generate {folder.name} --prompt TEXT --length 200",
            )
        )
        (temporary / REPORT).write_text(page, "utf-8")
    voice.say(members_in_words("gru_next", fitted.weights))
    for line in scores.round(3).to_string().splitlines():
        voice.say(line)
    voice.say("on the validation symbols, by which training was stopped:")
    voice.say(result.verdict())
    voice.say(f"wrote {folder}: model, scores, losses and {REPORT}")
    return folder


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
        "members": members_in_words("gru_next", fitted.weights),
        "passes over the training symbols": f"{len(fitted.loss):,}",
        "scores": "on the validation symbols, by which training was stopped",
    }
