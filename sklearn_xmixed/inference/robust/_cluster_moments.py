"""What degrees of freedom of cluster-robust tests need of every cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

__all__ = ["ClusterMoments", "Collected"]

Array = np.ndarray

#: numbers in the arrays of one portion
PORTION = 1 << 22


@dataclass(frozen=True, eq=False)
class ClusterMoments:
    """X_g'a_g = U'N and a_g'V_g a_g = N'N of some clusters, where Phi is the identity.

    Parameters
    ----------
    counts : ndarray of shape (b,)
        How many clusters each stands for.
    left, right : ndarray of shape (b, k, p)
        U and N with fewer rows than columns; otherwise the two products, k = p.
    factors : bool
        Whether they are U and N.
    """

    counts: Array
    left: Array
    right: Array
    factors: bool

    def along(self, inner: Array) -> Iterator[tuple[Array, Array, Array]]:
        """Both in the directions of some hypotheses, a portion after the other.

        Parameters
        ----------
        inner : ndarray of shape (q, p)

        Yields
        ------
        counts : ndarray of shape (b,)
        h : ndarray of shape (b, p, q)
            X_g'a_g inner'.
        spread : ndarray of shape (b, q, q)
            inner a_g'V_g a_g inner'.
        """
        size = self.right.shape[2] * len(inner) + len(inner) ** 2
        most = max(1, PORTION // size)
        cuts = [*range(0, len(self.counts), most), len(self.counts)]
        for start, stop in pairwise(cuts):
            left, right = self.left[start:stop], self.right[start:stop] @ inner.T
            if self.factors:
                h = left.transpose(0, 2, 1) @ right
                spread = right.transpose(0, 2, 1) @ right
            else:
                h, spread = left @ inner.T, inner @ right
            yield self.counts[start:stop], h, spread


@dataclass(eq=False)
class Collected:
    """Moments of blocks of clusters, put together by their shape."""

    parts: dict[int, list[tuple[Array, Array, Array]]] = field(default_factory=dict)

    def add(self, counts: Array, U: Array, N: Array) -> None:
        """Moments of one block, from the factors of shape (b, k, p)."""
        k, p = U.shape[1:]
        if k >= p:
            turned = N.transpose(0, 2, 1)
            U, N, k = U.transpose(0, 2, 1) @ N, turned @ N, p
        self.parts.setdefault(k, []).append((counts, U, N))

    def all(self) -> Iterable[ClusterMoments]:
        """Of all blocks."""
        for k, parts in self.parts.items():
            counts, left, right = (np.concatenate(x) for x in zip(*parts, strict=True))
            yield ClusterMoments(counts, left, right, k < left.shape[2])
