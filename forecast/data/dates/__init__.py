"""Timestamps as text and as numbers: their formats, and how they are recognised."""
