"""What the measurements were taken on."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path


def describe() -> dict[str, str | int | float]:
    """Processor, cores, memory, system, Python and the load that others make; no names of users, hosts or folders."""
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
    """The processor as the system names it, with family and model number, since names are often general."""
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
    """Processor seconds that all programs together have taken, the time stolen by other machines included.

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
        """Cores kept busy by others, where the program that is measured took `own` processor seconds."""
        return max(0.0, busy_seconds() - self.busy - own) / (time.perf_counter() - self.start)
