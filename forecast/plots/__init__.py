"""Pictures: one figure per function; each takes results and returns a matplotlib figure."""

from forecast.plots.errors import plot_error_by_step, plot_residuals
from forecast.plots.forecasts import plot_forecasts
from forecast.plots.loss import plot_loss
from forecast.plots.style import save_figure

__all__ = ["plot_error_by_step", "plot_forecasts", "plot_loss", "plot_residuals", "save_figure"]
