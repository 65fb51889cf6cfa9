"""Small-sample corrections of the residuals in the sandwich of the fixed effects.

With V_g the working covariance matrix of a cluster and M_g = V_g - X_g Phi X_g' that of
its residuals, the score of a cluster is X_g'V_g^-1 A_g e_g where (Eqs. 26 and 27 of the
likelihood page)

    CR0, CR1, CR1S   A_g = I
    CR2              A_g = D'(D M_g D')^-1/2 D,  V_g = D'D   (the same for every D)
    CR3              A_g = V_g M_g^-1

(Bell and McCaffrey 2002).  Powers are Moore-Penrose powers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...likelihood import ClusterBlock

__all__ = ["CORRECTIONS", "NOT_INVARIANT", "corrected"]

Array = np.ndarray

#: a residual whose variance is this share of what it would be if the coefficients were
#: known has none: the cluster fits itself
SELF_FITTED = 1e-10
#: ratio of eigenvalues of V up to which the product may be squared
GRADED = 100.0


def corrected(name: str, block: ClusterBlock, F: Array) -> tuple[Array, Array, Array]:
    """What the sandwich needs of some clusters, in coordinates where Phi is the identity.

    Parameters
    ----------
    name : str
        Key of ``CORRECTIONS``.
    F : ndarray of shape (p, p)
        F F' = Phi.

    Returns
    -------
    U, N : ndarray of shape (b, k, p)
    e : ndarray of shape (b, k)
        With a = A'V^-1 X F, a'e is N'e, F'X'a is U'N and a'V a is N'N.
    """
    return CORRECTIONS[name](block, block.X @ F)


def _none(block: ClusterBlock, XF: Array) -> tuple[Array, Array, Array]:
    """A = I: with V = L L', U = L^-1 X F, N = L'a and t = L^-1 e."""
    L = np.linalg.cholesky(block.V)
    both = np.linalg.solve(L, np.concatenate([XF, block.r[:, :, None]], axis=2))
    U = both[:, :, :-1]
    return U, U, both[:, :, -1]


def _square_root(block: ClusterBlock, XF: Array) -> tuple[Array, Array, Array]:
    """CR2, with V = D'D and D = lambda^1/2 E' from the eigenvectors of V.

    D M D' = lambda C'C lambda with C'C = I - U U', U = D'^-1 X F.  Its root follows from
    the singular values of C lambda, where squares would lose twice the digits.
    """
    size, U, t = _own_axes(block, XF)
    values, axes = _singular(U, size)
    inverse = np.where(values > 0, 1.0 / np.where(values > 0, values, 1.0), 0.0)
    inner = axes @ U
    N = size[:, :, None] * (axes.transpose(0, 2, 1) @ (inverse[:, :, None] * inner))
    return U, N, t


def _inverse(block: ClusterBlock, XF: Array) -> tuple[Array, Array, Array]:
    """CR3 on the same axes: M = lambda^1/2 C'C lambda^1/2."""
    size, U, t = _own_axes(block, XF)
    root = np.sqrt(size)
    values, axes = _singular(U, root)
    inverse = np.where(values > 0, 1.0 / np.where(values > 0, values, 1.0), 0.0) ** 2
    inner = axes @ (root[:, :, None] * U)
    N = root[:, :, None] * (axes.transpose(0, 2, 1) @ (inverse[:, :, None] * inner))
    return U, N, t


def _own_axes(block: ClusterBlock, XF: Array) -> tuple[Array, Array, Array]:
    """Eigenvalues of V, and X F and e on its eigenvectors over their square roots."""
    size, vectors = np.linalg.eigh(block.V)
    both = np.concatenate([XF, block.r[:, :, None]], axis=2)
    both = vectors.transpose(0, 2, 1) @ both / np.sqrt(size)[:, :, None]
    return size, both[:, :, :-1], both[:, :, -1]


def _singular(U: Array, scale: Array) -> tuple[Array, Array]:
    """Singular values of C scale and its right singular vectors, as rows.

    C'C = I - U U'.  Values that are rounding, where a cluster fits itself, are zero.
    """
    least = scale.min(axis=1)
    if (scale.max(axis=1) <= GRADED * least).all():
        scaled = scale[:, :, None] * U
        gram = -scaled @ scaled.transpose(0, 2, 1)
        np.einsum("gaa->ga", gram)[:] += scale**2
        squares, axes = np.linalg.eigh(gram)
        there = squares > SELF_FITTED * least[:, None] ** 2
        values = np.sqrt(np.where(there, squares, 0.0))
        return values, axes.transpose(0, 2, 1)
    leverage, vectors = np.linalg.eigh(U.transpose(0, 2, 1) @ U)
    rest = 1.0 - leverage
    lost = rest <= SELF_FITTED
    # C = I - U f(U'U) U' with f(w) = (1 - (1 - w)^1/2) / w
    f = 1.0 / (1.0 + np.sqrt(np.where(lost, 0.0, rest)))
    V = U @ vectors
    product = -(V * f[:, None]) @ V.transpose(0, 2, 1)
    np.einsum("gaa->ga", product)[:] += 1.0
    _, values, axes = np.linalg.svd(product * scale[:, None])
    kept = values.shape[1] - lost.sum(axis=1)
    return np.where(np.arange(values.shape[1]) < kept[:, None], values, 0.0), axes


#: what a kind of correction makes of a block and X F
CORRECTIONS: dict[str, Callable[[ClusterBlock, Array], tuple[Array, Array, Array]]] = {
    "CR0": _none,
    "CR1": _none,
    "CR1S": _none,
    "CR2": _square_root,
    "CR3": _inverse,
}
#: those that change if the rows of a cluster are multiplied by numbers
NOT_INVARIANT = frozenset({"CR2"})
