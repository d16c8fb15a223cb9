"""Delimited text: encoding, separator, and which lines are the table."""
