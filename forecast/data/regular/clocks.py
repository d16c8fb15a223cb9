"""Changes of the clocks: whether repeated or missing timestamps are those of a time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.dates.local_time import localise, localise_ends
from forecast.data.findings import Change, FindingLog
from forecast.data.order import SortedRows
from forecast.errors.interface import Settings

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


def in_zone(settings: Settings) -> Change:
    """Return the change for timestamps in local time, of one of the zones with their clocks."""
    return Change(settings, "or the zone of the data")


@dataclass(frozen=True)
class LocalTime:
    """A zone whose clocks repeat or skip some timestamps of a table.

    Attributes:
        zone: the zone.
        at_end: whether timestamps name the end of their steps.
    """

    zone: str
    at_end: bool

    @property
    def words(self) -> str:
        """Words for a message: what the timestamps look like."""
        end = ", with each step written at its end" if self.at_end else ""
        return f"this looks like local time with DST, as in {self.zone}{end}"

    @property
    def settings(self) -> Settings:
        """The settings that say so."""
        if not self.at_end:
            return {"data.tz": self.zone}
        return {"data.tz": self.zone, "data.stamps": "end"}

    def ways(self, rows: SortedRows, others: Sequence[Change]) -> tuple[Change, ...]:
        """Return the settings that remove a finding: the zone where it fits all rows, and others.

        Args:
            rows: rows whose timestamps carry no zone.
            others: settings that do without a zone.
        """
        if self.at_end:
            others = [replace(o, settings={**o.settings, "data.stamps": "end"}) for o in others]
        if not _fits(rows, self):
            return tuple(others)
        return in_zone(self.settings), *others


def local_time(
    rows: SortedRows,
    stamps: NDArray[np.generic],
    change: Literal["repeats", "skips"],
    *,
    step: int,
    at_end: bool,
) -> LocalTime | None:
    """Return the zone whose clocks explain repeated or missing timestamps, if there is one.

    Args:
        rows: the rows.
        stamps: their timestamps that occur twice, or those that are missing.
        change: the change of the clocks.
        step: the usual step between rows, in ns.
        at_end: whether timestamps are known to name the end of their steps.
    """
    if rows.tz is not None or stamps.dtype.kind != "M":
        return None
    zone = None if at_end else changing_zone(stamps, change)
    if zone is not None:
        return LocalTime(zone, at_end=False)
    zone = changing_zone((stamps.view(np.int64) - step).view("datetime64[ns]"), change)
    if zone is None:
        return None
    return LocalTime(zone, at_end=True)


def _fits(rows: SortedRows, local: LocalTime) -> bool:
    """Return whether all timestamps are local time in a zone, each of them once.

    Args:
        rows: rows whose timestamps carry no zone.
        local: the zone.
    """
    names = rows.names
    if names.stamps is None or names.codes is None:
        return False
    log = FindingLog(strict=False)
    known = names.codes >= 0
    read = localise_ends if local.at_end else localise
    utc = read(names.stamps.view(np.int64), local.zone, names, log)
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
