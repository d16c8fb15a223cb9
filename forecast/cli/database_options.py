"""The options that read the table from a database; the words of a command without a password."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from forecast.errors import ConfigError


def add_database(parser: argparse.ArgumentParser) -> None:
    """Add the options that read the table from a database."""
    group = parser.add_argument_group(
        "a table from a database",
        "The rows of a query take the place of the table. The database is opened to read only, and "
        "what a query would write is refused (pip install 'bigru-forecast[database]').",
    )
    group.add_argument("--query", metavar="SQL", help="query whose rows are the table")
    group.add_argument(
        "--database",
        metavar="ADDRESS",
        help="file of DuckDB, or postgresql://USER@HOST/DATABASE, best with the password in "
        "PGPASSWORD or a password file; default: DuckDB without a file, whose queries name CSV or "
        "Parquet files",
    )


def settle_source(options: argparse.Namespace) -> None:
    """Put the query of a command, if there is one, in the place of its table.

    Raises:
        ConfigError: both are given, or a database without a query.
    """
    if options.query is None:
        if options.database is not None:
            raise ConfigError(
                "--database is read with --query alone: name the rows, such as --query "
                "'SELECT * FROM sales'"
            )
        return
    if options.table is not None:
        raise ConfigError(
            f"--query takes the place of the table {options.table}: leave one of them out"
        )
    from forecast.data.formats.database import Query

    options.table = Query(options.query, options.database)


def typed_words(arguments: Sequence[str]) -> list[str]:
    """Return the words of a command as messages and logs repeat them, without a password."""
    if not any("://" in word or "password=" in word.lower() for word in arguments):
        return list(arguments)
    from forecast.data.formats.database import without_password

    return [without_password(word) for word in arguments]
