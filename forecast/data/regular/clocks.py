"""Changes of the clocks: whether repeated or missing timestamps are those of a time zone."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.dates.stamps import localise
from forecast.data.findings import Change, FindingLog
from forecast.data.order import SortedRows

DST_ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Athens",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "Australia/Sydney",
    "Pacific/Auckland",
)
"""One zone for each time of day at which clocks change."""


def changing_zone(stamps: NDArray[np.generic], change: Literal["repeats", "skips"]) -> str | None:
    """Return a zone whose clocks repeat or skip all of these timestamps, if there is one.

    Args:
        stamps: timestamps without a zone that occur twice, or that are missing; an integer index
            fits no zone.
        change: the change of the clocks.
    """
    if stamps.dtype.kind != "M":
        return None
    index = pd.DatetimeIndex(np.unique(stamps))
    first = np.ones(len(index), dtype=bool)
    for zone in DST_ZONES:
        try:
            early = index.tz_localize(zone, ambiguous=first, nonexistent="NaT")
            late = index.tz_localize(zone, ambiguous=~first, nonexistent="NaT")
        except (KeyError, ValueError):  # a machine without a time zone database
            return None
        changed = early.isna() if change == "skips" else (early != late) & early.notna()
        if changed.all():
            return zone
    return None


def looks_local(zone: str) -> str:
    """Write that timestamps look like those of a zone with daylight saving time (DST)."""
    return f"this looks like local time with DST, as in {zone}"


def in_zone(zone: str) -> Change:
    """Return the change for timestamps in local time."""
    return Change({"data.tz": zone}, "or the zone of the data")


def fits_zone(rows: SortedRows, zone: str) -> bool:
    """Return whether all timestamps are local time in a zone, each of them once.

    Args:
        rows: rows whose timestamps carry no zone.
        zone: the zone.
    """
    names = rows.names
    if names.stamps is None or names.codes is None:
        return False
    log = FindingLog(strict=False)
    known = names.codes >= 0
    utc = localise(names.stamps.view(np.int64), zone, names, log)
    seen = pd.DataFrame({"series": names.codes[known], "utc": utc[known]})
    return not log.findings and not seen.duplicated().any()


def zone_of_days(rows: SortedRows) -> str | None:
    """Return a zone in which all timestamps, which carry UTC offsets, are at midnight.

    Days, weeks and months of such a zone are not all of one length.

    Args:
        rows: rows with timestamps in UTC.
    """
    if rows.tz is None or not len(rows.stamps):
        return None
    utc = pd.DatetimeIndex(rows.stamps).tz_localize("UTC")
    for zone in DST_ZONES:
        local = utc.tz_convert(zone)
        if (local == local.normalize()).all():
            return zone
    return None
