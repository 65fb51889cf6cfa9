"""What all methods for small samples share: P_i, and the covariance matrix of theta.

Everything is in the basis X F, in which (X'W^-1X)^-1 is the identity, and in units of
sigma^2; the parameters are the elements of the D_b = Sigma_b / sigma^2, those of the
residuals' structure and log sigma^2.  First derivatives do not depend on which
parameters are chosen; second ones are taken in the natural ones (Eqs. S1 to S6 of the
page on small samples).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ...likelihood import Sensitivity
from .._variance import FreeDirections

__all__ = ["Moments"]

Array = np.ndarray

#: an eigenvalue of W beside the largest that is rounding
ROUNDING = 1e-13


class Moments:
    """Derivatives of X'V^-1X and covariance matrices of the parameters.

    Parameters
    ----------
    sensitivity : Sensitivity
    free : FreeDirections
    """

    def __init__(self, sensitivity: Sensitivity, free: FreeDirections):
        self.sensitivity, self.free = sensitivity, free

    @cached_property
    def P(self) -> Array:
        """P_i of every parameter, log sigma^2 last, shape (m + 1, p, p)."""
        unit = np.eye(self.sensitivity.p)[None]
        return -np.concatenate([self.sensitivity.slopes, unit])

    @property
    def observed(self) -> Array:
        """W from the observed information; zero in directions that are held."""
        return self.free.root @ self.free.root.T

    @cached_property
    def expected(self) -> Array:
        """W from the expected information of the restricted likelihood.

        Raises
        ------
        ValueError
            If it is not positive definite.
        """
        first, second = self.sensitivity.traces
        m = len(first)
        information = np.empty((m + 1, m + 1))
        information[:m, :m] = second
        information[m, :m] = information[:m, m] = 0.5 * first
        information[m, m] = 0.5 * (self.sensitivity.n - self.sensitivity.p)
        N = self.free.basis
        inner = N.T @ information @ N
        size = np.sqrt(np.abs(np.diagonal(inner)))
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(inner / np.outer(size, size))
        if not values[0] > 1e-10:
            raise ValueError(
                "The expected information about the variance parameters is singular: "
                "the data do not tell some of them apart. Leave out a random effect or "
                "choose a simpler structure."
            )
        half = N @ (vectors / np.sqrt(values) / size[:, None])
        return half @ half.T

    def adjustment(self, W: Array) -> Array:
        """Sum of W_ij (Q_ij - P_i Phi P_j), shape (p, p).

        Terms of log sigma^2 cancel.
        """
        m, p = self.sensitivity.n_directions, self.sensitivity.p
        out = np.zeros((p, p))
        if not m:
            return out
        size = np.sqrt(np.diagonal(W)[:m])
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(W[:m, :m] / np.outer(size, size))
        for value, vector in zip(values, vectors.T, strict=True):
            if abs(value) <= ROUNDING * values[-1]:
                continue
            direction = vector * size
            e = np.tensordot(direction, self.P[:m], axes=1)
            out += value * (self.sensitivity.quadratic(direction) - e @ e)
        return 0.5 * (out + out.T)

    def curvature(self, W: Array) -> tuple[Array, Array]:
        """Sum of W_ij R_ij, and of b_i P_i, b the bias of nonlinear parameters.

        To second order the restricted likelihood's estimates are biased by
        b = -W t / 4 with t_k = tr(G M G V_k), M = sum W_ij V_ij.
        """
        R, trace, slopes = self.sensitivity.bend(W)
        bias = -0.25 * W @ np.append(slopes, trace)
        return R, np.tensordot(bias, self.P, axes=1)
