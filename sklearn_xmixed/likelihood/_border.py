"""Where a covariance matrix becomes singular, and the likelihood may have no maximum.

At the border of the parameters V becomes singular.  With N a basis of its null space
log|V| falls without bound, and so does -2 L under maximum likelihood where the fixed part
fits what the response has in these directions: the rank of N'X is the number of
directions, so that N'(y - X beta) = 0 has a solution.  Under REML log|X'V^-1 X| makes up
for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Border", "null_space"]

Array = np.ndarray

#: an eigenvalue below this share of the largest is on its way to zero
NULL = 1e-3
#: a singular value of N'X below this share of the size of X is none
RANK = 1e-8


@dataclass(frozen=True)
class Border:
    """Where a search came to that did not end inside.

    Parameters
    ----------
    directions : int
        Combinations of rows whose variance goes to zero.
    rows : int
        How many rows they are of.
    unbounded : bool
        Whether the fixed part fits them, so that the likelihood grows without bound.
    estimates : ndarray
        The residuals' parameters there, in the metrics of their standard errors.
    """

    directions: int
    rows: int
    unbounded: bool
    estimates: Array

    @classmethod
    def of(
        cls, V: Array, Lambda: Array, X: Array, estimates: Array, *, reml: bool
    ) -> Border | None:
        """What is singular: V of all rows, or that of their residual errors alone.

        None where neither is nearly so.
        """
        N = null_space(V)
        k = N.shape[1]
        fits = bool(k and X.shape[1] and not reml)
        if fits:
            sizes = np.linalg.svd(N.T @ X, compute_uv=False)
            fits = int((sizes > RANK * np.linalg.norm(X)).sum()) == k
        if not fits:
            N = null_space(Lambda)
        if not N.shape[1]:
            return None
        rows = int((np.abs(N).max(axis=1) > 1e-3).sum())
        return cls(N.shape[1], rows, fits, estimates)


def null_space(V: Array) -> Array:
    """Eigenvectors whose eigenvalues are next to nothing, as columns."""
    values, vectors = np.linalg.eigh(V)
    return vectors[:, values < NULL * values[-1]]
