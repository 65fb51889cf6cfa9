"""The likelihood by its definition: V formed and factorised whole.

Slow and obvious; every fast path is tested for equality with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

__all__ = ["Oracle", "oracle"]

Array = np.ndarray


@dataclass(frozen=True)
class Oracle:
    """What the definition gives at fixed variance parameters.

    Parameters
    ----------
    log_likelihood : float
        Log (restricted) likelihood at the given Sigma and sigma.
    beta : ndarray of shape (p,)
    vcov : ndarray of shape (p, p)
        Covariance matrix of beta.
    u : list of ndarray of shape (q * groups,)
        BLUPs per term, group by group.
    u_vcov : list of ndarray
        Covariance matrices of u_hat - u with beta known.
    u_vcov_full : list of ndarray
        The same with the uncertainty of beta included.
    """

    log_likelihood: float
    beta: Array
    vcov: Array
    u: list[Array]
    u_vcov: list[Array]
    u_vcov_full: list[Array]


def oracle(
    X: Array,
    y: Array,
    terms: list[tuple[Array, Array, Array]],
    sigma2: float,
    *,
    reml: bool = False,
    Lambda: Array | None = None,
) -> Oracle:
    """Evaluate the model at given variances.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    terms : list of (Z, codes, Sigma)
        Columns (n, q), group of each row (n,) from 0, covariance matrix (q, q).
    sigma2 : float
        Residual variance.
    reml : bool
    Lambda : ndarray of shape (n, n), optional
        Residual covariance over sigma2; default the identity.
    """
    n, p = X.shape
    V = sigma2 * (np.eye(n) if Lambda is None else Lambda)
    spread = []
    for Z, codes, Sigma in terms:
        groups, q = int(codes.max()) + 1, Z.shape[1]
        wide = np.zeros((n, groups * q))
        for a in range(q):
            wide[np.arange(n), codes * q + a] = Z[:, a]
        G = np.kron(np.eye(groups), Sigma)
        V = V + wide @ G @ wide.T
        spread.append((wide, G))
    factor = cho_factor(V, lower=True)
    Vi_X = cho_solve(factor, X)
    information = X.T @ Vi_X
    beta = np.linalg.solve(information, Vi_X.T @ y)
    r = y - X @ beta
    Vi_r = cho_solve(factor, r)
    log_det = 2.0 * np.sum(np.log(np.diagonal(factor[0])))
    nn = n - p if reml else n
    value = nn * np.log(2.0 * np.pi) + log_det + r @ Vi_r
    if reml:
        value += np.linalg.slogdet(information)[1]
    vcov = np.linalg.inv(information)
    u, u_vcov, u_full = [], [], []
    for wide, G in spread:
        GZ = G @ wide.T
        u.append(GZ @ Vi_r)
        known = G - GZ @ cho_solve(factor, GZ.T)
        cross = GZ @ Vi_X
        u_vcov.append(known)
        u_full.append(known + cross @ vcov @ cross.T)
    return Oracle(-0.5 * value, beta, vcov, u, u_vcov, u_full)
