"""Scores of clusters of top-level groups, for robust standard errors.

At fixed variances V^-1 r is the conditional residual r - Z u_hat, so the score in beta
is a sum of rows; those in the variance parameters are the clusters' shares of
the sums in Eq. (14) (Eqs. 22-24 of the likelihood page).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._design import Design
from ._basis import Pool
from ._crossproducts import row_blocks
from ._pieces import Root
from ._rows import Rows
from ._tree import Ascent, Descent, Tree, ascend, descend

__all__ = ["Scores", "cluster_scores"]

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
    for shard in tree.shards:
        up = ascend(shard, D, tree.p + 1)
        sweeps.append((up, descend(shard, D, up, root.v[:, None])))
    x, c, n = _by_rows(design, pool, D, root.v, clusters, M, sweeps, rows, psi)
    slopes = np.empty((M, 0))
    if rows is not None and psi is not None:
        left, right = rows.given(tree, D, root, sweeps, 1.0 / sigma2, reml=False)
        slopes = rows.residual.slopes(
            psi, left, right, clusters[rows.order], rows.share
        )
    return Scores(x, c, n, _by_nodes(design, tree, sweeps, sigma2, clusters), slopes)


def _by_nodes(
    design: Design,
    tree: Tree,
    sweeps: list[tuple[Ascent, Descent]],
    sigma2: float,
    clusters: Array,
) -> list[Array]:
    """Sums over the nodes of each cluster, per floor."""
    if not sweeps:
        return []
    (shard,), ((_, down),) = tree.shards, sweeps
    top = design.levels[0]
    of_top = np.empty(top.n_groups, dtype=np.intp)
    of_top[top.codes] = clusters
    same = bool((of_top == np.arange(len(of_top))).all())
    out = []
    for k, floor in enumerate(shard.floors):
        T, drop, e = down.T[k], down.drop[k], down.E[k][:, 0]
        share = floor.shares[-1]
        weight = T * floor.count
        if drop is not None:
            weight -= drop if share is None else drop * share
        es = e / sigma2 if share is None else e * (share / sigma2)
        weight -= e[:, None] * es[None]
        if floor.starts:  # sum up to the top level
            weight = np.add.reduceat(weight, floor.starts[-1], axis=-1)
        if not same:
            summed = np.zeros((*weight.shape[:2], int(clusters.max()) + 1))
            for i, j in np.ndindex(*weight.shape[:2]):
                np.add.at(summed[i, j], of_top, weight[i, j])
            weight = summed
        out.append(weight)
    return out


def _by_rows(
    design: Design,
    pool: Pool,
    D: list[Array],
    v: Array,
    clusters: Array,
    M: int,
    sweeps: list[tuple[Ascent, Descent]],
    rows: Rows | None,
    psi: Array | None,
) -> tuple[Array, Array, Array]:
    """X'V^-1 r, r'V^-1 r and the number of observations of each cluster."""
    m = len(v)
    levels = design.levels[::-1]
    effects = [
        d @ e[:, 0] for (_, down) in sweeps for d, e in zip(D, down.E, strict=True)
    ]
    stream = row_blocks(design, pool)
    if rows is not None and psi is not None:
        stream = rows.whitened(psi)
    sums = np.zeros((m + 1, M))  # by column: X'V^-1 r, r'V^-1 r, observations
    for start, stop, W, here in stream:
        top = W[:, -m:]
        r = top @ v
        left = r.copy()
        weight = np.ones(stop - start)
        if design.weights is not None:
            weight *= design.weights[here]
        for basis, level, u in zip(pool.levels, levels, effects, strict=True):
            codes = level.codes[here]
            for j, own in zip(basis.members, u, strict=True):
                left -= W[:, j] * own[codes]
            if level.weights is not None:
                weight *= level.weights[codes]
        code = clusters[here]
        first = np.flatnonzero(np.append(True, code[1:] != code[:-1]))
        group = code[first]
        left *= weight
        for row, values in zip(
            sums, [*(left * x for x in top.T[:-1]), left * r, weight], strict=True
        ):
            np.add.at(row, group, np.add.reduceat(values, first))
    return sums[:-2].T, sums[-2], sums[-1]
