"""The forecasts to beat: simple rules and a ridge regression, and how models are compared on the same windows."""

from forecast.baselines.simple import BASELINES

__all__ = ["BASELINES"]
