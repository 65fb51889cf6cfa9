"""The two scalars of the likelihood and their derivatives in D.

For given D = Sigma / sigma^2 of every level the data enter the likelihood through

    c(D) = c_1^2, the generalised residual sum of squares, and
    l(D) = sum log|I + A D|  [+ log|S_xx| under REML];

minus twice the log likelihood is ``nn log c + l`` with sigma profiled out and
``2 nn log sigma + c / sigma^2 + l`` without (Eqs. 12, 13, 15).  Both scalars, their
gradients and their Hessians come from the sweeps of the tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..optimization import inverse_factor
from ._eliminate import forward

__all__ = ["Direction", "Pieces", "Root"]

Array = np.ndarray
#: a symmetric change of one floor's D: (floor, matrix)
Direction = tuple[int, Array]

#: complex step: no difference is formed, so only underflow limits it
STEP = 1e-30


@dataclass(frozen=True, eq=False)
class Root:
    """Solution of the root's system over [X y].

    Parameters
    ----------
    beta : ndarray of shape (p,)
    F : ndarray of shape (p, p)
        F F' = S_xx^-1.
    c : float
    log_det : float
        log|S_xx|.
    """

    beta: Array
    F: Array
    c: float
    log_det: float

    @classmethod
    def solve(cls, S: Array) -> Root:
        p = S.shape[0] - 1
        if np.iscomplexobj(S):
            rhs = np.concatenate([np.eye(p), S[:p, p:]], axis=1)
            pivots, x = forward(S[:p, :p, None], rhs[:, :, None])
            inverse, half = x[:, :p, 0], x[:, p, 0]
            log_det = 2.0 * np.sum(np.log(pivots))
        else:
            inverse, log_det = inverse_factor(S[:p, :p])
            half = inverse @ S[:p, p]
        return cls(inverse.T @ half, inverse.T, S[p, p] - half @ half, log_det)

    @property
    def v(self) -> Array:
        """(-beta, 1): the combination of [X y] that is the residual."""
        out = np.empty(len(self.beta) + 1, dtype=self.beta.dtype)
        out[:-1], out[-1] = -self.beta, 1.0
        return out


@dataclass(frozen=True, eq=False)
class Pieces:
    """c and l at one D, with derivatives as far as they were asked for.

    Parameters
    ----------
    root : Root
    S : ndarray of shape (p + 1, p + 1)
        Root matrix, the whole model eliminated.
    c, l : float
    c_D, l_D : list of ndarray of shape (q, q)
        Symmetric derivative matrices per floor, lowest first.
    c_2, l_2 : ndarray of shape (m, m)
        Second derivatives along the directions asked for.
    c_psi, psi_1 : ndarray of shape (k,)
        With structured residuals: derivatives of c, and of (nn / c) c + l +
        log|Lambda| with the factor held fixed, in the residuals' parameters.
    psi_2 : ndarray of shape (m + k, k)
        Derivatives of the gradient of the latter along the directions and in psi.
    """

    root: Root
    S: Array
    c: float
    l: float
    c_D: list[Array] | None = None
    l_D: list[Array] | None = None
    c_2: Array | None = None
    l_2: Array | None = None
    c_psi: Array | None = None
    psi_1: Array | None = None
    psi_2: Array | None = None
