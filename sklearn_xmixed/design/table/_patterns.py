"""Groups whose rows are alike but for [X y]: sums of products of each such pattern.

Groups that share the times, by-categories and random columns of their rows enter the
likelihood through their number and the sum of vec(C) vec(C)', C being the rows of [X y],
s of them with m columns.  A few stand-ins have the same sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["GroupBatch", "Pattern", "PatternLimitError", "PatternSums"]

Array = np.ndarray

#: patterns, and numbers in all sums (256 MB)
MAX_PATTERNS, MAX_NUMBERS = 1024, 1 << 25
#: groups that are decomposed at once
BLOCK = 512


class PatternLimitError(Exception):
    """There are too many patterns; the argument says what was found."""


@dataclass(frozen=True, eq=False)
class GroupBatch:
    """Rows of whole groups, sorted by group and within it.

    Parameters
    ----------
    starts : ndarray of int, shape (G + 1,)
        First row of each group.
    labels : ndarray of shape (G,)
    keys : ndarray of shape (n, r)
        Numbers that the rows of groups of one pattern share.
    top : ndarray of shape (n, m)
        [X y].
    own : ndarray of shape (n, q)
        Random columns.
    values : dict
        Variables of the residuals as they are, by role.
    """

    starts: Array
    labels: Any
    keys: Array
    top: Array
    own: Array
    values: dict[str, Any]

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self.starts) - 1

    def key(self, rows: Array) -> tuple[int, bytes]:
        """What is the same for all groups of a group's pattern."""
        return len(rows), self.keys[rows].tobytes()

    def alike(self) -> Iterator[Array]:
        """Rows of the groups of each pattern, (G, s)."""
        row = np.zeros(len(self.keys), dtype=np.int64)
        for column in self.keys.T:
            row = _joined(row, column)
        sizes = np.diff(self.starts)
        for s in np.unique(sizes):
            first = self.starts[:-1][sizes == s]
            code = np.zeros(len(first), dtype=np.int64)
            for j in range(s):
                code = _joined(code, row[first + j])
            order = np.argsort(code, kind="stable")
            cuts = np.flatnonzero(np.diff(code[order])) + 1
            for some in np.split(order, cuts):
                yield first[some][:, None] + np.arange(s)


def _joined(code: Array, column: Array) -> Array:
    """A number for every pair of two codes or values."""
    own, found = pd.factorize(column)
    return np.asarray(pd.factorize(code * len(found) + own)[0])


@dataclass(eq=False)
class Pattern:
    """Groups that are alike.

    Parameters
    ----------
    size : int
        Rows of each group.
    label : object
        Of one of them.
    own : ndarray of shape (s, q)
        Random columns.
    values : dict
        Variables of the residuals of that group, by role.
    root : ndarray of shape (g, s m)
        R with R'R the sum of vec(C) vec(C)'; of few groups these themselves.
    count : int
        How many groups there are.
    """

    size: int
    label: Any
    own: Array
    values: dict[str, Any]
    root: Array
    count: int = 0

    @property
    def n_stand_ins(self) -> int:
        """Groups that it takes to have the same sums."""
        return len(self.root)

    @property
    def stand_ins(self) -> Array:
        """The rows of these, (stand-ins * s, m)."""
        return self.root.reshape(self.n_stand_ins * self.size, -1)

    def add(self, C: Array) -> None:
        """Add groups, (G, s m).

        By a QR decomposition: sums of products would have half of the digits, which are
        missed where residuals are nearly as correlated as can be.
        """
        self.count += len(C)
        n, k = C.shape
        size = max(BLOCK, 4 * k)
        whole = n // size * size
        blocks = _triangular(C[:whole].reshape(-1, size, k)).reshape(-1, k)
        rows = np.concatenate([self.root, blocks, C[whole:]])
        self.root = _triangular(rows) if len(rows) > k else rows


def _triangular(rows: Array) -> Array:
    """R of the QR decompositions of some matrices."""
    return np.asarray(np.linalg.qr(rows, mode="r"))


@dataclass(eq=False)
class PatternSums:
    """The patterns of all groups so far.

    Parameters
    ----------
    patterns : list of Pattern
        In the order of their first group.
    """

    patterns: list[Pattern] = field(default_factory=list)
    _known: dict[tuple[int, bytes], int] = field(default_factory=dict)

    def add(self, batch: GroupBatch) -> None:
        """Add the groups of a batch.

        Raises
        ------
        PatternLimitError
        """
        for rows in batch.alike():
            pattern = self._pattern(batch, rows[0])
            pattern.add(batch.top[rows].reshape(len(rows), -1))

    def number(self, batch: GroupBatch, rows: Array) -> int | None:
        """Which of the patterns that of a group is; None for none of them."""
        return self._known.get(batch.key(rows))

    def _pattern(self, batch: GroupBatch, rows: Array) -> Pattern:
        """That of a group."""
        key = batch.key(rows)
        if key not in self._known:
            s, m = len(rows), batch.top.shape[1]
            group = int(np.searchsorted(batch.starts, rows[0]))
            values = {role: column[rows] for role, column in batch.values.items()}
            root, own = np.empty((0, s * m)), batch.own[rows]
            made = Pattern(s, batch.labels[group], own, values, root)
            self.patterns.append(made)
            self._check()
            self._known[key] = len(self.patterns) - 1
        return self.patterns[self._known[key]]

    def _check(self) -> None:
        """Refuse more patterns than are allowed."""
        if len(self.patterns) > MAX_PATTERNS:
            raise PatternLimitError(
                f"more than {MAX_PATTERNS} different patterns of these in its groups"
            )
        size = sum(pattern.root.shape[1] ** 2 for pattern in self.patterns)
        if size > MAX_NUMBERS:
            raise PatternLimitError(
                f"{len(self.patterns)} different patterns of these in the first of its "
                f"groups, of up to {max(p.size for p in self.patterns)} rows, whose sums of "
                f"products alone take {8 * size / 1e6:.0f} MB, where "
                f"{8 * MAX_NUMBERS / 1e6:.0f} MB are allowed"
            )
