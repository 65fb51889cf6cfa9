"""A design of a few groups that stand for all of a table's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...optimization import upper_factor
from ...residuals import Within
from .._compiled import Compiled
from .._moments import Moments
from .._products import StandIns
from ._patterns import GroupBatch, PatternSums
from ._products import TableProducts

__all__ = ["PatternBasis", "PatternProducts"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class PatternBasis:
    """[X y] in well-conditioned columns, which sums of products are formed of.

    Parameters
    ----------
    at : ndarray of int
        Raw columns of X and y.
    shift : ndarray
        Taken from these.
    R, inverse : ndarray of shape (k, k)
        X = Q R, and R^-1.
    slope : ndarray of shape (k,)
        What is taken from y.
    intercept : bool
        Whether there is a constant, which comes first.
    """

    at: Array
    shift: Array
    R: Array
    inverse: Array
    slope: Array
    intercept: bool

    @classmethod
    def of(cls, moments: Moments, k: int, *, intercept: bool) -> PatternBasis:
        """Of the raw columns [X, extra, y] with k columns of X."""
        y = len(moments.mean) - 1
        gram = (moments.centred if intercept else moments.raw()[1:, 1:]) / moments.n
        R, inverse = upper_factor(gram[:k, :k])
        at = np.append(np.arange(k), y)
        shift = moments.mean[at] if intercept else np.zeros(k + 1)
        slope = inverse @ (inverse.T @ gram[:k, y])
        return cls(at, shift, R, inverse, slope, intercept)

    def rows(self, raw: Array) -> Array:
        """Raw rows in these columns."""
        off = raw[:, self.at] - self.shift
        a, k = int(self.intercept), len(self.slope)
        out = np.ones((len(raw), a + k + 1))
        out[:, a : a + k] = off[:, :k] @ self.inverse
        out[:, -1] = off[:, k] - off[:, :k] @ self.slope
        return out

    def change(self, shift: Array, matrix: Array) -> Array:
        """``[1, raw - shift] @ matrix`` as combinations of these columns."""
        a, k = int(self.intercept), len(self.slope)
        back = np.eye(k + 1)
        back[:k, :k], back[:k, k] = self.R, self.R @ self.slope
        wanted = matrix[1 + self.at]
        out = np.empty((a + k + 1, matrix.shape[1]))
        out[a:] = back @ wanted
        if a:
            out[0] = matrix[0] + (self.shift - shift[self.at]) @ wanted
        return out


@dataclass(frozen=True, eq=False)
class PatternProducts(TableProducts):
    """The patterns of a table's groups.

    Parameters
    ----------
    found : PatternSums
    read : callable
        The rows once more.
    basis : PatternBasis
        Of their sums.
    own : ndarray of int
        Raw columns that are random.
    within : Within
        The structure over the rows of the stand-ins.
    shown : tuple of (str, ndarray, ndarray)
        The level, sizes of its groups, and how many groups have each.
    """

    found: PatternSums = field(kw_only=True)
    read: Callable[[], Iterator[GroupBatch]] = field(kw_only=True)
    basis: PatternBasis = field(kw_only=True)
    own: Array = field(kw_only=True)
    within: Within = field(kw_only=True)
    shown: tuple[str, Array, Array] = field(kw_only=True)

    def counted(self, compiled: Compiled) -> Compiled:
        """A design over the stand-ins with the numbers of the groups."""
        design = replace(compiled.design, residual=self.within).sorted()
        return replace(compiled, design=design, shown=(self.shown,))

    def by_group(self, shift: Array, matrix: Array, left: Sequence[int]) -> Array:
        """Not kept."""
        raise NotImplementedError("Sums are by pattern, and not by group.")

    def stand_ins(self, shift: Array, matrix: Array, q: int) -> StandIns:
        """Rows of the stand-ins, in the order of ``within``."""
        C = self.basis.change(shift, matrix[:, q:])
        W, count = [], []
        Zs = self._random(shift, matrix[:, :q])
        for pattern, Z in zip(self.found.patterns, Zs, strict=True):
            g = pattern.n_stand_ins
            W.append(np.hstack([np.tile(Z, (g, 1)), pattern.stand_ins @ C]))
            count.append(pattern.count // g + (np.arange(g) < pattern.count % g))
        return StandIns(np.concatenate(W), np.concatenate(count).astype(float))

    def _random(self, shift: Array, matrix: Array) -> list[Array]:
        """``[1, raw - shift] @ matrix`` of random columns, by pattern."""
        out = []
        for pattern in self.found.patterns:
            off = np.zeros((pattern.size, len(shift)))
            off[:, self.own] = pattern.own - shift[self.own]
            out.append(off @ matrix[1:] + matrix[0])
        return out

    def weighted(self, shift: Array, matrix: Array, q: int, inverse: Array) -> Array:
        """Sums of products of every group by a matrix of its pattern; reads all rows."""
        C = self.basis.change(shift, matrix[:, q:])
        first, each = 0, []
        for pattern, Z in zip(
            self.found.patterns, self._random(shift, matrix[:, :q]), strict=True
        ):
            ZQ = Z.T @ inverse[first : first + pattern.size, : pattern.size]
            each.append((ZQ @ Z, ZQ))
            first += pattern.n_stand_ins * pattern.size
        out = []
        for batch in self.read():
            sums = np.empty((q, matrix.shape[1], batch.n_groups))
            for rows in batch.alike():
                number = self.found.number(batch, rows[0])
                if number is None:
                    raise ValueError(
                        f"Group {batch.labels[0]!s} and others have times or random "
                        "columns that the table did not have when it was fitted to: it "
                        "has changed since. Fit to it again."
                    )
                groups = np.searchsorted(batch.starts, rows[:, 0])
                ZQZ, ZQ = each[number]
                sums[:, :q, groups] = ZQZ[:, :, None]
                products = np.tensordot(ZQ, batch.top[rows], axes=(1, 1)) @ C
                sums[:, q:, groups] = products.transpose(0, 2, 1)
            out.append(sums)
        return np.concatenate(out, axis=2)
