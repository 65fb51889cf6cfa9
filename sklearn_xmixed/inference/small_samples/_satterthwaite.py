"""Satterthwaite's degrees of freedom."""

from __future__ import annotations

import numpy as np

from .._reference import FTest, Reference
from ._coordinates import Coordinates
from ._moments import Moments

__all__ = ["Satterthwaite"]

Array = np.ndarray

#: degrees of freedom of the directions of a joint test that are the same
EQUAL = 1e-8


class Satterthwaite(Reference):
    """df = 2 (l'Phi l)^2 / (g'W g), W from the observed information (Eq. 7 of the
    small_samples page).

    A joint test is split into the eigenvectors of L Phi L', whose squared t are
    independent, and df_denom is such that the mean of F is that of their sum (Fai and
    Cornelius 1996).

    Parameters
    ----------
    moments : Moments
    at : Coordinates
    """

    method = "satterthwaite"

    def __init__(self, moments: Moments, at: Coordinates):
        self.at = at
        self.vcov = at.vcov(np.eye(at.root.shape[1]))
        self._P, self._W = moments.P, moments.of_all(moments.observed)

    def df(self, L: Array) -> Array:
        """Degrees of freedom of t for each row of L."""
        return self._df(self.at.rows(L))

    def _df(self, a: Array) -> Array:
        g = np.einsum("kx,ixy,ky->ki", a, self._P, a, optimize=True)
        spread = np.einsum("ki,ij,kj->k", g, self._W, g)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(2.0 * (a**2).sum(axis=1) ** 2 / spread)

    def test(self, L: Array, difference: Array) -> FTest:
        """Joint test by the spectral method."""
        a = self.at.rows(L)
        values, vectors = np.linalg.eigh(a @ a.T)
        turned = vectors.T @ difference
        q = len(L)
        F = float(np.sum(turned**2 / values)) / (q * self.at.sigma2)
        return FTest(F, q, _join(self._df(vectors.T @ a)))


def _join(nu: Array) -> float:
    """One denominator for a sum of squared t of these degrees of freedom."""
    q = len(nu)
    if q == 1 or np.ptp(nu) < EQUAL * nu.max():
        return float(nu.mean())
    if (nu <= 2.0).any():
        return 2.0
    E = float(np.sum(nu / (nu - 2.0)))
    return 2.0 * E / (E - q)
