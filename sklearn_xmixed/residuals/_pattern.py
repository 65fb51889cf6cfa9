"""Structures by pattern of observed times: one factor per distinct pattern.

Lambda of a pattern is looked up in a table, the autocorrelations by lag or the
full matrix over all times; its slope is pulled back through the same look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ._groups import Groups, SizeClass, patterns
from ._lookup import Lookup
from ._structure import STEP, Kernel, NotPositiveDefiniteError, ResidualStructure

__all__ = ["PatternKernel", "PatternStructure"]

Array = np.ndarray

#: a pattern with more groups than this has its rows multiplied in one product
MANY = 16


class Table(Protocol):
    """What a ``PatternKernel`` asks of a structure."""

    @property
    def lags_only(self) -> bool:
        """Whether only distances between times matter."""
        ...

    def table(self, shape: Array) -> Array:
        """The numbers that Lambda is made of."""
        ...

    def pull(self, shape: Array, weight: Array) -> Array:
        """sum(weight * d table / d shape_k) for each k."""
        ...

    def places(self, a: Array, b: Array) -> Array:
        """Position in the table of the covariance of times a and b (broadcast)."""
        ...


class PatternStructure(ResidualStructure):
    """A structure whose Lambda is a table of numbers."""

    def table(self, shape: Array) -> Array:
        """The numbers that Lambda is made of."""
        raise NotImplementedError

    def pull(self, shape: Array, weight: Array) -> Array:
        """sum(weight * d table / d shape_k) for each k."""
        raise NotImplementedError

    def places(self, a: Array, b: Array) -> Array:
        """Position in the table of the covariance of times a and b (broadcast)."""
        raise NotImplementedError

    def kernel(self, groups: Groups) -> Kernel:
        return PatternKernel(self, groups)

    def lookup(self, times: Array) -> Lookup:
        places = self.places(times[:, None], times[None])
        return Lookup(places, self.table, self.pull)

    def covariance(self, shape: Array, a: Array, b: Array) -> Array:
        places = self.places(a, b)  # before the table: it must be long enough
        return self.table(shape)[places]


@dataclass(frozen=True, eq=False)
class _Class:
    """Groups of one size with the places of their patterns in the table."""

    size: SizeClass
    places: Array  # (P, s, s)


class PatternKernel:
    """Cholesky factors by pattern, batched over patterns and groups."""

    def __init__(self, structure: Table, groups: Groups):
        self.structure = structure
        self.groups = groups
        self.classes = []
        for size in patterns(groups, lags_only=structure.lags_only):
            t = size.times
            self.classes.append(
                _Class(size, structure.places(t[:, :, None], t[:, None, :]))
            )
        self._last: tuple[bytes, list[tuple[Array, Array]]] | None = None

    def _real(self, shape: Array, table: Array) -> list[tuple[Array, Array]]:
        """L^-1 and log|Lambda| of every pattern at real parameters."""
        key = shape.tobytes()
        if self._last is None or self._last[0] != key:
            found = []
            for c in self.classes:
                try:
                    L = np.linalg.cholesky(table[c.places])
                except np.linalg.LinAlgError:
                    raise NotPositiveDefiniteError from None
                diagonal = np.diagonal(L, axis1=1, axis2=2)
                if not np.isfinite(diagonal).all():
                    raise NotPositiveDefiniteError
                found.append((np.linalg.inv(L), 2.0 * np.log(diagonal).sum(axis=1)))
            self._last = key, found
        return self._last[1]

    def _roots(self, shape: Array) -> list[tuple[Array, Array]]:
        """A with A Lambda A' = I, and log|Lambda|, exact to first order.

        A complex part of Lambda = L L' + dLambda moves A = L^-1 to
        (I - Phi(X)) L^-1 with X = L^-1 dLambda L^-T and Phi its lower triangle,
        half of the diagonal (e.g. Smith 1995).
        """
        table = self.structure.table(shape)
        if not np.iscomplexobj(shape):
            return self._real(shape, table)
        out = []
        for c, (A, log_det) in zip(
            self.classes, self._real(shape.real.copy(), table.real), strict=True
        ):
            X = A @ table.imag[c.places] @ A.transpose(0, 2, 1)
            half = np.tril(X)
            at = np.arange(X.shape[1])
            half[:, at, at] *= 0.5
            out.append((A - 1j * (half @ A), log_det + 1j * X[:, at, at].sum(axis=1)))
        return out

    def whiten(self, shape: Array, W: Array) -> tuple[Array, complex]:
        """See ``Kernel``."""
        roots = self._roots(shape)
        w = np.empty(W.shape, dtype=np.result_type(W, *(A for A, _ in roots)))
        log_det: complex = 0.0
        for c, (A, logs) in zip(self.classes, roots, strict=True):
            log_det = log_det + np.sum(c.size.count * logs)
            size = c.size
            G, s = size.rows.shape
            if len(size.starts) * MANY <= G:
                ends = [*size.starts[1:].tolist(), G]
                for k, (a, b) in enumerate(
                    zip(size.starts.tolist(), ends, strict=True)
                ):
                    at = size.rows[a:b].T  # (s, g)
                    block = A[k] @ W[at].reshape(s, -1)
                    w[at] = block.reshape(s, b - a, W.shape[1])
            else:
                w[size.rows] = A[size.pattern] @ W[size.rows]
        return w, log_det

    def solve(self, shape: Array, x: Array) -> Array:
        """See ``Kernel``."""
        w, _ = self.whiten(shape, x)
        out = np.empty_like(w)
        for c, (A, _) in zip(self.classes, self._roots(shape), strict=True):
            At = A.transpose(0, 2, 1)
            out[c.size.rows] = At[c.size.pattern] @ w[c.size.rows]
        return out

    def slopes(self, shape: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """See ``Kernel``."""
        table = self.structure.table(shape)
        J = self._table_slopes(shape)
        G = self.groups.n_groups
        traces, slopes = np.empty(G), np.empty((G, len(shape)))
        for c, (A, _) in zip(self.classes, self._roots(shape), strict=True):
            size, inverse = c.size, A.transpose(0, 2, 1) @ A
            x = inverse[size.pattern] @ left[size.rows]
            y = inverse[size.pattern] @ right[size.rows]
            traces[size.groups] = np.einsum("gsh,gsh->g", left[size.rows], y)
            # by group, how much -2L moves with each number of the table
            fixed = self.groups.counts[size.groups][:, None, None]
            weight = fixed * inverse[size.pattern] - x @ y.transpose(0, 2, 1)
            at = c.places[size.pattern] + len(table) * np.arange(len(x))[:, None, None]
            sums = np.bincount(at.ravel(), weight.ravel(), len(table) * len(x))
            slopes[size.groups] = sums.reshape(len(x), -1) @ J
        return traces, slopes

    def _table_slopes(self, shape: Array) -> Array:
        """Derivative of the table in ``shape``."""
        columns = []
        for k in range(len(shape)):
            moved = shape.astype(complex)
            moved[k] += 1j * STEP
            columns.append(self.structure.table(moved).imag / STEP)
        return np.stack(columns, axis=1) if columns else np.empty((0, 0))

    def slope(
        self, shape: Array, left: Array, right: Array, *, log_det: bool
    ) -> tuple[complex, Array]:
        """See ``Kernel``."""
        trace: complex = 0.0
        roots = self._roots(shape)
        n_table = len(self.structure.table(shape.real))
        weight = np.zeros(n_table, dtype=complex if np.iscomplexobj(left) else float)
        if np.iscomplexobj(shape):
            weight = weight.astype(complex)
        for c, (A, _) in zip(self.classes, roots, strict=True):
            S = _products(c.size, left, right)
            At = A.transpose(0, 2, 1)
            inner = A @ S @ At
            trace = trace + np.einsum("paa->", inner)
            inner = -0.5 * (inner + inner.transpose(0, 2, 1))
            if log_det:
                at = np.arange(inner.shape[1])
                inner[:, at, at] += c.size.count[:, None]
            M = (At @ inner @ A).ravel()
            places = c.places.ravel()
            weight += np.bincount(places, M.real, minlength=n_table)
            if np.iscomplexobj(M):
                weight = weight + 1j * np.bincount(places, M.imag, minlength=n_table)
        return trace, self.structure.pull(shape, weight)


def _products(size: SizeClass, left: Array, right: Array) -> Array:
    """Sum of left_g right_g' over the groups of each pattern: (P, s, s)."""
    G, s = size.rows.shape
    P = len(size.starts)
    if P * MANY <= G:
        ends = [*size.starts[1:].tolist(), G]
        out = np.empty((P, s, s), dtype=np.result_type(left, right))
        for k, (a, b) in enumerate(zip(size.starts.tolist(), ends, strict=True)):
            at = size.rows[a:b].T
            out[k] = left[at].reshape(s, -1) @ right[at].reshape(s, -1).T
        return out
    each = left[size.rows] @ right[size.rows].transpose(0, 2, 1)
    return each if P == G else np.add.reduceat(each, size.starts, axis=0)
