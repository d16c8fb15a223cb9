"""Files as Arrow reads them, without an object of Python among what its threads hold."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow as pa

from forecast.files.compressed import is_compressed, open_bytes


def open_for_arrow(path: Path) -> pa.NativeFile:
    """Open a file, decompressed where its name says that it is compressed.

    Threads of Arrow read ahead, and let go of the file some time after its last row. If it were an
    object of Python and the interpreter ended first, that would end the process by SIGABRT. It must
    not be closed either: the number of its descriptor could be that of the next file by the time
    such a thread reads, which then would lack these bytes. It closes when nobody holds it.

    Raises:
        OSError: it cannot be opened, or is damaged.
        zipfile.BadZipFile: as in `open_bytes`.
    """
    if not is_compressed(path):
        return plain_file(path)
    text = pa.BufferOutputStream()
    with open_bytes(path) as raw:
        shutil.copyfileobj(raw, text)
    return pa.BufferReader(text.getvalue())


def plain_file(path: Path) -> pa.NativeFile:
    """Open a file as it is; its name may be of letters in an older encoding than UTF-8.

    Raises:
        OSError: it cannot be opened.
    """
    return pa.OSFile(os.fsencode(path))
