"""Pictures: one figure per function; each takes results and returns a matplotlib figure."""

from __future__ import annotations

from forecast.report.plots.coverage_by_step import plot_coverage
from forecast.report.plots.cutoffs import plot_error_by_cutoff
from forecast.report.plots.fan import plot_fan
from forecast.report.plots.forecasts import plot_forecasts
from forecast.report.plots.loss import plot_loss
from forecast.report.plots.step_errors import plot_bias_by_step, plot_error_by_step, plot_residuals
from forecast.report.plots.style import save_figure
from forecast.report.plots.trials import plot_cost, plot_importance, plot_parallel, plot_progress

__all__ = [
    "plot_bias_by_step",
    "plot_cost",
    "plot_coverage",
    "plot_error_by_cutoff",
    "plot_error_by_step",
    "plot_fan",
    "plot_forecasts",
    "plot_importance",
    "plot_loss",
    "plot_parallel",
    "plot_progress",
    "plot_residuals",
    "save_figure",
]
