"""Reader of the rows of a query: DuckDB in this process, or a PostgreSQL server through ADBC.

A database is opened to read: whatever a query would write is refused. Packages of databases are
imported where one is read, since few tables come from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.findings import BadTableError
from forecast.data.formats.arrow_tables import open_arrow
from forecast.data.formats.opened import Opened, Written
from forecast.data.panel import Columns
from forecast.errors import ConfigError

SERVERS = ("postgresql://", "postgres://")
"""Beginnings of the address of a server."""

CONNECT_SECONDS = 10
"""Longest wait for a server."""

_READS = re.compile(
    r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*(select|with|values|table|from)\b", re.I | re.S
)
"""Beginning of a query that returns rows, after comments."""

_MOST = 300
"""Characters of the words of a database that a message repeats."""

_HIDDEN = "***"

_USER_PASSWORD = re.compile(r"(\w+://[^/?#\s:@]*:)[^\s]*(?=@)")
_NAMED_PASSWORD = re.compile(r"(?i)(password=)[^&\s'\"]+")


@dataclass(frozen=True)
class Query:
    """Rows that a database is asked for.

    Attributes:
        text: in SQL.
        database: file of DuckDB, or address of a PostgreSQL server as
            `postgresql://USER@HOST/DATABASE`; None: DuckDB without a file, whose queries name CSV
            or Parquet files.

    Example:
        >>> from forecast.data.formats.database import Query
        >>> Query("SELECT * FROM sales", "postgresql://ann:secret@db/shop")
        Query('SELECT * FROM sales', 'postgresql://ann:***@db/shop')
    """

    text: str
    database: str | None = None

    def __repr__(self) -> str:
        """The query, without a password."""
        if self.database is None:
            return f"Query({self.text!r})"
        return f"Query({self.text!r}, {without_password(self.database)!r})"

    @cached_property
    def rows(self) -> pa.Table:
        """The rows, read once.

        Raises:
            BadTableError: the database refuses the query, cannot be opened, or does not answer.
            ConfigError: its package is not installed.
        """
        if self.database is not None and self.database.startswith(SERVERS):
            return _plain(_from_server(self.text, self.database))
        return _plain(_from_duckdb(self.text, self.database))


def open_query(query: Query, columns: Columns, written: Written) -> Opened:
    """Open the rows of a query."""
    return open_arrow(query.rows, columns, written)


def without_password(text: str) -> str:
    """Return a text in which passwords in addresses of servers are hidden."""
    return _NAMED_PASSWORD.sub(rf"\1{_HIDDEN}", _USER_PASSWORD.sub(rf"\1{_HIDDEN}", text))


def _from_duckdb(text: str, database: str | None) -> pa.Table:
    """Return the rows of a query of DuckDB."""
    _require("duckdb")
    if database is not None:
        _check_file(database)
    import duckdb

    with (
        _plain_errors(database),
        duckdb.connect(database or ":memory:", database is not None) as link,
    ):
        statements = link.extract_statements(text)
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            raise _no_select()
        link.execute(
            "SET TimeZone = 'UTC'"
        )  # else the types of timestamps name that of the machine
        return link.sql(text).to_arrow_table()


def _from_server(text: str, address: str) -> pa.Table:
    """Return the rows of a query of a PostgreSQL server."""
    _require("adbc_driver_postgresql")
    if not _READS.match(text):
        raise _no_select()
    from adbc_driver_postgresql import dbapi

    joint = "&" if "?" in address else "?"
    if "connect_timeout=" not in address:
        address += f"{joint}connect_timeout={CONNECT_SECONDS}"
    # the transaction is never committed
    with _plain_errors(address), dbapi.connect(address) as link, link.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(text)
        return cursor.fetch_arrow_table()


def _require(package: str) -> None:
    """Raise where the package of a database is missing.

    Raises:
        ConfigError: as above.
    """
    if find_spec(package) is None:
        raise ConfigError(
            f"the package {package} that reads the database is not installed: run pip install "
            f"'bigru-forecast[database]', or write the rows to a Parquet file and name that"
        )


def _check_file(database: str) -> None:
    """Raise unless a database is a file.

    Raises:
        BadTableError: as above.
    """
    if "://" in database:
        raise BadTableError(
            "database",
            f"the database is {without_password(database)!r}",
            "expected a file of DuckDB, or postgresql://USER@HOST/DATABASE",
        )
    if not Path(database).is_file():
        raise BadTableError("database", f"there is no database {database}", "check the path")


def _no_select() -> BadTableError:
    return BadTableError(
        "database",
        "the query is no single SELECT; a database is only read here",
        "expected one query that returns rows, such as SELECT store, day, sales FROM sales",
    )


@contextmanager
def _plain_errors(address: str | None) -> Iterator[None]:
    """Turn an error of a database into one line without a password.

    The error of the database is not kept as its cause, whose text may have the address.
    """
    try:
        yield
    except BadTableError:
        raise
    except Exception as error:  # each package has errors of its own
        reason = _without_secrets(" ".join(str(error).split()), address)[:_MOST]
        message = f"the database did not answer the query ({reason or type(error).__name__})"
    else:
        return
    raise BadTableError("database", message, "correct the query or the address")


def _without_secrets(text: str, address: str | None) -> str:
    """Return a text without the password of an address, in whatever form it is repeated."""
    for secret in _secrets(address or ""):
        text = text.replace(secret, _HIDDEN)
    return without_password(text)


def _secrets(address: str) -> set[str]:
    """Return the password of an address as it is written, and as it is meant."""
    found = set(
        _USER_PASSWORD.findall(address) and re.findall(r"://[^/?#\s:@]*:([^\s]*)@", address)
    )
    try:
        parts = urlsplit(address)
    except ValueError:
        return {secret for secret in found if secret}
    if parts.password:
        found |= {parts.password, unquote(parts.password)}
    found |= {value for name, value in parse_qsl(parts.query) if "password" in name.lower()}
    return {secret for secret in found if secret}


def _plain(table: pa.Table) -> pa.Table:
    """Return a table with the types that text files have too: numbers, text, dates.

    Decimal numbers become the nearest floats, as the same numbers in a text file do; those of
    databases as text become numbers.
    """
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if isinstance(field.type, pa.BaseExtensionType):
            column = _without_extension(column)
        if pa.types.is_decimal(column.type):
            column = _as_numbers(column.cast(pa.string()))
        table = table.set_column(place, field.name, column)
    return table


def _without_extension(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of a type of one database in a plain type."""
    name = getattr(column.type, "type_name", column.type.extension_name)
    if "uuid" in name:
        return pa.chunked_array([pa.array(map(_as_text, column.to_pylist()), pa.string())])
    chunks = [chunk.storage for chunk in column.chunks]
    stored = pa.chunked_array(chunks, column.type.storage_type)
    if name == "numeric":
        return _as_numbers(stored)
    return stored


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    return str(value)


def _as_numbers(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers in text as whole numbers where all are, else as floats."""
    whole = pc.match_substring_regex(text, r"^-?[0-9]{1,18}$")
    if pc.all(whole).as_py():
        return text.cast(pa.int64())
    return text.cast(pa.float64())
