"""Experiments: their settings and file, values that the data decide, and the way to windows."""
