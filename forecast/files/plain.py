"""Folders of others, looked at before anything in them is read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from forecast.errors import DataError


def check_plain(folder: str | Path) -> None:
    """Raise where a folder has something that is neither a file nor a folder, at any depth.

    An archive of somebody else may hold pipes, which no reader comes to the end of. Links count as
    what they lead to; where that is nothing, the reader says what is missing.

    Args:
        folder: it may be missing.

    Raises:
        DataError: always then.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            try:
                mode = os.stat(path).st_mode
            except OSError:
                continue
            if not stat.S_ISREG(mode):
                raise DataError(f"{path} is a pipe or a device; expected a file: remove it")
