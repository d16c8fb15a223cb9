"""Forecasts against actual values: metrics, tables of scores, and how sure a difference is."""
