"""Categories whose residual variance goes to zero: a search that is taken to the end.

Under a logarithm a zero is infinitely far away, and rows over standard deviations that
are next to nothing lose their digits before it is reached.  The log scale is put where
the variance is none beside that of the others, and the others are searched from there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...optimization import Optimum, newton
from ...residuals import LOG_END
from ._objective import StructuredObjective

__all__ = ["at_zero"]

Array = np.ndarray

#: log scale of a variance that may be on its way to zero, 1e-4 beside the first
NEAR = 0.5 * float(np.log(1e-4))
#: log scale of one that is not, and what -2 L rises until there from a maximum at zero
AWAY, RISE = 0.5 * float(np.log(1e-3)), 1e-4
#: what -2 L may change on the last way to zero, and beyond
SLACK, FLAT = 0.1, 1e-4


class _Others:
    """-2 L of the parameters that are not held."""

    def __init__(self, objective: StructuredObjective, theta: Array, free: Array):
        self.objective, self.theta, self.free = objective, theta, free
        self.nn = objective.nn

    @property
    def n_params(self) -> int:
        """How many are free."""
        return int(self.free.sum())

    def whole(self, x: Array) -> Array:
        """All parameters."""
        out = self.theta.copy()
        out[self.free] = x
        return out

    def value(self, x: Array) -> float:
        """-2 L."""
        return self.objective.value(self.whole(x))

    def gradient(self, x: Array) -> tuple[float, Array]:
        """-2 L and its gradient."""
        value, g = self.objective.gradient(self.whole(x))
        return value, g[self.free]

    def hessian(self, x: Array) -> tuple[float, Array, Array]:
        """-2 L, its gradient and its Hessian."""
        value, g, H = self.objective.hessian(self.whole(x))
        return value, g[self.free], H[np.ix_(self.free, self.free)]

    def scale(self, x: Array) -> Array:
        """Size of a noticeable change of each."""
        return self.objective.scale(self.whole(x))[self.free]


def at_zero(objective: StructuredObjective, found: Optimum) -> Optimum:
    """The optimum with variances of zero where a search was on its way there.

    ``found`` itself where there is none, where the likelihood does not care (then the
    variance is one of those that the data do not tell apart), and where it has no bound.
    """
    m = objective.model.n_params
    zero = np.append(np.zeros(m, dtype=bool), objective.residual.scales)
    zero &= found.gamma < NEAR
    if not zero.any() or found.log[-1].stopped:
        return found

    def put(theta: Array, at: float) -> Array:
        return np.where(zero, at, theta)

    free = ~zero
    others = _Others(objective, put(found.gamma, LOG_END), free)
    inner = newton(others, found.gamma[free])
    theta = others.whole(inner.gamma)
    known = abs(inner.value - found.value) < SLACK
    beyond = objective.value(put(theta, LOG_END - 1.0))
    rises = objective.value(put(theta, AWAY)) > inner.value + RISE
    if not (known and rises and abs(beyond - inner.value) < FLAT):
        return found
    value, g, H = objective.hessian(theta)
    g = np.where(free, g, 0.0)  # nothing is left to gain at the end of a range
    H = np.where(np.outer(free, free), H, 0.0)
    return replace(
        found,
        gamma=theta,
        value=value,
        gradient=g,
        hessian=H,
        decrement=inner.decrement,
        converged=inner.converged,
    )
