"""Predictions from counts of what followed the last few symbols, and their part in a mixture."""
