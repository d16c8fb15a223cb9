"""Files that are read through a decompressor, told by the ending of their names."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from forecast.errors import DataError

FREE_BYTES = 2**30
"""Bytes that any file may unpack to."""

MOST_TIMES = 100
"""Times its own size that a file may unpack to beyond `FREE_BYTES`; tables reach about 20, and what
is made to fill the memory 1,000."""


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


class _Unpacked(io.RawIOBase):
    """Bytes of a decompressor, up to a limit.

    Args:
        source: the decompressor.
        path: the file, for messages.
    """

    def __init__(self, source: BinaryIO, path: Path) -> None:
        self.source = source
        self.path = path
        self.left = most_unpacked(path)

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`.

        Raises:
            DataError: there are more bytes than a file of its size may have.
        """
        count = cast(io.BufferedReader, self.source).readinto(buffer)
        self.left -= count
        if self.left < 0:
            raise unpacks_too_large(self.path)
        return count

    def close(self) -> None:
        """See `io.RawIOBase`."""
        self.source.close()
        super().close()


def most_unpacked(path: Path) -> int:
    """Return the bytes that a compressed file may unpack to."""
    return max(FREE_BYTES, MOST_TIMES * path.stat().st_size)


def unpacks_too_large(path: Path) -> DataError:
    """Return the error of a file that unpacks to more than it may."""
    return DataError(
        f"{path.name} has {path.stat().st_size:,} bytes and unpacks to more than "
        f"{most_unpacked(path):,}, as no table does that somebody has collected: unpack it "
        f"yourself and give the plain file"
    )


def is_compressed(path: Path) -> bool:
    """Whether the name of a file ends like that of a compressed one."""
    return path.suffix.lower() in COMPRESSIONS


def open_bytes(path: Path) -> BinaryIO:
    """Open a file to read its bytes, decompressed where its name says that it is compressed.

    Raises:
        OSError: it cannot be opened.
        zipfile.BadZipFile: as in `open_zip`.
        DataError: while it is read, where it unpacks to more than `most_unpacked`.
    """
    opener = COMPRESSIONS.get(path.suffix.lower())
    if opener is None:
        return path.open("rb")
    return io.BufferedReader(_Unpacked(cast(BinaryIO, opener(path, "rb")), path))


def is_damaged(error: Exception) -> bool:
    """Whether an error means that a compressed file is damaged, rather than out of reach."""
    return isinstance(error, UNREADABLE) or (isinstance(error, OSError) and error.errno is None)
