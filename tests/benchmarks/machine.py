"""The machine and the versions that a table of timings belongs to."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from contestant import Contestant

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "RAYON_NUM_THREADS",
)


def describe(contestants: Iterable[Contestant]) -> list[str]:
    """Lines of text: processor, memory, interpreter, libraries, contestants."""
    libraries = ("numpy", "scipy", "pandas", "scikit-learn")
    lines = [
        f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.system()}"
        + _load(),
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in libraries),
        ", ".join(f"{c.name} {c.version()}" for c in contestants),
    ]
    threads = [f"{v}={os.environ[v]}" for v in THREAD_VARIABLES if v in os.environ]
    return lines + ([", ".join(threads)] if threads else [])


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _load() -> str:
    """Other work on the machine is the usual reason for odd timings."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):
        return ""
    busy = " (busy: trust the best times, not the medians)" if load > 0.7 else ""
    return f", load {load:.2f} at the start{busy}"


def _memory() -> str:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return "memory unknown"
    return f"{total / 2**30:.0f} GiB"
