"""Names that columns usually have, by role; they decide only between columns that all could be."""

from __future__ import annotations

import re
from collections.abc import Sequence

TIME_WORDS = (
    "ds",
    "timestamp",
    "datetime",
    "date",
    "datum",
    "fecha",
    "time",
    "zeit",
    "zeitpunkt",
    "utc",
    "day",
    "tag",
    "period",
    "month",
    "monat",
    "week",
    "woche",
    "quarter",
    "quartal",
    "year",
    "jahr",
)
"""Names of timestamps, the likeliest first."""

YEAR_WORDS = ("year", "yr", "jahr", "annee", "ano")
"""Names of years: they are the time in whatever order the rows are."""

LATER_WORDS = (
    "ship",
    "shipped",
    "shipping",
    "delivery",
    "delivered",
    "due",
    "end",
    "until",
    "return",
    "returned",
    "paid",
    "payment",
    "closed",
    "updated",
    "modified",
    "expiry",
    "birth",
)
"""Words of a date that belongs to an event of an earlier date in the same row."""

INDEX_WORDS = (
    *TIME_WORDS,
    "t",
    "step",
    "tick",
    "hour",
    "yr",
    "annee",
    "ano",
)
"""Names under which whole numbers are taken for the time."""

TARGET_WORDS = (
    "y",
    "target",
    "sales",
    "demand",
    "close",
    "cnt",
    "count",
    "value",
    "pm25",
    "pm10",
    "umsatz",
    "absatz",
    "revenue",
    "turnover",
    "quantity",
    "qty",
    "menge",
    "sold",
    "units",
    "orders",
    "load",
    "consumption",
    "verbrauch",
    "passengers",
    "visitors",
    "visits",
    "traffic",
    "amount",
    "betrag",
    "wert",
    "cases",
    "ot",
    "mw",
    "mwh",
    "kwh",
    "power",
    "generation",
    "production",
    "temp",
    "temperature",
    "level",
    "flow",
    "index",
    "total",
    "volume",
    "rate",
    "price",
)
"""Names of what is forecast, the likeliest first."""

ID_WORDS = (
    "unique_id",
    "id",
    "series",
    "item",
    "store",
    "shop",
    "sku",
    "product",
    "article",
    "artikel",
    "sensor",
    "meter",
    "station",
    "site",
    "device",
    "machine",
    "customer",
    "kunde",
    "filiale",
    "branch",
    "symbol",
    "ticker",
    "country",
    "land",
    "state",
    "region",
    "city",
    "stadt",
    "location",
    "geo",
    "entity",
    "zone",
    "dept",
    "department",
    "family",
    "category",
    "group",
    "variable",
    "name",
    "key",
    "code",
    "nbr",
    "zip",
    "plz",
)
"""Names of ids of series."""

FLAG_WORDS = ("holiday", "weekend", "workingday", "feiertag")
"""Words in the names of marks of special days."""

CALENDAR_WORDS = (
    "weekday",
    "dayofweek",
    "dow",
    "wochentag",
    "dayofyear",
    "doy",
    "dayofmonth",
    "weekofyear",
    "month",
    "mnth",
    "monat",
    "year",
    "yr",
    "jahr",
    "hour",
    "hr",
    "stunde",
    "minute",
    "day",
    "tag",
    "quarter",
    "quartal",
    "week",
    "season",
)
"""Names of whole numbers that say where a row lies in the calendar: no measurement."""

ROW_WORDS = ("", "id", "rowid", "row", "rowname", "rownames", "rownumber", "index", "no", "nr")
"""Names of numbers that count the rows, without spaces and signs."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case: `Weekly_Sales` and `WeeklySales` have two."""
    return [word.lower() for word in _WORD.findall(name)]


def plain(name: str) -> str:
    """Return a name in lower case, without spaces and signs."""
    return re.sub(r"[\W_]", "", name).lower()


def rank(name: str, known: Sequence[str]) -> int:
    """Return how likely a name is in a list of words: 0 for the first word, more for later ones.

    A name that only contains a word comes after it, and one that contains none comes last.
    """
    whole = [known.index(form) for form in (plain(name), name.strip().lower()) if form in known]
    if whole:
        return 2 * whole[0]
    found = [known.index(word) for word in words_of(name) if word in known]
    return 2 * min(found, default=len(known)) + 1


def has_word(name: str, known: Sequence[str]) -> bool:
    """Return whether a name is or contains one of the words."""
    return rank(name, known) < 2 * len(known)
