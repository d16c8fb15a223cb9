"""Rows of a database with the types that databases have, and the same rows as a text file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from forecast import Forecaster
from forecast.data.formats.database import Query

NUM_DAYS = 60

QUERY = "SELECT * FROM sales ORDER BY store, day"

TYPES = """
CREATE TABLE sales (
    store {unsigned} NOT NULL,
    day DATE,
    stamp TIMESTAMP WITH TIME ZONE,
    sales DECIMAL(24, 12),
    whole DECIMAL(20, 0),
    price DOUBLE PRECISION,
    small REAL,
    promo BOOLEAN,
    note TEXT,
    nothing INTEGER
)
"""

FILL = """
INSERT INTO sales
SELECT i, DATE '2026-01-01' + CAST(j AS INTEGER),
    TIMESTAMPTZ '2026-01-01 00:00:00+00' + j * INTERVAL '1 day',
    CAST(100 AS DECIMAL(24, 12))
        + (j * 7919 + i * 104729) % 1000003 / CAST(1000003 AS DECIMAL(24, 12)) * 37,
    100 + (j * 7 + i) % 11, 0.1 * j + 1.0 / (3 + i), 0.1, j % 5 = 0,
    CASE WHEN j % 2 = 0 THEN NULL ELSE 'a, "b"' END, NULL
FROM {series_i} CROSS JOIN {series_j}
"""


def as_text(value: Any) -> str:
    """Write a cell as a program would that exports rows."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return str(value)


def write_csv(path: Path, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """Write rows as the driver of the database hands them to Python."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([as_text(value) for value in row] for row in rows)
    return path


ROLES: tuple[dict[str, Any], ...] = (
    {"time": "day", "target": "sales"},
    {"time": "stamp", "target": "sales", "past": "price"},
    {"time": "day", "target": "whole", "known": "promo", "past": "small"},
)
"""Roles of the columns of one model after another."""


def same_forecasts(query: Query, path: Path) -> int:
    """Compare forecasts from a query with those from the text file; return their number."""
    compared = 0
    for roles in ROLES:
        settings = {"horizon": 3, "seeds": 0, "linear": "member", "simple": (), "id": "store"}
        forecaster = Forecaster(**settings, **roles).fit(str(path), verbose=0)
        again = Forecaster(**settings, **roles).fit(query, verbose=0)
        options = {}
        if "known" in roles:
            known = forecaster.make_future_frame().assign(promo=True)
            options = {"known": known}
        expected = forecaster.predict(str(path), **options)
        for fitted, table in ((forecaster, query), (again, query), (again, str(path))):
            found = fitted.predict(table, **options)
            assert found.values.tobytes() == expected.values.tobytes(), roles
            assert found.stamps.tolist() == expected.stamps.tolist()
            assert found.series_ids.tolist() == expected.series_ids.tolist()
            compared += found.values.size
    return compared
