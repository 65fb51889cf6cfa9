"""Rows of one by-category, group by group, and their patterns of times.

Groups that were observed at the same times (for structures that know lags only: at
the same distances from their first time) share one covariance matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Groups", "SizeClass", "patterns"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Groups:
    """Lowest-level groups of one by-category, sorted by group and time.

    Parameters
    ----------
    starts : ndarray of int, shape (G + 1,)
        First row of each group.
    time : ndarray of shape (n,) or None
    count : ndarray of shape (G,) or None
        How many groups each one stands for; None means one.
    occasions : tuple of str
        Names of the times 0, 1, ...; empty where times have none.
    """

    starts: Array
    time: Array | None = None
    count: Array | None = None
    occasions: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.starts[-1])

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.starts) - 1

    @cached_property
    def sizes(self) -> Array:
        """Rows of each group."""
        return np.diff(self.starts)

    @cached_property
    def counts(self) -> Array:
        """How many groups each one stands for."""
        return np.ones(self.n_groups) if self.count is None else self.count

    @cached_property
    def first(self) -> Array:
        """Whether a row is the first of its group."""
        out = np.zeros(self.n_rows, dtype=bool)
        out[self.starts[:-1]] = True
        return out

    def take(self, which: Array) -> tuple[Array, Groups]:
        """Rows of some groups, and these groups by themselves."""
        rows = np.flatnonzero(np.repeat(which, self.sizes))
        starts = np.append(0, np.cumsum(self.sizes[which]))
        return rows, Groups(
            starts,
            None if self.time is None else self.time[rows],
            None if self.count is None else self.count[which],
            self.occasions,
        )

    def sums(self, values: Array) -> Array:
        """Sums of values of shape (n, ...) over the rows of each group."""
        if not self.n_groups:
            return values[:0]
        return np.add.reduceat(values, self.starts[:-1], axis=0)

    @cached_property
    def row_count(self) -> Array:
        """The count of each row's group."""
        return np.repeat(self.counts, self.sizes)


@dataclass(frozen=True, eq=False)
class SizeClass:
    """Groups of one size, ordered by their pattern of times.

    Parameters
    ----------
    groups : ndarray of int, shape (G,)
        Their numbers.
    rows : ndarray of int, shape (G, s)
    starts : ndarray of int, shape (P,)
        First group of each pattern.
    pattern : ndarray of int, shape (G,)
    times : ndarray of shape (P, s)
    count : ndarray of shape (P,)
        How many groups have the pattern, stand-ins by what they stand for.
    """

    groups: Array
    rows: Array
    starts: Array
    pattern: Array
    times: Array
    count: Array


def patterns(groups: Groups, *, lags_only: bool) -> list[SizeClass]:
    """Groups by size and by times.

    Parameters
    ----------
    groups : Groups
    lags_only : bool
        Whether a common shift of all times makes no difference.
    """
    out = []
    for s in np.unique(groups.sizes):
        mine = np.flatnonzero(groups.sizes == s)
        rows = groups.starts[mine][:, None] + np.arange(s)
        if groups.time is None:
            times, code = np.zeros((1, s)), np.zeros(len(mine), dtype=np.intp)
        else:
            t = groups.time[rows]
            if lags_only:
                t = t - t[:, :1]
            times, code = np.unique(t, axis=0, return_inverse=True)
            code = code.ravel()
        order = np.argsort(code, kind="stable")
        code = code[order]
        starts = np.flatnonzero(np.append(True, code[1:] != code[:-1]))
        count = np.add.reduceat(groups.counts[mine[order]], starts)
        out.append(SizeClass(mine[order], rows[order], starts, code, times, count))
    return out
