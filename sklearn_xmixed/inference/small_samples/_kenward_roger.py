"""Kenward and Roger's adjusted covariance matrix and degrees of freedom."""

from __future__ import annotations

import numpy as np

from .._reference import FTest, Reference
from ._coordinates import Coordinates
from ._moments import Moments

__all__ = ["KenwardRoger"]

Array = np.ndarray

#: numbers as good as zero where the approximation is exact
ZERO = 1e-10


class KenwardRoger(Reference):
    """Phi_A and the moments of F (Kenward and Roger 1997, 2009; Eqs. 4-6 of the
    small_samples page).

    Parameters
    ----------
    moments : Moments
    at : Coordinates
    method : str
        "kenward-roger", with second derivatives of V in its natural parameters;
        "kenward-roger-linear", without; "kenward-roger-2009", with the bias of
        nonlinear parameters as well.  With "-observed" at the end W is that of the
        observed information.
    """

    def __init__(self, moments: Moments, at: Coordinates, method: str):
        self.method, self.at = method, at
        kind = method.removesuffix("-observed")
        W = moments.observed if kind != method else moments.expected
        self._P, self._W = moments.P, moments.of_all(W)
        inner = np.eye(at.root.shape[1]) + 2.0 * moments.adjustment(W)
        if kind != "kenward-roger-linear":
            R, biased = moments.curvature(W)
            inner -= 0.5 * R
            if kind == "kenward-roger-2009":
                inner += biased
        self.inner = 0.5 * (inner + inner.T)
        self.vcov = at.vcov(self.inner)

    def df(self, L: Array) -> Array:
        """Degrees of freedom of t for each row of L."""
        out = np.full(len(L), np.nan)
        for k, row in enumerate(L):
            if self.at.rows(row[None]).any():
                out[k] = self._moments(row[None])[0]
        return out

    def test(self, L: Array, difference: Array) -> FTest:
        """Joint test with the scaled F."""
        df, scale = self._moments(L)
        inner = L @ self.vcov @ L.T
        wald = float(difference @ np.linalg.solve(inner, difference))
        return FTest(scale * wald / len(L), len(L), df, scale)

    def _moments(self, L: Array) -> tuple[float, float]:
        """Denominator degrees of freedom m and scale lambda of hypotheses L."""
        O, l = self.at.orthonormal(L), float(len(L))
        M = O @ self._P @ O.T
        traces = np.trace(M, axis1=1, axis2=2)
        A1 = float(traces @ self._W @ traces)
        A2 = float(np.einsum("ij,ixy,jyx->", self._W, M, M, optimize=True))
        B = (A1 + 6.0 * A2) / (2.0 * l)
        g = _ratio((l + 1.0) * A1 - (l + 4.0) * A2, (l + 2.0) * A2)
        h = 3.0 * l + 2.0 * (1.0 - g)
        c1, c2, c3 = g / h, (l - g) / h, (l + 2.0 - g) / h
        top = _zero(1.0 + c1 * B)
        # V* / (2 E*^2); in balanced designs numerators and denominators vanish together
        rho = _ratio(1.0 - A2 / l, 1.0 - c2 * B) ** 2 * _ratio(top, 1.0 - c3 * B) / l
        excess = l * rho - 1.0
        if excess == 0.0:
            return np.inf, 1.0
        m = 4.0 + (l + 2.0) / excess
        if abs(m - 2.0) < 1e-2:
            return m, 1.0
        return m, m * (1.0 - A2 / l) / (m - 2.0)


def _zero(x: float) -> float:
    return 0.0 if abs(x) < ZERO else x


def _ratio(x: float, y: float) -> float:
    """x / y; one where both vanish."""
    if abs(x) < 1e-14 and abs(y) < 1e-14:
        return 1.0
    return x / y if y else np.inf
