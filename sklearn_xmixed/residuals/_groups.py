"""Rows of one by-category, group by group, and their patterns of times.

Groups that were observed at the same times (for structures that know lags only: at
the same distances from their first time) share one covariance matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

__all__ = ["Groups", "SizeClass", "apart", "patterns"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Groups:
    """Lowest-level groups of one by-category, sorted by group and time.

    Parameters
    ----------
    starts : ndarray of int, shape (G + 1,)
        First row of each group.
    time : ndarray of shape (n,) or (n, k), or None
        Times, or the coordinates of places; where standard deviations depend on a
        value, that is the last one.
    count : ndarray of shape (n,) or None
        How many rows each one stands for; None means one.
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
        if self.count is None:
            return np.ones(self.n_groups)
        return self.count[self.starts[:-1]]

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
            None if self.count is None else self.count[rows],
            self.occasions,
        )

    def sums(self, values: Array) -> Array:
        """Sums of values of shape (n, ...) over the rows of each group."""
        if not self.n_groups:
            return values[:0]
        return np.add.reduceat(values, self.starts[:-1], axis=0)

    @cached_property
    def row_count(self) -> Array:
        """How many rows each one stands for."""
        return np.ones(self.n_rows) if self.count is None else self.count

    def apart(self) -> tuple[Groups, Array]:
        """The same without the value that standard deviations depend on, and that."""
        assert self.time is not None
        inner, values = apart(self.time)
        time = None if self.time.shape[-1] == 1 else inner
        return replace(self, time=time), values


def apart(places: Array) -> tuple[Array, Array]:
    """Times or coordinates, and the value behind them; zeros where there is no time."""
    values = places[..., -1]
    k = places.shape[-1] - 1
    inner = (
        places[..., :-1] if k > 1 else places[..., 0] if k else np.zeros(values.shape)
    )
    return inner, values


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
    times : ndarray of shape (P, s) or (P, s, k)
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
