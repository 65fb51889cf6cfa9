"""Batched Gaussian elimination of small blocks, the group axis last.

Every array here has shape (rows, columns, groups), and perhaps more axes (of
replicates) after these; loops run over the few rows of a block and each step works on
all groups at once.  Only additions,
products and square roots of numbers are used and nothing is conjugated, so the same
code differentiates itself by a complex step.
"""

from __future__ import annotations

import numpy as np

__all__ = ["cross", "forward", "semidefinite_root"]

Array = np.ndarray

#: a pivot below this share of its diagonal element is taken as zero
PIVOT_TOLERANCE = 1e-13


def forward(N: Array, rhs: Array) -> tuple[Array, Array]:
    """Solve L x = rhs with N = L L' for every group.

    Parameters
    ----------
    N : ndarray of shape (q, q, G), symmetric positive definite
    rhs : ndarray of shape (q, w, G)

    Returns
    -------
    pivots : ndarray of shape (q, G)
        Diagonal of L.
    x : ndarray of shape (q, w, G)
    """
    q = N.shape[0]
    if q == 1:
        pivots = np.sqrt(N[0])
        return pivots, rhs / pivots
    if rhs.shape[2:] != N.shape[2:]:
        rhs = np.broadcast_to(rhs, (*rhs.shape[:2], *N.shape[2:]))
    work = np.concatenate([N, rhs], axis=1)
    pivots = np.empty((q, *N.shape[2:]), dtype=work.dtype)
    for j in range(q):
        np.sqrt(work[j, j], out=pivots[j])
        row = work[j, j + 1 :]
        row /= pivots[j]
        if j + 1 < q:
            for i in range(j + 1, q):
                work[i, i:] -= row[i - j - 1] * row[i - j - 1 :]
    return pivots, work[:, q:]


def semidefinite_root(block: Array, q: int) -> Array:
    """[R C] with A = R'R and B = R'C from [A B], R upper triangular.

    ``[A B]`` is the top of a positive semidefinite matrix; where a pivot
    vanishes its whole row vanishes with it.

    Parameters
    ----------
    block : ndarray of shape (q, q + r, G)
    """
    work = block.copy()
    for j in range(q):
        pivot = work[j, j]
        gone = pivot.real <= PIVOT_TOLERANCE * block[j, j].real
        if gone.any():
            root = np.sqrt(np.where(gone, 1.0, pivot))
            work[j, j:] *= np.where(gone, 0.0, 1.0 / root)
        else:
            work[j, j:] /= np.sqrt(pivot)
        row = work[j]
        for i in range(j + 1, q):
            work[i, i:] -= row[i] * row[i:]
            work[i, j] = 0.0
    return work


def cross(left: Array, right: Array) -> Array:
    """left' right for every group: (q, a, G), (q, b, G) -> (a, b, G)."""
    out = left[0][:, None] * right[0][None]
    for k in range(1, left.shape[0]):
        out += left[k][:, None] * right[k][None]
    return out
