"""Files that are read through a decompressor, told by the ending of their names."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast


def open_zip(path: Path, _mode: str = "rb") -> BinaryIO:
    """Open the only file of a zip archive; folders and what macOS adds do not count.

    Raises:
        zipfile.BadZipFile: it is no zip archive, is encrypted, or has several files or none.
    """
    with zipfile.ZipFile(path) as archive:
        members = [
            member
            for member in archive.infolist()
            if not member.is_dir() and not member.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            names = ", ".join(member.filename for member in members[:5])
            raise zipfile.BadZipFile(f"it has {len(members)} files, expected one: {names}")
        try:
            return cast(BinaryIO, archive.open(members[0]))
        except (RuntimeError, NotImplementedError) as error:  # encrypted; unknown compression
            raise zipfile.BadZipFile(str(error)) from error


COMPRESSIONS: dict[str, Callable[[Path, str], object]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zip": open_zip,
}
"""Openers of compressed files, by the ending of its name in lower case."""

UNREADABLE = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile)
"""Errors of a compressed file that is damaged; bz2 raises an `OSError` without a number."""


def is_compressed(path: Path) -> bool:
    """Whether the name of a file ends like that of a compressed one."""
    return path.suffix.lower() in COMPRESSIONS


def open_bytes(path: Path) -> BinaryIO:
    """Open a file to read its bytes, decompressed where its name says that it is compressed.

    Raises:
        OSError: it cannot be opened.
        zipfile.BadZipFile: as in `open_zip`.
    """
    opener = COMPRESSIONS.get(path.suffix.lower())
    if opener is None:
        return path.open("rb")
    return cast(BinaryIO, opener(path, "rb"))


def is_damaged(error: Exception) -> bool:
    """Whether an error means that a compressed file is damaged, rather than out of reach."""
    return isinstance(error, UNREADABLE) or (isinstance(error, OSError) and error.errno is None)
