"""Baselines to beat: simple rules and a ridge regression, compared on the same windows."""

from forecast.baselines.simple import BASELINES

__all__ = ["BASELINES"]
