"""The first lines of a backtest: its table, its cutoffs and its models."""

from __future__ import annotations

from collections.abc import Sequence

from forecast.backtest.rolling import Plan
from forecast.data.findings import counted
from forecast.data.panel import Panel
from forecast.runs.heading import note_lines, table_line


def opening(panel: Panel, plan: Plan, models: Sequence[str], source: str | None) -> list[str]:
    """Describe a backtest before anything is fitted.

    Args:
        panel: all rows.
        plan: the cutoffs.
        models: names of those that are compared.
        source: name of the table.
    """
    cutoffs = counted(plan.num_windows, "cutoff")
    fits = counted(plan.num_blocks, "fit")
    return [
        table_line(panel, source),
        f"backtest: {cutoffs}, horizon {plan.horizon}, {fits} of {', '.join(models)}",
        *note_lines(panel.notes),
    ]


def fit_line(plan: Plan, number: int) -> str:
    """Return the line before the models of a block are fitted.

    Args:
        plan: the cutoffs.
        number: of the block.
    """
    cutoffs = plan.cutoffs(number)
    named = f"cutoff {cutoffs[0] + 1}"
    if len(cutoffs) > 1:
        named = f"cutoffs {cutoffs[0] + 1} to {cutoffs[-1] + 1}"
    return f"fitting at {named} of {plan.num_windows}"
