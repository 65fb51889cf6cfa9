"""One elimination of a crossed design: what the exact and the iterative way share.

With s the term that is eliminated first and r the others (D signed: an exchangeable
covariance below zero is a common effect of negative variance)

    P = (I + A_ss D_s)^-1,  K_s = D_s P,  A = A_rr - A_rs K_s A_sr,  B likewise,
    D_r = L J L' with J = +-1,  M = J + L'AL,  K_r = L M^-1 L',  S = C - B'K_r B,

log|V| = log|I + A_ss D_s| + log|M|.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy import sparse

from .._noise import Noise
from .._pieces import Root
from ._centre import centred
from ._crossing import Crossing, block_diagonal

__all__ = ["Direction", "Elimination"]

Array = np.ndarray
#: a change of several terms' D together: (term, matrix) each
Direction = Sequence[tuple[int, Array]]

#: a term whose smallest variance times its largest cross-product is below this is
#: near zero
NEAR_ZERO = 1e-6


class Elimination:
    """The first term eliminated; the others are left to subclasses.

    Parameters
    ----------
    x : Crossing
    D : list of ndarray of shape (q, q)
        One per term.
    """

    #: log|V|
    log_det: float
    #: K_r B
    U: Array
    #: root matrix
    S: Array
    #: largest relative residual of a solve so far
    residual = 0.0

    def __init__(self, x: Crossing, D: list[Array]):
        self.x, self.D = x, D
        s = x.first
        q = x.q[s]
        N = np.eye(q) + x.A_first @ D[s]
        if q == 1:
            self.P = 1.0 / N
            self.log_det_first = float(np.log(N).sum())
        else:
            self.P = np.linalg.inv(N)
            self.log_det_first = float(np.linalg.slogdet(N)[1].sum())
        K = D[s] @ self.P
        self.K_first = 0.5 * (K + K.transpose(0, 2, 1))
        self.about = centred(x, D)
        KB = self.times_K(self.about.B_first)
        self.C = self.about.total - self.about.B_first.T @ KB
        self.B = self.about.B_rest - x.A_cross.T @ KB
        self._scale_rest()

    @property
    def smooth(self) -> bool:
        """Whether second derivatives of log|V| have a closed form."""
        return False

    @cached_property
    def noise(self) -> Noise | None:
        """What probes say one by one about log|V|; None without probes."""
        return None

    def times_K(self, rows: Array) -> Array:
        """K_s times rows of the first term's columns."""
        q = self.x.q[self.x.first]
        if q == 1:
            return self.K_first[:, 0] * rows
        m = rows.shape[1]
        return (self.K_first @ rows.reshape(-1, q, m)).reshape(-1, m)

    def times_A(self, u: Array) -> Array:
        """A u for coefficients of the remaining columns."""
        x = self.x
        return x.A_rest @ u - x.A_cross.T @ self.times_K(x.A_cross @ u)

    def _scale_rest(self) -> None:
        x = self.x
        self.roots, self.signs = {}, {}
        lam, J = [], []
        for t in x.rest:
            values, vectors = np.linalg.eigh(self.D[t])
            root = self._root(values, vectors)
            sign = np.where(values < 0, -1.0, 1.0)
            self.roots[t], self.signs[t] = (values, vectors, root), sign
            J.append(np.tile(sign, x.G[t]))
            lam.append(np.broadcast_to(root, (x.G[t], *root.shape)))
        self.J = np.concatenate(J) if J else np.zeros(0)
        self.definite = bool((self.J > 0).all())
        self.Lam: sparse.csr_array | None = None
        if all(x.q[t] == 1 for t in x.rest):
            self.lam = np.concatenate([a.ravel() for a in lam]) if lam else np.zeros(0)
        else:
            self.Lam = sparse.csr_array(
                sparse.block_diag([block_diagonal(a) for a in lam], format="csr")
            )

    @staticmethod
    def _root(values: Array, vectors: Array) -> Array:
        """L with L J L' = D."""
        return vectors * np.sqrt(np.abs(values))

    def half(self, M: Array) -> Array:
        """L M."""
        return self.lam[:, None] * M if self.Lam is None else self.Lam @ M

    def half_t(self, M: Array) -> Array:
        """L'M."""
        return self.lam[:, None] * M if self.Lam is None else self.Lam.T @ M

    def solve(self, rhs: Array) -> Array:
        """M^-1 rhs."""
        raise NotImplementedError

    def times_K_rest(self, rhs: Array) -> Array:
        """K_r rhs."""
        if not self.x.N:
            return rhs
        return self.half(self.solve(self.half_t(rhs)))

    def T(self, t: int) -> Array:
        """Z'V^-1 Z of every group of a term, shape (G, q, q)."""
        raise NotImplementedError

    def bend(self, directions: Sequence[Direction]) -> Array:
        """Second derivatives of log|V| along directions of D."""
        raise NotImplementedError

    def slope(self, t: int) -> Array:
        """d log|V| / dD of a term: its T, summed over groups."""
        raise NotImplementedError

    @cached_property
    def root(self) -> Root:
        """The fixed effects."""
        return Root.solve(self.S)

    def near_zero(self, t: int) -> bool:
        """Whether a remaining term's D is singular, or nearly so."""
        part = self.x.slices[t]
        size = np.abs(self.roots[t][0]).min()
        largest = self.x.A_rest.diagonal()[part].max(initial=0.0)
        return bool(size * largest < NEAR_ZERO)

    def E(self, t: int, Phi: Array) -> Array:
        """Z'V^-1 [X y] Phi of a term, shape (G, q, h)."""
        out = self._about(t, Phi)
        if t in self.about.kept:
            out = out + self.about.kept[t][1][:, :, None] * Phi[-1]
        return out

    def _about(self, t: int, Phi: Array) -> Array:
        """The same without D^-1 of the effects that were taken from y."""
        x, q = self.x, self.x.q[t]
        if t == x.first:
            left = self.about.B_first @ Phi - x.A_cross @ (self.U @ Phi)
            if q == 1:
                return self.P * left[:, None]
            return self.P @ left.reshape(x.G[t], q, -1)
        part = x.slices[t]
        if self.near_zero(t):
            return (self.B @ Phi - self.times_A(self.U @ Phi))[part].reshape(
                x.G[t], q, -1
            )
        u = (self.U[part] @ Phi).reshape(x.G[t], q, -1)
        return np.linalg.inv(self.D[t]) @ u

    def shifts(
        self, directions: Sequence[Direction], Phi: Array
    ) -> tuple[Array, Array]:
        """Coefficients of Z M Z'V^-1 [X y] Phi, M the change of D in each direction.

        Returns
        -------
        own : ndarray of shape (G q, directions, h)
        other : ndarray of shape (N, directions, h)
        """
        x, m, h, s = self.x, len(directions), Phi.shape[1], self.x.first
        E = {t: self.E(t, Phi) for t in {t for d in directions for t, _ in d}}
        own = np.zeros((x.G[s] * x.q[s], m, h))
        other = np.zeros((x.N, m, h))
        for i, direction in enumerate(directions):
            for t, M in direction:
                w = (M @ E[t]).reshape(-1, h)
                if t == s:
                    own[:, i] += w
                else:
                    other[x.slices[t], i] += w
        return own, other

    def between(self, own: Array, other: Array) -> tuple[Array, Array]:
        """w'V^-1 w and w'V^-1 X of w = Z_s own + Z_r other."""
        x, s, p, m = self.x, self.x.first, self.x.p, own.shape[1]
        q = x.q[s]
        shape = (x.G[s], q, m)
        b_own = (x.A_first @ own.reshape(shape)).reshape(own.shape) + x.A_cross @ other
        b_other = x.A_cross.T @ own + x.A_rest @ other
        out = own.T @ b_own + other.T @ b_other
        on_x = own.T @ x.B_first[:, :p] + other.T @ x.B_rest[:, :p]
        solved = self.times_K(b_own)
        out -= b_own.T @ solved
        on_x -= solved.T @ x.B_first[:, :p]
        b_other -= x.A_cross.T @ solved
        out -= b_other.T @ self.times_K_rest(b_other)
        on_x -= b_other.T @ self.U[:, :p]
        return out, on_x

    def curvature(self, directions: Sequence[Direction]) -> Array:
        """Second derivatives of c along directions of D, exact and without inverses.

        With w = Z M Z'V^-1 (y - X beta) of each direction they are 2 w'P w.
        """
        own, other = self.shifts(directions, self.root.v[:, None])
        out, on_x = self.between(own[:, :, 0], other[:, :, 0])
        half = on_x @ self.root.F
        out -= half @ half.T
        return out + out.T
