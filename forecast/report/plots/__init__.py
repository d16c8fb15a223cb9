"""Figures: one function each, which takes results and returns a matplotlib figure.

Example:
    >>> from forecast import plots
    >>> from forecast.scores.history import History
    >>> history = History(
    ...     loss=(0.9, 0.5, 0.4),
    ...     val_loss=(1.0, 0.7, 0.8),
    ...     learning_rate=(0.001, 0.001, 0.001),
    ...     seconds=(1.5, 1.0, 1.0),
    ...     best_epoch=2,
    ... )
    >>> figure = plots.plot_loss(history)
    >>> figure.get_suptitle()
    'Validation loss was lowest in epoch 2 of 3: those weights are kept'
    >>> plots.save_figure(figure, "loss.png").name
    'loss.png'
"""

from __future__ import annotations

from forecast.report.plots.coverage_by_step import plot_coverage
from forecast.report.plots.cutoffs import plot_error_by_cutoff
from forecast.report.plots.fan import plot_fan
from forecast.report.plots.forecasts import plot_forecasts
from forecast.report.plots.loss import plot_loss
from forecast.report.plots.step_errors import plot_bias_by_step, plot_error_by_step, plot_residuals
from forecast.report.plots.steps_ahead import plot_next_steps
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
    "plot_next_steps",
    "plot_parallel",
    "plot_progress",
    "plot_residuals",
    "save_figure",
]
