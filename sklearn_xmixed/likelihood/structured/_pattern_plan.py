"""Which groups share their times and random columns: before sums are formed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...residuals._model import Part
from ._rows import Rows, group_codes

__all__ = ["PatternPlan", "plans_of"]

Array = np.ndarray

#: distinct times of a category; beyond this rows are cheaper
MAX_TIMES = 32
#: distinct patterns of a category
MAX_PATTERNS = 1024
#: rows and groups that are looked at first, and groups below which that says nothing
SAMPLE, FEW = 512, 64
#: differences of a random column, beside its size, that are rounding
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class PatternPlan:
    """Patterns of one by-category.

    Parameters
    ----------
    part : Part
    times : ndarray of shape (T,) or (T, k)
    code : ndarray of int, shape (n,)
        Place of each row's time.
    groups : list of ndarray of int
        Groups of each pattern, in the order of their first.
    Z : ndarray of shape (n, q)
        Random columns of each row.
    """

    part: Part
    times: Array
    code: Array
    groups: list[Array]
    Z: Array

    @classmethod
    def of(cls, part: Part, Z: Array) -> PatternPlan | None:
        """None where there are too many times or patterns."""
        groups = part.groups
        if not groups.n_groups or int(groups.sizes.max()) > MAX_TIMES:
            return None
        if _differ(Z, groups.sizes):
            return None
        codes = _own_codes(Z)
        shift = part.structure.lags_only and not any(c.any() for c in codes)
        found = _times(part, shift=shift)
        if found is None:
            return None
        times, code = found
        inside = ~groups.first[1:]
        if (np.diff(code)[inside] <= 0).any():
            return None  # two rows of a group at one time
        # a group's times are strictly ascending: as bits they say which pattern it has
        bits = np.left_shift(np.int64(1), code.astype(np.int64))
        kind = np.add.reduceat(bits, groups.starts[:-1])
        shared = _one_of_each(code, len(times))
        apart = [c for c in codes if (c != c[shared[code]]).any()]
        if apart:
            own = group_codes([code, *apart], groups.sizes, len(code))
            kind = np.unique(kind, return_inverse=True)[1] * len(kind) + own
        _, kind = np.unique(kind, return_inverse=True)
        if kind.max() >= MAX_PATTERNS:
            return None
        order = np.argsort(kind, kind="stable")
        cuts = np.flatnonzero(np.diff(kind[order])) + 1
        each = sorted(np.split(order, cuts), key=lambda g: int(g[0]))
        return cls(part, times, code, each, Z)

    def rows_of(self, groups: Array) -> tuple[Array, Array]:
        """Rows of some groups of one pattern, (G, s), and the places of their times."""
        start = self.part.groups.starts
        s = int(self.part.groups.sizes[groups[0]])
        at = start[groups][:, None] + np.arange(s)
        return at, self.code[at[0]]

    @cached_property
    def n_pairs(self) -> int:
        """Pairs of times of all patterns."""
        s = self.part.groups.sizes[[g[0] for g in self.groups]]
        return int((s * (s + 1) // 2).sum())


def plans_of(rows: Rows, *, effects: bool = True) -> list[PatternPlan] | None:
    """Of every by-category; None where V is not one matrix per pattern.

    Parameters
    ----------
    rows : Rows
    effects : bool
        Whether V is that of one level of random effects as well, or Lambda alone.
    """
    levels = rows.design.levels
    if effects and len(levels) > 1:
        return None
    if levels and not _same_groups(rows):
        return None
    Z = rows.W[:, :0]
    if rows.pool.levels and effects:
        Z = rows.W[:, rows.pool.levels[0].members]
    plans = []
    for part in rows.residual.parts:
        if not _constant(rows.share, part):
            return None
        plan = PatternPlan.of(part, Z[part.rows])
        if plan is None:
            return None
        plans.append(plan)
    return plans


def _same_groups(rows: Rows) -> bool:
    """Whether effects, residuals and by-categories have the same groups."""
    effects = rows.codes[0]
    n_groups = 1 + int((effects[1:] != effects[:-1]).sum())
    if sum(part.groups.n_groups for part in rows.residual.parts) != n_groups:
        return False
    for part in rows.residual.parts:
        own = effects[part.rows]
        if (own != np.repeat(own[part.groups.starts[:-1]], part.groups.sizes)).any():
            return False
    return True


def _constant(share: Array | None, part: Part) -> bool:
    """Whether all rows of a group have the same weight."""
    if share is None:
        return True
    own = share[part.rows]
    return bool(
        (own == np.repeat(own[part.groups.starts[:-1]], part.groups.sizes)).all()
    )


def _times(part: Part, *, shift: bool) -> tuple[Array, Array] | None:
    """Distinct times, and the place of each row's; None where there are too many."""
    groups = part.groups
    starts = np.repeat(groups.starts[:-1], groups.sizes)
    if groups.time is None:
        code = np.arange(groups.n_rows) - starts
        return np.zeros(int(code.max()) + 1), code
    time = groups.time
    if shift:
        time = time - time[starts]
    columns = np.atleast_2d(time.T)
    if any(len(np.unique(column[:SAMPLE])) > MAX_TIMES for column in columns):
        return None
    values, code = _numbered(columns[0])
    n_times = len(values)
    for column in columns[1:]:
        values, own = _numbered(column)
        code = np.unique(code * len(values) + own, return_inverse=True)[1]
        n_times = int(code.max()) + 1
    if n_times > MAX_TIMES:
        return None
    return time[_one_of_each(code, n_times)], code


def _one_of_each(code: Array, n: int) -> Array:
    """A row of every time."""
    out = np.empty(n, dtype=np.intp)
    out[code] = np.arange(len(code))
    return out


def _numbered(column: Array) -> tuple[Array, Array]:
    """Distinct values, ascending, and the place of each among them."""
    values = np.unique(column)
    return values, np.searchsorted(values, column)


def _own_codes(Z: Array) -> list[Array]:
    """A number for every value of each random column; all 0 where it is constant."""
    out = []
    for column in Z.T:
        size = np.abs(column).max(initial=0.0)
        if np.ptp(column) <= ROUNDING * size:
            out.append(np.zeros(len(column), dtype=np.intp))
        else:
            out.append(_numbered(np.round(column / size, 13))[1])
    return out


def _differ(Z: Array, sizes: Array) -> bool:
    """Whether most of the first groups have random columns that no other has."""
    some = sizes[:SAMPLE]
    if len(some) < FEW:
        return False
    n = int(some.sum())
    codes = [code for code in _own_codes(Z[:n]) if code.any()]
    if not codes:
        return False
    found = group_codes(codes, some, n)
    return len(np.unique(found)) > 0.5 * len(some)
