"""Scores of clusters of top-level groups, for robust standard errors.

At fixed variances V^-1 r is the conditional residual r - Z u_hat, so the score in beta
is a sum of rows; those in the variance parameters are the clusters' shares of
the sums in Eq. (14) (Eqs. 22-24 of the likelihood page).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .._design import Design
from ._basis import Pool
from ._crossproducts import row_blocks
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
    stream: Iterable = row_blocks(design, pool)
    slopes = np.empty((M, 0))
    if rows is not None and psi is not None:
        stream = rows.whitened(psi)
        left, right = rows.given(tree, D, root, sweeps, 1.0 / sigma2, reml=False)
        slopes = rows.residual.slopes(
            psi, left, right, clusters[rows.order], rows.share
        )
    x, c, n = _by_rows(design, stream, root.v, effects, clusters, M)
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
    stream = row_blocks(design, pool)
    x, c, n = _by_rows(design, stream, root.v, effects, clusters, M)
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

    def of_rows(self, W: Array, rows: Array | slice) -> Array:
        """Sum of z_i u of some rows."""
        codes = self.codes[rows]
        if self.members is None:
            return self.u[0][codes]
        out = W[:, self.members[0]] * self.u[0][codes]
        for j, own in zip(self.members[1:], self.u[1:], strict=True):
            out += W[:, j] * own[codes]
        return out


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
    v: Array,
    effects: list[_Effects],
    clusters: Array,
    M: int,
) -> tuple[Array, Array, Array]:
    """X'V^-1 r, r'V^-1 r and the number of observations of each cluster."""
    m = len(v)
    sums = np.zeros((m + 1, M))  # by column: X'V^-1 r, r'V^-1 r, observations
    for start, stop, W, rows in stream:
        top = W[:, -m:]
        r = top @ v
        left = r.copy()
        for term in effects:
            left -= term.of_rows(W, rows)
        weight = np.ones(stop - start)
        if design.weights is not None:
            weight *= design.weights[rows]
        for level in design.levels:
            if level.weights is not None:
                weight *= level.weights[level.codes[rows]]
        left *= weight
        code = clusters[rows]
        first = np.flatnonzero(np.append(True, code[1:] != code[:-1]))
        group = code[first]
        columns = [*(left * x for x in top.T[:-1]), left * r, weight]
        for row, values in zip(sums, columns, strict=True):
            np.add.at(row, group, np.add.reduceat(values, first))
    return sums[:-2].T, sums[-2], sums[-1]
