"""Whether crossed effects are fitted with dense factors or by products alone.

Decided from predicted memory and time before either is spent.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._exact import Frame
from ._iterative import WORKSPACE

__all__ = ["Plan", "available_memory", "make_plan"]

#: predicted seconds up to which dense factors count as affordable
AFFORDABLE = 120.0
#: multiplications per second that a dense factorisation is assumed to reach
SPEED = 4e10
#: products with a sparse table per second
SPARSE_SPEED = 1e9
#: eliminations of a fit with standard errors: dense, and by products
EXACT_SWEEPS, SWEEPS = 3, 14
#: share of the available memory that may be used
SHARE = 0.8


@dataclass(frozen=True)
class Plan:
    """What a way to fit is predicted to cost.

    Parameters
    ----------
    method : {"exact", "iterative"}
    columns : int
        Random effects besides those of the term that is eliminated first.
    largest : int
        Columns of the largest block of what remains.
    seconds : float
    bytes : float
    available : float
        Bytes of memory that were available.
    """

    method: str
    columns: int
    largest: int
    seconds: float
    bytes: float
    available: float

    def __str__(self) -> str:
        what = "dense factors" if self.method == "exact" else "iterative solves"
        return (
            f"Crossed effects by {what}: {self.columns:,} random effects remain, the "
            f"largest block has {self.largest:,}; about {self.bytes / 1e9:.2g} GB and "
            f"{self.seconds:.2g} s."
        )


def make_plan(frame: Frame, asked: str, n_probes: int) -> Plan:
    """The way to fit a crossed design.

    Parameters
    ----------
    frame : Frame
    asked : {"auto", "exact", "iterative"}
    n_probes : int

    Raises
    ------
    MemoryError
        If what was asked for does not fit into the memory.
    """
    available = available_memory()
    exact, iterative = _exact(frame, available), _iterative(frame, n_probes, available)
    fits = {p.method: p.bytes <= SHARE * available for p in (exact, iterative)}
    if asked == "exact" or (
        asked == "auto" and fits["exact"] and exact.seconds <= AFFORDABLE
    ):
        plan, other = exact, "crossed='iterative'"
    else:
        plan, other = iterative, "fewer n_probes, or a model with fewer factors,"
    if not fits[plan.method]:
        raise MemoryError(
            f"Crossed effects: besides the largest term {plan.columns:,} random effects "
            f"remain. crossed={plan.method!r} needs about {plan.bytes / 1e9:.2g} GB; "
            f"{available / 1e9:.2g} GB are available and {SHARE:.0%} of them may be "
            f"used. With {other} the fit needs about {iterative.bytes / 1e9:.2g} GB."
        )
    return plan


def _exact(frame: Frame, available: float) -> Plan:
    x = frame.x
    size = np.diff(x.A_cross.indptr).astype(float)
    pairs = size @ size
    squares, cubes = frame.layout.squares, frame.layout.cubes
    filled = min(pairs, squares)
    seconds = EXACT_SWEEPS * (cubes / SPEED + 2.0 * pairs / (0.1 * SPARSE_SPEED))
    bytes_ = 2.2 * 8.0 * squares + 52.0 * filled
    return Plan("exact", x.N, frame.layout.largest, seconds, bytes_, available)


def _iterative(frame: Frame, n_probes: int, available: float) -> Plan:
    x = frame.x
    wide = x.G[x.first] * x.q[x.first] + x.N
    bytes_ = 8.0 * (3.0 * n_probes * x.N + 5.0 * min(WORKSPACE, n_probes * wide * 8))
    bytes_ += 8.0 * wide * 3 * (x.p + 4) + 12.0 * x.A_cross.nnz
    products = SWEEPS * n_probes * 20.0 * (x.A_cross.nnz + x.A_rest.nnz)
    return Plan(
        "iterative",
        x.N,
        frame.layout.largest,
        products / SPARSE_SPEED,
        bytes_,
        available,
    )


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
