"""Hyperparameter search on keras-tuner: see `search` for the road, `ordered` for what makes it repeatable."""

from forecast.search.search import tune_run

__all__ = ["tune_run"]
