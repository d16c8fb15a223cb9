"""Actions that argparse lacks: options given once, the version, and a plain list of commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


class CommandsFormatter(argparse.RawDescriptionHelpFormatter):
    """A formatter of the list of commands that keeps the line breaks of the examples."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        # argparse does not count the indentation of commands: without this, the summary of a long
        # name goes to the next line
        self._action_max_length = len("    show-config")


class PrintVersion(argparse.Action):
    """Print the version and exit; it is looked up only then, since the look-up takes time."""

    def __init__(self, option_strings: Sequence[str], **options: Any) -> None:
        super().__init__(option_strings, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        """Print the version and exit."""
        import forecast

        print(f"{parser.prog} {forecast.__version__}")
        parser.exit()


class GivenOnce(argparse.Action):
    """Keep the value of an option; a second one is refused, not taken in silence."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store the value.

        Raises:
            SystemExit: the option has a value already.
        """
        first = getattr(namespace, self.dest, None)
        if first is not None:
            fix = "give it once"
            if "..." in str(self.metavar):
                fix += f", with commas between the names: {option_string} {first},{values}"
            parser.error(f"{option_string} is given twice, as {first!r} and {values!r}: {fix}")
        setattr(namespace, self.dest, values)
