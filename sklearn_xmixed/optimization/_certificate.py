"""What "converged" means, and what to say where it is not so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ._decompositions import eigen
from ._newton import newton_decrement
from ._state import Array, Optimum

__all__ = ["Certificate", "certify"]

#: an eigenvalue of the scaled Hessian below this means a flat direction
FLAT = 1e-7
#: only where no more than this is to be gained does a flat direction mean anything
SETTLED = 1e-3


class Certifiable(Protocol):
    """What the certificate asks of a function."""

    nn: float

    def outward(self, gamma: Array) -> list[tuple[int, Array, float]]:
        """Directions of descent beyond the boundary."""
        ...

    def scale(self, gamma: Array) -> Array:
        """Size of a noticeable change of each parameter."""
        ...

    def interior(self, gamma: Array) -> Array:
        """Basis of the directions of gamma that do not leave a zero variance."""
        ...

    def singular(self, gamma: Array) -> bool:
        """Whether some covariance matrix is on the boundary."""
        ...

    def owner(self, direction: Array) -> int:
        """Equation that a direction of gamma belongs to most."""
        ...


@dataclass(frozen=True)
class Certificate:
    """Why a fit counts as converged, or why not.

    Parameters
    ----------
    converged : bool
    decrement : float
        Newton decrement at the end (EM: relative change of the likelihood).
    tolerance : float
        What it was compared with.
    smallest : float
        Smallest eigenvalue of the Hessian along directions that do not
        leave the boundary, over the number of observations.
    boundary : bool
        Whether some covariance matrix is singular.
    outward : tuple of int
        Equations in which leaving a zero variance would still gain likelihood.
    unidentified : int or None
        Equation whose parameters the likelihood does not determine.
    exact : bool
        Whether the fixed part explains the response without a remainder.
    em : bool
        Whether only EM was used.
    """

    converged: bool
    decrement: float = 0.0
    tolerance: float = 0.0
    smallest: float = np.inf
    boundary: bool = False
    outward: tuple[int, ...] = ()
    unidentified: int | None = None
    exact: bool = False
    em: bool = False

    @classmethod
    def closed_form(cls, *, exact: bool) -> Certificate:
        """A fit without a search; ``exact`` where there was nothing to search for."""
        return cls(converged=not exact, exact=exact)

    @classmethod
    def of_em(
        cls,
        converged: bool,
        change: float,
        tolerance: float,
        unidentified: int | None = None,
    ) -> Certificate:
        """A fit by EM alone."""
        return cls(
            converged and unidentified is None,
            change,
            tolerance,
            unidentified=unidentified,
            em=True,
        )


def certify(problem: Certifiable, found: Optimum, tol: float) -> Certificate:
    """Check the three conditions of convergence at the end of a search."""
    H = found.hessian
    assert H is not None
    inside = problem.interior(found.gamma)
    smallest, unidentified = np.inf, None
    if inside.size:
        unit = problem.scale(found.gamma)
        scaled = H * unit[:, None] * unit / problem.nn
        values, vectors = eigen(inside.T @ scaled @ inside)
        smallest = float(values[0])
        if smallest < FLAT and newton_decrement(found.gradient, H) < SETTLED:
            unidentified = problem.owner(inside @ vectors[:, 0])
    outward = tuple(k for k, _, _ in problem.outward(found.gamma))
    limit = tol * (1.0 + abs(found.value) / 1e4)
    decrement = newton_decrement(found.gradient, H)
    converged = (
        not (found.log and found.log[-1].stopped)
        and (found.converged or decrement <= max(limit, 1e-8))
        and unidentified is None
        and not outward
    )
    return Certificate(
        converged=bool(converged),
        decrement=decrement,
        tolerance=limit,
        smallest=smallest,
        boundary=problem.singular(found.gamma),
        outward=outward,
        unidentified=unidentified,
    )
