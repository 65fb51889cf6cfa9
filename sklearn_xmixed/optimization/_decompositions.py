"""Decompositions of small matrices, by LAPACK without a detour.

For the few numbers of a covariance matrix or a Hessian the checks of numpy.linalg
take three times as long as the decomposition.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgeqrf, dgesv, dgetrf, dorgqr, dpotrf, dsyevd, dtrtri

__all__ = [
    "eigen",
    "inverse_factor",
    "log_abs_det",
    "orthogonal",
    "solve",
    "upper_factor",
    "upper_inverse",
]

Array = np.ndarray


def eigen(M: Array) -> tuple[Array, Array]:
    """Eigenvalues in ascending order, and eigenvectors as columns.

    Raises
    ------
    numpy.linalg.LinAlgError
        If they do not converge.
    """
    if not len(M):
        return np.empty(0), np.empty((0, 0))
    values, vectors, info = dsyevd(M, lower=1)
    if info:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")
    return values, vectors


def orthogonal(M: Array) -> tuple[Array, Array]:
    """Q and R of a matrix that has no more columns than rows, M = Q R."""
    packed, tau, _, _ = dgeqrf(M)
    R = packed[: packed.shape[1]].copy()
    for j in range(1, len(R)):
        R[j, :j] = 0.0
    return dorgqr(packed, tau)[0], R


def upper_factor(M: Array) -> tuple[Array, Array]:
    """R, upper triangular with M = R'R, and R^-1.

    Raises
    ------
    numpy.linalg.LinAlgError
        If M is not positive definite.
    """
    if not len(M):
        return np.empty((0, 0)), np.empty((0, 0))
    R, info = dpotrf(M, lower=0, clean=1)
    if info:
        raise np.linalg.LinAlgError("Matrix is not positive definite")
    return R, dtrtri(R, lower=0)[0]


def upper_inverse(R: Array) -> Array:
    """R^-1 of an upper triangular R."""
    inverse: Array = dtrtri(R, lower=0)[0]
    return inverse


def solve(M: Array, B: Array) -> Array:
    """M^-1 B.

    Raises
    ------
    numpy.linalg.LinAlgError
        If M is singular.
    """
    if not B.size:
        return np.zeros(B.shape)
    _, _, x, info = dgesv(M, B)
    if info:
        raise np.linalg.LinAlgError("Singular matrix")
    return x.reshape(B.shape)


def log_abs_det(M: Array) -> float:
    """log|det M|; of no columns zero, of a singular matrix -inf."""
    if not len(M):
        return 0.0
    with np.errstate(divide="ignore"):
        return float(np.log(np.abs(dgetrf(M)[0].diagonal())).sum())


def inverse_factor(M: Array) -> tuple[Array, float]:
    """L^-1 with M = L L', and log det M.

    Raises
    ------
    numpy.linalg.LinAlgError
        If M is not positive definite.
    """
    if not len(M):
        return np.empty((0, 0)), 0.0
    L, info = dpotrf(M, lower=1, clean=1)
    if info:
        raise np.linalg.LinAlgError("Matrix is not positive definite")
    return dtrtri(L, lower=1)[0], 2.0 * float(np.log(L.diagonal()).sum())
