"""Sequences that have any number of labels each."""
