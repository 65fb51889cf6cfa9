"""What every optimiser returns: the point, its derivatives and the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

__all__ = ["Iteration", "Optimum", "Problem", "Watcher"]

Array = np.ndarray


class Problem(Protocol):
    """A smooth function of m real parameters, to be minimised.

    Parameters
    ----------
    nn : float
        Size of the problem (observations); curvatures far below it are flat.
    """

    nn: float

    @property
    def n_params(self) -> int:
        """Number of parameters."""
        ...

    def scale(self, gamma: Array) -> Array:
        """Size of a noticeable change of each parameter, shape (m,)."""
        ...

    def value(self, gamma: Array) -> float:
        """Function value."""
        ...

    def gradient(self, gamma: Array) -> tuple[float, Array]:
        """Value and gradient."""
        ...

    def hessian(self, gamma: Array) -> tuple[float, Array, Array]:
        """Value, gradient and Hessian."""
        ...


@dataclass(frozen=True)
class Iteration:
    """One line of the iteration log.

    Parameters
    ----------
    phase : str
        "em", "scoring" or "gradient".
    number : int
        Counts from 0 within the phase.
    value : float
        Function value (minus twice the log likelihood).
    criterion : float
        EM: relative change of the value. Otherwise the Newton decrement
        g' H^-1 g, the decrease that one more step promises (times two); of scoring with
        the expected H.
    note : str
        "", "not concave", "backed up" or "stopped".
    """

    phase: str
    number: int
    value: float
    criterion: float
    note: str = ""

    @property
    def stopped(self) -> bool:
        """Whether whoever watched asked to stop here."""
        return self.note == "stopped"


#: called after each iteration; True asks to stop
Watcher = Callable[[Iteration, Array], bool]


@dataclass(eq=False)
class Optimum:
    """Where an optimiser stopped and why.

    Parameters
    ----------
    gamma : ndarray of shape (m,)
    value : float
    gradient : ndarray of shape (m,)
    hessian : ndarray of shape (m, m) or None
    decrement : float
        g' H^-1 g at the point.
    converged : bool
        Whether the decrement is below the tolerance.
    log : list of Iteration
    """

    gamma: Array
    value: float
    gradient: Array
    hessian: Array | None
    decrement: float
    converged: bool
    log: list[Iteration] = field(default_factory=list)
