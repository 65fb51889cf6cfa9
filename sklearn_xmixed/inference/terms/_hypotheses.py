"""Hypotheses of terms of types I, II and III, whatever the coding.

Let X_o be the design in which every term has a column for each combination of levels of
its factors, X = X_o T the columns that were fitted.  Where they span the same space
X_o = X S, and a combination l of the parameters of X_o is estimable if l' = a'S; on the
coefficients of X it is a.  S depends on the coding and not on the rows, but for cells
without rows and collinear columns.

Columns of S by term.  A term F contains E if it has the same covariates and more
factors.  Then (Goodnight 1980, SAS/STAT "The Four Types of Estimable Functions")

* III: combinations in which all terms but E and those that contain it have coefficients
  of zero, made orthogonal, l'm = a'SS'b, to those that involve the containing terms alone;
* II: what E adds in least squares to the terms that do not contain it;
* I: what E adds to the terms before it.

Degrees of freedom by Satterthwaite of a joint test depend on how its rows are chosen (they
are split by eigenvectors).  Here the rows are orthonormal in the coefficients of
indicators of levels but the first, which are those of no particular coding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from ._terms import CONSTANT, Coding, Product, Term

__all__ = ["FixedColumns", "Hypotheses"]

Array = np.ndarray

#: a singular value below this share of the largest is none; S is made of levels and
#: has no units
RANK = 1e-8
#: columns whose distance from the span of the others is above this are not in it
SPAN = 1e-6


@dataclass(frozen=True, eq=False)
class FixedColumns:
    """Columns of the fixed part of a fit.

    Parameters
    ----------
    names : tuple of str
        Without the constant.
    kept : ndarray of bool
    constant : bool
    R : ndarray of shape (p, p)
        X = Q R with orthogonal columns of Q, in the order [constant, kept columns].
    dependence : ndarray of shape (p, number of omitted columns)
        Omitted columns as combinations of [constant, kept columns].
    """

    names: tuple[str, ...]
    kept: Array
    constant: bool
    R: Array
    dependence: Array

    def wide(self, A: Array) -> Array:
        """Rows over [constant, kept] as rows over the table of coefficients."""
        p = len(self.names)
        out = np.zeros((len(A), p + self.constant))
        out[:, np.flatnonzero(self.kept)] = A[:, self.constant :]
        if self.constant:
            out[:, p] = A[:, 0]
        return out


@dataclass(eq=False)
class _Coordinates:
    """Products of factors and covariates in the basis of products of level indicators.

    A factor's basis is 1 and the indicators of its levels but the first.
    """

    number: dict[tuple, int] = field(default_factory=dict)
    entries: list[tuple[Array, Array]] = field(default_factory=list)

    def places(self, coding: Coding, covariates: tuple[int, ...]) -> Array:
        """Numbers of the basis functions that products of a term are made of."""
        pairs = tuple(sorted(zip(coding.term.covariates, covariates, strict=True)))
        factors = coding.term.factors
        out = [
            self.number.setdefault(
                (
                    pairs,
                    frozenset((f, i) for f, i in zip(factors, at, strict=True) if i),
                ),
                len(self.number),
            )
            for at in product(*map(range, coding.n_levels))
        ]
        return np.array(out, dtype=int)

    def add(self, places: Array, values: Array) -> None:
        """Note columns."""
        self.entries.append((places, values))

    def matrices(self) -> list[Array]:
        """The columns noted, over all basis functions."""
        out = []
        for places, values in self.entries:
            matrix = np.zeros((len(self.number), values.shape[1]))
            matrix[places] = values
            out.append(matrix)
        return out


def _over_basis(weights: Array) -> Array:
    """Values at the levels in a factor's basis."""
    out = weights.astype(float).copy()
    out[1:] -= out[0]
    return out


def _column(made: Product) -> Array:
    parts = [_over_basis(np.asarray(w)) for w in made.weights]
    return made.scale * _kron(parts, np.ones(1))[:, None]


def _kron(parts: Sequence[Array], one: Array) -> Array:
    out = one
    for part in parts:
        out = np.kron(out, part)
    return out


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """Matrices of the hypotheses of terms.

    Parameters
    ----------
    terms : tuple of Term
    S : tuple of ndarray of shape (p, .)
        Columns of every term over [constant, kept columns].
    columns : FixedColumns
    treatment : ndarray of shape (., p)
        From rows over [constant, kept columns] to rows over the coefficients of
        indicators of levels but the first.
    first : int
        Number of terms that come before those to be tested: the constant, and columns
        that belong to no term.
    by_columns : bool
        Whether the columns do not span all cells, and are tested as they are.
    lost : tuple of str
        Terms with combinations that cannot be estimated, for want of rows or because
        columns are collinear.
    """

    terms: tuple[Term, ...]
    S: tuple[Array, ...]
    columns: FixedColumns
    treatment: Array
    first: int = 0
    by_columns: bool = False
    lost: tuple[str, ...] = ()

    @classmethod
    def of(cls, codings: Sequence[Coding], columns: FixedColumns) -> Hypotheses:
        """Lay terms over the columns of a fit."""
        own = {name for coding in codings for name in coding.term.columns}
        rest = [name for name in columns.names if name not in own]
        aside = [Coding(Term(CONSTANT, columns=(CONSTANT,)))] * columns.constant
        aside += [Coding.of_columns("", rest)] * bool(rest)
        first, codings = len(aside), [*aside, *codings]
        coded, full, nothing = _in_coordinates(codings, columns)
        keep = np.array([True] * columns.constant + list(columns.kept), dtype=bool)
        M = coded[:, keep]
        N = np.hstack([coded[:, ~keep] - M @ columns.dependence, nothing])
        terms = tuple(coding.term for coding in codings)
        target = np.hstack(full)
        solution = np.linalg.lstsq(np.hstack([M, N]), target, rcond=RANK)[0]
        missed = target - np.hstack([M, N]) @ solution
        if np.abs(missed).max(initial=0.0) > SPAN:
            names = [CONSTANT] * columns.constant
            names += [n for n, k in zip(columns.names, columns.kept, strict=True) if k]
            eye = np.eye(len(names))
            S = tuple(eye[:, np.isin(names, t.columns)] for t in terms)
            return cls(terms, S, columns, eye, first, by_columns=True)
        ends = np.cumsum([block.shape[1] for block in full])[:-1]
        cells = solution[: M.shape[1]]
        # those without rows are nothing, but for rounding
        cells[:, np.linalg.norm(cells, axis=0) < RANK] = 0.0
        S = tuple(np.split(cells, ends, axis=1))
        lost: tuple[str, ...] = ()
        if M.shape[1] < _rank(target):
            found, whole = (cls(terms, s, columns, M) for s in (S, tuple(full)))
            lost = tuple(
                t.name for k, t in enumerate(terms) if found._size(k) < whole._size(k)
            )
        treatment = np.linalg.pinv(np.hstack([M, N]), rcond=RANK)[: M.shape[1]].T
        return cls(terms, S, columns, treatment, first, lost=lost)

    def matrix(self, number: int, kind: int) -> Array:
        """L of a term, shape (df, number of coefficients).

        Parameters
        ----------
        number : int
            Of the term.
        kind : {1, 2, 3}
        """
        if kind == 3:
            L = self._third(number)
        else:
            others = range(number) if kind == 1 else self._beside(number)
            L = self._added(number, others)
        R = np.linalg.qr(self.treatment @ L.T)[1]
        return self.columns.wide(np.linalg.solve(R.T, L))

    def _beside(self, number: int) -> list[int]:
        """Terms that do not contain a term, without itself."""
        own = self.terms[number]
        return [
            k for k, t in enumerate(self.terms) if k != number and not t.contains(own)
        ]

    def _blocks(self, numbers: Sequence[int] | range) -> Array:
        return np.hstack([self.S[0][:, :0], *(self.S[k] for k in numbers)])

    def _size(self, number: int, others: Sequence[int] | range | None = None) -> int:
        """What a term adds to the rank of others, of those that do not contain it."""
        others = self._beside(number) if others is None else others
        before = self._blocks(others)
        return _rank(np.hstack([before, self.S[number]])) - _rank(before)

    def _added(self, number: int, others: Sequence[int] | range) -> Array:
        """What the term's columns add to others in least squares."""
        size, R = self._size(number, others), self.columns.R
        before, own = R @ self._blocks(others), R @ self.S[number]
        Q = _range(_unit(before))
        own = _unit(own)
        for _ in range(2):  # once more, for orthogonality to rounding
            own = own - Q @ (Q.T @ own)
        directions = np.linalg.svd(own, full_matrices=False)[0][:, :size]
        return directions.T @ R

    def _third(self, number: int) -> Array:
        beside = self._blocks(self._beside(number))
        own = _null(beside.T)
        within = own @ _null((np.hstack([beside, self.S[number]])).T @ own)
        everything = np.hstack(self.S)
        gram = (everything.T @ within).T @ (everything.T @ own)
        return (own @ _null(gram)).T


def _in_coordinates(
    codings: Sequence[Coding], columns: FixedColumns
) -> tuple[Array, list[Array], Array]:
    """Columns, all cells of every term, and products that are nothing, in one basis.

    Of covariates alone the cells are the columns without those that were omitted.
    """
    basis = _Coordinates()
    place = {name: k for k, name in enumerate(columns.names)}
    omitted = {n for n, k in zip(columns.names, columns.kept, strict=True) if not k}
    order, n_full = [], []
    for coding in codings:
        for made in coding.products:
            basis.add(basis.places(coding, made.covariates), _column(made))
        order += [place.get(name, -1) for name in coding.term.columns]
    for coding in codings:
        cells = [_over_basis(np.eye(size)) for size in coding.n_levels]
        block = _kron(cells, np.ones((1, 1)))
        combinations = list(product(*map(range, coding.widths)))
        if not coding.n_levels:
            made_of = zip(coding.term.columns, coding.products, strict=True)
            combinations = [made.covariates for n, made in made_of if n not in omitted]
        n_full.append(len(combinations))
        for at in combinations:
            basis.add(basis.places(coding, at), block)
    for coding in codings:
        for made in coding.empty:
            basis.add(basis.places(coding, made.covariates), _column(made))
    matrices = iter(basis.matrices())
    none = np.zeros((len(basis.number), 0))
    coded = [next(matrices) for _ in order]
    full = [np.hstack([none, *(next(matrices) for _ in range(k))]) for k in n_full]
    # in the order of the fit, the constant first
    sort = np.argsort(order, kind="stable")
    return (
        np.hstack([none, *(coded[k] for k in sort)]),
        full,
        np.hstack([none, *matrices]),
    )


def _unit(A: Array) -> Array:
    size = np.linalg.norm(A, axis=0)
    return A / np.where(size > 0, size, 1.0)


def _rank(A: Array) -> int:
    if not A.size:
        return 0
    sizes = np.linalg.svd(A, compute_uv=False)
    return int((sizes > RANK * max(1.0, sizes[0])).sum())


def _range(A: Array) -> Array:
    if not A.size:
        return np.zeros((len(A), 0))
    U, sizes, _ = np.linalg.svd(A, full_matrices=False)
    return U[:, sizes > RANK * sizes[0]]


def _null(A: Array) -> Array:
    """Orthonormal columns that A takes to zero."""
    if not A.shape[0] or not A.shape[1]:
        return np.eye(A.shape[1])
    _, sizes, V = np.linalg.svd(A, full_matrices=A.shape[0] < A.shape[1])
    return V[int((sizes > RANK * max(1.0, sizes[0])).sum()) :].T
