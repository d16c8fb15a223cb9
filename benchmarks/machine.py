"""Facts of the machine that measured."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path


def describe() -> dict[str, str | int | float]:
    """Return processor, cores, memory, system, Python and load; no user, host or folder names."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return {
        "processor": processor(),
        "cores": cores,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def processor() -> str:
    """Return the name of the processor with family and model, since names are often generic."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    lines = [
        line.split(":", 1) for line in path.read_text().split("\n\n")[0].splitlines() if ":" in line
    ]
    facts = {name.strip(): value.strip() for name, value in lines}
    if "model name" not in facts:
        return platform.machine()
    family, model = facts.get("cpu family", "?"), facts.get("model", "?")
    wide = [
        flag for flag in ("avx2", "avx512f", "amx_tile") if flag in facts.get("flags", "").split()
    ]
    return f"{facts['model name']}, family {family} model {model} ({', '.join(wide)})"


def busy_seconds() -> float:
    """Return processor seconds of all programs, including time stolen by other machines.

    Linux counts them in hundredths; elsewhere the answer is 0.
    """
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0
    user, nice, system, _, _, interrupts, soft, stolen, *_ = map(
        int, path.read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


class Onlooker:
    """Sees how many cores other programs kept busy since it was made."""

    def __init__(self) -> None:
        self.busy, self.start = busy_seconds(), time.perf_counter()

    def others(self, own: float) -> float:
        """Return cores busy with other programs; the measured one took `own` processor seconds."""
        return max(0.0, busy_seconds() - self.busy - own) / (time.perf_counter() - self.start)
