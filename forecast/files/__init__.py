"""Bytes on disk: atomic writes, tensors, and a YAML reader without surprises."""
