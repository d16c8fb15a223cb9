"""Runs, backtests and searches in MLflow, and the forecaster as an MLflow model.

destination    the tracking server or database that a URI names, checked before any work
entries        names and lengths that MLflow takes
tracked        a piece of work and its run in MLflow, from the first epoch to the last file
trials         a child run for each trial of a search
pyfunc_model   the forecaster as a model from code, without a pickle
pyfunc_folder  a run as a folder of such a model
"""
