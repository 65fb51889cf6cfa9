"""Scores of the top-level groups, for robust standard errors.

At fixed variances V^-1 r is the conditional residual r - Z u_hat, so the score in beta
is a sum of rows; those in the variance parameters are the groups' shares of
the sums in Eq. (14) (Eqs. 22-23 of the likelihood page).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._design import Design
from ._basis import Pool
from ._crossproducts import row_blocks
from ._pieces import Pieces
from ._tree import Tree, ascend, descend

__all__ = ["Scores", "top_scores"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Scores:
    """Each top-level group's part of the derivatives, its weight included.

    Parameters
    ----------
    x : ndarray of shape (M, p)
        X'V^-1 r in the basis Q.
    c : ndarray of shape (M,)
        r'V^-1 r.
    n : ndarray of shape (M,)
        Number of observations.
    c_D, l_D : list of ndarray of shape (q, q, M)
        Derivatives of c and l in D, per floor, lowest first.
    """

    x: Array
    c: Array
    n: Array
    c_D: list[Array]
    l_D: list[Array]


def top_scores(
    design: Design, pool: Pool, tree: Tree, D: list[Array], pieces: Pieces
) -> Scores:
    """Derivatives of the log likelihood by top-level group (by row without levels).

    Parameters
    ----------
    design : Design
        Sorted, as for ``build_tree``.
    pool : Pool
    tree : Tree
        Not compressed.
    D : list of ndarray
        Per floor, lowest first.
    pieces : Pieces
        At D.
    """
    p, v = tree.p, pieces.root.v
    levels = design.levels[::-1]
    M = levels[-1].n_groups if levels else design.n_rows
    c_D, l_D, effects = [], [], []
    (shard,) = tree.shards or (None,)
    if shard is not None:
        down = descend(shard, D, ascend(shard, D, p + 1), v[:, None])
        for k, floor in enumerate(shard.floors):
            T, drop, e = down.T[k], down.drop[k], down.E[k][:, 0]
            share = floor.shares[-1]
            es = e if share is None else e * share
            l = T * floor.count
            if drop is not None:
                l = l - (drop if share is None else drop * share)
            c = -e[:, None] * es[None]
            if floor.starts:  # sum up to the top level
                l = np.add.reduceat(l, floor.starts[-1], axis=-1)
                c = np.add.reduceat(c, floor.starts[-1], axis=-1)
            c_D.append(c)
            l_D.append(l)
            effects.append(D[k] @ e)

    x, c_g, n_g = np.zeros((M, p)), np.zeros(M), np.zeros(M)
    for start, stop, W, rows in row_blocks(design, pool):
        top = W[:, -p - 1 :]
        r = top @ v
        left = r.copy()
        weight = np.ones(stop - start)
        if design.weights is not None:
            weight = weight * design.weights[rows]
        for basis, level, u in zip(pool.levels, levels, effects, strict=True):
            codes = level.codes[rows]
            for j, own in zip(basis.members, u, strict=True):
                left -= W[:, j] * own[codes]
            if level.weights is not None:
                weight = weight * level.weights[codes]
        code = levels[-1].codes[rows] if levels else np.arange(start, stop)[:]
        if not levels and not isinstance(rows, slice):
            code = rows
        first = np.flatnonzero(np.append(True, code[1:] != code[:-1]))
        group = code[first]
        left *= weight
        for j in range(p):
            x[group, j] += np.add.reduceat(left * top[:, j], first)
        c_g[group] += np.add.reduceat(r * left, first)
        n_g[group] += np.add.reduceat(weight, first)
    return Scores(x, c_g, n_g, c_D, l_D)
