"""One experiment and its folder."""

from forecast.runs.use import load_run

__all__ = ["load_run"]
