"""Tests of coefficients with cluster-robust errors and few clusters.

Bell and McCaffrey's degrees of freedom for one hypothesis, and the approximation of
Hotelling's T-squared by Pustejovsky and Tipton (2018) for several: moments of the robust
covariance matrix if the working model is right.  With a_g = A_g'V_g^-1 X_g Phi l,

    Omega_gh = delta_gh a_g'V_g a_g - (X_g'a_g)'Phi (X_h'a_h)

is a diagonal and a matrix of rank p, so that traces cost a pass over the clusters
(Eqs. 29 and 30 of the likelihood page).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..design._clusters import Clusters
from ..estimation._estimate import Estimate
from ._corrections import CORRECTIONS, corrected
from ._reference import FTest, Reference

__all__ = ["ClusterRobust", "cluster_robust"]

Array = np.ndarray

#: a variance that is this share of the model-based one is none
NO_VARIANCE = 1e-14


@dataclass(frozen=True, eq=False)
class ClusterRobust(Reference):
    """Cluster-robust covariance matrix of the coefficients, with its degrees of freedom.

    Parameters
    ----------
    vce : str
        "CR0", "CR1", "CR1S", "CR2" or "CR3".
    vcov : ndarray of shape (p, p)
    half : ndarray of shape (p, k)
        Coefficients from those k in which Phi is the identity.
    H, J : ndarray of shape (G, k, k)
        X_g'a_g and a_g'V_g a_g of every cluster in these.
    counts : ndarray of shape (G,)
        How many clusters each stands for.
    """

    vce: str
    vcov: Array
    half: Array
    H: Array
    J: Array
    counts: Array
    method: str = "satterthwaite"

    @property
    def n_clusters(self) -> float:
        """Number of clusters."""
        M = float(self.counts.sum())
        return int(M) if M.is_integer() else M

    def df(self, L: Array) -> Array:
        """Degrees of freedom of t for each row of L.

        They are nan where the robust variance is zero whatever the data: no cluster
        has a residual in this direction, or all coefficients in it are omitted.
        """
        inner = L @ self.half
        spread = np.einsum("ka,gak->gk", inner, self.J @ inner.T)
        h = self.H @ inner.T  # (G, p, k)
        taken = (h**2).sum(axis=1)
        own = spread - taken
        trace = self.counts @ own
        second = np.einsum("gak,gbk->kab", h * self.counts[:, None, None], h)
        square = self.counts @ (own**2 - taken**2) + (second**2).sum(axis=(1, 2))
        known = trace > NO_VARIANCE * (inner**2).sum(axis=1)
        return np.where(known, trace**2 / np.where(known, square, 1.0), np.nan)

    def test(self, L: Array, difference: Array) -> FTest:
        """Joint test, Hotelling's T-squared with estimated degrees of freedom.

        Raises
        ------
        ValueError
            With too few clusters for that many hypotheses.
        """
        q = len(L)
        inner = L @ self.half
        size = np.sqrt((inner**2).sum(axis=1))
        inner = inner / np.where(size > 0, size, 1.0)[:, None]
        h = self.H @ inner.T
        own = inner @ self.J @ inner.T - h.transpose(0, 2, 1) @ h
        values, vectors = np.linalg.eigh(np.tensordot(self.counts, own, axes=1))
        if not values[0] > NO_VARIANCE * max(values[-1], 1.0):
            rank = int((values > NO_VARIANCE * max(values[-1], 1.0)).sum())
            self._refuse(q, f"has rank {rank} in their directions")
        root = vectors / np.sqrt(values) @ vectors.T
        eta = q * (q + 1) / self._total_variance(root @ own @ root, h @ root)
        if not eta > q - 1:
            self._refuse(q, f"has {eta:.3g} degrees of freedom, no more than {q - 1}")
        scaled = difference / np.where(size > 0, size, 1.0)
        T = root @ (L / np.where(size > 0, size, 1.0)[:, None])
        x = root @ scaled
        wald = float(x @ np.linalg.solve(T @ self.vcov @ T.T, x))
        scale = (eta - q + 1) / eta
        return FTest(scale * wald / q, q, float(eta - q + 1), float(scale))

    def _total_variance(self, own: Array, h: Array) -> float:
        """Sum of the variances of the elements of the robust matrix.

        Parameters
        ----------
        own : ndarray of shape (G, q, q)
            P_gg, where P_gh is the covariance matrix of the scores of two clusters in
            coordinates in which the sum of P_gg is the identity.
        h : ndarray of shape (G, p, q)
            P_gh = -h_g'h_h of two different ones.
        """
        inside = h.transpose(0, 2, 1) @ h
        p, q = h.shape[1:]
        flat = h.reshape(len(h), p * q)
        moment = (flat.T * self.counts) @ flat
        crossed = moment.reshape(p, q, p, q)
        total = (crossed**2).sum() + np.sum(crossed * crossed.transpose(0, 3, 2, 1))
        for matrix, sign in ((own, 1.0), (inside, -1.0)):
            trace = np.einsum("gaa->g", matrix) ** 2 + (matrix**2).sum(axis=(1, 2))
            total += sign * float(self.counts @ trace)
        return float(total)

    def _refuse(self, q: int, why: str) -> None:
        raise ValueError(
            f"There is no joint test of {q} hypotheses with vce={self.vce!r} and "
            f"{self.n_clusters} clusters: the robust covariance matrix {why}. Test fewer "
            "hypotheses at a time, or use clusters of which there are more, or vce='oim'."
        )


def cluster_robust(
    estimate: Estimate, clusters: Clusters, vce: str, to_user: Array
) -> ClusterRobust:
    """The sandwich of the coefficients at the optimum.

    Parameters
    ----------
    vce : str
        Key of ``CORRECTIONS``.
    to_user : ndarray of shape (p, k)
        From the coefficients in the basis Q to all coefficients of the user.
    """
    assert vce in CORRECTIONS
    F, k = estimate.pieces.root.F, estimate.pool.p
    counts, G = clusters.counts, len(clusters.counts)
    s, H, J = np.zeros((G, k)), np.zeros((G, k, k)), np.zeros((G, k, k))
    for block in estimate.kind.cluster_blocks(
        estimate.D, estimate.pieces.root, clusters.codes
    ):
        at = block.clusters
        # rows of a cluster that stands for w of them have sqrt(w) times their numbers
        one = 1.0 / np.sqrt(counts[at])
        block = replace(block, X=block.X * one[:, None, None], r=block.r * one[:, None])
        s[at], H[at], J[at] = corrected(vce, block, F)
    half = to_user @ F
    M = float(counts.sum())
    robust = half @ (s * np.sqrt(counts)[:, None]).T
    vcov = _factor(vce, M, estimate) * robust @ robust.T
    return ClusterRobust(vce, vcov, half, H, J, counts)


def _factor(vce: str, M: float, estimate: Estimate) -> float:
    """Of the number of clusters and, for CR1S, of rows and coefficients."""
    n, p = estimate.kind.tree.n, estimate.pool.p
    if vce == "CR1":
        return M / (M - 1.0)
    if vce == "CR1S":
        return M * (n - 1.0) / ((M - 1.0) * (n - p))
    return 1.0
