"""Decompositions of small matrices, by LAPACK without a detour.

For the few numbers of a covariance matrix or a Hessian the checks of numpy.linalg
take three times as long as the decomposition.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgeqrf, dorgqr, dpotrf, dsyevd, dtrtri

__all__ = ["eigen", "inverse_factor", "orthogonal", "upper_factor"]

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
    return dorgqr(packed, tau)[0], np.triu(packed[: packed.shape[1]])


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
