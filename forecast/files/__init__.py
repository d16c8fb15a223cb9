"""Bytes on disk: atomic writes, locks, tensors, and a YAML reader without surprises."""
