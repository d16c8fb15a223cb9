"""No traces of a command that fails before there is anything to resume."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forecast.files.outputs import foreign_paths


@contextmanager
def clean_start(folder: Path) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Remove a folder that did not exist, and what was written into it, where the block fails.

    A folder that was there and empty is left empty again. Nothing is removed from one with files.

    Args:
        folder: of the command; it may not exist yet.

    Yields:
        A function to which the block passes how its own files are removed, as soon as it may write
        some. They stay where the block ends without an error.
    """
    was_empty = not folder.exists() or not foreign_paths(folder, ())
    path = Path(os.path.realpath(folder))
    new_folders = [parent for parent in (path, *path.parents) if not parent.exists()]
    removals: list[Callable[[], None]] = []
    try:
        yield removals.append
    except BaseException:
        if was_empty:
            for remove in removals:
                remove()
            with suppress(OSError):  # not empty: there is something to resume, or of others
                for new_folder in new_folders:
                    new_folder.rmdir()
        raise
