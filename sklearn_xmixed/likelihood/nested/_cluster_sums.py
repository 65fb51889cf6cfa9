"""Clusters for small-sample corrections, from sums of products instead of rows.

What is left of a cluster's rows by an orthogonal map are the triangular factors of its
groups, floor by floor: those of [Z X r] of the lowest groups, of what these leave to the
groups above, and of [X r] at the end.  They follow from the tree's cross-products and
from those of [X y] by cluster (Eq. 28 of the likelihood page).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...design._design import Design
from .._basis import Pool
from .._cluster_rows import ClusterRows, portions
from .._eliminate import cross, semidefinite_root
from .._pieces import Root
from .._scores import of_groups, summed
from ._tree import Floor, Tree

__all__ = ["rows_of_sums"]

Array = np.ndarray

#: what is left of a sum of squares by subtraction and is nothing but rounding
NOTHING = 1e-13


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of one floor, or of the clusters, as ``ClusterRows`` has them."""

    W: Array
    codes: list[Array]
    cluster: Array


def rows_of_sums(
    design: Design, pool: Pool, tree: Tree, root: Root, clusters: Array
) -> Iterator[ClusterRows]:
    """As many rows of every cluster as its columns need, in portions.

    Parameters
    ----------
    design : Design
        Over products.
    tree : Tree
        Not compressed, in one shard.
    clusters : ndarray of int, shape (G,)
        Cluster of each lowest group asked for.
    """
    assert design.products is not None
    m = pool.p + 1
    _, total = design.products.by_cluster(pool.shift, pool.matrix[:, -m:])
    M = total.shape[-1]
    floors = tree.shards[0].floors if tree.depth else ()
    levels = design.levels[::-1]
    owner = [of_groups(level.codes, clusters) for level in levels]
    q = tuple(floor.q for floor in floors)
    blocks = _roots(floors)
    left = total
    parts = []
    for k, (floor, block) in enumerate(zip(floors, blocks, strict=True)):
        parts.append(_of_floor(floors, k, block, owner[k], root.v))
        share = floor.shares[-1]
        taken = cross(block[:, -m:], block[:, -m:])
        left = left - summed(taken if share is None else taken * share, owner[k], M)
    first = [np.unique(own, return_index=True)[1] for own in owner]
    parts.append(_of_clusters(left, total, sum(q), first, root.v))
    W = np.concatenate([part.W for part in parts])
    cluster = np.concatenate([part.cluster for part in parts])
    codes = [
        np.concatenate(each)
        for each in zip(*(part.codes for part in parts), strict=True)
    ]
    order = np.argsort(cluster, kind="stable")
    for some in portions(cluster[order]):
        at = order[some]
        yield ClusterRows(W[at], [c[at] for c in codes], cluster[at], q, at)


def _roots(floors: tuple[Floor, ...]) -> list[Array]:
    """[R C] of every floor, those below it taken out; of the lowest the tree has it."""
    out = [floor.block for floor in floors[:1]]
    size = [np.einsum("aag->ag", floor.block[:, : floor.q]) for floor in floors]
    left = [floor.block for floor in floors]
    for k, floor in enumerate(floors):
        if k:
            out.append(_root(left[k], floor.q, size[k]))
        for up in range(len(floors) - k - 1):
            at = k + 1 + up
            z = floor.q + floor.z_in_rest[up]
            every = floor.q + floor.all_in_rest[up]
            known = cross(out[k][:, z], out[k][:, every])
            share = floor.shares[up]
            known = known if share is None else known * share
            known = np.add.reduceat(known, floor.starts[up], axis=-1)
            if k:
                left[at] = left[at] - known
            else:  # the tree has taken these
                size[at] = size[at] + np.einsum("aag->ag", known[:, : floors[at].q])
    return out


def _root(block: Array, q: int, size: Array) -> Array:
    """[R C] of [A B]; columns of which rounding is left have none.

    Parameters
    ----------
    size : ndarray of shape (q, G)
        The diagonal of A before anything was taken from it.
    """
    gone = np.einsum("aag->ag", block[:, :q]) <= NOTHING * size
    block = np.where(gone[:, None], 0.0, block)
    block[:, :q] = np.where(gone[None], 0.0, block[:, :q])
    return semidefinite_root(block, q)


def _of_floor(
    floors: tuple[Floor, ...], k: int, block: Array, owner: Array, v: Array
) -> _Rows:
    """The rows of a floor's groups, in numbers that stand for all their copies."""
    floor, m = floors[k], len(v)
    q, G = floor.q, block.shape[-1]
    parts = [np.zeros((q, below.q, G)) for below in floors[:k]]
    parts.append(block[:, :q])
    above = [block[:, q + z] for z in floor.z_in_rest]
    for own, share in zip([*above, block[:, -m:]], floor.shares, strict=True):
        parts.append(own if share is None else own * np.sqrt(share))
    parts[-1] = _residual(parts[-1], v)
    W = np.concatenate(parts, axis=1).transpose(2, 0, 1).reshape(q * G, -1)
    codes = [below.starts[k - j - 1] for j, below in enumerate(floors[:k])]
    codes += [np.arange(G), *floor.ancestors]
    return _Rows(W, [np.repeat(c, q) for c in codes], np.repeat(owner, q))


def _of_clusters(
    left: Array, total: Array, width: int, first: list[Array], v: Array
) -> _Rows:
    """The rows of [X r] that no group accounts for.

    Parameters
    ----------
    left, total : ndarray of shape (m, m, M)
        Products of [X y]: what is left, and all.
    width : int
        Random columns of all terms.
    first : list of ndarray of shape (M,)
        Of every term a group of each cluster.
    """
    p, M = len(v) - 1, left.shape[-1]
    block = _root(_residual(left[:p], v), p, np.einsum("aag->ag", total)[:p])
    W = np.concatenate([np.zeros((p, width, M)), block], axis=1)
    W = W.transpose(2, 0, 1).reshape(p * M, -1)
    codes = [np.repeat(c, p) for c in first]
    return _Rows(W, codes, np.repeat(np.arange(M), p))


def _residual(top: Array, v: Array) -> Array:
    """[X r] from [X y] along the second axis."""
    r = np.tensordot(v, top, axes=(0, 1))
    return np.concatenate([top[:, :-1], r[:, None]], axis=1)
