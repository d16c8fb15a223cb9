"""Roles of columns in words, and the command that fits a checked table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from forecast.cli.proposals import command_with

if TYPE_CHECKING:
    from forecast.data.panel import Panel
    from forecast.experiment.settings import Experiment

_LISTS = {
    "known": "known_covariates",
    "past": "past_covariates",
    "static": "static_covariates",
    "categorical": "categorical",
    "weights": "weight_cols",
}


def role_lines(panel: Panel, layout: str) -> list[str]:
    """Return a line for each role that columns have.

    Args:
        panel: the series of the table.
        layout: of the table.
    """
    columns = panel.columns
    lines = [f"time    {columns.time_col}"]
    if layout == "wide":
        return [*lines, "target  one column per series"]
    if panel.series_ids.tolist() == ["series"]:
        lines.append("id      none: one series")
    else:
        lines.append(f"id      {columns.id_col}")
    lines.append(f"target  {', '.join(columns.target_cols)}")
    for word, role in _LISTS.items():
        names = getattr(columns, role)
        if names:
            lines.append(f"{word:<7} {', '.join(names)}")
    return lines


def fit_command(typed: Sequence[str], panel: Panel, config: Experiment) -> str:
    """Write the command that fits a table that was checked, with every role.

    Args:
        typed: the words of the command that checked it, `check` first.
        panel: the series of the table.
        config: the settings with which it was checked.
    """
    from forecast.data.panel import AUTO_ROLES, is_auto
    from forecast.experiment.enough import usual_horizon

    settings: dict[str, Any] = {}
    for role in AUTO_ROLES:
        if is_auto(getattr(config.data, role)):
            settings[f"data.{role}"] = getattr(panel.columns, role)
    if panel.num_series == 1:
        settings.pop("data.id_col", None)
    if config.data.layout == "wide":
        settings.pop("data.target_cols", None)
        settings.pop("data.id_col", None)
    if "horizon" not in config.windows.model_fields_set:
        settings["windows.horizon"] = usual_horizon(panel)
    return command_with(["fit", *typed[1:]], settings)
