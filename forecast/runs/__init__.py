"""One experiment and its folder."""

from forecast.runs.run import load_run

__all__ = ["load_run"]
