"""A design of a few groups that stand for all of a table's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from ..optimization import upper_factor
from ..residuals import Within
from ._compiled import Compiled
from ._moments import Moments
from ._patterns import Pattern
from ._products import StandIns
from ._table_products import TableProducts

__all__ = ["PatternBasis", "PatternProducts", "UnreadEncoder"]

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
class UnreadEncoder:
    """A level whose labels were passed over and not kept.

    Parameters
    ----------
    group : str
    n_groups : int
    """

    group: str
    n_groups: int

    def transform(self, values: Any, parents: Array) -> Array:
        """Rows cannot be looked up."""
        self._refuse()

    @property
    def parents(self) -> Array:
        """Not here."""
        self._refuse()

    @property
    def own_labels(self) -> Array:
        """Not here."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotImplementedError(
            f"Of the {self.n_groups} groups of level {self.group!r} only sums by pattern "
            "were kept, because residuals are structured and the fit is of a lazy table; "
            "what belongs to single groups, such as their random effects, is not there. "
            "Predict the fixed part by kind='fixed', or fit to whole groups in memory."
        )


@dataclass(frozen=True, eq=False)
class PatternProducts(TableProducts):
    """The patterns of a table's groups.

    Parameters
    ----------
    patterns : list of Pattern
    basis : PatternBasis
        Of their sums.
    own : ndarray of int
        Raw columns that are random.
    within : Within
        The structure over the rows of the stand-ins.
    shown : tuple of (str, ndarray, ndarray)
        The level, sizes of its groups, and how many groups have each.
    """

    patterns: list[Pattern] = field(kw_only=True)
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
        for pattern in self.patterns:
            g = pattern.n_stand_ins
            off = np.zeros((pattern.size, len(shift)))
            off[:, self.own] = pattern.own - shift[self.own]
            Z = off @ matrix[1:, :q] + matrix[0, :q]
            W.append(np.hstack([np.tile(Z, (g, 1)), pattern.stand_ins @ C]))
            count.append(np.full(g, pattern.count / g))
        return StandIns(np.concatenate(W), np.concatenate(count))
