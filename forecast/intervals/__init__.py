"""Prediction intervals: their width from errors on held-out windows, and how much they cover."""

from forecast.intervals.coverage import coverage_text

__all__ = ["coverage_text"]
