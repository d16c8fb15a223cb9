"""Layouts of tables: where the header is, and what its rows and columns stand for."""
