"""Tests of coefficients with cluster-robust errors and few clusters.

Bell and McCaffrey's degrees of freedom for one hypothesis, and the approximation of
Hotelling's T-squared by Pustejovsky and Tipton (2018) for several: moments of the robust
covariance matrix if the working model is right.  With a_g = A_g'V_g^-1 X_g Phi l,

    Omega_gh = delta_gh a_g'V_g a_g - (X_g'a_g)'Phi (X_h'a_h)

is a diagonal and a matrix of rank p, so that traces cost a pass over the clusters
(Eqs. 29 and 30 of the likelihood page).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...design._clusters import Clusters
from ...estimation._estimate import Estimate
from .._reference import FTest, Reference
from ._cluster_moments import ClusterMoments, Collected
from ._corrections import CORRECTIONS, NOT_INVARIANT, corrected

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
    moments : tuple of ClusterMoments
        X_g'a_g and a_g'V_g a_g of all clusters in these.
    """

    vce: str
    vcov: Array
    half: Array
    moments: tuple[ClusterMoments, ...]
    method: str = "satterthwaite"

    @property
    def n_clusters(self) -> float:
        """Number of clusters."""
        M = float(sum(part.counts.sum() for part in self.moments))
        return int(M) if M.is_integer() else M

    def df(self, L: Array) -> Array:
        """Degrees of freedom of t for each row of L.

        They are nan where the robust variance is zero whatever the data: no cluster
        has a residual in this direction, or all coefficients in it are omitted.
        """
        return np.array([self._df(inner[None]) for inner in L @ self.half])

    def _df(self, inner: Array) -> float:
        trace, square, p = 0.0, 0.0, inner.shape[1]
        moment = np.zeros((p, p))
        for part in self.moments:
            for counts, h, spread in part.along(inner):
                taken = (h[:, :, 0] ** 2).sum(axis=1)
                own = spread[:, 0, 0] - taken
                trace += counts @ own
                square += counts @ (own**2 - taken**2)
                moment += (h[:, :, 0].T * counts) @ h[:, :, 0]
        if not trace > NO_VARIANCE * float((inner**2).sum()):
            return math.nan
        return float(trace**2 / (square + (moment**2).sum()))

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
        size = np.where(size > 0, size, 1.0)[:, None]
        inner = inner / size
        mean = np.zeros((q, q))
        for part in self.moments:
            for counts, h, spread in part.along(inner):
                own = spread - h.transpose(0, 2, 1) @ h
                mean += np.tensordot(counts, own, axes=1)
        values, vectors = np.linalg.eigh(mean)
        if not values[0] > NO_VARIANCE * max(values[-1], 1.0):
            rank = int((values > NO_VARIANCE * max(values[-1], 1.0)).sum())
            self._refuse(q, f"has rank {rank} in their directions")
        root = vectors / np.sqrt(values) @ vectors.T
        eta = q * (q + 1) / self._total_variance(root @ inner)
        if not eta > q - 1:
            self._refuse(q, f"has {eta:.3g} degrees of freedom, no more than {q - 1}")
        T = root @ (L / size)
        x = root @ (difference / size[:, 0])
        wald = float(x @ np.linalg.solve(T @ self.vcov @ T.T, x))
        scale = (eta - q + 1) / eta
        return FTest(scale * wald / q, q, float(eta - q + 1), float(scale))

    def _total_variance(self, inner: Array) -> float:
        """Sum of the variances of the elements of the robust matrix (Eq. 30).

        In coordinates in which the sum of all P_gg is the identity; P_gh = -h_g'h_h
        for two different clusters.
        """
        q, p = inner.shape
        total, moment = 0.0, np.zeros((p * q, p * q))
        for part in self.moments:
            for counts, h, spread in part.along(inner):
                taken = h.transpose(0, 2, 1) @ h
                own = spread - taken
                total += counts @ (_squares(own) - _squares(taken))
                flat = h.reshape(len(h), p * q)
                moment += (flat.T * counts) @ flat
        crossed = moment.reshape(p, q, p, q)
        total += np.sum(crossed * (crossed + crossed.transpose(0, 3, 2, 1)))
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
    F, counts = estimate.pieces.root.F, clusters.counts
    scores = np.zeros((len(counts), estimate.pool.p))
    collected = Collected()
    for block in estimate.kind.cluster_blocks(
        estimate.D, estimate.pieces.root, clusters.codes, as_given=vce in NOT_INVARIANT
    ):
        at = block.clusters
        # rows of a cluster that stands for w of them have sqrt(w) times their numbers
        one = 1.0 / np.sqrt(counts[at])
        block = replace(block, X=block.X * one[:, None, None], r=block.r * one[:, None])
        U, N, e = corrected(vce, block, F)
        scores[at] = (N.transpose(0, 2, 1) @ e[:, :, None])[:, :, 0]
        collected.add(counts[at], U, N)
    half = to_user @ F
    M = float(counts.sum())
    robust = half @ (scores * np.sqrt(counts)[:, None]).T
    vcov = _factor(vce, M, estimate) * robust @ robust.T
    return ClusterRobust(vce, vcov, half, tuple(collected.all()))


def _squares(P: Array) -> Array:
    """(tr P)^2 + tr P^2 of symmetric matrices."""
    squares: Array = np.einsum("gaa->g", P) ** 2 + (P**2).sum(axis=(1, 2))
    return squares


def _factor(vce: str, M: float, estimate: Estimate) -> float:
    """Of the number of clusters and, for CR1S, of rows and coefficients."""
    n, p = estimate.kind.tree.n, estimate.pool.p
    if vce == "CR1":
        return M / (M - 1.0)
    if vce == "CR1S":
        return M * (n - 1.0) / ((M - 1.0) * (n - p))
    return 1.0
