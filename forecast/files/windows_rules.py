"""Rules of Windows for names and for files that are open, where other systems have none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

WINDOWS = os.name == "nt"

RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in "0123456789\u00b9\u00b2\u00b3"
}
"""Names of devices, with any ending and in any case."""

FORBIDDEN = '<>:"|?*'
"""Characters; behind a colon stands the name of a stream that no folder shows."""

TRIES = 20

TRY_SECONDS = 0.1


def unusable_on_windows(name: str) -> str:
    """Return why Windows has no file or folder of a name; "" where it may have one.

    Args:
        name: without the folders before it.

    Example:
        >>> unusable_on_windows("con.csv"), unusable_on_windows("sales.csv")
        ("'con' is the name of a device", '')
    """
    if name in (".", ".."):
        return ""
    stem = name.partition(".")[0].rstrip(" ")
    if stem.lower() in RESERVED:
        return f"{stem!r} is the name of a device"
    found = sorted({letter for letter in name if letter in FORBIDDEN or ord(letter) < 32})
    if found:
        return f"a name cannot have {found[0]!r}"
    if name.endswith((".", " ")):
        return "a name cannot end in a dot or a space, which would be left out"
    return ""


def unusable_here(path: str | Path) -> str:
    """Return why a path cannot be written on this system; "" where it may be.

    Args:
        path: as given.
    """
    if not WINDOWS:
        return ""
    path = Path(path)
    names = path.parts[1:] if path.anchor else path.parts
    reasons = [reason for name in names if (reason := unusable_on_windows(name))]
    return reasons[0] if reasons else ""


def patiently(change: Callable[[], None]) -> None:
    """Change a name on the disk; on Windows again, as long as another program has the file open.

    Scanners and indexers open new files there for a moment, and no open file can be renamed.

    Args:
        change: renames or replaces.

    Raises:
        OSError: it cannot be done, on Windows for two seconds.
    """
    for _ in range(TRIES - 1 if WINDOWS else 0):
        try:
            change()
        except PermissionError:
            time.sleep(TRY_SECONDS)
        else:
            return
    change()
