"""An exchangeable covariance matrix of any size by its eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ._structure import STRUCTURES, ZERO, Structure, get_structure

__all__ = ["Compound", "get_compound"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Compound(Structure):
    """An exchangeable matrix of any size by its two eigenvalues.

    With variance v and covariance c of ``size`` effects these are v - c and
    v + (size - 1) c.  The matrix of this structure has them on its diagonal; what
    is reported is [[v, c], [c, v]].

    Parameters
    ----------
    size : int
    """

    size: int = 2

    @property
    def n_variances(self) -> int:
        """One, v."""
        return 1

    def reported(self, values: Array) -> Array:
        """[[v, c], [c, v]] of a matrix of eigenvalues."""
        low, high = np.diagonal(values)
        c = (high - low) / self.size
        return np.array([[low + c, c], [c, low + c]])

    def to_natural(self, Sigma: Array) -> Array:
        """alpha of [[v, c], [c, v]]."""
        return get_structure("exchangeable", 2).to_natural(Sigma)

    def natural_derivatives(self, Sigma: Array) -> tuple[Array, list[list[Array]]]:
        """Derivatives of the matrix of eigenvalues in alpha; Sigma = [[v, c], [c, v]]."""
        v, c = Sigma[0]
        r, along = c / v, np.array([-1.0, self.size - 1.0])
        values = np.diag(v + c * along)
        slope = np.diag((1.0 - r**2) * v * along)
        first = np.array([2.0 * values, slope])
        return first, [[4.0 * values, 2.0 * slope], [2.0 * slope, -2.0 * r * slope]]

    def natural_slopes(
        self, Sigma: Array, metric: Array, sigma2: float
    ) -> tuple[Array, Array]:
        """How alpha moves with the eigenvalues over sigma^2, and with log sigma."""
        first, _ = self.natural_derivatives(Sigma)
        along = np.diagonal(first, axis1=1, axis2=2) / sigma2
        return np.linalg.inv(along.T), np.array([1.0, 0.0])

    def inside(self, D: Array, metric: Array) -> Array:
        """Which of log sd and atanh correlation are off the boundary."""
        off = np.diagonal(D) > ZERO * max(1.0, float(D.max()))
        return np.array([off.any(), off.all()])


@lru_cache(maxsize=64)
def get_compound(size: int) -> Compound:
    """An exchangeable structure of ``size`` effects."""
    pattern = STRUCTURES["independent"](2)
    pattern.setflags(write=False)
    return Compound("exchangeable", pattern, size)
