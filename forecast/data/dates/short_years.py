"""Years of one digit, as a spreadsheet writes Jan-03 when it takes it for a day: 3-Jan."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc


def with_two_digits(text: pa.ChunkedArray | pa.Array, time_format: str) -> pa.ChunkedArray:
    """Write years of one digit at the start or the end of dates with two, where a format has `%y`.

    Args:
        text: dates.
        time_format: their `strptime` format.
    """
    if re.match(r"%y[^%\d]", time_format):
        return pc.replace_substring_regex(text, r"^(\d)([^\d])", r"0\1\2")
    if re.search(r"[^%\d]%y$", time_format):
        return pc.replace_substring_regex(text, r"([^\d])(\d)$", r"\10\2")
    return text
