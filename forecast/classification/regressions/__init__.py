"""Regressions on features of whole sequences: the classifiers to beat."""
