"""Judgement of predictions of the next symbol."""
