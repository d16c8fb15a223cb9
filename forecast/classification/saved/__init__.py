"""Saved models of sequences: what their files may hold, and how they are rebuilt."""
