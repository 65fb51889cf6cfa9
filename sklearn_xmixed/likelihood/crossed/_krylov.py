"""Solves and log determinants of a large positive definite matrix from its products.

``conjugate_gradients`` solves for several right-hand sides at once.  ``quadrature`` is
stochastic Lanczos quadrature (Ubaru, Chen and Saad 2017): for a matrix N with unit
diagonal and a random vector z with E zz' = I

    E z' phi(N) z = tr log N,        phi(t) = log t - (t - 1),

because tr(N - I) = 0.  Taking the linear part out leaves only the noise of (N - I)^2.
k steps of Lanczos give N Q = Q T and, with T = Y diag(theta) Y' and n = z'z,

    z' phi(N) z   = n sum_i y_i^2 phi(theta_i),         y = first row of Y,
    d z' phi(N) z = n sum_ij y_i y_j phi[theta_i, theta_j] (Q Y)_i' dN (Q Y)_j,

phi[., .] the divided difference (Daleckii and Krein 1965), so that the gradient is that
of the value for the same z, up to the error of the Krylov space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Quadrature", "conjugate_gradients", "quadrature"]

Array = np.ndarray
Product = Callable[[Array], Array]

#: a Krylov space that grows by less than this is complete
COMPLETE = 1e-13
#: directions of a gradient whose weight is below this share of the largest are left out
NEGLIGIBLE = 1e-11


def conjugate_gradients(
    product: Product, rhs: Array, *, tol: float, max_iter: int
) -> tuple[Array, float]:
    """Solve N x = rhs column by column, all columns together.

    Returns
    -------
    x : ndarray of shape (n, m)
    residual : float
        Largest norm of a residual relative to its right-hand side.
    """
    x = np.zeros_like(rhs)
    r = rhs.copy()
    size = np.sqrt(np.einsum("nm,nm->m", rhs, rhs))
    size = np.where(size > 0, size, 1.0)
    p = r.copy()
    rr = np.einsum("nm,nm->m", r, r)
    left = np.sqrt(rr) / size
    for _ in range(max_iter):
        if not (left > tol).any():
            break
        Np = product(p)
        curvature = np.einsum("nm,nm->m", p, Np)
        step = np.where(left > tol, rr / np.where(curvature > 0, curvature, 1.0), 0.0)
        x += p * step
        r -= Np * step
        new = np.einsum("nm,nm->m", r, r)
        p *= np.where(rr > 0, new / np.where(rr > 0, rr, 1.0), 0.0)
        p += r
        rr, left = new, np.sqrt(new) / size
    return x, float(left.max(initial=0.0))


@dataclass(frozen=True, eq=False)
class Quadrature:
    """z' phi(N) z of several z, and what its derivatives consist of.

    Parameters
    ----------
    values : ndarray of shape (b,)
    weights : ndarray of shape (r, b)
    vectors : ndarray of shape (n, r, b)
        The derivative along dN is the sum of weights times vectors' dN vectors.
    steps : int
        Of Lanczos.
    """

    values: Array
    weights: Array
    vectors: Array
    steps: int


def quadrature(product: Product, z: Array, *, tol: float, max_iter: int) -> Quadrature:
    """Value and derivative of z' phi(N) z for each column of z.

    Parameters
    ----------
    product : callable
        From v of shape (n, b) to N v.
    z : ndarray of shape (n, b)
    tol : float
        Two steps in a row must change the values by less than this times n.
    max_iter : int
    """
    n, b = z.shape
    most = min(max_iter, n)
    Q = np.empty((most, n, b))
    alpha, beta = np.empty((most, b)), np.zeros((most, b))
    size_z = np.einsum("nb,nb->b", z, z)
    q = z / np.sqrt(size_z)
    values = np.full(b, np.inf)
    calm = 0
    for k in range(most):
        Q[k] = q
        w = product(q)
        alpha[k] = np.einsum("nb,nb->b", q, w)
        for _ in range(2):  # orthogonal to rounding
            part = np.einsum("knb,nb->kb", Q[: k + 1], w)
            w -= np.einsum("knb,kb->nb", Q[: k + 1], part)
        size = np.sqrt(np.einsum("nb,nb->b", w, w))
        alive = size > COMPLETE
        beta[k] = np.where(alive, size, 0.0)
        q = np.where(alive, w / np.where(alive, size, 1.0), 0.0)
        # columns whose space is complete go on with an eigenvalue of one, of no weight
        alpha[k] = np.where(np.einsum("nb,nb->b", Q[k], Q[k]) > 0.5, alpha[k], 1.0)
        theta, Y = _eigen(alpha[: k + 1], beta[:k])
        new = size_z * np.einsum("bk,bk->b", Y[:, 0] ** 2, _phi(theta))
        calm = calm + 1 if np.abs(new - values).max() <= tol * n else 0
        values = new
        if calm >= 2 or not alive.any():
            break
    k += 1
    y = Y[:, 0]
    C = y[:, :, None] * y[:, None, :] * _divided(theta)
    C *= size_z[:, None, None]
    rho, E = np.linalg.eigh(C)
    order = np.argsort(-np.abs(rho), axis=1)
    rho = np.take_along_axis(rho, order, axis=1)
    E = np.take_along_axis(E, order[:, None, :], axis=2)
    top = np.abs(rho[:, :1])
    r = max(1, int((np.abs(rho) > NEGLIGIBLE * top).any(axis=0).sum()))
    turn = (Y @ E)[:, :, :r]
    vectors = np.einsum("knb,bkr->nrb", Q[:k], turn, optimize=True)
    return Quadrature(values, rho[:, :r].T, vectors, k)


def _eigen(alpha: Array, beta: Array) -> tuple[Array, Array]:
    k, b = alpha.shape
    T = np.zeros((b, k, k))
    at = np.arange(k)
    T[:, at, at] = alpha.T
    T[:, at[1:], at[:-1]] = T[:, at[:-1], at[1:]] = beta.T
    return np.linalg.eigh(T)


def _phi(t: Array) -> Array:
    t = np.maximum(t, 1e-300)
    return np.log(t) - (t - 1.0)


def _divided(theta: Array) -> Array:
    """Divided differences of phi at all pairs of eigenvalues."""
    a, b = theta[:, :, None], theta[:, None, :]
    gap = (a - b) / b
    small = np.abs(gap) < 1e-8
    slope = np.where(small, 1.0, np.log1p(gap) / np.where(small, 1.0, gap))
    slope = np.where(small, 1.0 - 0.5 * gap, slope) / b
    return slope - 1.0
