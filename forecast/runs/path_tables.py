"""Tables made of the sample paths of a run: the paths, totals, and times of crossing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.files.outputs import check_file
from forecast.forecasting.path_totals import Period
from forecast.runs.table_files import columns_in, write_table
from forecast.runs.use import check_outside, open_run
from forecast.scores.crossings import crossings

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_PATHS = 1_000


@dataclass(frozen=True)
class PathQuestion:
    """Question to the paths: nothing but themselves, a total, or a time of crossing.

    Attributes:
        num_paths: P.
        seed: of the draw.
        total: period of totals; None for none.
        by: columns that name groups of series, the widest first, for totals.
        above: value that is exceeded; None for none.
        level: of intervals, in %.
    """

    num_paths: int = DEFAULT_PATHS
    seed: int = 0
    total: Period | None = None
    by: Sequence[str] | None = None
    above: float | None = None
    level: float = 80.0


def path_table(
    run: str | Path,
    table: str | None = None,
    *,
    known: str | None = None,
    asked: PathQuestion,
    output: str | Path | None = None,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Draw sample paths of the forecast of a run, and answer a question with them.

    Args:
        run: the folder of a run or a saved model.
        table: history to forecast from; default: the table of the run.
        known: file with the known covariates of the steps to forecast.
        asked: the question.
        output: CSV, Parquet or Excel file to write; new, or an earlier answer to such a question.

    Returns:
        The answer, and the notes on the forecast; notes on totals there are none.

    Raises:
        OutputError: `output` is read here, belongs to the run, or is something else.
    """
    forecaster, history = open_run(run, table, output)
    if output is not None:
        check_outside(run, output)
        check_file(output, is_path_table, "table of totals or paths", (history, known))
    notes: tuple[str, ...] = ()
    if asked.total is not None:
        frame = forecaster.totals(
            history,
            known=known,
            period=asked.total,
            by=asked.by,
            level=asked.level,
            num_paths=asked.num_paths,
            seed=asked.seed,
        )
    else:
        forecast = forecaster.predict(
            history, known=known, num_paths=asked.num_paths, seed=asked.seed
        )
        notes = forecast.notes
        frame = forecast.paths_frame()
        if asked.above is not None:
            frame = crossings(forecast, asked.above, asked.level)
    if output is not None:
        write_table(frame, output)
    return frame, notes


_MARKS = (
    {"cutoff", "path"},
    {"target", "period", "start", "forecast_steps", "total", "highest"},
    {"cutoff", "target", "above", "probability", "first"},
)
"""Columns of each kind of table."""


def is_path_table(path: Path) -> bool:
    """Return whether a file has the columns of such a table."""
    found = set(columns_in(path))
    return any(marks <= found for marks in _MARKS)
