"""Checks that values after a cutoff do not leak into earlier stages of a pipeline."""

from forecast.leakage.pipeline import LeakReport, check_no_leakage

__all__ = ["LeakReport", "check_no_leakage"]
