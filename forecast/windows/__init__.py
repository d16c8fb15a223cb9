"""Which rows a window reads: splits, calendar, indices, and what the model is given."""

from forecast.windows.index import WindowShape, make_windows

__all__ = ["WindowShape", "make_windows"]
