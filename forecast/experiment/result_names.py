"""Names of columns that the tables of results need for themselves."""

from __future__ import annotations

import re

from forecast.baselines.simple import BASELINE_NAMES
from forecast.data.findings import BadTableError
from forecast.data.panel import Columns
from forecast.experiment.settings import Experiment
from forecast.scores.forecast import column_names

_CUTOFF = "cutoff"

_SPREAD = r"-(lo-.+|hi-.+|median)"
"""Ends of the names of quantiles and intervals."""


def refuse_doubled_names(config: Experiment, columns: Columns) -> None:
    """Raise where a table of results would have two columns of one name.

    Args:
        config: the experiment, whose name is the column of its forecast.
        columns: of the table.

    Raises:
        BadTableError: a column must be renamed.
    """
    if config.name in BASELINE_NAMES:
        raise BadTableError(
            "doubled_name",
            f"name is {config.name!r}, which is the name of a baseline",
            "give another `name`",
        )
    forecasts = [
        name
        for alias in (config.name, *BASELINE_NAMES)
        for name in column_names(alias, columns.target_cols)
    ]
    taken = re.compile(f"({'|'.join(map(re.escape, forecasts))})({_SPREAD})?")
    for column in (*columns.id_cols, columns.time_col, *columns.target_cols):
        if column == _CUTOFF or taken.fullmatch(column):
            raise BadTableError(
                "doubled_name",
                f"column {column!r} has the name of a column of the results",
                "rename the column in the table",
            )
