"""What all methods for small samples share: P_i, and the covariance matrix of theta.

Everything is in the basis X F, in which (X'W^-1X)^-1 is the identity, and in units of
sigma^2; the parameters are the elements of the D_b = Sigma_b / sigma^2, those of the
residuals' structure and log sigma^2.  First derivatives do not depend on which
parameters are chosen; second ones are taken in the natural ones (Eqs. 1-5 of the
small_samples page).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ...likelihood import Sensitivity
from ..variances._free_directions import FreeDirections

__all__ = ["Moments"]

Array = np.ndarray


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
        """W along the free directions, from the observed information."""
        return self.free.half @ self.free.half.T

    @cached_property
    def expected(self) -> Array:
        """W along them, from the expected information of the restricted likelihood.

        Raises
        ------
        ValueError
            If it is not positive definite.
        """
        N = self.free.basis
        inner = N.T @ self._information @ N
        size = np.sqrt(np.abs(np.diagonal(inner)))
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(inner / np.outer(size, size))
        kept, moves = values > 1e-10, vectors / size[:, None]
        if not self.leaves_V(moves[:, ~kept]):
            raise ValueError(
                "The expected information about the variance parameters is singular: "
                "the data do not tell some of them apart. Leave out a random effect or "
                "choose a simpler structure."
            )
        half = moves[:, kept] / np.sqrt(values[kept])
        return half @ half.T

    def leaves_V(self, moves: Array) -> bool:
        """Whether V does not change along moves in the free directions.

        The parameters differ then, and the model does not: the moves can be left out.
        """
        along = self.free.basis @ moves
        # of all parameters for themselves, what a move would be without cancelling
        sizes = np.sqrt(np.abs(np.diagonal(self._information)))
        whole = np.sum((sizes[:, None] * along) ** 2, axis=0)
        information = np.einsum("ik,ij,jk->k", along, self._information, along)
        slopes = np.tensordot(along, self.P, axes=(0, 0))
        each = np.max(np.abs(self.P), axis=(1, 2))
        largest = np.max(np.abs(slopes), axis=(1, 2), initial=0.0)
        still = np.abs(information) <= 1e-9 * whole
        return bool(np.all(still & (largest <= 1e-6 * (np.abs(along).T @ each))))

    @cached_property
    def _information(self) -> Array:
        """Expected information about all parameters, shape (m + 1, m + 1)."""
        first, second = self.sensitivity.traces
        m = len(first)
        out = np.empty((m + 1, m + 1))
        out[:m, :m] = second
        out[m, :m] = out[:m, m] = 0.5 * first
        out[m, m] = 0.5 * (self.sensitivity.n - self.sensitivity.p)
        return out

    def of_all(self, W: Array) -> Array:
        """W along the free directions as one of all parameters, (m + 1, m + 1)."""
        return self.free.basis @ W @ self.free.basis.T

    def adjustment(self, W: Array) -> Array:
        """Sum of W_ij (Q_ij - P_i Phi P_j), shape (p, p), W along the free directions.

        Terms of log sigma^2 cancel.
        """
        m = self.sensitivity.n_directions
        e, inner = self.P[:m], self.of_all(W)[:m, :m]
        products = np.einsum(
            "ixy,iyz->xz", e, np.tensordot(inner, e, axes=1), optimize=True
        )
        return self.sensitivity.quadratics(inner) - products

    def curvature(self, W: Array) -> tuple[Array, Array]:
        """Sum of W_ij R_ij, and of b_i P_i, b the bias of nonlinear parameters.

        To second order the restricted likelihood's estimates are biased by
        b = -W t / 4 with t_k = tr(G M G V_k), M = sum W_ij V_ij.
        """
        everything = self.of_all(W)
        R, trace, slopes = self.sensitivity.bend(everything)
        bias = -0.25 * everything @ np.append(slopes, trace)
        return R, np.tensordot(bias, self.P, axes=1)
