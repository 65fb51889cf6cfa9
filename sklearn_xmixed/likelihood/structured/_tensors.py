"""Cross-products of groups with the same times: all that V without random effects asks.

Groups of one pattern share Lambda.  With Q its inverse and C[t, u] the sum over its groups
of x_t x_u', x_t the row of [X y] at time t,

    [X y]'V^-1 [X y] = sum over patterns and pairs of times of Q[t, u] C[t, u],

and derivatives are such sums too (Eqs. 8-10 of the residuals page).  C is formed once;
nothing else depends on how many groups there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...residuals import Groups, ResidualStructure, patterns
from ...residuals._groups import SizeClass
from ...residuals._model import Part
from ._rows import Rows

__all__ = ["PatternTensors", "tensors_of"]

Array = np.ndarray

#: distinct times of a category; beyond this rows are cheaper
MAX_TIMES = 32
#: distinct patterns of a category
MAX_PATTERNS = 1024
#: numbers in all tensors (64 MB)
MAX_SIZE = 1 << 23
#: numbers that are spread out over all pairs of times at once
WORKSPACE = 1 << 20


@dataclass(frozen=True, eq=False)
class PatternTensors:
    """The groups of one by-category, by pattern of their times.

    Parameters
    ----------
    structure : ResidualStructure
    times : ndarray of shape (T,)
        Distinct times, for structures without times the places in a group.
    present : ndarray of bool, shape (P, T)
        Times of each pattern.
    count : ndarray of shape (P,)
        Groups of each pattern (sum of their weights).
    pattern, first, second : ndarray of int, shape (N,)
        Pattern and times t <= u of each pair.
    C : ndarray of shape (N, m, m)
        C[t, u] + C[u, t], or C[t, t].
    groups : Groups
        One of each pattern, to which the structure is bound for second derivatives.
    places : ndarray of int, shape (P, s)
        Among the rows of these groups, -1 beyond the last.
    """

    structure: ResidualStructure
    times: Array
    present: Array
    count: Array
    pattern: Array
    first: Array
    second: Array
    C: Array
    groups: Groups
    places: Array

    @cached_property
    def in_table(self) -> Array | None:
        """Places of all pairs of times, (T, T), in a structure that is a table."""
        places = getattr(self.structure, "places", None)
        t = self.times
        return None if places is None else places(t[:, None], t[None])

    def submatrices(self, Lambda: Array) -> Array:
        """Lambda over all times cut to each pattern; the identity at the others."""
        there = self.present
        out = np.where(there[:, :, None] & there[:, None, :], Lambda, 0.0)
        at = np.arange(len(self.times))
        out[:, at, at] = np.where(there, np.diagonal(Lambda), 1.0)
        return out

    def sum_of(self, Q: Array) -> Array:
        """Sum of Q[t, u] C[t, u] over patterns and times, shape (m, m)."""
        m = self.C.shape[1]
        q = Q[self.pattern, self.first, self.second]
        return (q @ self.C.reshape(len(q), m * m)).reshape(m, m)

    def against(self, Phi: Array) -> Array:
        """tr(Phi C[t, u]) of each pattern, shape (P, T, T)."""
        flat = self.C.reshape(len(self.C), -1) @ Phi.ravel()
        return self._spread(flat[:, None])[..., 0]

    def times_vector(self, v: Array) -> Array:
        """C[t, u] v of each pattern, made symmetric in t and u, (P, T, T, m)."""
        m = self.C.shape[1]
        return self._spread((self.C.reshape(-1, m) @ v).reshape(-1, m))

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
        m, T = self.C.shape[1], len(self.times)
        out = np.zeros((T, T, m * m))
        for patterns_, pairs in self._portions():
            full = self._spread(self.C[pairs].reshape(-1, m * m), pairs)
            out += between(Q[patterns_], full)
        return out.reshape(T, T, m, m)

    def _portions(self) -> Iterator[tuple[slice, slice]]:
        """Patterns, and their pairs, whose tensors fit the workspace."""
        P, T = self.present.shape
        step = max(1, WORKSPACE // (T * T * self.C.shape[1] ** 2))
        for a in range(0, P, step):
            b = min(a + step, P)
            start, stop = np.searchsorted(self.pattern, [a, b])
            yield slice(a, b), slice(int(start), int(stop))

    def rows_of(self, matrices: Array) -> Array:
        """Matrices over all times, (P, T, T), as rows of ``groups``, (n, s)."""
        there = self.places >= 0
        at = np.argsort(~self.present, axis=1, kind="stable")[:, : there.shape[1]]
        k = np.arange(len(at))[:, None, None]
        own = matrices[k, at[:, :, None], at[:, None, :]]
        out = np.zeros((self.groups.n_rows, there.shape[1]))
        out[self.places[there]] = np.where(there[:, None, :], own, 0.0)[there]
        return out

    def leading(self, share: float) -> PatternTensors:
        """The most frequent patterns, this share of all groups."""
        order = np.argsort(-self.count, kind="stable")
        enough = np.cumsum(self.count[order]) >= share * self.count.sum()
        chosen = np.sort(order[: int(np.argmax(enough)) + 1])
        new = np.full(len(self.count), -1)
        new[chosen] = np.arange(len(chosen))
        pairs = new[self.pattern] >= 0
        _, groups = self.groups.take(new >= 0)
        sizes = groups.sizes
        return replace(
            self,
            present=self.present[chosen],
            count=self.count[chosen],
            pattern=new[self.pattern[pairs]],
            first=self.first[pairs],
            second=self.second[pairs],
            C=self.C[pairs],
            groups=groups,
            places=_places(sizes, groups.starts),
        )


def between(Q: Array, x: Array) -> Array:
    """Sum over patterns of Q x Q in the times: (P, T, T), (P, T, T, w) -> (T, T, w)."""
    P, T, _, w = x.shape
    half = np.matmul(Q, x.reshape(P, T, T * w)).reshape(P, T, T, w)
    flat = half.transpose(1, 3, 0, 2).reshape(T * w, P * T)
    return (flat @ Q.reshape(P * T, T)).reshape(T, w, T).transpose(0, 2, 1)


def tensors_of(rows: Rows) -> list[PatternTensors] | None:
    """Of every by-category; None with random effects or where rows are cheaper."""
    if rows.design.levels or rows.count is not None:
        return None
    m = rows.pool.p + 1
    plans, size = [], 0
    for part in rows.residual.parts:
        plan = _Plan.of(part)
        if plan is None:
            return None
        size += plan.n_pairs * m * m
        if size > MAX_SIZE or not _constant(rows.share, part):
            return None
        plans.append(plan)
    return [plan.tensors(rows) for plan in plans]


def _constant(share: Array | None, part: Part) -> bool:
    """Whether all rows of a group have the same weight."""
    if share is None:
        return True
    own = share[part.rows]
    return bool(
        (own == np.repeat(own[part.groups.starts[:-1]], part.groups.sizes)).all()
    )


def _places(sizes: Array, starts: Array) -> Array:
    """Rows of each group in columns, -1 beyond the last."""
    at = np.arange(int(sizes.max(initial=0)))
    return np.where(at < sizes[:, None], starts[:-1, None] + at, -1)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Patterns of one category, before their tensors are formed."""

    part: Part
    classes: list[SizeClass]
    times: Array
    codes: list[Array]

    @classmethod
    def of(cls, part: Part) -> _Plan | None:
        """None where there are too many times or patterns."""
        if not part.groups.n_groups or int(part.groups.sizes.max()) > MAX_TIMES:
            return None
        classes = patterns(part.groups, lags_only=part.structure.lags_only)
        if sum(len(c.starts) for c in classes) > MAX_PATTERNS:
            return None
        if part.groups.time is None:
            codes = [np.arange(c.times.shape[1])[None] for c in classes]
            times = np.zeros(max(c.shape[1] for c in codes))
            return cls(part, classes, times, codes)
        # a time may be several numbers: coordinates, what standard deviations hang on
        every = np.concatenate(
            [c.times.reshape(-1, *c.times.shape[2:]) for c in classes]
        )
        times, back = np.unique(every, axis=0, return_inverse=True)
        if len(times) > MAX_TIMES:
            return None
        ends = np.cumsum([c.times.shape[0] * c.times.shape[1] for c in classes])
        codes = [
            own.reshape(c.times.shape[:2])
            for own, c in zip(np.split(back.ravel(), ends[:-1]), classes, strict=True)
        ]
        if any((np.diff(code, axis=1) <= 0).any() for code in codes):
            return None  # two rows of a group at one time
        return cls(part, classes, times, codes)

    @property
    def n_pairs(self) -> int:
        return sum(len(c) * c.shape[1] * (c.shape[1] + 1) // 2 for c in self.codes)

    def _each(self) -> list[tuple[int, Array, Array, float]]:
        """A group, the rows of all, the places of its times and the count, by pattern."""
        out = []
        for size, codes in zip(self.classes, self.codes, strict=True):
            ends = np.append(size.starts[1:], len(size.rows))
            for k, (a, b) in enumerate(zip(size.starts, ends, strict=True)):
                rows = size.rows[a:b]
                out.append((int(size.groups[a]), rows, codes[k], float(size.count[k])))
        return sorted(out, key=lambda one: one[0])

    def tensors(self, rows: Rows) -> PatternTensors:
        """Form them, pattern by pattern."""
        part, m = self.part, rows.pool.p + 1
        top = rows.W[:, -m:]
        number = np.arange(len(top))[part.rows]
        each = self._each()
        present = np.zeros((len(each), len(self.times)), dtype=bool)
        C = np.empty((self.n_pairs, m, m))
        index = np.empty((3, self.n_pairs), dtype=np.intp)
        pair = 0
        for k, (_, its_rows, code, _) in enumerate(each):
            at, s = number[its_rows], len(code)
            w = top[at].reshape(len(at), s * m)
            if rows.share is not None:
                w = w * np.sqrt(rows.share[at[:, 0]])[:, None]
            t, u = np.triu_indices(s)
            own = (w.T @ w).reshape(s, m, s, m)[t, :, u, :]
            apart = t < u
            own[apart] += own[apart].transpose(0, 2, 1)
            stop = pair + len(t)
            C[pair:stop], index[:, pair:stop] = own, [0 * t + k, code[t], code[u]]
            present[k, code] = True
            pair = stop
        some = np.zeros(part.groups.n_groups, dtype=bool)
        some[[one[0] for one in each]] = True
        count = np.array([one[3] for one in each])
        groups = part.groups.take(some)[1]
        groups = replace(groups, count=np.repeat(count, groups.sizes))
        return PatternTensors(
            part.structure,
            self.times,
            present,
            count,
            index[0],
            index[1],
            index[2],
            C,
            groups,
            _places(groups.sizes, groups.starts),
        )
