"""Local time without its offset from UTC: which moment each row of the wall clock means."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.findings import Change, FindingLog, counted
from forecast.data.grid import most_common
from forecast.data.table import RowNames

NamesStep = Literal["auto", "start", "end"]
"""Whether a timestamp names the start or the end of its step."""

_WITHOUT_CHANGES = Change({"data.tz": None}, "if the clocks of the table do not change")


def localise(
    wall: NDArray[np.int64], tz: str, rows: RowNames, log: FindingLog, step: int = 0
) -> NDArray[np.int64]:
    """Turn local time in `tz` into UTC; of hours that occur twice, the order of rows decides.

    Args:
        wall: (R,) nanoseconds of the wall clock, in the order of the table.
        tz: the zone.
        rows: names and series of the rows.
        log: gets errors: an hour that does not exist, or a repeated hour that stays ambiguous.
        step: nanoseconds of the wall clock by which the rows are written too late.

    Returns:
        (R,) nanoseconds in UTC, NaT where there is such an error.
    """
    written = wall.view("datetime64[ns]")
    wall = wall - step
    stamps = pd.DatetimeIndex(wall.view("datetime64[ns]"))
    early = stamps.tz_localize(tz, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="NaT")
    late = stamps.tz_localize(tz, ambiguous=np.zeros(len(wall), dtype=bool), nonexistent="NaT")
    skipped = np.flatnonzero(early.isna())
    if len(skipped):
        named = RowNames(rows.table, rows.ids, rows.codes, written).several(
            skipped[:5], len(skipped)
        )
        log.error(
            "skipped_hour",
            f"{counted(len(skipped), 'timestamp')} skipped by the clocks of {tz}: {named}",
            "pass `data.tz` with the zone they are in, or correct them",
            settings=(_WITHOUT_CHANGES,),
        )
    utc = early.tz_convert(None).to_numpy(dtype="datetime64[ns]").view(np.int64).copy()
    later = late.tz_convert(None).to_numpy(dtype="datetime64[ns]").view(np.int64)
    twice = np.flatnonzero((utc != later) & early.notna())
    if len(twice):
        second, unclear = _second_occurrence(
            wall, twice, RowNames(rows.table, rows.ids, rows.codes, written), log, tz
        )
        utc[second] = later[second]
        utc[unclear] = np.datetime64("NaT").view(np.int64)
    return utc


def localise_ends(
    wall: NDArray[np.int64], tz: str, rows: RowNames, log: FindingLog
) -> NDArray[np.int64]:
    """Turn the ends of steps in local time into UTC; arguments as in `localise`.

    Most people write the hour from 1 to 2 as 02:00 whatever the clocks do at 02:00: then the start
    is what the wall clock shows, and an hour later in summer. Others write what the wall clock
    shows at the end of the step. The way is taken that fits all rows.
    """
    step = _usual_step(wall, rows)
    for late in (step, 0):
        trial = FindingLog(strict=False)
        utc = localise(wall, tz, rows, trial, late)
        if not trial.findings:
            return utc + late
    utc = localise(wall, tz, rows, log, step)
    unknown = np.isnat(utc.view("datetime64[ns]"))
    return np.where(unknown, utc, utc + step)


def _usual_step(wall: NDArray[np.int64], rows: RowNames) -> int:
    """Return the most common step between neighbours, in nanoseconds; 0 where there is none."""
    codes = rows.codes
    if codes is None:
        codes = np.zeros(len(wall), dtype=np.int32)
    order = np.lexsort((wall, codes))
    steps = np.diff(wall[order])[np.diff(codes[order]) == 0]
    steps = steps[steps > 0]
    return most_common(steps) if len(steps) else 0


def _second_occurrence(
    wall: NDArray[np.int64], twice: NDArray[np.int64], rows: RowNames, log: FindingLog, tz: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return those of the rows `twice`, with a repeated hour, that belong to its second pass.

    Returns:
        These rows, and those that may belong to either pass, for which there is an error.
    """
    codes = rows.codes
    if codes is None:
        codes = np.zeros(len(wall), dtype=np.int32)
    frame = pd.DataFrame({"code": codes[twice], "wall": wall[twice]})
    again = frame.duplicated().to_numpy()
    single = twice[~frame.duplicated(keep=False).to_numpy()]
    order = np.argsort(codes, kind="stable")
    repeated = np.zeros(len(wall), dtype=bool)
    repeated[twice] = True
    inside = repeated[order][1:] & repeated[order][:-1]  # the clocks may go back here, nowhere else
    backwards = (np.diff(wall[order]) < 0) & (np.diff(codes[order]) == 0) & ~inside
    unsorted = np.intersect1d(codes[order][1:][backwards], codes[twice])
    bad = twice[:0]
    if len(unsorted) or len(single):
        bad = twice[np.isin(codes[twice], unsorted)]
        reason = "is in rows that are not in time order"
        if len(single):
            bad = single
            reason = "occurs once only"
        named = rows.several(bad[:5], len(bad))
        log.error(
            "repeated_hour",
            f"the hour that the clocks of {tz} repeat {reason}, so its two passes cannot be told "
            f"apart: {named}",
            "sort the rows, or write the timestamps with their UTC offset",
            settings=(_WITHOUT_CHANGES,),
        )
    return twice[again], bad
