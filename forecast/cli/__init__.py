"""The command line: one file per group of commands, `parser` for what they share."""

from forecast.cli.entry import build_parser, main

__all__ = ["build_parser", "main"]
