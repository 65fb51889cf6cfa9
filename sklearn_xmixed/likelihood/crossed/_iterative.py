"""c and l of a design whose factors cross, without a dense matrix.

What remains after the first term is used only through products with the sparse cross
tables.  With Delta = diag(M) and N = Delta^-1/2 M Delta^-1/2,

    log|M| = log|Delta| + tr log N,

the first exactly, the second from a fixed set of random signs (``_krylov``); everything
else (c, beta, BLUPs, the average information) from conjugate gradients, without noise.
A shift common to all effects of a term is where N is furthest from the unit matrix: the
trace is split into that direction, taken exactly, and the signs without it.  Since the
signs are fixed, -2 L is a smooth function of D with an exact gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import sparse

from .._noise import Noise
from ._crossing import Crossing
from ._elimination import Elimination
from ._krylov import conjugate_gradients, quadrature

__all__ = ["Iterative", "Probes"]

Array = np.ndarray

#: numbers that a batch of probes may take
WORKSPACE = 1 << 25
#: variance below which a root is no longer divided by
TINY = 1e-16


@dataclass(eq=False)
class Probes:
    """A fixed set of random signs, and how accurately products are solved.

    Parameters
    ----------
    x : Crossing
    count : int
    seed : int or RandomState
    tol : float
        Of conjugate gradients, relative; of the quadrature per column.
    max_iter : int
    """

    x: Crossing
    count: int
    seed: int = 0
    tol: float = 1e-10
    max_iter: int = 1000
    steps: int = field(default=160)

    @cached_property
    def signs(self) -> Array:
        """Shape (N, count)."""
        rng = np.random.default_rng(self.seed)
        return rng.choice(np.array([-1.0, 1.0]), size=(self.count, self.x.N)).T.copy()

    @cached_property
    def common(self) -> Array:
        """A shift of all effects of each term's columns, unit length, shape (N, k)."""
        x = self.x
        size = np.sqrt(x.A_rest.diagonal().clip(0.0))
        out = []
        for t, part in x.slices.items():
            for a in range(x.q[t]):
                column = np.zeros(x.N)
                at = np.arange(part.start + a, part.stop, x.q[t])
                column[at] = size[at]
                length = np.sqrt(column @ column)
                if length > 0:
                    out.append(column / length)
        return np.array(out).reshape(len(out), x.N).T

    @cached_property
    def vectors(self) -> Array:
        """The signs without the common shifts, and then these."""
        W = self.common
        return np.concatenate([self.signs - W @ (W.T @ self.signs), W], axis=1)

    @cached_property
    def meetings(self) -> dict[int, tuple[Array, Array, Array]]:
        """Group of the first term, group of a remaining one, and their products."""
        x = self.x
        q = x.q[x.first]
        A = x.A_cross.tocoo()
        row, column = A.coords
        out = {}
        for t, part in x.slices.items():
            mine = (column >= part.start) & (column < part.stop)
            g, a = np.divmod(row[mine].astype(np.int64), q)
            h, b = np.divmod(column[mine].astype(np.int64) - part.start, x.q[t])
            if q == x.q[t] == 1:
                out[t] = g, h, A.data[mine][:, None, None]
                continue
            key, at = np.unique(g * x.G[t] + h, return_inverse=True)
            value = np.zeros((len(key), q, x.q[t]))
            value[at, a, b] = A.data[mine]
            out[t] = key // x.G[t], key % x.G[t], value
        return out

    @cached_property
    def own(self) -> dict[int, Array]:
        """Cross-products of each group of the remaining terms, shape (G, q, q)."""
        x, out = self.x, {}
        A = x.A_rest.tocoo()
        row, column = A.coords
        for t, part in x.slices.items():
            g, a = np.divmod(row.astype(np.int64) - part.start, x.q[t])
            h, b = np.divmod(column.astype(np.int64) - part.start, x.q[t])
            mine = (g == h) & (g >= 0) & (g < x.G[t])
            block = np.zeros((x.G[t], x.q[t], x.q[t]))
            block[g[mine], a[mine], b[mine]] = A.data[mine]
            out[t] = block
        return out


class Iterative(Elimination):
    """One elimination by products alone."""

    def __init__(self, probes: Probes, D: list[Array]):
        super().__init__(probes.x, D)
        if not self.definite:
            raise NotImplementedError(
                "A negative covariance of an exchangeable factor has no iterative solver "
                "in this version; use crossed='exact', or identity."
            )
        self.probes = probes
        self._diagonal()
        rhs = self.half_t(self.B)
        w = self.solve(rhs)
        self.U = self.half(w)
        # B'K_r B to second order in the error of w
        back = w + self.half_t(self.times_A(self.U))
        taken = rhs.T @ w
        S = self.C - taken - taken.T + w.T @ back
        self.S = 0.5 * (S + S.T)

    @staticmethod
    def _root(values: Array, vectors: Array) -> Array:
        """The symmetric root, which is smooth in D."""
        return (vectors * np.sqrt(values.clip(TINY))) @ vectors.T

    def _diagonal(self) -> None:
        """Blocks of A, and the diagonal of M."""
        x = self.x
        self.A_own, Delta = {}, []
        for t in x.rest:
            g, h, V = self.probes.meetings[t]
            taken = self._gather(h, V.transpose(0, 2, 1) @ self.K_first[g] @ V, x.G[t])
            self.A_own[t] = self.probes.own[t] - taken
            L = self.roots[t][2]
            Delta.append(1.0 + np.einsum("ab,gbc,ca->ga", L, self.A_own[t], L).ravel())
        self.Delta = np.concatenate(Delta) if Delta else np.zeros(0)
        self.scale = 1.0 / np.sqrt(self.Delta)

    @staticmethod
    def _gather(h: Array, blocks: Array, G: int) -> Array:
        _, a, b = blocks.shape
        out = np.empty((G, a, b))
        for i in range(a):
            for j in range(b):
                out[:, i, j] = np.bincount(h, blocks[:, i, j], minlength=G)
        return out

    def product(self, v: Array) -> Array:
        """N v."""
        w = self.scale[:, None] * v
        w = w + self.half_t(self.times_A(self.half(w)))
        return self.scale[:, None] * w

    def solve(self, rhs: Array) -> Array:
        scale = self.scale[:, None]
        width = max(1, WORKSPACE // (self.x.G[self.x.first] + 4 * self.x.N))
        out = np.empty_like(rhs)
        for start in range(0, rhs.shape[1], width):
            part = slice(start, start + width)
            out[:, part], residual = conjugate_gradients(
                self.product,
                scale * rhs[:, part],
                tol=self.probes.tol,
                max_iter=self.probes.max_iter,
            )
            self.residual = max(self.residual, residual)
        return scale * out

    @property
    def log_det(self) -> float:  # type: ignore[override]
        noise = self.noise
        return self.log_det_known + noise.known + float(noise.values.mean())

    @property
    def log_det_known(self) -> float:
        """The part of log|V| that is free of noise."""
        return self.log_det_first + float(np.log(self.Delta).sum())

    @cached_property
    def noise(self) -> Noise:
        """The quadrature, probe by probe."""
        x, probes = self.x, self.probes
        vectors = probes.vectors
        width, count = vectors.shape[1], probes.count
        values = np.zeros(width)
        slopes = [np.zeros((width, q, q)) for q in x.q]
        longest = 0
        wide = x.G[x.first] * x.q[x.first] + 40 * x.N
        b = int(np.clip(WORKSPACE // wide, 1, width))
        for start in range(0, width if x.N else 0, b):
            part = slice(start, start + b)
            z = vectors[:, part]
            found = quadrature(
                self.product, z, tol=1e-2 * probes.tol, max_iter=probes.steps
            )
            values[part] = found.values
            longest = max(longest, found.steps)
            for t, slope in self._slopes(found.vectors, found.weights).items():
                slopes[t][part] = slope
        return Noise(
            values[:count],
            [s[:count] for s in slopes],
            float(values[count:].sum()),
            [s[count:].sum(axis=0) for s in slopes],
            longest,
        )

    def _slopes(self, u: Array, rho: Array) -> dict[int, Array]:
        """Derivatives of the quadrature in every D, shape (b, q, q) each."""
        x, s = self.x, self.x.first
        N, r, b = u.shape
        flat = u.reshape(N, r * b)
        x_ = self.scale[:, None] * flat
        Lx = self.half(x_)
        y = x.A_cross @ Lx
        ALx = x.A_rest @ Lx - x.A_cross.T @ self.times_K(y)
        h = self.scale[:, None] * (x_ + self.half_t(ALx))
        h *= flat
        weight = np.einsum("nrb,rb->nb", h.reshape(N, r, b), rho)
        # the diagonal of M moves too: dN has - (dDelta / Delta) N in it
        omega = -weight / self.Delta[:, None]
        q = x.q[s]
        y = y.reshape(x.G[s], q, r * b)
        Py = (self.P[:, 0] * y[:, 0])[:, None] if q == 1 else self.P @ y
        Py = Py.reshape(x.G[s], q, r, b)
        out = {s: -np.einsum("garb,gcrb,rb->bac", Py, Py, rho, optimize=True)}
        for t in x.rest:
            part, q = x.slices[t], x.q[t]
            left = x_[part].reshape(x.G[t], q, r, b)
            right = ALx[part].reshape(x.G[t], q, r, b)
            G_S = np.einsum("garb,gcrb,rb->bac", left, right, rho, optimize=True)
            out[t] = self._in_D(t, G_S + G_S.transpose(0, 2, 1))
        for t, slope in self._of_diagonal(omega).items():
            out[t] = out[t] + slope
        return out

    def _of_diagonal(self, omega: Array) -> dict[int, Array]:
        """Derivatives of sum omega Delta in every D, for each column of omega."""
        x, s = self.x, self.x.first
        b = omega.shape[1]
        out = {s: np.zeros((b, x.q[s], x.q[s]))}
        for t in x.rest:
            g, h, V = self.probes.meetings[t]
            L, A, q = self.roots[t][2], self.A_own[t], x.q[t]
            w = omega[x.slices[t]].reshape(x.G[t], q, b)
            AL = A @ L
            G_S = np.einsum("gac,gcb->bac", AL, w)
            out[t] = self._in_D(t, G_S + G_S.transpose(0, 2, 1))
            # sum over meetings of P V L diag(w) L'V'P'
            PVL = self.P[g] @ V @ L
            for a in range(x.q[s]):
                for c in range(a + 1):
                    for k in range(q):
                        product = PVL[:, a, k] * PVL[:, c, k]
                        gathered = np.bincount(h, product, minlength=x.G[t])
                        out[s][:, a, c] -= gathered @ w[:, k]
        upper = np.triu_indices(x.q[s], 1)
        out[s][:, upper[0], upper[1]] = out[s][:, upper[1], upper[0]]
        return out

    def _in_D(self, t: int, G_S: Array) -> Array:
        """From derivatives in the root S to those in D: dD = S dS + dS S."""
        values, vectors, _ = self.roots[t]
        size = np.sqrt(values.clip(TINY))
        turned = vectors.T @ G_S @ vectors / (size[:, None] + size)
        return vectors @ turned @ vectors.T

    @cached_property
    def _known_slopes(self) -> list[Array]:
        x, s = self.x, self.x.first
        known = self._of_diagonal((1.0 / self.Delta)[:, None])
        out = [known[t][0] for t in range(len(self.D))]
        out[s] = out[s] + np.einsum("gab,gbc->ac", self.P, x.A_first)
        return out

    def slope(self, t: int) -> Array:
        noise = self.noise
        return (
            self._known_slopes[t] + noise.known_slopes[t] + noise.slopes[t].mean(axis=0)
        )

    # -- groups one by one -------------------------------------------------------

    @cached_property
    def _probed(self) -> tuple[Array, Array]:
        """N z and N^-1 z for all probes."""
        z = self.probes.signs
        solved = self.solve(z / self.scale[:, None]) / self.scale[:, None]
        return self.product(z), solved

    def T(self, t: int) -> Array:
        """Z'V^-1 Z of every group of a term, estimated with the same probes."""
        return self._first_T() if t == self.x.first else self._rest_T(t)

    def _rest_T(self, t: int) -> Array:
        q, G, part = self.x.q[t], self.x.G[t], self.x.slices[t]
        z = self.probes.signs[part]
        Nz, solved = (a[part] for a in self._probed)
        # N^-1 = I - (N - I) + rest: only the rest is estimated
        left = z.reshape(G, q, -1)
        rest = (solved + Nz - 2.0 * z).reshape(G, q, -1)
        estimated = np.einsum("gam,gbm->gab", left, rest) / z.shape[1]
        estimated = 0.5 * (estimated + estimated.transpose(0, 2, 1))
        scale = self.scale[part].reshape(G, q)
        L = self.roots[t][2]
        off = scale[:, :, None] * (L @ self.A_own[t] @ L) * scale[:, None, :]
        at = np.arange(q)
        off[:, at, at] = 0.0
        inverse = np.eye(q) - off + estimated
        inverse = scale[:, :, None] * inverse * scale[:, None, :]
        values, vectors, _ = self.roots[t]
        back = (vectors / np.sqrt(values.clip(TINY))) @ vectors.T
        return back @ (np.eye(q) - inverse) @ back

    def _first_T(self) -> Array:
        x = self.x
        q, G = x.q[x.first], x.G[x.first]
        out = self.P @ x.A_first
        if not x.N:
            return out
        # A_sr L Delta^-1/2: its row products are exact, N^-1 - I is estimated
        root = self.Lam if self.Lam is not None else sparse.diags_array(self.lam)
        half = sparse.csr_array(x.A_cross @ root @ sparse.diags_array(self.scale))
        z = self.probes.signs
        _, solved = self._probed
        drop = np.zeros((G, q, q))
        rows = [half[a::q] for a in range(q)]
        for a in range(q):
            for c in range(a + 1):
                exact = rows[a].multiply(rows[c]).sum(axis=1)
                left, right = rows[a] @ z, rows[c] @ (solved - z)
                drop[:, a, c] = exact + (left * right).mean(axis=1)
                if a != c:
                    left, right = rows[c] @ z, rows[a] @ (solved - z)
                    drop[:, c, a] = exact + (left * right).mean(axis=1)
        drop = 0.5 * (drop + drop.transpose(0, 2, 1))
        return out - self.P @ drop @ self.P.transpose(0, 2, 1)
