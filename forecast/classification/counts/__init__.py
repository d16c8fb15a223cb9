"""Predictions from counts of what followed the last few symbols, and their weight in a mixture."""
