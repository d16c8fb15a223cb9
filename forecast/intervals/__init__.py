"""Prediction intervals: their width from errors on held-out windows, and their coverage."""

from forecast.intervals.coverage import coverage_text

__all__ = ["coverage_text"]
