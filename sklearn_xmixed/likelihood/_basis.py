"""The pool: well-conditioned columns in which cross-products are formed.

X is replaced by a basis Q of its columns with Q'Q = n I, y by what a
least-squares fit leaves of it, and the random columns of a level by a basis
of the same kind, so that cross-products of raw columns (calendar years, say) never
appear.  Each basis is an affine map of the raw columns, found from their
moments, and is undone at the end; it needs to be well conditioned, not exactly
orthonormal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..design._moments import Moments, independent_columns
from ..optimization import log_abs_det, solve, upper_factor

__all__ = ["LevelBasis", "Pool", "constant_size"]

Array = np.ndarray

#: more random columns than this at one level are only scaled
WHITEN_MAX = 24
#: a level's columns are only scaled when they are closer to collinear than this
WHITEN_SHARE = 1e-13


@dataclass(frozen=True, eq=False)
class LevelBasis:
    """The columns of one level within the pool.

    Parameters
    ----------
    members : ndarray of int, shape (q,)
        Pool columns, the level's basis.
    T : ndarray of shape (q, q)
        Z = Z_basis T with Z the user's columns.
    """

    members: Array
    T: Array


@dataclass(frozen=True, eq=False)
class Pool:
    """Every column that the cross-products need, as affine maps of raw columns.

    Raw columns are the kept columns of X (without its constant), then the
    random columns that are not in X, then y.

    Parameters
    ----------
    shift : ndarray of shape (k,)
    matrix : ndarray of shape (k + 1, w)
        ``[1, raw - shift] @ matrix`` is the pool; its last p + 1 columns are
        [Q y].
    levels : tuple of LevelBasis
        In the order of the levels asked for.
    R : ndarray of shape (p, p)
        X = Q R in the order [constant, kept columns].
    beta_0 : ndarray of shape (p,)
        The fit that was taken from y, in the coefficients of X.
    terms : tuple of (LevelBasis or None)
        Of the factors; None for the constant alone.
    """

    shift: Array
    matrix: Array
    levels: tuple[LevelBasis, ...]
    R: Array
    beta_0: Array
    terms: tuple[LevelBasis | None, ...] = ()

    @property
    def members(self) -> list[Array | None]:
        """Columns of every level and term; None for the constant alone."""
        bases = (*self.levels, *self.terms)
        return [None if b is None else b.members for b in bases]

    def columns(self, W: Array) -> list[Array]:
        """The same taken from rows in the pool's columns."""
        one = np.ones((len(W), 1))
        return [one if m is None else W[:, m] for m in self.members]

    @property
    def width(self) -> int:
        """Number of pool columns."""
        return self.matrix.shape[1]

    @property
    def p(self) -> int:
        """Columns of X."""
        return self.R.shape[0]

    @property
    def log_det_R(self) -> float:
        """log|det R|; without columns zero."""
        return log_abs_det(self.R)

    def coefficients(self, beta: Array) -> Array:
        """Coefficients of X from those of Q."""
        return self.beta_0 + solve(self.R, beta)

    def vcov(self, F: Array) -> Array:
        """(X'V^-1X)^-1 from F F' = (Q'V^-1Q)^-1."""
        root = self.root(F)
        return root @ root.T

    def root(self, F: Array) -> Array:
        """R^-1 F, the same for the coefficients of X."""
        return solve(self.R, F)

    def scaled(self, size: float) -> Pool:
        """The same with the columns of X and of random effects divided by a number.

        Rows that are divided by small standard deviations are large; in columns of unit
        size the variances of random effects can be told from zero.
        """

        def of(basis: LevelBasis) -> LevelBasis:
            return LevelBasis(basis.members, basis.T * size)

        return replace(
            self,
            matrix=np.column_stack([self.matrix[:, :-1] / size, self.matrix[:, -1]]),
            levels=tuple(of(b) for b in self.levels),
            R=self.R * size,
            terms=tuple(None if b is None else of(b) for b in self.terms),
        )

    @classmethod
    def build(
        cls,
        moments: Moments,
        p_x: int,
        intercept: bool,
        levels: Sequence[tuple[Sequence[int], bool]],
        terms: Sequence[tuple[Sequence[int], bool] | None] = (),
    ) -> Pool:
        """Choose the basis.

        Parameters
        ----------
        moments : Moments
            Of the raw columns [X, extra random columns, y].
        p_x : int
            Number of columns of X without the constant.
        intercept : bool
            Whether the fixed part has a constant.
        levels : sequence of (columns, constant)
            Raw columns of each level's random effects, and whether the
            constant is among them.
        terms : sequence of ((columns, constant) or None)
            The same of the factors; None for the constant alone.
        """
        n_levels = len(levels)
        levels = [*levels, *(t for t in terms if t is not None)]
        k = len(moments.mean)
        n = moments.n
        # columns that also have random coefficients come first in Q, so that a
        # level's basis often is a part of it
        order: list[int] = []
        for columns, _ in levels:
            order += [c for c in columns if c < p_x and c not in order]
        order += [j for j in range(p_x) if j not in order]
        shift = moments.mean if intercept else np.zeros(k)
        raw = moments.raw()  # constant first
        gram = moments.centred if intercept else raw[1:, 1:]
        # Q = (x - shift) / R_x, and the constant itself
        at = np.array(order, dtype=int)
        R_x, Rinv = upper_factor(gram[at[:, None], at] / n)
        p = p_x + intercept
        Q = np.zeros((k + 1, p))
        if intercept:
            Q[0, 0] = 1.0
        Q[1 + at, intercept:] = Rinv
        # R in the user's order [constant, x_1, ...]
        R = np.zeros((p, p))
        R[intercept:, intercept + at] = R_x
        if intercept:
            R[0, 0] = 1.0
            R[0, 1:] = shift[:p_x]
        # y minus its least-squares fit
        y = k - 1
        slope = Rinv @ (Rinv.T @ gram[order, y]) / n
        residual = np.zeros((k + 1, 1))
        residual[1 + y] = 1.0
        residual[1 + at, 0] = -slope
        beta_0 = np.zeros(p)
        beta_0[intercept + at] = slope
        if intercept:
            beta_0[0] = shift[y] - shift[:p_x] @ beta_0[1:]
        pieces, found = _random_columns(
            levels, shift, raw, moments, p, order if intercept else None
        )
        matrix = np.concatenate([*pieces, Q, residual], axis=1)
        w = matrix.shape[1]
        bases = [LevelBasis(np.where(m < 0, w + m, m), T) for m, T in found]
        rest = iter(bases[n_levels:])
        return cls(
            shift,
            matrix,
            tuple(bases[:n_levels]),
            R,
            beta_0,
            tuple(None if t is None else next(rest) for t in terms),
        )


def constant_size(basis: LevelBasis | None) -> float:
    """The constant over the column of a term that has it alone."""
    return 1.0 if basis is None else float(basis.T[0, 0])


def _random_columns(
    levels: Sequence[tuple[Sequence[int], bool]],
    shift: Array,
    raw: Array,
    moments: Moments,
    p: int,
    order: list[int] | None,
) -> tuple[list[Array], list[tuple[Array, Array]]]:
    """The levels' columns that the pool has besides Q, and where each level's stand.

    Parameters
    ----------
    order : list of int or None
        Raw columns in the order of Q, after its constant; None without one.

    Returns
    -------
    pieces : list of ndarray
        Affine maps from the raw columns.
    found : list of (members, T)
        Members that are negative count from the end of the pool.
    """
    pieces: list[Array] = []
    found: list[tuple[Array, Array]] = []
    known: dict[tuple[tuple[int, ...], bool], int] = {}
    width = 0
    for columns, constant in levels:
        A, T, whitened = _level_basis(list(columns), constant, shift, raw, moments)
        prefix = (
            whitened
            and constant
            and order is not None
            and list(columns) == order[: len(columns)]
        )
        key = (tuple(columns), bool(constant))
        if prefix:
            members = -np.arange(p + 1, p + 1 - len(T), -1)
        elif key in known:
            members = known[key] + np.arange(len(T))
        else:
            members = width + np.arange(len(T))
            known[key] = width
            pieces.append(A)
            width += A.shape[1]
        found.append((members, T))
    return pieces, found


def _level_basis(
    columns: list[int], constant: bool, shift: Array, raw: Array, moments: Moments
) -> tuple[Array, Array, bool]:
    """Affine map to a level's basis, T with Z = basis T, whether it is orthonormal.

    Z has the constant first where there is one.
    """
    at = [0] * constant + [1 + c for c in columns]
    q, own = len(at), np.array(columns, dtype=int)
    gram = raw[np.array(at)[:, None], at] / moments.n
    # Z as an affine map of [1, raw - shift]
    Z = np.zeros((len(shift) + 1, q))
    for j, c in enumerate(at):
        Z[c, j] = 1.0
        if c:
            Z[0, j] = shift[c - 1]
    size = np.sqrt(gram.diagonal())
    size = np.where(size > 0, size, 1.0)
    # with a constant in the span only what varies about the means matters
    varying = moments.centred[own[:, None], own] if constant else gram
    keep, smallest = independent_columns(varying, tolerance=WHITEN_SHARE)
    if q > WHITEN_MAX or not keep.all() or smallest < WHITEN_SHARE:
        return Z / size, np.diag(size), False
    if constant:
        # the Cholesky factor of the raw moments, but from the centred ones
        mean = moments.mean[columns]
        T = np.zeros((q, q))
        T[0, 0] = 1.0
        T[0, 1:] = mean
        T[1:, 1:], inverse = upper_factor(varying / moments.n)
        A = np.zeros_like(Z)
        A[:, 0] = Z[:, 0]
        centred = Z[:, 1:].copy()
        centred[0] -= mean
        A[:, 1:] = centred @ inverse
        return A, T, True
    T, inverse = upper_factor(gram)
    return Z @ inverse, T, True
