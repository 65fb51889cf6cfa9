"""Degrees of freedom by counting: residual, between-within, containment.

None of them looks at the estimates of the variances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...likelihood import INFINITE, Sensitivity
from .._reference import FTest, Reference

__all__ = ["Contained", "Partition", "between_within", "containment"]

Array = np.ndarray

#: a share of a column's variation that counts as none
NOTHING = 1e-6


class Partition(Reference):
    """The same degrees of freedom for a coefficient in all hypotheses.

    Parameters
    ----------
    method : str
    vcov : ndarray of shape (p, p)
    counts : ndarray of shape (p,)
        Degrees of freedom of each coefficient; nan where it is omitted.  A combination
        has the smallest of those that it is made of.
    """

    def __init__(self, method: str, vcov: Array, counts: Array):
        self.method, self.vcov, self.counts = method, vcov, counts

    def df(self, L: Array) -> Array:
        """Degrees of freedom of t for each row of L."""
        used = np.where(L != 0.0, self.counts, np.inf)
        out = np.fmin.reduce(used, axis=1)
        return np.where(out > 0, out, np.nan)

    def test(self, L: Array, difference: Array) -> FTest:
        """Joint test: Wald's statistic over its degrees of freedom."""
        inner = L @ self.vcov @ L.T
        wald = float(difference @ np.linalg.solve(inner, difference))
        return FTest(wald / len(L), len(L), float(np.min(self.df(L))))


def between_within(sensitivity: Sensitivity, R: Array) -> Array:
    """Degrees of freedom of the level at which a column varies.

    A column that is constant within the groups of a level, but not within those above,
    is estimated from the m_i groups of this level: m_i - m_(i-1) - p_i with the p_i
    such columns; m_0 is zero, the constant belonging to the top level.  Other columns
    have what is left of the rows.

    Parameters
    ----------
    sensitivity : Sensitivity
    R : ndarray of shape (p, p)
        X in the pool's basis.

    Returns
    -------
    ndarray of shape (p,)

    Raises
    ------
    NotImplementedError
        Where factors cross, and where a level has no random intercept.
    """
    levels = sensitivity.groupings
    own = np.full(R.shape[1], len(levels))
    for k in range(len(levels) - 1, -1, -1):
        S = levels[k][1]
        if S is None:
            raise NotImplementedError(
                "Between-within degrees of freedom need a random intercept at every "
                "level. Use df='satterthwaite', 'kenward-roger' or 'containment'."
            )
        own[_constant(S, sensitivity.total, R)] = k
    sizes = np.array([0.0, *(count for count, _ in levels), sensitivity.n])
    here = np.bincount(own, minlength=len(levels) + 1)
    return np.asarray((np.diff(sizes) - here)[own])


@dataclass(frozen=True, eq=False)
class Contained:
    """What one random coefficient contains.

    Parameters
    ----------
    floor : int
        Floor or term of its equation.
    vector : ndarray of shape (q,)
        The coefficient's column as a combination of those of the floor.
    columns : tuple of bool
        Which column of X it is, if any.
    intercept : bool
        Whether it is a random intercept, which contains all columns that are constant
        within its groups.
    """

    floor: int
    vector: Array
    columns: tuple[bool, ...]
    intercept: bool


def containment(
    sensitivity: Sensitivity, R: Array, coefficients: Sequence[Contained]
) -> Array:
    """Rank that the random coefficients which contain a column add to [X Z].

    Each adds to those before it, top level first.  A column has the smallest of them;
    what [X Z] leaves of the rows where none contains it.

    Parameters
    ----------
    sensitivity : Sensitivity
    R : ndarray of shape (p, p)
        X in the pool's basis.
    coefficients : sequence of Contained

    Returns
    -------
    ndarray of shape (p,)
    """
    out = np.full(R.shape[1], np.inf)
    before = float(sensitivity.p)
    for b, one in enumerate(coefficients):
        rank = _rank(sensitivity, coefficients[: b + 1])
        added, before = rank - before, rank
        mine = np.asarray(one.columns, dtype=bool)
        S = sensitivity.within(one.floor) if one.intercept else None
        if S is not None:
            mine = mine | _constant(S, sensitivity.total, R)
        if mine.any():
            out[mine] = np.minimum(out[mine], added)
    return np.where(np.isinf(out), sensitivity.n - before, out)


def _constant(S: Array, total: Array, R: Array) -> Array:
    """Which columns of X do not vary within the groups that leave S of them."""
    left = np.einsum("aj,ab,bj->j", R, S, R)
    whole = np.einsum("aj,ab,bj->j", R, total, R)
    return left <= NOTHING * whole


def _rank(sensitivity: Sensitivity, coefficients: Sequence[Contained]) -> float:
    """Rank of [X Z] of these random coefficients.

    With variances that go to infinity tr(G) becomes the number of rows less this rank.
    """
    D = [np.zeros(d.shape) for d in sensitivity.D]
    for one in coefficients:
        unit = one.vector / np.linalg.norm(one.vector)
        D[one.floor] += INFINITE * np.outer(unit, unit)
    at = sensitivity.pieces(D)
    assert at.l_D is not None
    explained = sum(float(np.sum(d * l)) for d, l in zip(D, at.l_D, strict=True))
    return float(np.round(explained)) + sensitivity.p
