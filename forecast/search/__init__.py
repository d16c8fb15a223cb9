"""Hyperparameter search on keras-tuner: see `search` for the whole, `ordered` for repeatability.

`processes` is imported by workers before the numbers of threads are set, so this file is empty.
"""
