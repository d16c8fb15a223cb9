"""Forecasts of a column of categories: which state comes next."""
