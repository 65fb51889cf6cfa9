"""Scores by cluster of a tree of whitened rows."""

from __future__ import annotations

import numpy as np

from .._pieces import Root
from .._scores import Scores, by_rows
from ..nested._scores import sweep_scores
from ..nested._tree import Tree
from ._rows import Rows

__all__ = ["whitened_scores"]

Array = np.ndarray


def whitened_scores(
    rows: Rows,
    tree: Tree,
    D: list[Array],
    root: Root,
    sigma2: float,
    clusters: Array,
    psi: Array,
) -> Scores:
    """Derivatives of the log likelihood by cluster, in psi too (Eq. 24).

    Parameters
    ----------
    rows : Rows
    tree : Tree
        Of these whitened by ``psi``.
    D, root, sigma2, clusters
        As of ``tree_scores``.
    psi : ndarray of shape (k,)
    """
    design, pool = rows.design, rows.pool
    M = int(clusters.max()) + 1
    sweeps, effects, nodes = sweep_scores(design, pool, tree, D, root, sigma2, clusters)
    basis = np.eye(pool.width + 1)[:, 1:]
    left, right = rows.given(tree, D, root, sweeps, 1.0 / sigma2, reml=False)
    slopes = rows.residual.slopes(psi, left, right, clusters[rows.order], rows.share)
    stream = rows.whitened(psi)
    x, c, n = by_rows(design, stream, basis, root.v, effects, clusters, M)
    return Scores(x, c, n, nodes, slopes)
