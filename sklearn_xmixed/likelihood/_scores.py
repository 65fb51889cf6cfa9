"""Scores of clusters of top-level groups, for robust standard errors.

At fixed variances V^-1 r is the conditional residual r - Z u_hat, so the score in beta
is a sum of rows; those in the variance parameters are the clusters' shares of
the sums in Eq. (14) (Eqs. 22-24 of the likelihood page).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..design._design import Design, total_weights
from ..design._products import Products
from ._basis import Pool

__all__ = [
    "Effects",
    "Scores",
    "by_rows",
    "by_sums",
    "less_taken",
    "of_groups",
    "summed",
]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Scores:
    """Each cluster's part of the derivatives, its weights included.

    Parameters
    ----------
    x : ndarray of shape (M, p)
        X'V^-1 r in the basis Q.
    c : ndarray of shape (M,)
        r'V^-1 r.
    n : ndarray of shape (M,)
        Number of observations.
    D : list of ndarray of shape (q, q, M)
        Derivatives of c / sigma^2 + l in D, per floor, lowest first.
    psi : ndarray of shape (M, k)
        Those of c / sigma^2 + l + log|Lambda| in the residuals' parameters.
    """

    x: Array
    c: Array
    n: Array
    D: list[Array]
    psi: Array


@dataclass(frozen=True, eq=False)
class Effects:
    """Predicted random effects of one level or term.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
    members : ndarray of int or None
        Their columns in the pool; None for the constant.
    u : ndarray of shape (q, G)
    """

    codes: Array
    members: Array | None
    u: Array

    def slopes(self, basis: Array) -> list[tuple[int, Array]]:
        """What the rows of each group have on a column: (column, values by group)."""
        if self.members is None:
            return [(0, self.u[0])]
        on = basis[:, self.members] @ self.u
        return [(j, row) for j, row in enumerate(on) if row.any()]


def of_groups(codes: Array, clusters: Array) -> Array:
    """Cluster of each group."""
    out = np.empty(int(codes.max()) + 1, dtype=np.intp)
    out[codes] = clusters
    return out


def summed(values: Array, owner: Array, M: int) -> Array:
    """Sums along the last axis by owner."""
    if len(owner) == M and (owner == np.arange(M)).all():
        return values
    out = np.zeros((*values.shape[:-1], M))
    for at in np.ndindex(*values.shape[:-1]):
        out[at] = np.bincount(owner, values[at], minlength=M)
    return out


def by_rows(
    design: Design,
    stream: Iterable,
    basis: Array,
    v: Array,
    effects: list[Effects],
    clusters: Array,
    M: int,
    precision: Array | None = None,
) -> tuple[Array, Array, Array]:
    """X'V^-1 r, r'V^-1 r and the number of observations of each cluster.

    Parameters
    ----------
    stream : iterable of (start, stop, columns, rows)
        Columns of shape (k, rows).
    basis : ndarray of shape (k + 1, w)
        The pool's columns from the constant and these.
    precision : ndarray of shape (n,), optional
        Of rows that were not yet divided by their standard deviations.
    """
    top = basis[:, -len(v) :]
    fixed = top @ v
    slopes = [(term.codes, term.slopes(basis)) for term in effects]
    weights = total_weights(design.weights, design.levels)
    sums = np.zeros((len(basis), M))
    for start, stop, columns, rows in stream:
        left = fixed[1:] @ columns
        left += fixed[0]
        for codes, parts in slopes:
            code = codes[rows]
            for j, slope in parts:
                own = slope[code]
                left -= own * columns[j - 1] if j else own
        if weights is not None:
            left *= weights[rows]
        if precision is not None:
            left *= precision[rows]
        code = clusters[rows]
        first = np.flatnonzero(np.append(True, code[1:] != code[:-1]))
        group = code[first]
        in_order = bool((group[1:] == group[:-1] + 1).all())
        for j, row in enumerate(sums):
            values = left * columns[j - 1] if j else left
            if len(first) < stop - start:
                values = np.add.reduceat(values, first)
            if in_order:
                row[group[0] : group[-1] + 1] += values
            else:
                np.add.at(row, group, values)
    products = sums.T @ top  # [X y]'V^-1 r
    n = np.bincount(clusters, weights, minlength=M).astype(float)
    return products[:, :-1], products @ v, n


def by_sums(
    design: Design,
    pool: Pool,
    products: Products,
    v: Array,
    effects: list[Effects],
    clusters: Array,
) -> tuple[Array, Array, Array]:
    """The same of nested levels from sums of products.

    [X y]'(r - Z u) is [X y]'[X y] v, summed by cluster, less [X y]'Z u, summed by
    lowest group.

    Parameters
    ----------
    clusters : ndarray of int, shape (G,)
        Cluster of each lowest group asked for.
    """
    m = len(v)
    members = [np.asarray(own.members) for own in effects]
    if members:
        left = np.unique(np.concatenate(members))
        by_group = products.by_group(pool.shift, pool.matrix, left.tolist())[:, -m:]
        taken = np.zeros((m, by_group.shape[-1]))
        for own, columns in zip(effects, members, strict=True):
            at = np.searchsorted(left, columns)
            taken += np.einsum("qmg,qg->mg", by_group[at], own.u[:, own.codes])
        weights = total_weights(None, design.levels)
        if weights is not None:
            taken *= weights
        return less_taken(design, pool, v, [(taken, clusters)])
    return less_taken(design, pool, v, [])


def less_taken(
    design: Design, pool: Pool, v: Array, taken: Sequence[tuple[Array, Array]]
) -> tuple[Array, Array, Array]:
    """The same from sums by cluster and what random effects take of them.

    Parameters
    ----------
    design : Design
        Over products.
    taken : sequence of (ndarray of shape (p + 1, G), ndarray of int of shape (G,))
        [X y]'Z u by group, and the clusters of the groups.
    """
    assert design.products is not None
    one = np.zeros((len(pool.matrix), 1))
    one[0] = 1.0
    rows, sums = design.products.by_cluster(
        pool.shift, np.concatenate([one, pool.matrix[:, -len(v) :]], axis=1)
    )
    n = rows if design.precise else sums[0, 0]
    out = np.tensordot(v, sums[1:, 1:], axes=1)
    for own, owner in taken:
        out = out - summed(own, owner, len(n))
    return out[:-1].T, v @ out, n
