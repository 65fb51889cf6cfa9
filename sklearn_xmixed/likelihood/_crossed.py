"""c and l of a design whose factors cross, and their gradients.

With s the term that is eliminated first and r the others (D signed: an exchangeable
covariance below zero is a common effect of negative variance)

    P = (I + A_ss D_s)^-1,  K_s = D_s P,  A = A_rr - A_rs K_s A_sr,  B likewise,
    D_r = L J L' with J = +-1,  M = J + L'AL,  K_r = L M^-1 L',  S = C - B'K_r B,

log|V| = log|I + A_ss D_s| + log|M|.  As in the tree the gradient needs Z'V^-1 Z and
Z'V^-1 [X y] of every group: for r the first is L'^-1 (J - J M^-1 J) L^-1, for s it is
P (A_ss - A_sr K_r A_rs P').
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import lapack, lu_factor, lu_solve

from ._crossing import Crossing, block_diagonal
from ._pieces import Pieces, Root

__all__ = ["CrossedSweep", "evaluate_crossed"]

Array = np.ndarray

#: a term whose smallest variance times its largest group is below this is near zero
SMALL = 1e-4
#: rows of the first term that are made dense together
CHUNK = 512


@dataclass(eq=False)
class CrossedSweep:
    """One elimination.

    Parameters
    ----------
    x : Crossing
    D : list of ndarray of shape (q, q)
        One per term.
    """

    x: Crossing
    D: list[Array]

    def __post_init__(self) -> None:
        x, D = self.x, self.D
        s = x.first
        q = x.q[s]
        N = np.eye(q) + x.A_first @ D[s]
        if q == 1:
            self.P = 1.0 / N
            self.log_det = float(np.log(N).sum())
        else:
            self.P = np.linalg.inv(N)
            self.log_det = float(np.linalg.slogdet(N)[1].sum())
        self.K_first = D[s] @ self.P
        m = x.total.shape[0]
        KB = (self.K_first @ x.B_first.reshape(-1, q, m)).reshape(-1, m)
        self.C = x.total - x.B_first.T @ KB
        self.B = x.B_rest - x.A_cross.T @ KB
        self.A = self._remaining()
        self._scale_rest()
        self._factorise()
        self.U = self._half(self._solve(self._half_t(self.B)))  # K_r B
        self.S = self.C - self.B.T @ self.U

    def _remaining(self) -> Array:
        """A_rr - A_rs K_s A_sr."""
        x = self.x
        N = x.A_rest.shape[0]
        if not N:
            return np.zeros((0, 0))
        pairs = x.pairs
        if pairs is None:
            K = block_diagonal(self.K_first)
            return x.A_rest - (x.A_cross.T @ (K @ x.A_cross)).toarray()
        i, j, row, product, _ = pairs
        taken = np.bincount(
            i * N + j, product * self.K_first[:, 0, 0][row], minlength=N * N
        )
        taken = taken.reshape(N, N)
        out = x.A_rest - taken
        out -= np.tril(taken, -1).T
        return out

    def _scale_rest(self) -> None:
        x = self.x
        self.roots, self.signs = {}, {}
        lam, J = [], []
        for t in x.rest:
            values, vectors = np.linalg.eigh(self.D[t])
            root = vectors * np.sqrt(np.abs(values))
            sign = np.where(values < 0, -1.0, 1.0)
            self.roots[t], self.signs[t] = (values, vectors, root), sign
            J.append(np.tile(sign, x.G[t]))
            lam.append(np.broadcast_to(root, (x.G[t], *root.shape)))
        self.J = np.concatenate(J) if J else np.zeros(0)
        if all(x.q[t] == 1 for t in x.rest):
            self.lam = np.concatenate([a.ravel() for a in lam]) if lam else np.zeros(0)
            self.Lam = None
        else:
            self.Lam = sparse.csr_array(
                sparse.block_diag([block_diagonal(a) for a in lam], format="csr")
            )

    def _half(self, M: Array) -> Array:
        return self.lam[:, None] * M if self.Lam is None else self.Lam @ M

    def _half_t(self, M: Array) -> Array:
        return self.lam[:, None] * M if self.Lam is None else self.Lam.T @ M

    def _factorise(self) -> None:
        M = self._half_t(self._half_t(self.A).T)
        N = len(M)
        M[np.arange(N), np.arange(N)] += self.J
        self.definite = bool((self.J > 0).all())
        if not N:
            self.factor: Any = M
            return
        if self.definite:
            self.factor, info = lapack.dpotrf(M.T, lower=1, overwrite_a=1, clean=0)
            if info:
                raise np.linalg.LinAlgError("V is not positive definite")
            self.log_det += 2.0 * float(np.log(np.diagonal(self.factor)).sum())
        else:
            self.factor = lu_factor(M)
            diagonal = np.diagonal(self.factor[0])
            self.log_det += float(np.log(np.abs(diagonal)).sum())

    def _solve(self, rhs: Array) -> Array:
        if not len(rhs):
            return rhs
        if not self.definite:
            return lu_solve(self.factor, rhs)
        return lapack.dpotrs(self.factor, rhs, lower=1)[0]

    @cached_property
    def lower_inverse(self) -> Array:
        """M^-1, its lower triangle, in Fortran's order."""
        N = len(self.J)
        if not N:
            return np.zeros((0, 0), order="F")
        if not self.definite:
            return np.asfortranarray(lu_solve(self.factor, np.eye(N)))
        return lapack.dpotri(self.factor, lower=1)[0]

    @cached_property
    def M_inverse(self) -> Array:
        """M^-1, whole."""
        inverse = self.lower_inverse
        if not self.definite:
            return inverse
        out = np.tril(inverse)
        out += np.tril(inverse, -1).T
        return out

    @cached_property
    def K_rest(self) -> Array:
        """K_r: sigma^-2 times the variance of the remaining effects, beta known."""
        return self._half(self._half(self.M_inverse).T)

    @cached_property
    def root(self) -> Root:
        """The fixed effects."""
        return Root.solve(self.S)

    def small(self, t: int) -> bool:
        """Whether a remaining term's D is singular, or nearly so."""
        part = self.x.slices[t]
        size = np.abs(self.roots[t][0]).min()
        return bool(size * np.diagonal(self.A)[part].max(initial=0.0) < SMALL)

    def E(self, t: int, Phi: Array) -> Array:
        """Z'V^-1 [X y] Phi of a term, shape (G, q, h)."""
        x, q = self.x, self.x.q[t]
        if t == x.first:
            left = x.B_first @ Phi - x.A_cross @ (self.U @ Phi)
            return self.P @ left.reshape(x.G[t], q, -1)
        part = x.slices[t]
        if self.small(t):
            out = self.B[part] @ Phi - self.A[part] @ (self.U @ Phi)
            return out.reshape(x.G[t], q, -1)
        u = (self.U[part] @ Phi).reshape(x.G[t], q, -1)
        return np.linalg.inv(self.D[t]) @ u

    def T(self, t: int) -> Array:
        """Z'V^-1 Z of every group of a term, shape (G, q, q)."""
        x = self.x
        if t == x.first:
            out = self.P @ x.A_first
            if x.rest:
                out = out - self._drop()
            return out
        q, G, part = x.q[t], x.G[t], x.slices[t]
        if self.small(t):
            rows = self.A[part].reshape(G, q, -1)
            solved = (self.A[part] @ self.K_rest).reshape(G, q, -1)
            own = np.einsum("gagb->gab", self.A[part, part].reshape(G, q, G, q))
            return own - np.einsum("gan,gbn->gab", solved, rows)
        sign = self.signs[t]
        values, vectors, _ = self.roots[t]
        if q == 1:
            J = self.J[part]
            inner = J - np.diagonal(self.lower_inverse)[part]
            return (inner / np.abs(values[0]))[:, None, None]
        inverse = self.M_inverse[part, part].reshape(G, q, G, q)
        inner = np.diag(sign) - np.einsum("a,gagb,b->gab", sign, inverse, sign)
        out = vectors / np.sqrt(np.abs(values))
        return out @ inner @ out.T

    def _drop(self) -> Array:
        """P A_sr K_r A_rs P' of every group of the first term."""
        x = self.x
        q, G = x.q[x.first], x.G[x.first]
        pairs = x.pairs
        if pairs is not None:
            i, j, row, _, twice = pairs
            N = len(self.J)
            if self.Lam is None:
                # only one triangle of M^-1 is ever formed: element (i, j), i >= j,
                # stands at j N + i
                K = self.lower_inverse.T.reshape(-1)[j * N + i]
                K *= self.lam[i]
                K *= self.lam[j]
            else:
                K = self.K_rest.reshape(-1)[i * N + j]
            K *= twice
            summed = np.bincount(row, K, minlength=G)
            return summed[:, None, None] * self.P**2
        out = np.empty((G, q, q))
        step = max(1, CHUNK // q)
        for start in range(0, G, step):
            stop = min(start + step, G)
            rows = x.A_cross[start * q : stop * q]
            half = (rows @ self.K_rest).reshape(stop - start, q, -1)
            dense = rows.toarray().reshape(stop - start, q, -1)
            out[start:stop] = np.einsum("gan,gbn->gab", half, dense)
        return self.P @ out @ self.P.transpose(0, 2, 1)

    def curvature(self, directions: Sequence[Sequence[tuple[int, Array]]]) -> Array:
        """Second derivatives of c along directions of D, exact and without inverses.

        With w = Z M Z'V^-1 (y - X beta) of each direction they are 2 w'P w.
        """
        x, m, s = self.x, len(directions), self.x.first
        p, slices = x.p, x.slices
        v = self.root.v[:, None]
        e = {t: self.E(t, v)[:, :, 0] for t in {t for d in directions for t, _ in d}}
        own = np.zeros((x.G[s] * x.q[s], m))
        other = np.zeros((len(self.J), m))
        for i, direction in enumerate(directions):
            for t, M in direction:
                w = (e[t] @ M).ravel()
                if t == s:
                    own[:, i] += w
                else:
                    other[slices[t], i] += w
        shape = (x.G[s], x.q[s], m)
        b_own = (x.A_first @ own.reshape(shape)).reshape(own.shape) + x.A_cross @ other
        b_other = x.A_cross.T @ own + x.A_rest @ other
        out = own.T @ b_own + other.T @ b_other
        on_x = own.T @ x.B_first[:, :p] + other.T @ x.B_rest[:, :p]
        solved = (self.K_first @ b_own.reshape(shape)).reshape(own.shape)
        out -= b_own.T @ solved
        on_x -= solved.T @ x.B_first[:, :p]
        b_other -= x.A_cross.T @ solved
        out -= b_other.T @ self._half(self._solve(self._half_t(b_other)))
        on_x -= b_other.T @ self.U[:, :p]
        half = on_x @ self.root.F
        out -= half @ half.T
        return out + out.T


def evaluate_crossed(
    x: Crossing,
    D: list[Array],
    *,
    reml: bool,
    order: int = 1,
    directions: Sequence[Sequence[tuple[int, Array]]] | None = None,
) -> Pieces:
    """c and l, and with ``order`` 1 their derivatives in every D.

    With directions also the second derivatives of c along them.
    """
    sweep = CrossedSweep(x, D)
    root = sweep.root
    l = sweep.log_det
    if reml:
        l = l + root.log_det
    if order == 0:
        return Pieces(root, sweep.S, root.c, l)
    p = x.p
    Phi = np.zeros((p + 1, 1 + p * reml))
    Phi[:, 0] = root.v
    if reml:
        Phi[:p, 1:] = root.F
    c_D, l_D = [], []
    for t in range(len(D)):
        E = sweep.E(t, Phi)
        c_D.append(-E[:, :, 0].T @ E[:, :, 0])
        slope = sweep.T(t).sum(axis=0)
        if reml:
            flat = E[:, :, 1:].transpose(1, 0, 2).reshape(x.q[t], -1)
            slope = slope - flat @ flat.T
        l_D.append(0.5 * (slope + slope.T))
    c_2 = None if directions is None else sweep.curvature(directions)
    return Pieces(root, sweep.S, root.c, l, c_D, l_D, c_2)
