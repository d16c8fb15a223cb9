"""The forecaster: a fitted state, its forecasts and their evaluation, saved and loaded."""
