"""Changes of the clocks in stamps that name no time zone."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_DST_ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip


def changing_zone(stamps: NDArray[np.generic], change: Literal["repeats", "skips"]) -> str | None:
    """Return a zone whose clocks repeat or skip each of these stamps, if there is one.

    Args:
        stamps: naive stamps that occur twice, or that are missing; an integer index fits no zone.
        change: what the clocks did.
    """
    if stamps.dtype.kind != "M":
        return None
    index = pd.DatetimeIndex(stamps)
    first = np.ones(len(index), dtype=bool)
    for zone in _DST_ZONES:
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
    """Say what the stamps look like."""
    return f"this looks like local time with DST, as in {zone}"


def pass_zone(zone: str) -> str:
    """Say what to do about it."""
    return f"pass tz: with the zone of the data, for example tz: {zone}"
