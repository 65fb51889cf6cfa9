"""Whether crossed effects are fitted with dense factors or by products alone.

Decided from predicted memory and time before either is spent, and where products alone
would save much, from the Monte Carlo error that a search with few probes predicts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...compat import available_memory
from ._exact import Frame
from ._iterative import WORKSPACE

__all__ = ["Plan", "make_plan"]

#: predicted seconds up to which dense factors count as affordable
AFFORDABLE = 120.0
#: multiplications per second that a dense factorisation is assumed to reach
SPEED = 4e10
#: products with a sparse table per second
SPARSE_SPEED = 1e9
#: eliminations of a fit with standard errors: dense, and by products
EXACT_SWEEPS, SWEEPS = 3, 14
#: probes of an iterative fit where the number is left open: at least, at most
FEWEST, MOST = 16, 50
#: standard error of the log likelihood that such a number aims at
AIM = 0.005
#: and the largest that "auto" accepts: no test or interval shows it
ACCEPTED = 0.01
#: predicted seconds, and share of the exact way's, that make it worth an error
WORTH, WORTH_SHARE = 5.0, 0.5
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
    n_probes : int
        Of the iterative way.
    rival : Plan or None
        The other way, where the predicted Monte Carlo error is to decide.
    error : float
        That prediction, of the log likelihood; nan before a trial.
    """

    method: str
    columns: int
    largest: int
    seconds: float
    bytes: float
    available: float
    n_probes: int = 0
    rival: Plan | None = None
    error: float = float("nan")

    def __str__(self) -> str:
        what = "dense factors" if self.method == "exact" else "iterative solves"
        text = (
            f"Crossed effects by {what}: {self.columns:,} random effects remain, the "
            f"largest block has {self.largest:,}; about {self.bytes / 1e9:.2g} GB and "
            f"{self.seconds:.2g} s."
        )
        if self.error >= 0:
            text += (
                f" Predicted Monte Carlo error of the log likelihood with "
                f"{self.n_probes} probes: {self.error:.2g}"
            )
            text += f" (up to {ACCEPTED:g} is accepted)." if self.rival else "."
        if self.rival is not None:
            text += f" crossed={self.rival.method!r} takes about {self.rival.seconds:.2g} s."
        return text

    def settled(self, spread: float, asked: int | None) -> Plan:
        """The plan when the noise of single probes is known.

        Parameters
        ----------
        spread : float
            Standard deviation of the log likelihood from probe to probe; nan where
            it is not known.
        asked : int or None
            Number of probes; None for as many as ``AIM`` needs.
        """
        if not spread >= 0:
            return self if self.method == "exact" else replace(self, rival=None)
        count = probes_for(spread) if asked is None else asked
        other = self if self.method == "iterative" else self.rival
        assert other is not None
        error = spread / count**0.5
        found = replace(
            other,
            n_probes=count,
            seconds=other.seconds * count / other.n_probes,
            error=error,
        )
        if self.method == "iterative":
            return found
        if error <= ACCEPTED and _worth(self, found):
            return replace(found, rival=replace(self, rival=None))
        return replace(self, n_probes=count, rival=found, error=error)


def probes_for(spread: float) -> int:
    """How many probes bring the error of the log likelihood down to ``AIM``."""
    return int(np.clip(np.ceil((spread / AIM) ** 2), FEWEST, MOST))


def _worth(exact: Plan, iterative: Plan) -> bool:
    """Whether the iterative way saves enough for an error to be accepted."""
    saved = exact.seconds - iterative.seconds
    return saved > WORTH and iterative.seconds < WORTH_SHARE * exact.seconds


def make_plan(frame: Frame, asked: str, n_probes: int | None) -> Plan:
    """The way to fit a crossed design.

    With "auto" the exact way keeps the iterative one as its rival where that would be
    much quicker: ``Plan.settled`` decides.

    Parameters
    ----------
    frame : Frame
    asked : {"auto", "exact", "iterative"}
    n_probes : int or None

    Raises
    ------
    MemoryError
        If what was asked for does not fit into the memory.
    """
    available = available_memory()
    exact = _exact(frame, available)
    iterative = _iterative(frame, n_probes or MOST, available)
    fits = {p.method: p.bytes <= SHARE * available for p in (exact, iterative)}
    if asked == "exact" or (
        asked == "auto" and fits["exact"] and exact.seconds <= AFFORDABLE
    ):
        plan, other = exact, "crossed='iterative'"
        fewest = iterative.seconds * (FEWEST / MOST if n_probes is None else 1.0)
        if (
            asked == "auto"
            and fits["iterative"]
            and _worth(exact, replace(iterative, seconds=fewest))
        ):
            plan = replace(exact, rival=iterative)
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
        n_probes,
    )
