"""The operations of TensorFlow, connected with the loops."""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from pathlib import Path
from typing import Any

from forecast.files.libraries.build import NotAvailableError, load, warn_once
from forecast.files.libraries.compiler import OPERATIONS
from forecast.layers.native.library import Loops, loaded_loops
from forecast.layers.runtime import caller_threads

KNOWN_TENSORFLOW = ("2.20.", "2.21.")
"""Versions whose C interface is that of `tensorflow_c.h`: those that the package may be installed
with. With others the operations of a wheel are not used, since the compiler must compare first."""

_ONE_AT_A_TIME = threading.Lock()


def operations() -> Any:
    """Return the operations `bigru_forward` and `bigru_backward`, or None if not available.

    The first call on a machine may compile them, which takes about 5 s. A process warns once of
    each reason for a None.
    """
    with _ONE_AT_A_TIME:  # loaded twice, they would be registered twice
        found, reason = loaded_operations()
        if reason and not _has_gpu():
            warn_once(reason)
    return found


def _has_gpu() -> bool:
    """Return whether there is a GPU, where layers run without these operations."""
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


@cache
def loaded_operations() -> tuple[Any, str]:
    """Return the operations, or None and the reason, which is empty where they are turned off."""
    loops, reason = loaded_loops()
    if loops is None:
        return None, reason
    import tensorflow as tf

    # The compiler compares the headers of this version with `tensorflow_c.h`; the version is part
    # of what the library depends on.
    check = ["-DCHECK_HEADERS", f"-DTENSORFLOW={tf.__version__}", "-I", tf.sysconfig.get_include()]
    is_known = tf.__version__.startswith(KNOWN_TENSORFLOW)
    try:
        found = load(OPERATIONS, lambda path: _register(path, loops), check, fits_wheel=is_known)
        return found, ""
    except NotAvailableError as error:
        return None, f"{error}"


def _register(path: Path, loops: Loops) -> Any:
    """Register the operations of a library, on as many threads as the caller has set."""
    import tensorflow as tf

    found = tf.load_op_library(str(path))
    for name in ("bigru_forward", "bigru_backward"):
        if not hasattr(found, name):
            raise OSError(f"{path.name} has no operation {name}")
    connect = ctypes.CDLL(str(path)).bigru_connect
    connect.argtypes = [ctypes.c_void_p]
    connect(loops.address)
    threads = caller_threads()
    if threads:
        loops.set_threads(threads)
    return found
