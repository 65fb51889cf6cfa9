"""Hypotheses about the user's coefficients in the basis X F."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Coordinates"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Where the basis X F stands among all coefficients.

    Parameters
    ----------
    root : ndarray of shape (p_all, p)
        sigma^2 root root' is the model's covariance matrix of all coefficients in the
        order of ``coef_table``; rows of omitted ones are zero.
    sigma2 : float
    """

    root: Array
    sigma2: float

    def rows(self, L: Array) -> Array:
        """Rows of L in the basis, shape (k, p)."""
        return L @ self.root

    def orthonormal(self, L: Array) -> Array:
        """Orthonormal rows that span those of L in the basis."""
        return np.linalg.qr(self.rows(L).T)[0].T

    def vcov(self, inner: Array) -> Array:
        """Covariance matrix of all coefficients from one in the basis, over sigma^2."""
        return self.sigma2 * self.root @ inner @ self.root.T
