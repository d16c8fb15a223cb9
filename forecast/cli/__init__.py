"""The command line."""

from forecast.cli.entry import build_parser, main

__all__ = ["build_parser", "main"]
