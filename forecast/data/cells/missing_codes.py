"""Numbers that stand for a missing value, such as 9999.9, -999 and -200.

Weather services and loggers write a number that cannot be measured where nothing was measured. Read
as a value, one such cell ruins scale and forecast. A number is suspected where it is written like a
code and lies far from all others; nothing is taken for missing unless a setting says so.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from forecast.axes import FloatArray
from forecast.data.findings import Change, FindingLog, counted
from forecast.data.table import RowNames

_WRITTEN_LIKE_A_CODE = re.compile(
    r"-99+[.](9+|0)|9{3,}[.](9+|0)|99[.]9+|-200[.]0|-?1e\+(20|3\d)|9[.]9692\d*e\+36"
)
"""Nines only, -200 as in UCI Air Quality, or a fill value of netCDF."""

_FAR = 3.0
"""Distance of a code to the nearest other number, in ranges of the others, at least."""


def without_codes(numbers: FloatArray, name: str, rows: RowNames, log: FindingLog) -> FloatArray:
    """Return numbers with NaN in place of codes, and say so; report codes that nobody named.

    Args:
        numbers: (R,) cells of a column, NaN where one is missing.
        name: of the column.
        rows: names of the rows in findings, and the table with `missing_codes`.
        log: gets the note or the error.
    """
    given = rows.table.missing_codes
    codes = suspected_codes(numbers) if given is None else list(given)
    if not codes:
        return numbers
    is_code = np.isin(numbers, codes)
    if not is_code.any():
        return numbers
    present = ", ".join(f"{code:.12g}" for code in codes if (numbers == code).any())
    if given is None:
        _report(codes, f"{name} is {present} in {_rows(is_code, rows)}", log)
    else:
        number = counted(int(is_code.sum()), "cell")
        log.note("codes_read", f"{name}: {present} in {number} taken as missing")
    return np.where(is_code, np.nan, numbers)


def suspected_codes(numbers: FloatArray) -> list[float]:
    """Return the numbers of a column that are written like a code and lie far from all others.

    A negative code among numbers that are never negative need not lie far.

    Args:
        numbers: (R,) cells, NaN where one is missing.

    Example:
        >>> suspected_codes(np.array([20.5, 21.0, 9999.9, 22.5]))
        [9999.9]
    """
    finite = numbers[np.isfinite(numbers)]
    if not len(finite) or not (_is_like_a_code(finite.min()) or _is_like_a_code(finite.max())):
        return []  # without sorting: what lies between others is near them
    distinct = np.unique(finite)
    ends = distinct[[0, 1, -2, -1]] if len(distinct) > 4 else distinct
    likely = [float(end) for end in ends if _is_like_a_code(end)]
    others = distinct[~np.isin(distinct, likely)]
    if len(others) < 2:
        return []
    low, high = others[0], others[-1]
    return [code for code in dict.fromkeys(likely) if _is_apart(code, float(low), float(high))]


def _is_like_a_code(number: float) -> bool:
    return _WRITTEN_LIKE_A_CODE.fullmatch(repr(float(number))) is not None


def _is_apart(code: float, low: float, high: float) -> bool:
    """Return whether a code lies far below the lowest or far above the highest other number."""
    if code < 0 <= low:
        return True
    return max(code - high, low - code) > _FAR * (high - low)


def _rows(is_code: np.ndarray, rows: RowNames) -> str:
    """Name the first rows of some."""
    places = np.flatnonzero(is_code)
    return f"{counted(len(places), 'row')}: {rows.several(places[:5], len(places))}"


def _report(codes: list[float], message: str, log: FindingLog) -> None:
    """Add the error; the codes of several columns are one finding with one fix."""
    message = f"{message}; no other number is near"
    for place, finding in enumerate(log.findings):
        if finding.code == "missing_codes":
            before = finding.changes[0].settings["data.missing_codes"]
            union = sorted({*before, *codes})
            joint = f"{finding.message}; {message}"
            log.findings[place] = replace(finding, message=joint, changes=_ways(union))
            return
    log.error("missing_codes", message, settings=_ways(codes), asks=True)


def _ways(codes: list[float]) -> tuple[Change, Change]:
    """Return the settings that read codes as missing, or as values."""
    written = tuple(int(code) if code.is_integer() else code for code in codes)
    return (
        Change({"data.missing_codes": written}, "if that means missing"),
        Change({"data.missing_codes": ()}, "if it is a value"),
    )
