"""Hyperparameter search on keras-tuner: see `search` for the whole, `ordered` for repeatability."""

from forecast.search.search import tune_run

__all__ = ["tune_run"]
