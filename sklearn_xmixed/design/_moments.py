"""First and second moments of data columns, accumulated in one pass.

Everything that is decided from the columns alone (which are collinear, how to
scale or orthonormalise them) is decided from these small matrices; the rows
are not visited again for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ROUNDING", "Moments", "independent_columns"]

Array = np.ndarray

#: rows per block of the pass: the block stays in the second-level cache
BLOCK_ROWS = 8192
#: a column is collinear when less than this share of its sum of squares is left
TOLERANCE = 1e-11
#: below this share the cross-products are too coarse to tell, look at the rows
DOUBTFUL = 1e-7
#: a collinear column depends on another if by more than this share of its size
ROUNDING = 1e-8


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted moments of k columns about a shift near their means.

    Parameters
    ----------
    n : float
        Sum of the row weights.
    mean : ndarray of shape (k,)
    centred : ndarray of shape (k, k)
        Weighted sums of products of deviations from ``mean``.
    """

    n: float
    mean: Array
    centred: Array

    @classmethod
    def of(cls, parts: Sequence[Array], weights: Array | None = None) -> Moments:
        """Moments of the columns of several arrays side by side.

        Parameters
        ----------
        parts : sequence of ndarray of shape (n,) or (n, k_i)
        weights : ndarray of shape (n,), optional
        """
        columns = [c for part in parts for c in (part.T if part.ndim == 2 else [part])]
        rows, k = len(columns[0]), len(columns)
        few = min(rows, BLOCK_ROWS)
        shift = np.array([np.add.reduce(c[:few]) for c in columns]) / few
        # a leading row of ones makes the sums part of the product
        gram = np.zeros((k + 1, k + 1))
        buffer = np.ones((k + 1, min(rows, BLOCK_ROWS)))
        for start in range(0, rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, rows)
            D = buffer[:, : stop - start]
            for j, column in enumerate(columns):
                np.subtract(column[start:stop], shift[j], out=D[1 + j])
            gram += D @ (D if weights is None else D * weights[start:stop]).T
        return cls.of_gram(gram, shift)

    @classmethod
    def of_gram(cls, gram: Array, shift: Array) -> Moments:
        """Moments from sums of products.

        Parameters
        ----------
        gram : ndarray of shape (k + 1, k + 1)
            Of ``[1, columns - shift]``.
        shift : ndarray of shape (k,)
        """
        n = gram[0, 0]
        off = gram[0, 1:] / n
        return cls(float(n), shift + off, gram[1:, 1:] - n * off[:, None] * off)

    def take(self, columns: Sequence[int]) -> Moments:
        """Those of some columns."""
        at = np.array(columns, dtype=int)
        return Moments(self.n, self.mean[at], self.centred[np.ix_(at, at)])

    def raw(self) -> Array:
        """Sums of products about zero, a constant column put first."""
        mean = np.concatenate([[1.0], self.mean])
        out = self.n * mean[:, None] * mean
        out[1:, 1:] += self.centred
        return out


def independent_columns(
    gram: Array, scale: Array | None = None, tolerance: float = TOLERANCE
) -> tuple[Array, float]:
    """Which columns are no linear combination of the columns before them.

    Parameters
    ----------
    gram : ndarray of shape (k, k)
        Cross-products of the columns.
    scale : ndarray of shape (k,), optional
        Sums of squares against which a remainder counts as nothing; default
        the diagonal of ``gram``.
    tolerance : float
        The share.

    Returns
    -------
    keep : ndarray of bool, shape (k,)
    smallest : float
        Smallest share of its sum of squares that a kept column has left.
    """
    M = np.array(gram, dtype=float)
    k = M.shape[0]
    own = M.diagonal().copy()
    scale = own if scale is None else scale
    keep = np.zeros(k, dtype=bool)
    smallest = 1.0
    for j in range(k):
        pivot = M[j, j]
        if not pivot > tolerance * scale[j] or scale[j] <= 0:
            continue
        keep[j] = True
        if own[j] > 0:
            smallest = min(smallest, pivot / own[j])
        if j + 1 < k:
            row = M[j, j + 1 :]
            M[j + 1 :, j + 1 :] -= row[:, None] * (row / pivot)
    return keep, smallest
