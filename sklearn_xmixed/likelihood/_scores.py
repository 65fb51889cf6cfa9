"""Scores of clusters of top-level groups, for robust standard errors.

At fixed variances V^-1 r is the conditional residual r - Z u_hat, so the score in beta
is a sum of rows; those in the variance parameters are the clusters' shares of
the sums in Eq. (14) (Eqs. 22-24 of the likelihood page).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .._design import Design, total_weights
from ._basis import Pool
from ._crossproducts import raw_blocks
from ._elimination import Elimination
from ._pieces import Root
from ._rows import Rows
from ._tree import Ascent, Descent, Floor, Tree, ascend, descend

__all__ = ["Scores", "cluster_scores", "crossed_scores"]

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


def cluster_scores(
    design: Design,
    pool: Pool,
    tree: Tree,
    D: list[Array],
    root: Root,
    sigma2: float,
    clusters: Array,
    rows: Rows | None = None,
    psi: Array | None = None,
) -> Scores:
    """Derivatives of the log likelihood by cluster.

    Parameters
    ----------
    design : Design
        Sorted, as for ``build_tree``.
    pool : Pool
    tree : Tree
        Not compressed.
    D : list of ndarray
        Per floor, lowest first.
    root : Root
        At D.
    sigma2 : float
    clusters : ndarray of int, shape (n,)
        Cluster of each row, from 0; top-level groups are nested in them.
    rows : Rows, optional
        With structured residuals; ``tree`` is that of its rows whitened by ``psi``.
    psi : ndarray, optional
    """
    M = int(clusters.max()) + 1
    sweeps: list[tuple[Ascent, Descent]] = []
    effects: list[_Effects] = []
    nodes: list[Array] = []
    for shard in tree.shards:
        up = ascend(shard, D, tree.p + 1)
        down = descend(shard, D, up, root.v[:, None])
        sweeps.append((up, down))
        for d, e, basis, level in zip(
            D, down.E, pool.levels, design.levels[::-1], strict=True
        ):
            effects.append(_Effects(level.codes, basis.members, d @ e[:, 0]))
        of_top = _of_groups(design.levels[0].codes, clusters)
        for k, floor in enumerate(shard.floors):
            nodes.append(_by_nodes(floor, down, k, sigma2, of_top, M))
    stream: Iterable = raw_blocks(design, pool)
    matrix, slopes = pool.matrix, np.empty((M, 0))
    if rows is not None and psi is not None:
        stream = rows.whitened(psi)
        matrix = np.eye(pool.width + 1)[:, 1:]
        left, right = rows.given(tree, D, root, sweeps, 1.0 / sigma2, reml=False)
        slopes = rows.residual.slopes(
            psi, left, right, clusters[rows.order], rows.share
        )
    x, c, n = _by_rows(design, stream, matrix, root.v, effects, clusters, M)
    return Scores(x, c, n, nodes, slopes)


def crossed_scores(
    design: Design,
    pool: Pool,
    sweep: Elimination,
    D: list[Array],
    root: Root,
    sigma2: float,
    clusters: Array,
) -> Scores:
    """The same where factors cross below the top level.

    Parameters
    ----------
    sweep : Elimination
        At D.
    """
    M = int(clusters.max()) + 1
    levels = design.levels[::-1]
    members = pool.members
    effects, nodes = [], []
    codes_of = [*(level.codes for level in levels), *(t.codes for t in design.terms)]
    for t, (codes, columns) in enumerate(zip(codes_of, members, strict=True)):
        e = sweep.E(t, root.v[:, None])[:, :, 0].T
        effects.append(_Effects(codes, columns, D[t] @ e))
        weight = sweep.T(t).transpose(1, 2, 0) - e[:, None] * (e / sigma2)[None]
        nodes.append(_summed(weight, _of_groups(codes, clusters), M))
    stream = raw_blocks(design, pool)
    x, c, n = _by_rows(design, stream, pool.matrix, root.v, effects, clusters, M)
    return Scores(x, c, n, nodes, np.empty((M, 0)))


@dataclass(frozen=True, eq=False)
class _Effects:
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


def _of_groups(codes: Array, clusters: Array) -> Array:
    """Cluster of each group."""
    out = np.empty(int(codes.max()) + 1, dtype=np.intp)
    out[codes] = clusters
    return out


def _summed(values: Array, owner: Array, M: int) -> Array:
    """Sums along the last axis by owner."""
    if len(owner) == M and (owner == np.arange(M)).all():
        return values
    out = np.zeros((*values.shape[:-1], M))
    for at in np.ndindex(*values.shape[:-1]):
        out[at] = np.bincount(owner, values[at], minlength=M)
    return out


def _by_nodes(
    floor: Floor, down: Descent, k: int, sigma2: float, of_top: Array, M: int
) -> Array:
    """dc/dD / sigma^2 + dl/dD by cluster, the sums of Eq. (14)."""
    T, drop, e = down.T[k], down.drop[k], down.E[k][:, 0]
    share = floor.shares[-1]
    weight = T * floor.count
    if drop is not None:
        weight -= drop if share is None else drop * share
    es = e / sigma2 if share is None else e * (share / sigma2)
    weight -= e[:, None] * es[None]
    if floor.starts:  # sum up to the top level
        weight = np.add.reduceat(weight, floor.starts[-1], axis=-1)
    return _summed(weight, of_top, M)


def _by_rows(
    design: Design,
    stream: Iterable,
    basis: Array,
    v: Array,
    effects: list[_Effects],
    clusters: Array,
    M: int,
) -> tuple[Array, Array, Array]:
    """X'V^-1 r, r'V^-1 r and the number of observations of each cluster.

    Parameters
    ----------
    stream : iterable of (start, stop, columns, rows)
        Columns of shape (k, rows).
    basis : ndarray of shape (k + 1, w)
        The pool's columns from the constant and these.
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
