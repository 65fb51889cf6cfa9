"""The frozen design: what was asked for, laid over the data.

Numbers only: rows by columns, one integer code per row and level.  Names of columns
and groups are kept for messages and output; data frames end in ``_labels``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from ..covariance import Structure
from ..residuals import Within
from ._moments import DOUBTFUL, Moments, independent_columns
from ._products import Products

#: a column of unit size with a smaller remainder is collinear
REMAINDER = 3e-7
EPS = float(np.finfo(float).eps)

__all__ = [
    "REMAINDER",
    "Design",
    "Equation",
    "Level",
    "Term",
    "kept_by_moments",
    "kept_columns",
    "total_weights",
]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Level:
    """One level of grouping.

    Parameters
    ----------
    group : str
        Name of the grouping variable.
    codes : ndarray of int, shape (n,)
        Group of each row, numbered in the order of the paths of labels, so that
        the groups within one group of the level above are consecutive.
    n_groups : int
    parents : ndarray of int, shape (n_groups,)
        Group of the level above; all zero at the top.
    columns : tuple of int
        Raw columns with random coefficients at this level.
    constant : bool
        Whether there is a random intercept.
    weights : ndarray of shape (n_groups,) or None
    """

    group: str
    codes: Array
    n_groups: int
    parents: Array
    columns: tuple[int, ...] = ()
    constant: bool = False
    weights: Array | None = None

    @property
    def positions(self) -> tuple[int, ...]:
        """Own columns, the constant first, as raw columns counted from 1."""
        return (0,) * self.constant + tuple(1 + c for c in self.columns)


@dataclass(frozen=True, eq=False)
class Equation:
    """One random-effects equation of one level.

    Parameters
    ----------
    name : str
        Unique name of the equation.
    level : int
        Level it belongs to, top level 0.
    effects : tuple of str
        Names of the random effects in the user's order, ``_cons`` for the
        intercept.
    positions : tuple of int
        The same as raw columns counted from 1, 0 for the constant.
    structure : Structure
    omitted : tuple of str
        Collinear columns that were left out.
    terms : tuple of int
        Of a factor: its terms among the design's; its level is -1.
    n_groups : int
        Of a factor: how many independent draws its covariance matrix has.
    """

    name: str
    level: int
    effects: tuple[str, ...]
    positions: tuple[int, ...]
    structure: Structure
    omitted: tuple[str, ...] = ()
    terms: tuple[int, ...] = ()
    n_groups: int = 0


@dataclass(frozen=True, eq=False)
class Term:
    """Random coefficients of a grouping that nests in no other.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Empty where products stand instead of rows.
    n_groups : int
    positions : tuple of int
        Columns with coefficients as raw columns counted from 1, the constant first
        as 0; empty for the constant alone.
    within : ndarray of int, shape (n_groups,), or None
        Where products stand instead of rows: of each group a lowest-level group of its
        top-level group.
    """

    codes: Array
    n_groups: int
    positions: tuple[int, ...] = ()
    within: Array | None = None


@dataclass(frozen=True, eq=False)
class Design:
    """Everything the engine needs to know about one fit.

    Parameters
    ----------
    X : ndarray of shape (n, k)
        Kept columns of the fixed part, without the constant.
    extra : ndarray of shape (n, e)
        Columns with random coefficients that are not in the fixed part.
    y : ndarray of shape (n,)
    weights : ndarray of shape (n,) or None
    intercept : bool
    levels : tuple of Level, top level first
    equations : tuple of Equation
    moments : Moments
        Of [X, extra, y].
    residual : Within or None
        Structure of the residuals; None where they are independent with one variance.
    terms : tuple of Term
        Of the factors.
    products : Products or None
        Instead of rows: X, extra and y are then empty, codes and weights are those of
        the lowest groups asked for, and precision is with the products.
    precision : ndarray of shape (n,) or None
        Precision weights: the residual variance of a row is sigma^2 over its weight.
        Rows are divided by their standard deviation, all columns and the constant with
        them, before anything is summed; they are no copies, and n counts rows.
    offset : ndarray of shape (n,) or None
        What was taken from y.
    """

    X: Array
    extra: Array
    y: Array
    weights: Array | None
    intercept: bool
    levels: tuple[Level, ...]
    equations: tuple[Equation, ...]
    moments: Moments
    order: Array | None = field(default=None)
    starts: Array | None = field(default=None)
    residual: Within | None = field(default=None)
    terms: tuple[Term, ...] = ()
    products: Products | None = field(default=None)
    precision: Array | None = field(default=None)
    offset: Array | None = field(default=None)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.y.shape[0] if self.products is None else self.products.n_rows

    @property
    def precise(self) -> bool:
        """Whether there are precision weights."""
        return self.mean_precision is not None

    @property
    def mean_precision(self) -> float | None:
        """Mean of the precision weights; None without."""
        if self.products is not None and self.products.precision is not None:
            return self.products.precision[0]
        return None if self.precision is None else float(self.precision.mean())

    @property
    def log_det_rows(self) -> float:
        """log|W^-1| of the precision weights W; zero without."""
        if self.products is not None and self.products.precision is not None:
            return -self.products.precision[1]
        return 0.0 if self.precision is None else -float(np.log(self.precision).sum())

    def count(self, total: float) -> float:
        """Number of observations, of rows whose weights have this sum."""
        return float(self.n_rows) if self.precise else total

    @property
    def row_roots(self) -> Array:
        """Roots of the precision weights, by which rows are multiplied."""
        if self.precision is None:
            return np.ones(self.n_rows)
        return np.asarray(np.sqrt(self.precision))

    @property
    def p(self) -> int:
        """Number of fixed effects that are estimated."""
        return self.X.shape[1] + self.intercept

    def sorted(self) -> Design:
        """The same with the order that makes lowest-level groups contiguous.

        Rows with structured residuals are sorted by time within them.
        """
        if self.residual is not None:
            order = self.residual.order_of_rows
            starts = None
            if self.levels:
                lowest = self.levels[-1]
                starts = np.searchsorted(
                    lowest.codes[order], np.arange(lowest.n_groups + 1)
                )
            return replace(self, order=order, starts=starts)
        if not self.levels:
            return self
        lowest = self.levels[-1]
        codes, G = lowest.codes, lowest.n_groups
        n = codes.shape[0]
        if n < 2 or bool((codes[1:] >= codes[:-1]).all()):
            starts = np.searchsorted(codes, np.arange(G + 1))
            return replace(self, order=None, starts=starts)
        # counting sort
        rows = sparse.csr_array(
            (np.ones(n, dtype=np.int8), codes, np.arange(n + 1)), shape=(n, G)
        ).tocsc()
        return replace(self, order=rows.indices, starts=rows.indptr)


def total_weights(weights: Array | None, levels: Sequence[Level]) -> Array | None:
    """Products of the weights of each row and its groups; None without weights."""
    for level in levels:
        if level.weights is not None:
            own = level.weights[level.codes]
            weights = own if weights is None else weights * own
    return weights


def kept_columns(
    moments: Moments,
    columns: Array,
    raw: list[Array],
    *,
    constant: bool,
    weights: Array | None = None,
) -> Array:
    """Which of some raw columns add something to the (constant and) columns before.

    Parameters
    ----------
    moments : Moments
        Of all raw columns.
    columns : ndarray of int
        The columns in question, in the order that decides who is left out.
    raw : list of ndarray
        Each column's values, looked at only where the moments cannot tell.
    constant : bool
        Whether a constant stands before them.

    Returns
    -------
    ndarray of bool
    """
    if not len(columns):
        return np.zeros(0, dtype=bool)
    keep, varies, sure = kept_by_moments(moments, columns, constant=constant)
    if sure:
        return keep
    return _kept_by_rows(moments, columns, raw, constant, weights, varies)


def kept_by_moments(
    moments: Moments, columns: Array, *, constant: bool
) -> tuple[Array, Array, bool]:
    """The same as far as moments can tell.

    Returns
    -------
    keep, varies : ndarray of bool
        Which add something, and which have anything left of them at all.
    sure : bool
        Whether the moments can tell.
    """
    gram, mean = moments.centred[columns[:, None], columns], moments.mean[columns]
    size = gram.diagonal() + moments.n * mean**2
    if not constant:
        gram = gram + moments.n * np.outer(mean, mean)
    # a constant column has nothing left of it but rounding
    floor = EPS**2 * 1e4 * size
    scale = np.maximum(gram.diagonal(), 0.0)
    scale = np.where(scale > floor, scale, 0.0)
    keep, smallest = independent_columns(gram, scale)
    sure = smallest > DOUBTFUL and bool((keep | (scale == 0)).all())
    return keep, scale > 0, sure


def _kept_by_rows(
    moments: Moments,
    columns: Array,
    raw: list[Array],
    constant: bool,
    weights: Array | None,
    varies: Array,
) -> Array:
    """The same decision from a QR decomposition of the rows."""
    M = np.column_stack([raw[c] for c in columns]).astype(float)
    if constant:
        M -= moments.mean[columns]
    if weights is not None:
        M *= np.sqrt(weights)[:, None]
    size = np.sqrt((M**2).sum(axis=0))
    M /= np.where(size > 0, size, 1.0)
    keep = np.zeros(len(columns), dtype=bool)
    basis: list[Array] = []
    for j in range(len(columns)):
        if not varies[j] or len(basis) >= M.shape[0] - constant:
            continue
        column = M[:, j].copy()
        for _ in range(2):  # twice is enough for orthogonality to rounding
            for b in basis:
                column -= (b @ column) * b
        left = np.sqrt(column @ column)
        if left > REMAINDER:
            keep[j] = True
            basis.append(column / left)
    return keep
