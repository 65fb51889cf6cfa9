"""Autoregressions without gaps, in O(n): regression on the rows before.

The k-th row of a group (from 0) minus its regression on the min(k, p) rows before it is
independent of them, with variance v_k; coefficients and variances are those
of the Durbin-Levinson recursion (Brockwell & Davis 1991, section 5.2).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._groups import Groups
from ._partial import autoregression
from ._structure import Kernel

__all__ = ["RegressionKernel", "SplitKernel", "gapless"]

Array = np.ndarray


def gapless(groups: Groups) -> Array:
    """Which groups have consecutive times."""
    assert groups.time is not None
    bad = (np.diff(groups.time) != 1.0) & ~groups.first[1:]
    out = np.ones(groups.n_groups, dtype=bool)
    out[np.repeat(np.arange(groups.n_groups), groups.sizes)[1:][bad]] = False
    return out


class RegressionKernel:
    """Groups with consecutive times.

    Parameters
    ----------
    partials : callable
        Partial autocorrelations of psi, and their slopes (diagonal).
    p : int
    groups : Groups
    """

    def __init__(
        self, partials: Callable[[Array], tuple[Array, Array]], p: int, groups: Groups
    ):
        self.partials = partials
        self.p = p
        self.groups = groups
        place = np.arange(groups.n_rows) - np.repeat(groups.starts[:-1], groups.sizes)
        self.k = np.minimum(place, p)
        self.count = np.bincount(self.k, groups.row_count, minlength=p + 1)

    def _orders(self, shape: Array) -> tuple[Array, Array, Array, Array]:
        """b = (1, -phi) and v of each order, with their slopes in psi."""
        p = self.p
        partial, slope = self.partials(shape)
        b = np.zeros((p + 1, p + 1), dtype=partial.dtype)
        db = np.zeros((p + 1, p + 1, p), dtype=partial.dtype)
        v = np.ones(p + 1, dtype=partial.dtype)
        dv = np.zeros((p + 1, p), dtype=partial.dtype)
        b[:, 0] = 1.0
        for k in range(1, p + 1):
            phi, J = autoregression(partial[:k])
            b[k, 1 : k + 1] = -phi
            db[k, 1 : k + 1, :k] = -J * slope[:k]
            v[k] = v[k - 1] * (1.0 - partial[k - 1] ** 2)
            dv[k, :k] = -2.0 * v[k] * partial[:k] / (1.0 - partial[:k] ** 2) * slope[:k]
        return b, db, v, dv

    def whiten(self, shape: Array, W: Array) -> tuple[Array, complex]:
        """See ``Kernel``."""
        b, _, v, _ = self._orders(shape)
        factor = (b / np.sqrt(v)[:, None])[self.k]  # (n, p + 1)
        columns = [np.ascontiguousarray(f) for f in factor.T]
        out = np.empty((W.shape[1], W.shape[0]), dtype=np.result_type(W, factor))
        for w, x in zip(out, W.T, strict=True):
            np.multiply(x, columns[0], out=w)
            for j in range(1, min(self.p, len(x) - 1) + 1):
                w[j:] += columns[j][j:] * x[:-j]
        return out.T, np.sum(self.count * np.log(v))

    def slope(
        self, shape: Array, left: Array, right: Array, *, log_det: bool
    ) -> tuple[complex, Array]:
        """See ``Kernel``."""
        p, n = self.p, len(left)
        b, db, v, dv = self._orders(shape)
        # sums of left_(i-a) . right_(i-c) over the rows of each order
        M = np.zeros((p + 1, p + 1, p + 1), dtype=np.result_type(left, right))
        for a in range(min(p, n - 1) + 1):
            for c in range(min(p, n - 1) + 1):
                far = max(a, c)
                total = np.zeros(n - far, dtype=M.dtype)
                for x, y in zip(left.T, right.T, strict=True):
                    total += x[far - a : n - a] * y[far - c : n - c]
                M[:, a, c] = _sums(self.k[far:], total, p + 1)
        M = 0.5 * (M + M.transpose(0, 2, 1))
        form = np.einsum("ka,kac,kc->k", b, M, b)
        trace = np.sum(form / v)
        bent = 2.0 * np.einsum("ka,kac,kcm->km", b, M, db) / v[:, None]
        out = bent - (form / v**2)[:, None] * dv
        if log_det:
            out = out + (self.count / v)[:, None] * dv
        return trace, out.sum(axis=0)

    def slopes(self, shape: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """See ``Kernel``."""
        b, db, v, dv = self._orders(shape)
        own = [self._regress(b[self.k], x) for x in (left, right)]
        v_row = v[self.k]
        form = np.einsum("ij,ij->i", *own) / v_row
        out = np.empty((len(left), self.p))
        for m in range(self.p):
            bent = [self._regress(db[self.k, :, m], x) for x in (left, right)]
            moved = np.einsum("ij,ij->i", bent[0], own[1])
            moved += np.einsum("ij,ij->i", own[0], bent[1])
            rest = dv[self.k, m] / v_row
            out[:, m] = moved / v_row + rest * (self.groups.row_count - form)
        return self.groups.sums(form), self.groups.sums(out)

    @staticmethod
    def _regress(factor: Array, x: Array) -> Array:
        """Sums of factor_j times the row that is j before."""
        out = factor[:, :1] * x
        for j in range(1, min(factor.shape[1], len(x))):
            out[j:] += factor[j:, j : j + 1] * x[:-j]
        return out

    def solve(self, shape: Array, x: Array) -> Array:
        """See ``Kernel``."""
        b, _, v, _ = self._orders(shape)
        factor = (b / np.sqrt(v)[:, None])[self.k]
        w, _ = self.whiten(shape, x)
        out = w * factor[:, :1]
        for j in range(1, min(self.p, len(x) - 1) + 1):
            out[:-j] += factor[j:, j, None] * w[j:]
        return out


class SplitKernel:
    """Some groups by one kernel, the others by another.

    Parameters
    ----------
    parts : list of (rows, groups, kernel)
        Rows and numbers of the groups of each.
    """

    def __init__(self, parts: list[tuple[Array, Array, Kernel]]):
        self.parts = parts

    def whiten(self, shape: Array, W: Array) -> tuple[Array, complex]:
        """See ``Kernel``."""
        out = np.empty(W.shape, dtype=np.result_type(W, shape))
        log_det: complex = 0.0
        for rows, _, kernel in self.parts:
            out[rows], logs = kernel.whiten(shape, W[rows])
            log_det = log_det + logs
        return out, log_det

    def slope(
        self, shape: Array, left: Array, right: Array, *, log_det: bool
    ) -> tuple[complex, Array]:
        """See ``Kernel``."""
        trace: complex = 0.0
        slope: Array = np.zeros(len(shape))
        for rows, _, kernel in self.parts:
            t, s = kernel.slope(shape, left[rows], right[rows], log_det=log_det)
            trace, slope = trace + t, slope + s
        return trace, slope

    def slopes(self, shape: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """See ``Kernel``."""
        G = sum(len(groups) for _, groups, _ in self.parts)
        traces, slopes = np.empty(G), np.empty((G, len(shape)))
        for rows, groups, kernel in self.parts:
            traces[groups], slopes[groups] = kernel.slopes(
                shape, left[rows], right[rows]
            )
        return traces, slopes

    def solve(self, shape: Array, x: Array) -> Array:
        """See ``Kernel``."""
        out = np.empty(x.shape, dtype=np.result_type(x, shape))
        for rows, _, kernel in self.parts:
            out[rows] = kernel.solve(shape, x[rows])
        return out


def _sums(code: Array, values: Array, size: int) -> Array:
    if np.iscomplexobj(values):
        real = np.bincount(code, values.real, minlength=size)
        return real + 1j * np.bincount(code, values.imag, minlength=size)
    return np.bincount(code, values, minlength=size)
