"""Cross-products of groups with the same times: all that V asks of their rows.

Groups of one pattern share Lambda and, with random effects, the random columns Z, and so
V = Lambda + Z D Z'.  With Q its inverse and C[t, u] the sum over its groups of x_t x_u',
x_t the row of [X y] at time t,

    [X y]'V^-1 [X y] = sum over patterns and pairs of times of Q[t, u] C[t, u],

and derivatives are such sums too (Eqs. 8-10 of the residuals page).  C is formed once;
nothing else depends on how many groups there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...residuals import ResidualStructure
from ...residuals._lookup import Lookup
from ._pattern_plan import PatternPlan, plans_of
from ._rows import Rows

__all__ = ["PatternTensors", "tensors_by_plan", "tensors_of"]

Array = np.ndarray

#: numbers in all tensors (64 MB)
MAX_SIZE = 1 << 23
#: the same beside the numbers in all rows, with random effects: beyond this rows, which
#: a sweep takes as they come, are cheaper
MAX_SHARE = 16.0
#: numbers that are spread out over all pairs of times at once
WORKSPACE = 1 << 18


@dataclass(frozen=True, eq=False)
class PatternTensors:
    """The groups of one by-category, by pattern of their times and random columns.

    Parameters
    ----------
    structure : ResidualStructure
    times : ndarray of shape (T,) or (T, k)
        Distinct times, for structures without times the places in a group.
    present : ndarray of bool, shape (P, T)
        Times of each pattern.
    Z : ndarray of shape (P, T, q)
        Random columns, zero at the times that are not there.
    count : ndarray of shape (P,)
        Groups of each pattern (sum of their weights).
    pattern, first, second : ndarray of int, shape (N,)
        Pattern and times t <= u of each pair.
    C : ndarray of shape (N, m (m + 1) / 2)
        C[t, u] + C[u, t], or C[t, t]: the elements on and above the diagonal.
    """

    structure: ResidualStructure
    times: Array
    present: Array
    Z: Array
    count: Array
    pattern: Array
    first: Array
    second: Array
    C: Array

    @cached_property
    def lookup(self) -> Lookup | None:
        """The structure's table over these times; None where it has none."""
        return self.structure.lookup(self.times)

    @cached_property
    def upper(self) -> tuple[Array, Array]:
        """Rows and columns of the elements that C holds."""
        m = int(np.sqrt(2 * self.C.shape[1]))
        return np.triu_indices(m)

    @property
    def m(self) -> int:
        """Columns of [X y]."""
        return int(self.upper[0][-1]) + 1

    def submatrices(self, Lambda: Array) -> Array:
        """Lambda over all times cut to each pattern; the identity at the others."""
        there = self.present
        out = np.where(there[:, :, None] & there[:, None, :], Lambda, 0.0)
        at = np.arange(len(self.times))
        out[:, at, at] = np.where(there, np.diagonal(Lambda), 1.0)
        return out

    def at_pairs(self, Q: Array) -> Array:
        """Elements of the pairs of times: (..., P, T, T) -> (..., N)."""
        return Q[..., self.pattern, self.first, self.second]

    def sums(self, q: Array) -> Array:
        """Sums of Q[t, u] C[t, u] from ``at_pairs``: (k, N) -> (k, m, m)."""
        a, b = self.upper
        flat = q @ self.C
        out = np.empty((len(q), self.m, self.m))
        out[:, a, b] = out[:, b, a] = flat
        return out

    def sum_of(self, Q: Array) -> Array:
        """Sum of Q[t, u] C[t, u] over patterns and times, shape (m, m)."""
        return self.sums(self.at_pairs(Q)[None])[0]

    def responses(self, Q: Array) -> float:
        """The last element of ``sum_of``, that of y alone."""
        return float(self.at_pairs(Q) @ self.C[:, -1])

    def against(self, Phi: Array) -> Array:
        """tr(Phi C[t, u]) of each pattern, (h, m, m) -> (h, P, T, T)."""
        a, b = self.upper
        flat = np.where(a == b, 1.0, 2.0) * Phi[:, a, b]
        return self._spread(self.C @ flat.T).transpose(3, 0, 1, 2)

    def along(self, v: Array) -> Array:
        """C[t, u] v of each pair, (N, m)."""
        a, b = self.upper
        each = np.zeros((len(a), self.m))
        at = np.arange(len(a))
        each[at, a] = v[b]
        each[at[a != b], b[a != b]] = v[a[a != b]]
        return self.C @ each

    def times_vector(self, v: Array) -> Array:
        """C[t, u] v of each pattern, made symmetric in t and u, (P, T, T, m)."""
        return self._spread(self.along(v))

    def _spread(self, x: Array, some: slice = slice(None)) -> Array:
        """Values of pairs, (N, w), laid out by pattern and times, (P, T, T, w)."""
        t, u = self.first[some], self.second[some]
        pattern = self.pattern[some]
        low = int(pattern[0]) if len(pattern) else 0
        n = int(pattern[-1]) + 1 - low if len(pattern) else 0
        T = len(self.times)
        out = np.zeros((n, T, T, x.shape[1]))
        half = np.where(t == u, 1.0, 0.5)[:, None] * x
        out[pattern - low, t, u] = half
        out[pattern - low, u, t] = half
        return out

    def moved(self, Q: Array) -> Array:
        """Sum over patterns of Q C Q in the times, shape (T, T, m, m).

        Minus this times a change of Lambda is the change of ``sum_of``.
        """
        m, T = self.m, len(self.times)
        flat = np.zeros((T, T, self.C.shape[1]))
        for patterns_, pairs in self._portions():
            full = self._spread(self.C[pairs], pairs)
            flat += between(Q[patterns_], full)
        a, b = self.upper
        out = np.empty((T, T, m, m))
        out[..., a, b] = out[..., b, a] = flat
        return out

    def _portions(self) -> Iterator[tuple[slice, slice]]:
        """Patterns, and their pairs, whose tensors fit the workspace."""
        P, T = self.present.shape
        step = max(1, WORKSPACE // (T * T * self.C.shape[1]))
        for a in range(0, P, step):
            b = min(a + step, P)
            start, stop = np.searchsorted(self.pattern, [a, b])
            yield slice(a, b), slice(int(start), int(stop))

    def leading(self, share: float) -> PatternTensors:
        """The most frequent patterns, this share of all groups."""
        order = np.argsort(-self.count, kind="stable")
        enough = np.cumsum(self.count[order]) >= share * self.count.sum()
        chosen = np.sort(order[: int(np.argmax(enough)) + 1])
        new = np.full(len(self.count), -1)
        new[chosen] = np.arange(len(chosen))
        pairs = new[self.pattern] >= 0
        return replace(
            self,
            present=self.present[chosen],
            Z=self.Z[chosen],
            count=self.count[chosen],
            pattern=new[self.pattern[pairs]],
            first=self.first[pairs],
            second=self.second[pairs],
            C=self.C[pairs],
        )


def between(Q: Array, x: Array) -> Array:
    """Sum over patterns of Q x Q in the times: (P, T, T), (P, T, T, w) -> (T, T, w)."""
    P, T, _, w = x.shape
    half = np.matmul(Q, x.reshape(P, T, T * w)).reshape(P, T, T, w)
    flat = half.transpose(1, 3, 0, 2).reshape(T * w, P * T)
    return (flat @ Q.reshape(P * T, T)).reshape(T, w, T).transpose(0, 2, 1)


def tensors_of(rows: Rows) -> list[PatternTensors] | None:
    """Of every by-category; None where rows are cheaper."""
    plans = plans_of(rows)
    return None if plans is None else tensors_by_plan(plans, rows)


def tensors_by_plan(
    plans: list[PatternPlan], rows: Rows
) -> list[PatternTensors] | None:
    """The same where it is known which groups share a pattern."""
    m = rows.pool.p + 1
    size = sum(plan.n_pairs for plan in plans) * m * (m + 1) // 2
    most = MAX_SHARE * rows.W.size if rows.design.levels else MAX_SIZE
    if size > min(most, MAX_SIZE):
        return None
    return [_formed(plan, rows) for plan in plans]


def _formed(plan: PatternPlan, rows: Rows) -> PatternTensors:
    """Sums of products, pattern by pattern."""
    m = rows.pool.p + 1
    top = np.ascontiguousarray(rows.W[:, -m:])
    if rows.share is not None:
        top = top * np.sqrt(rows.share)[:, None]
    each = np.arange(len(top))[plan.part.rows]
    T = len(plan.times)
    P, N = len(plan.groups), plan.n_pairs
    present = np.zeros((P, T), dtype=bool)
    Z = np.zeros((P, T, plan.Z.shape[1]))
    C = np.empty((N, m * (m + 1) // 2))
    index = np.empty((3, N), dtype=np.intp)
    places: dict[int, tuple[Array, Array, Array, Array]] = {}
    pair = 0
    for k, groups in enumerate(plan.groups):
        at, code = plan.rows_of(groups)
        s = len(code)
        if s not in places:
            places[s] = _places(s, m)
        t, u, one, other = places[s]
        w = top[each[at]].reshape(len(groups), s * m)
        products = (w.T @ w).ravel()
        stop = pair + len(t)
        own = C[pair:stop]
        np.take(products, one, out=own, mode="clip")
        own += products.take(other)
        own[t == u] *= 0.5
        index[:, pair:stop] = 0 * t + k, code[t], code[u]
        present[k, code] = True
        Z[k, code] = plan.Z[at[0]]
        pair = stop
    count = np.array([plan.part.groups.counts[g].sum() for g in plan.groups])
    return PatternTensors(
        plan.part.structure,
        plan.times,
        present,
        Z,
        count,
        index[0],
        index[1],
        index[2],
        C,
    )


def _places(s: int, m: int) -> tuple[Array, Array, Array, Array]:
    """Pairs of times, and where among all products their elements stand, both ways."""
    t, u = np.triu_indices(s)
    a, b = np.triu_indices(m)
    row, column = (t * m)[:, None], (u * m)[:, None]
    one = (row + a) * (s * m) + column + b
    other = (row + b) * (s * m) + column + a
    return t, u, one, other
