"""The first pass: from rows to the floors of the tree.

Rows are visited once, in blocks of whole lowest-level groups small enough for
the cache; each block is mapped into the pool and its sums of products are
taken by a sparse matrix of group membership.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from ...design._design import Design, Level
from ...design._products import Products
from .._basis import Pool
from .._eliminate import cross, semidefinite_root
from .._stream import row_blocks
from ._tree import Floor, Shard, Tree

__all__ = [
    "build_tree",
    "floor_sums",
    "group_products",
    "left_within",
    "own_columns",
    "shard_of_groups",
    "total_products",
    "tree_of_blocks",
    "tree_of_sums",
    "weights_of_sums",
]

Array = np.ndarray

#: floating-point numbers of the lowest floor per shard
SHARD_SIZE = 1 << 17
#: numbers below which the sums of groups are formed at once
FEW = 1 << 13
#: a share of a sum of squares that is nothing but rounding
NOTHING = 1e-13


def build_tree(design: Design, pool: Pool) -> Tree:
    """Sums of products of the pool's columns, floor by floor.

    Parameters
    ----------
    design : Design
        With its rows sorted (``Design.sorted``).
    pool : Pool
        Its levels in the order of the design's, lowest first.
    """
    if design.products is not None:
        return _tree_of_products(design, pool, design.products)
    return tree_of_blocks(design, pool, row_blocks(design, pool))


def _tree_of_products(design: Design, pool: Pool, products: Products) -> Tree:
    """The same from sums by the lowest groups asked for."""
    total, n = total_products(design, pool, products)
    if not pool.levels:
        return Tree((), total, total, n)
    by_group = products.by_group(pool.shift, pool.matrix, own_columns(pool).tolist())
    return tree_of_sums(design, pool, floor_sums(design, pool, by_group), total, n)


def total_products(
    design: Design, pool: Pool, products: Products
) -> tuple[Array, float]:
    """Cross-products of [X y] over all rows, and the number of observations."""
    # a constant first, whose sum is that number, or the sum of the weights
    one = np.zeros((len(pool.matrix), 1))
    one[0] = 1.0
    with_one = np.concatenate([one, pool.matrix], axis=1)
    total, m = products.total(pool.shift, with_one), pool.p + 1
    return total[-m:, -m:], design.count(float(total[0, 0]))


def own_columns(pool: Pool) -> Array:
    """The pool's columns that have random effects, of all levels."""
    return np.unique(np.concatenate([basis.members for basis in pool.levels]))


def floor_sums(design: Design, pool: Pool, by_group: Array) -> list[Array]:
    """[A B] of every level from sums of the lowest groups, or of parts of these.

    Parameters
    ----------
    by_group : ndarray of shape (..., l, w, G)
        Products of ``own_columns`` with all columns of the pool; of as many parts as
        the design has rows where these are not the lowest groups.
    """
    blocks = []
    places = _places(design, pool, by_group.shape[-1])
    share: Array | None = None  # weights of the groups below
    for (at, starts), level in zip(places, design.levels[::-1], strict=True):
        own = by_group[(..., *at, slice(None))]
        if share is not None:
            own = own * share
        if starts is not None:
            own = np.add.reduceat(own, starts, axis=-1)
        blocks.append(own)
        if level.weights is not None:
            theirs = level.weights[level.codes]
            share = theirs if share is None else share * theirs
    return blocks


def weights_of_sums(design: Design, pool: Pool, weights: list[Array]) -> Array:
    """Weights of the lowest groups' sums from those of [A B] of every level."""
    G = weights[0].shape[-1]
    width = len(own_columns(pool)), pool.width
    out = np.zeros((*width, G), dtype=weights[0].dtype)
    for (at, starts), own in zip(_places(design, pool, G), weights, strict=True):
        if starts is not None:
            own = np.repeat(own, np.diff(starts, append=G), axis=-1)
        rows, columns = at
        q = len(rows)
        out[rows, columns[:q]] += own[:, :q]
        out[rows, columns[q:]] += own[:, q:]  # the same column may be there again
    return out


def _places(
    design: Design, pool: Pool, n_parts: int
) -> list[tuple[tuple[Array, Array], Array | None]]:
    """Of every level the products it has, and where its groups begin among the parts."""
    m, w = pool.p + 1, pool.width
    left = own_columns(pool)
    members = [basis.members for basis in pool.levels]
    rest = _rest(members, np.arange(w - m, w))
    pointers = _pointers(design)
    lowest = n_parts == len(pointers[0]) - 1
    out: list[tuple[tuple[Array, Array], Array | None]] = []
    for z, others, pointer in zip(members, rest, pointers, strict=True):
        at = np.searchsorted(left, z)[:, None], np.concatenate([z, others])
        starts = None
        if len(pointer) - 1 != n_parts:
            starts = pointer[:-1]
            if lowest:
                starts = np.searchsorted(pointers[0], starts)
        out.append((at, starts))
    return out


def tree_of_blocks(
    design: Design,
    pool: Pool,
    stream: Iterable[tuple[int, int, Array, Any]],
    *,
    n: float | None = None,
    count: Array | None = None,
) -> Tree:
    """The same from any rows in the pool's columns, real or complex.

    Parameters
    ----------
    stream : iterable of (start, stop, W, rows)
        As from ``row_blocks``.
    n : float, optional
        Number of observations; default that of the rows.
    count : ndarray of shape (G,), optional
        How many groups each lowest-level group stands for.
    """
    m = pool.p + 1
    w = pool.width
    levels = design.levels[::-1]
    depth = len(levels)
    members = [basis.members for basis in pool.levels]
    root = np.arange(w - m, w)
    rest = _rest(members, root)
    blocks: list[Array] = []
    pointers = _pointers(design)
    total: Array = np.zeros((m, m))
    n_seen = 0.0
    for start, stop, W, rows in stream:
        if not blocks:
            blocks = [
                np.zeros((len(z), len(z) + len(r), level.n_groups), dtype=W.dtype)
                for z, r, level in zip(members, rest, levels, strict=True)
            ]
        weight = None if design.weights is None else design.weights[rows]
        for k, level in enumerate(levels):
            _add(blocks[k], W, weight, members[k], rest[k], pointers[k], start, stop)
            if level.weights is not None:
                own = level.weights[level.codes[rows]]
                weight = own if weight is None else weight * own
        top = W[:, -m:]
        total = total + top.T @ (top if weight is None else top * weight[:, None])
        n_seen += float(stop - start if weight is None else weight.sum())
    n = n_seen if n is None else n
    if not depth:
        return Tree((), total, total, n)
    return tree_of_sums(design, pool, blocks, total, n, count)


def tree_of_sums(
    design: Design,
    pool: Pool,
    blocks: list[Array],
    total: Array,
    n: float,
    count: Array | None = None,
) -> Tree:
    """The tree from [A B] of every level and the cross-products of all rows."""
    shard, explained = _shard_of_sums(design, pool, blocks, count)
    return Tree((shard,), left_within(total, explained), total, n)


def shard_of_groups(design: Design, pool: Pool, by_group: Array) -> tuple[Shard, Array]:
    """A shard, and what its lowest groups explain of the root's cross-products.

    Parameters
    ----------
    design : Design
        Whose levels are those of the shard's groups.
    pool : Pool
    by_group : ndarray of shape (l, w, G)
        Products of ``own_columns`` with all columns of the pool, by lowest group.
    """
    return _shard_of_sums(design, pool, floor_sums(design, pool, by_group))


def _shard_of_sums(
    design: Design,
    pool: Pool,
    blocks: list[Array],
    count: Array | None = None,
) -> tuple[Shard, Array]:
    """A shard from [A B] of every level, and what its lowest groups explain."""
    m, w = pool.p + 1, pool.width
    levels, depth = design.levels[::-1], len(pool.levels)
    members = [basis.members for basis in pool.levels]
    rest = _rest(members, np.arange(w - m, w))
    above = _ancestors(design)
    own_weights = [level.weights for level in levels]
    floors = []
    for k in range(depth):
        z_at = [_positions(members[a], rest[k]) for a in range(k + 1, depth)]
        all_at = [
            np.concatenate(
                [_positions(members[a], rest[k]), _positions(rest[a], rest[k])]
            )
            for a in range(k + 1, depth)
        ]
        shares = _shares(own_weights, above[k], k)
        G = levels[k].n_groups
        floors.append(
            Floor(
                q=len(members[k]),
                block=blocks[k],
                count=_count(G, shares[-1], count if k == 0 else None),
                shares=tuple(shares),
                ancestors=tuple(above[k]),
                starts=tuple(_run_starts(a) for a in above[k]),
                z_in_rest=tuple(z_at),
                all_in_rest=tuple(all_at),
            )
        )
    return _take_within(floors, m)


def _count(G: int, share: Array | None, count: Array | None) -> Array:
    if count is not None:
        return count
    return np.ones(G) if share is None else share


def _take_within(floors: list[Floor], m: int) -> tuple[Shard, Array]:
    """Factor the lowest floor and leave in those above what it cannot explain."""
    lowest = floors[0]
    q = lowest.q
    block = np.empty_like(lowest.block)
    size = max(1, SHARD_SIZE // max(1, block.shape[0] * block.shape[1]))
    for start in range(0, block.shape[2], size):
        part = slice(start, start + size)
        block[:, :, part] = semidefinite_root(lowest.block[:, :, part], q)
    lowest = replace(lowest, block=block)
    share = lowest.shares[-1]
    explained: Array = np.zeros((m, m))
    for row in block[:, -m:]:
        explained = explained + (row if share is None else row * share) @ row.T
    out = [lowest]
    for up, floor in enumerate(floors[1:]):
        z, every = q + lowest.z_in_rest[up], q + lowest.all_in_rest[up]
        known = cross(block[:, z], block[:, every])
        share = lowest.shares[up]
        if share is not None:
            known = known * share
        known = np.add.reduceat(known, lowest.starts[up], axis=-1)
        out.append(replace(floor, block=floor.block - known))
    return Shard(tuple(out)), explained


def left_within(total: Array, explained: Array) -> Array:
    """What the lowest groups leave of the root's cross-products."""
    within = total - explained
    # a column that does not vary within the groups: rounding is all that is left of it
    none = np.diagonal(within).real <= NOTHING * np.diagonal(total).real
    if none.any():
        within = np.where(none | none[:, None], 0.0, within)
    return within


def group_products(
    design: Design, pool: Pool, level: Level, weights: Array | None
) -> tuple[Array, Array]:
    """Cross-products of [X y] and number of observations of each group of a level.

    Returns
    -------
    products : ndarray of shape (p + 1, p + 1, G)
    n : ndarray of shape (G,)
    """
    m, G = pool.p + 1, level.n_groups
    products, n = np.zeros((m, m, G)), np.zeros(G)
    for start, stop, W, rows in row_blocks(design, pool):
        top = W[:, -m:]
        weight = np.ones(stop - start) if weights is None else weights[rows]
        member = sparse.csr_array(
            (weight, (level.codes[rows], np.arange(stop - start))),
            shape=(G, stop - start),
        )
        for i in range(m):
            products[i] += (member @ (top[:, [i]] * top)).T
        n += member @ np.ones(stop - start)
    return products, n


def _add(
    out: Array,
    W: Array,
    weight: Array | None,
    z: Array,
    rest: Array,
    pointer: Array,
    start: int,
    stop: int,
) -> None:
    """Add one block's sums of products to a level's [A B]."""
    if not len(z):
        return
    first = int(np.searchsorted(pointer, start, side="right")) - 1
    last = int(np.searchsorted(pointer, stop, side="left"))
    local = np.clip(pointer[first : last + 1], start, stop) - start
    columns = np.concatenate([z, rest])
    rows = stop - start
    if rows * len(columns) < FEW and (local[1:] > local[:-1]).all():
        # a sparse matrix costs more to make than it saves
        products = W[:, z, None] * W[:, None, columns]
        if weight is not None:
            products *= weight[:, None, None]
        sums = np.add.reduceat(products, local[:-1], axis=0)
        out[:, :, first:last] += sums.transpose(1, 2, 0)
        return
    for a in range(len(z)):
        left = W[:, z[a]] if weight is None else W[:, z[a]] * weight
        member = sparse.csr_array(
            (np.ascontiguousarray(left), np.arange(rows), local),
            shape=(last - first, rows),
        )
        out[a, :, first:last] += (member @ W).T[columns]


def _rest(members: list[Array], root: Array) -> list[Array]:
    """Columns that are left after each level: those of its ancestors, then the root's."""
    out = []
    for k in range(len(members)):
        later: list[int] = []
        for z in members[k + 1 :]:
            later += [c for c in z if c not in later and c not in root]
        out.append(np.concatenate([np.array(later, dtype=int), root]))
    return out


def _positions(columns: Array, within: Array) -> Array:
    where = {int(c): i for i, c in enumerate(within)}
    return np.array([where[int(c)] for c in columns], dtype=int)


def _pointers(design: Design) -> list[Array]:
    """First position of each group in the sorted rows, lowest level first."""
    if design.starts is None:
        return []
    out = [np.asarray(design.starts)]
    levels = design.levels[::-1]
    for k in range(1, len(levels)):
        below = levels[k - 1]
        first = np.searchsorted(below.parents, np.arange(levels[k].n_groups + 1))
        out.append(out[-1][first])
    return out


def _ancestors(design: Design) -> list[list[Array]]:
    """Ancestors of each level's groups, nearest first, lowest level first."""
    levels = design.levels[::-1]
    out = []
    for k in range(len(levels)):
        chain: list[Array] = []
        at = np.arange(levels[k].n_groups)
        for a in range(k, len(levels) - 1):
            at = levels[a].parents[at]
            chain.append(at)
        out.append(chain)
    return out


def _shares(
    weights: list[Array | None], ancestors: list[Array], k: int
) -> list[Array | None]:
    """Products of the weights between a level and each ancestor, and the root."""
    shares: list[Array | None] = []
    running = weights[k]
    for up, node in enumerate(ancestors):
        shares.append(running)
        theirs = weights[k + 1 + up]
        if theirs is not None:
            theirs = theirs[node]
            running = theirs if running is None else running * theirs
    return [*shares, running]


def _run_starts(codes: Array) -> Array:
    return np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
