"""Cores and memory that the process may use."""

from __future__ import annotations

import os
from pathlib import Path


def core_count() -> int:
    """Return the number of cores for this process: as set for TensorFlow, or as bound to."""
    variable = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if variable.isdecimal() and int(variable):
        return int(variable)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_bytes() -> float:
    """Return the free memory in bytes; infinity where a system does not report it."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return 1024.0 * int(available.split()[1])  # the file is in KiB
    except (OSError, StopIteration):
        return float("inf")
