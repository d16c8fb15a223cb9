"""Symbols over time: the next character, word or state."""
