"""Memory that is available: every system says it elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["available_memory"]


def available_memory() -> float:
    """Bytes of memory that this process can still get; infinite where unknown."""
    found = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024.0 * float(line.split()[1]))
    except (OSError, ValueError):
        pass
    try:
        group = Path("/sys/fs/cgroup")
        limit = float((group / "memory.max").read_text())
        found.append(limit - float((group / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    if not found:
        try:
            pages = os.sysconf("SC_PHYS_PAGES")
            found.append(float(pages * os.sysconf("SC_PAGE_SIZE")))
        except (AttributeError, ValueError, OSError):
            return float("inf")
    return max(min(found), 0.0)
