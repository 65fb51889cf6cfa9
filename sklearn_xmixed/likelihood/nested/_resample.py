"""From the tree of the data to the trees of replicates.

Two ways of drawing a replicate leave almost all of the first pass as it was: a new y
changes the cross-products with y alone, and top-level groups drawn with
replacement change how often each counts.  Both are made for all replicates at
once.  With one level of groups, those of equal design are merged as in ``_compress``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from ...design._design import Design
from .._basis import Pool
from .._eliminate import cross, semidefinite_root
from .._stream import row_blocks
from ._compress import design_classes
from ._crossproducts import group_products
from ._one_level import LevelResponses, OneLevel
from ._replicates import ReplicateFloor, Replicates
from ._tree import Floor, Tree

__all__ = ["Redrawn", "Reweighted"]

Array = np.ndarray

#: products of two columns that are held at once
PAIRS = 1 << 22


@dataclass(frozen=True, eq=False)
class Reweighted:
    """Replicates in which the top-level groups count more or less often.

    Parameters
    ----------
    floors : tuple of Floor
    top : tuple of ndarray of int
        Top-level group of every node, floor by floor.
    within : ndarray of shape (p + 1, p + 1, G_top)
        What each top-level group adds to ``Tree.within``.
    n : ndarray of shape (G_top,)
        Observations of each.
    """

    floors: tuple[Floor, ...]
    top: tuple[Array, ...]
    within: Array
    n: Array

    @classmethod
    def of(cls, tree: Tree, design: Design, pool: Pool) -> Reweighted:
        """One more pass over the rows: sums of products by top-level group."""
        (shard,) = tree.shards
        floors = shard.floors
        m = pool.p + 1
        weights = design.weights
        for level in design.levels:
            if level.weights is not None:
                own = level.weights[level.codes]
                weights = own if weights is None else weights * own
        total, n = group_products(design, pool, design.levels[0], weights)
        lowest = floors[0]
        C = lowest.block[:, -m:]
        explained = cross(C, C)
        if lowest.shares[-1] is not None:
            explained = explained * lowest.shares[-1]
        if len(floors) > 1:
            explained = np.add.reduceat(explained, lowest.starts[-1], axis=2)
        top = tuple(
            f.ancestors[-1] if f.ancestors else np.arange(f.block.shape[2])
            for f in floors
        )
        return cls(floors, top, total - explained, n)

    @property
    def n_groups(self) -> int:
        """Number of top-level groups."""
        return len(self.n)

    def replicates(self, weights: Array) -> Replicates:
        """Trees for given counts of the top-level groups.

        Parameters
        ----------
        weights : ndarray of shape (G_top, B)
        """
        within = np.tensordot(self.within, weights, axes=1)
        n = self.n @ weights
        if len(self.floors) == 1:
            merged = _merge_classes(self.floors[0], weights=weights)
            if merged is not None:
                return Replicates((merged,), within, n)
        floors = []
        for floor, top in zip(self.floors, self.top, strict=True):
            w = weights[top]
            share = floor.shares[-1]
            shares = [None if s is None else s[:, None] for s in floor.shares]
            shares[-1] = w if share is None else share[:, None] * w
            floors.append(
                _replicated(
                    floor, floor.block[..., None], floor.count[:, None] * w, shares
                )
            )
        return Replicates(tuple(floors), within, n)


@dataclass(frozen=True, eq=False)
class Redrawn:
    """Replicates with another response; for designs without weights.

    Parameters
    ----------
    tree : Tree
    pool : Pool
    y : ndarray of shape (n,)
        The response of the tree, in the order of the data.
    order : ndarray of int, shape (n,)
        Rows in the order of their groups.
    W : ndarray of shape (n, w)
        Rows in the pool's columns, in the order of their groups.
    sums : tuple of sparse array of shape (G, n)
        Membership of these rows in each floor's groups.
    """

    tree: Tree
    pool: Pool
    y: Array
    order: Array
    W: Array
    sums: tuple[sparse.csr_array, ...]

    @classmethod
    def of(cls, tree: Tree, design: Design, pool: Pool) -> Redrawn:
        """Keep the rows in the pool's columns."""
        n = design.n_rows
        W = np.empty((n, pool.width))
        for start, stop, part, _ in row_blocks(design, pool):
            W[start:stop] = part
        order = np.arange(n) if design.order is None else np.asarray(design.order)
        sums = tuple(
            sparse.csr_array(
                (np.ones(n), (level.codes[order], np.arange(n))),
                shape=(level.n_groups, n),
            )
            for level in design.levels[::-1]
        )
        return cls(tree, pool, design.y, order, W, sums)

    def residual(self, Y: Array) -> tuple[Array, Array]:
        """What X leaves of given responses, and their slopes on its columns.

        Parameters
        ----------
        Y : ndarray of shape (n, B)
            Rows in the order of the data.

        Returns
        -------
        left : ndarray of shape (n, B)
            In the same order.
        slopes : ndarray of shape (p, B)
            On the pool's columns of X.
        """
        Q = self.W[:, -self.tree.p - 1 : -1]
        left, n = Y[self.order], len(Y)
        slopes = Q.T @ left / n
        left -= Q @ slopes
        again = Q.T @ left / n  # once more for the digits of a large mean
        left -= Q @ again
        out = np.empty_like(left)
        out[self.order] = left
        return out, slopes + again

    def centred(self) -> Redrawn:
        """The same for responses that X leaves as they are."""
        W = self.W.copy()
        W[:, -1] = 0.0
        return replace(self, W=W, y=np.zeros_like(self.y))

    @property
    def level(self) -> OneLevel | None:
        """What responses share where there is one level; None where there are more."""
        (shard,) = self.tree.shards
        return OneLevel.of(self.tree) if len(shard.floors) == 1 else None

    def on(self, level: OneLevel, Y: Array) -> LevelResponses:
        """Given responses, (n, B), on the only level."""
        new = (Y - self.y[:, None])[self.order] + self.W[:, -1:]
        (basis,), (member,) = self.pool.levels, self.sums
        zy = np.array([member @ (self.W[:, [z]] * new) for z in basis.members])
        return LevelResponses(level, *self._lowest(zy, new))

    def _lowest(self, zy: Array, new: Array) -> tuple[Array, Array, Array]:
        """C of responses at the lowest level, and what is left of X'y and y'y."""
        (shard,) = self.tree.shards
        lowest, p = shard.floors[0], self.tree.p
        c_y = _solve_root(lowest.block[:, : lowest.q], zy)
        own = lowest.block[:, -p - 1 : -1]
        Xy = self.W[:, -p - 1 : -1].T @ new
        Xy -= np.tensordot(own, c_y, axes=([0, 2], [0, 1]))
        yy = np.einsum("nB,nB->B", new, new) - np.einsum("qgB,qgB->B", c_y, c_y)
        return c_y, Xy, yy

    def replicates(self, Y: Array, *, merge: bool = True) -> Replicates:
        """Trees for given responses.

        Parameters
        ----------
        Y : ndarray of shape (n, B)
            Rows in the order of the data.
        merge : bool
            Whether groups of equal design may be merged.
        """
        (shard,) = self.tree.shards
        floors = shard.floors
        new = (Y - self.y[:, None])[self.order] + self.W[:, -1:]
        B = new.shape[1]
        zy = [
            np.array([member @ (self.W[:, [z]] * new) for z in basis.members])
            for basis, member in zip(self.pool.levels, self.sums, strict=True)
        ]  # (q, G, B) of each floor
        lowest = floors[0]
        c_y, Xy, yy = self._lowest(zy[0], new)
        within = np.repeat(self.tree.within[:, :, None], B, axis=2)
        within[:-1, -1] = within[-1, :-1] = Xy
        within[-1, -1] = yy
        n = np.full(B, self.tree.n)
        if merge and len(floors) == 1:
            merged = _merge_classes(lowest, c_y=c_y)
            if merged is not None:
                return Replicates((merged,), within, n)
        out = [_with_response(lowest, c_y)]
        for up, floor in enumerate(floors[1:]):
            z = lowest.q + lowest.z_in_rest[up]
            explained = cross(lowest.block[:, z][..., None], c_y[:, None])[:, 0]
            explained = np.add.reduceat(explained, lowest.starts[up], axis=1)
            out.append(_with_response(floor, zy[up + 1] - explained))
        return Replicates(tuple(out), within, n)


def _weighted_products(C: Array, weights: Array) -> Array:
    """C diag(w) C' of every replicate: (k, G), (G, B) -> (k, k, B)."""
    k, G = C.shape
    K = np.zeros((k * k, weights.shape[1]))
    size = max(1, PAIRS // (k * k))
    for a in range(0, G, size):
        part = C[:, a : a + size]
        pairs = (part[:, None] * part[None]).reshape(k * k, -1)
        K += pairs @ weights[a : a + size]
    return K.reshape(k, k, -1)


def _with_response(floor: Floor, last: Array) -> ReplicateFloor:
    """A floor whose last column, that of y, is another in each replicate."""
    block = np.repeat(floor.block[..., None], last.shape[-1], axis=3)
    block[:, -1] = last
    shares = [None if s is None else s[:, None] for s in floor.shares]
    return _replicated(floor, block, floor.count[:, None], shares)


def _replicated(
    floor: Floor, block: Array, count: Array, shares: list[Array | None]
) -> ReplicateFloor:
    return ReplicateFloor(
        floor.q,
        block,
        count,
        tuple(shares),
        floor.ancestors,
        floor.starts,
        floor.z_in_rest,
        floor.all_in_rest,
    )


def _solve_root(R: Array, b: Array) -> Array:
    """C with R'C = b; rows of a vanishing pivot are zero.

    Parameters
    ----------
    R : ndarray of shape (q, q, G), upper triangular
    b : ndarray of shape (q, G, B)
    """
    out = np.zeros_like(b)
    for j in range(len(b)):
        left = b[j].copy()
        for i in range(j):
            left -= R[i, j][:, None] * out[i]
        pivot = R[j, j][:, None]
        np.divide(left, pivot, out=out[j], where=pivot != 0)
    return out


def _merge_classes(
    floor: Floor, *, weights: Array | None = None, c_y: Array | None = None
) -> ReplicateFloor | None:
    """Stand-ins for the groups of equal design, in every replicate; None where few.

    Groups with the same R enter through the sum of vec(C) vec(C)', whose Cholesky
    factor is as good as the groups themselves.

    Parameters
    ----------
    weights : ndarray of shape (G, B), optional
        How often each group counts.
    c_y : ndarray of shape (q, G, B), optional
        The last column of C.
    """
    classes = design_classes(floor)
    q, width, G = floor.block.shape
    r = width - q
    if classes is None:
        return None
    order, starts = classes
    ends = np.append(starts[1:], G)
    made = q * r
    if made * len(starts) > 0.7 * G:
        return None
    blocks, counts = [], []
    own = floor.shares[0]
    for a, b in zip(starts, ends, strict=True):
        at = order[a:b]
        C = floor.block[:, q:, at].reshape(made, b - a)
        count = floor.count[at]
        if weights is not None:
            w = weights[at]
            K = _weighted_products(C, w if own is None else own[at, None] * w)
            total = count @ w
        else:
            assert c_y is not None
            y = c_y[:, at]
            B = y.shape[2]
            last = np.arange(q) * r + r - 1
            K = np.repeat((C @ C.T)[:, :, None], B, axis=2)
            K[:, last] = np.tensordot(C, y, axes=([1], [1]))
            K[last] = K[:, last].swapaxes(0, 1)
            K[np.ix_(last, last)] = np.einsum("agb,cgb->acb", y, y)
            total = np.full(B, count.sum())
        root = semidefinite_root(K, made)  # K = root' root, one row per stand-in
        stand = root.reshape(made, q, r, -1).transpose(1, 2, 0, 3)
        R = np.broadcast_to(
            floor.block[:, :q, at[:1]][..., None], (q, q, made, stand.shape[-1])
        )
        blocks.append(np.concatenate([R, stand], axis=1))
        counts.append(np.repeat(total[None] / made, made, axis=0))
    return ReplicateFloor(
        q,
        np.concatenate(blocks, axis=2),
        np.concatenate(counts, axis=0),
        (None,),
        (),
        (),
        (),
        (),
    )
