"""Scores by cluster of a tree."""

from __future__ import annotations

import numpy as np

from ...design._design import Design
from .._basis import Pool
from .._pieces import Root
from .._scores import Effects, Scores, by_rows, by_sums, of_groups, summed
from .._stream import raw_blocks
from ._tree import Ascent, Descent, Floor, Tree, ascend, descend

__all__ = ["sweep_scores", "tree_scores"]

Array = np.ndarray


def tree_scores(
    design: Design,
    pool: Pool,
    tree: Tree,
    D: list[Array],
    root: Root,
    sigma2: float,
    clusters: Array,
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
    """
    M = int(clusters.max()) + 1
    _, effects, nodes = sweep_scores(design, pool, tree, D, root, sigma2, clusters)
    if design.products is not None:
        parts = by_sums(design, pool, design.products, root.v, effects, clusters)
        return Scores(*parts, nodes, np.empty((M, 0)))
    stream = raw_blocks(design, pool)
    x, c, n = by_rows(
        design, stream, pool.matrix, root.v, effects, clusters, M, design.precision
    )
    return Scores(x, c, n, nodes, np.empty((M, 0)))


def sweep_scores(
    design: Design,
    pool: Pool,
    tree: Tree,
    D: list[Array],
    root: Root,
    sigma2: float,
    clusters: Array,
) -> tuple[list[tuple[Ascent, Descent]], list[Effects], list[Array]]:
    """The sweeps, the predicted effects, and the clusters' shares of Eq. (14)."""
    M = int(clusters.max()) + 1
    sweeps: list[tuple[Ascent, Descent]] = []
    effects: list[Effects] = []
    nodes: list[Array] = []
    for shard in tree.shards:
        up = ascend(shard, D, tree.p + 1)
        down = descend(shard, D, up, root.v[:, None])
        sweeps.append((up, down))
        for d, e, basis, level in zip(
            D, down.E, pool.levels, design.levels[::-1], strict=True
        ):
            effects.append(Effects(level.codes, basis.members, d @ e[:, 0]))
        of_top = of_groups(design.levels[0].codes, clusters)
        for k, floor in enumerate(shard.floors):
            nodes.append(_by_nodes(floor, down, k, sigma2, of_top, M))
    return sweeps, effects, nodes


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
    return summed(weight, of_top, M)
