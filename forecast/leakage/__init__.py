"""Checks that no value after a cutoff leaks into what was before: of any pipeline, and of this one."""

from forecast.leakage.pipeline import LeakReport, check_no_leakage

__all__ = ["LeakReport", "check_no_leakage"]
