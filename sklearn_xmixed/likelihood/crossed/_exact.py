"""c and l of a design whose factors cross, and their derivatives, exactly.

The gradient needs Z'V^-1 Z of every group: for the remaining terms it is
L'^-1 (J - J M^-1 J) L^-1, for the first P (A_ss - A_sr K_r A_rs P').  Second
derivatives of log|V| are -tr(V^-1 V_i V^-1 V_j); all of them follow from M^-1 and its
products with A_rs P'M P A_sr, one for every direction M of the first term.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import lu_factor, lu_solve

from .._pieces import Pieces
from ._blocks import Blocks, Layout
from ._crossing import Crossing, block_diagonal
from ._elimination import Direction, Elimination

__all__ = ["Exact", "Frame", "evaluate_crossed"]

Array = np.ndarray

#: columns that are made dense together
CHUNK = 512


class Frame:
    """What all exact eliminations of a design share.

    Parameters
    ----------
    x : Crossing
    """

    def __init__(self, x: Crossing):
        self.x = x
        sizes = [x.q[t] * x.G[t] for t in x.rest]
        #: term of each remaining column
        self.terms = np.repeat(np.arange(len(sizes)), sizes)
        #: every remaining term has one column per group
        self.scalar = all(x.q[t] == 1 for t in x.rest)
        self.cross_t = x.A_cross.T.tocsr()

    def products(self, M: Array) -> sparse.csr_array:
        """A_rs M A_sr for matrices of the first term's groups, shape (G, q, q)."""
        A = self.x.A_cross
        if self.x.q[self.x.first] == 1:
            weights = np.repeat(M[:, 0, 0], np.diff(A.indptr))
            right = sparse.csr_array((A.data * weights, A.indices, A.indptr), A.shape)
        else:
            right = block_diagonal(M) @ A
        return self.cross_t @ right

    @cached_property
    def layout(self) -> Layout:
        """Blocks of the remaining matrix."""
        if not self.scalar:
            return Layout.whole(self.x.N)
        return Layout.of(self._by_group(), self.x.A_rest)

    def _by_group(self) -> sparse.csr_array:
        """Which columns meet which group of the first term."""
        A, q = self.x.A_cross, self.x.q[self.x.first]
        if q == 1:
            return A
        pointer = A.indptr[::q]
        parts = (np.ones(A.nnz), A.indices, pointer)
        return sparse.csr_array(parts, (self.x.G[self.x.first], self.x.N))


class Exact(Elimination):
    """One elimination with dense factors of what remains."""

    def __init__(self, frame: Frame, D: list[Array]):
        super().__init__(frame.x, D)
        self.frame = frame
        self.blocks: Blocks | None = None
        self.log_det = self.log_det_first
        if self.x.N:
            self.log_det += self._factorise()
        self.U = self.times_K_rest(self.B)
        self.S = self.C - self.B.T @ self.U

    def _factorise(self) -> float:
        x, N = self.x, self.x.N
        #: A_rs P^2 A_sr, which comes with A_rs K_s A_sr at no cost
        self._slope_weight: sparse.csr_array | None = None
        self._drop_sum = 0.0
        if x.q[x.first] == 1:
            both = self.frame.products(self.K_first + 1j * self.P**2)
            taken, self._slope_weight = (
                sparse.csr_array((part, both.indices, both.indptr), (N, N))
                for part in (both.data.real.copy(), both.data.imag.copy())
            )
            del both
        else:
            taken = self.frame.products(self.K_first)
        taken.data *= -1.0
        parts = [self.scaled(taken), self.scaled(x.A_rest)]
        del taken
        if self.definite:
            self.blocks = Blocks(self.frame.layout, parts)
            return self.blocks.log_det
        M = (parts[0] + parts[1]).toarray()
        M[np.arange(N), np.arange(N)] += self.J
        self._lu = lu_factor(M)
        return float(np.log(np.abs(np.diagonal(self._lu[0]))).sum())

    def scaled(self, A: sparse.csr_array) -> sparse.csr_array:
        """L'A L."""
        x = self.x
        if self.Lam is not None:
            return sparse.csr_array(self.Lam.T @ A @ self.Lam)
        if len(x.rest) == 1:
            data = A.data * self.lam[0] ** 2
        else:
            data = A.data * np.repeat(self.lam, np.diff(A.indptr))
            data *= self.lam[A.indices]
        return sparse.csr_array((data, A.indices, A.indptr), A.shape)

    def solve(self, rhs: Array) -> Array:
        if self.blocks is None:
            return lu_solve(self._lu, rhs)
        return self.blocks.solve(rhs)

    @cached_property
    def M_inverse(self) -> Array:
        """M^-1 as one dense matrix."""
        if self.blocks is None:
            return lu_solve(self._lu, np.eye(self.x.N))
        return self.blocks.whole()

    def inner(self, W: sparse.csr_array) -> float:
        """tr(K_r W) for a W that vanishes where A does."""
        W = self.scaled(W)
        if self.blocks is not None:
            return self.blocks.inner(W)
        return float(np.sum(W.multiply(self.M_inverse)))

    def slope(self, t: int) -> Array:
        x, q = self.x, self.x.q[t]
        if t != x.first:
            return self.T(t).sum(axis=0)
        out = np.einsum("gab,gbc->ac", self.P, x.A_first)
        if not x.N:
            return out
        if x.q[x.first] == 1:
            if self._slope_weight is not None:
                self._drop_sum = self.inner(self._slope_weight)
                self._slope_weight = None  # as large as the factor
            return out - self._drop_sum
        drop = np.empty((q, q))
        for a in range(q):
            for b in range(a + 1):
                M = 0.5 * (self.P[:, a, :, None] * self.P[:, b, None, :])
                W = self.frame.products(M + M.transpose(0, 2, 1))
                drop[a, b] = drop[b, a] = self.inner(W)
        return out - drop

    def T(self, t: int) -> Array:
        x, q, G = self.x, self.x.q[t], self.x.G[t]
        if t == x.first:
            out = self.P @ x.A_first
            if x.N:
                out = out - self.P @ self._drop() @ self.P.transpose(0, 2, 1)
            return out
        part = x.slices[t]
        if self.near_zero(t):
            return self._near_zero_T(t)
        sign = self.signs[t]
        values, vectors, _ = self.roots[t]
        own = np.arange(part.start, part.stop).reshape(G, q)
        i, j = np.repeat(own, q, axis=1).ravel(), np.tile(own, (1, q)).ravel()
        inverse = self._inverse_at(i, j).reshape(G, q, q)
        inner = np.diag(sign) - sign[:, None] * inverse * sign
        out = vectors / np.sqrt(np.abs(values))
        return out @ inner @ out.T

    def _inverse_at(self, i: Array, j: Array) -> Array:
        """Elements of M^-1."""
        if self.blocks is None:
            return self.M_inverse[i, j]
        return self.blocks.at(i, j)

    def _near_zero_T(self, t: int) -> Array:
        """A - A K_r A, which holds for singular D."""
        x, q, part = self.x, self.x.q[t], self.x.slices[t]
        out = np.empty((x.G[t], q, q))
        step = max(1, CHUNK // q)
        for start in range(0, x.G[t], step):
            stop = min(start + step, x.G[t])
            k = stop - start
            at = np.arange(part.start + start * q, part.start + stop * q)
            unit = np.zeros((x.N, k * q))
            unit[at, np.arange(k * q)] = 1.0
            columns = self.times_A(unit)
            solved = self.times_K_rest(columns)
            inner = columns[at] - columns.T @ solved
            index = np.arange(k)
            out[start:stop] = inner.reshape(k, q, k, q)[index, :, index]
        return out

    def _drop(self) -> Array:
        """A_sr K_r A_rs of every group of the first term."""
        x = self.x
        q, G = x.q[x.first], x.G[x.first]
        _, column, value = x.coupled
        out = np.zeros((G, q, q))
        K = None
        if self.Lam is not None:
            K = self.half(self.half(self.M_inverse).T)
        for left, right, group in x.pairs():
            i, j = column[left], column[right]
            if K is not None:
                inner = K[i, j]
            else:
                inner = self._inverse_at(i, j) * self.lam[i] * self.lam[j]
            inner *= np.where(i == j, 0.5, 1.0)
            for a in range(q):
                for b in range(a + 1):
                    product = (
                        value[a][left] * value[b][right]
                        + value[b][left] * value[a][right]
                    )
                    out[:, a, b] += np.bincount(group, inner * product, minlength=G)
        upper = np.triu_indices(q, 1)
        out[:, upper[0], upper[1]] = out[:, upper[1], upper[0]]
        return out

    @property
    def smooth(self) -> bool:
        """Whether second derivatives have the closed form."""
        return self.definite and not any(self.near_zero(t) for t in self.x.rest)

    def bend(self, directions: Sequence[Direction]) -> Array:
        """Second derivatives of log|V| along directions of D."""
        x, m, s = self.x, len(directions), self.x.first
        on_s = np.zeros((m, x.q[s], x.q[s]))
        on_r = [np.zeros((m, x.q[t], x.q[t])) for t in x.rest]
        for k, direction in enumerate(directions):
            for t, M in direction:
                if t == s:
                    on_s[k] += M
                else:
                    on_r[x.rest.index(t)][k] += M
        moved = [k for k in range(m) if on_s[k].any()]
        out = np.zeros((m, m))
        P, P_t = self.P, self.P.transpose(0, 2, 1)
        T0 = P @ x.A_first
        W = []
        for k in moved:
            W.append(self.frame.products(P_t @ on_s[k] @ P) if x.N else None)
            for h in moved[: moved.index(k) + 1]:
                middle = on_s[k] @ T0 @ on_s[h]
                value = np.einsum("gab,gba->", T0, middle)
                if x.N:
                    middle = middle + middle.transpose(0, 2, 1)
                    value -= self.inner(self.frame.products(P_t @ middle @ P))
                out[k, h] += value
                out[h, k] += value * (h != k)
        if x.N:
            traces = self._scalar if self.frame.scalar else self._general
            traces(out, moved, W, on_r)
        return -0.5 * (out + out.T)

    def _scalar(self, out: Array, moved: list[int], W: list, on_r: list[Array]) -> None:
        assert self.blocks is not None
        x = self.x
        D = np.array([self.D[t][0, 0] for t in x.rest])
        scaled = [self.scaled(W.pop(0)) for _ in moved]
        WW, Wt, tt = self.blocks.traces(scaled, self.frame.terms, len(x.rest))
        move = np.array([on[:, 0, 0] for on in on_r]).T / D  # (m, terms)
        out += move @ tt @ move.T
        out[np.ix_(moved, moved)] += WW
        cross = Wt @ move.T
        out[moved] += cross
        out[:, moved] += cross.T

    def _general(
        self, out: Array, moved: list[int], W: list, on_r: list[Array]
    ) -> None:
        x, m = self.x, len(out)
        K = self.half(self.half(self.M_inverse).T)
        F = [np.asarray(K @ w) for w in W]
        Y, TM = [], []
        inverse = [np.linalg.inv(self.D[t]) for t in x.rest]
        D_inverse = _along(inverse, x)
        T = -(D_inverse @ (D_inverse @ K).T)
        T += D_inverse.toarray()
        for k in range(m):
            M = _along([on[k] for on in on_r], x)
            TM.append(T @ M)
            Y.append(D_inverse @ M @ D_inverse)
        for k in range(m):
            for h in range(k + 1):
                value = np.einsum("ab,ba->", TM[k], TM[h])
                out[k, h] += value
                if h < k:
                    out[h, k] += value
        for a, k in enumerate(moved):
            for b, h in enumerate(moved):
                out[k, h] += np.einsum("ab,ba->", F[a], F[b])
            for h in range(m):
                value = np.sum(F[a] * (Y[h] @ K))
                out[k, h] += value
                out[h, k] += value


def _along(blocks: list[Array], x: Crossing) -> Any:
    """The same block for every group of each remaining term."""
    parts = [
        sparse.kron(sparse.eye_array(x.G[t]), b)
        for t, b in zip(x.rest, blocks, strict=True)
    ]
    return sparse.csr_array(sparse.block_diag(parts, format="csr"))


def evaluate_crossed(
    sweep: Elimination,
    *,
    reml: bool,
    order: int = 1,
    directions: Sequence[Direction] | None = None,
    exact: bool = False,
) -> Pieces:
    """c and l, and with ``order`` 1 their derivatives in every D.

    With directions also the second derivatives of c along them, and with ``exact``
    those of l.
    """
    root = sweep.root
    l = sweep.log_det
    if reml:
        l = l + root.log_det
    if order == 0:
        return Pieces(root, sweep.S, root.c, l)
    p, x = sweep.x.p, sweep.x
    Phi = np.zeros((p + 1, 1 + p * reml))
    Phi[:, 0] = root.v
    if reml:
        Phi[:p, 1:] = root.F
    c_D, l_D = [], []
    c_2 = None if directions is None else sweep.curvature(directions)
    for t in range(len(sweep.D)):
        E = sweep.E(t, Phi)
        c_D.append(-E[:, :, 0].T @ E[:, :, 0])
        slope = sweep.slope(t)
        if reml:
            flat = E[:, :, 1:].transpose(1, 0, 2).reshape(x.q[t], -1)
            slope = slope - flat @ flat.T
        l_D.append(0.5 * (slope + slope.T))
    l_2 = None
    if exact and directions is not None:
        l_2 = sweep.bend(directions)
        if reml:
            l_2 = l_2 + _of_fixed(sweep, directions, Phi[:, 1:])
    return Pieces(root, sweep.S, root.c, l, c_D, l_D, c_2, l_2)


def _of_fixed(sweep: Elimination, directions: Sequence[Direction], F: Array) -> Array:
    """Second derivatives of log|S_xx|."""
    m, p = len(directions), F.shape[1]
    own, other = sweep.shifts(directions, F)
    inner, on_x = sweep.between(own.reshape(-1, m * p), other.reshape(-1, m * p))
    out = 2.0 * np.einsum("ihjh->ij", inner.reshape(m, p, m, p))
    Q = on_x.reshape(m, p, -1) @ F[:-1]
    return out - np.einsum("ixy,jyx->ij", Q, Q)
