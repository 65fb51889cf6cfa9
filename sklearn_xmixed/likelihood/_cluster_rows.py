"""Clusters as the small-sample corrections of the sandwich need them.

Independent residuals stay so in any orthogonal map of a cluster's rows, and the corrections
commute with it.  So its rows are replaced by the triangular factor of [Z X r], as
many as Z and X have columns there: off their span V is the identity, and nothing is
corrected (Eq. 28 of the likelihood page).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..design._design import Design
from ._basis import Pool
from ._pieces import Root

__all__ = ["ClusterBlock", "ClusterRows", "cluster_rows", "portions"]

Array = np.ndarray

#: rows that are looked at together, unless a single cluster has more
SHARD_ROWS = 1 << 16
#: numbers in the arrays of one block
BLOCK_SIZE = 1 << 20
#: classes of size for each doubling; clusters are filled up to the largest of a class
PER_DOUBLING = 4


@dataclass(frozen=True, eq=False)
class ClusterBlock:
    """Some clusters of about the same size, filled up with rows of zeros.

    Parameters
    ----------
    clusters : ndarray of int, shape (b,)
        Their numbers.
    V : ndarray of shape (b, k, k)
        Covariance matrix of their rows over sigma^2; the identity for added rows.
    X : ndarray of shape (b, k, p)
        In the basis Q.
    r : ndarray of shape (b, k)
        y - X beta.
    """

    clusters: Array
    V: Array
    X: Array
    r: Array


@dataclass(frozen=True, eq=False)
class ClusterRows:
    """Rows of some clusters, one cluster after another.

    Parameters
    ----------
    W : ndarray of shape (n, sum(q) + p + 1)
        Random columns of every term, X and y - X beta.
    codes : list of ndarray of int, shape (n,)
        Group of each row in every term.
    cluster : ndarray of int, shape (n,)
    q : tuple of int
        Random columns of the terms.
    positions : ndarray of int, shape (n,)
        Place of each row among the design's sorted rows.
    precision : ndarray of shape (n,) or None
        Precision weights, by whose roots the rows were multiplied.
    """

    W: Array
    codes: list[Array]
    cluster: Array
    q: tuple[int, ...]
    positions: Array
    precision: Array | None = None

    @property
    def p(self) -> int:
        """Columns of X."""
        return self.W.shape[1] - sum(self.q) - 1

    def reduced(self) -> ClusterRows:
        """The same in as few rows, for terms that are nested levels, lowest first.

        Of the triangular factor of a group the first q rows have its random columns, the
        others go to the group above; at the end those of X are left of a cluster.
        """
        W, at = self.W, np.arange(len(self.W))
        done: list[tuple[Array, Array]] = []
        first = 0
        for codes, q in zip(
            [*self.codes, self.cluster], [*self.q, self.p], strict=True
        ):
            kept, W, at = _split(W, at, codes[at], first, q)
            done.append(kept)
            first += q
        W, at = (np.concatenate(x) for x in zip(*done, strict=True))
        order = np.argsort(at, kind="stable")
        W, at = W[order], at[order]
        codes_of = [c[at] for c in self.codes]
        return ClusterRows(W, codes_of, self.cluster[at], self.q, self.positions[at])

    def as_given(
        self, errors: Callable[[Array], Array] | None = None
    ) -> tuple[ClusterRows, Callable[[Array], Array] | None]:
        """Rows before they were multiplied by the roots of their weights.

        A square root of a matrix of theirs, as CR2 takes it, is another one afterwards.

        Returns
        -------
        rows : ClusterRows
        errors : callable or None
            Covariance matrices of their residuals; see ``blocks``.
        """
        if self.precision is None:
            return self, errors
        size = 1.0 / np.sqrt(self.precision)

        def of_given(index: Array) -> Array:
            each = np.where(index < 0, 1.0, size[index])
            if errors is None:
                return each[:, :, None] ** 2 * np.eye(index.shape[1])
            return errors(index) * each[:, :, None] * each[:, None, :]

        return replace(self, W=self.W * size[:, None], precision=None), of_given

    def blocks(
        self, D: list[Array], errors: Callable[[Array], Array] | None = None
    ) -> Iterator[ClusterBlock]:
        """Clusters in as few rows as they need, those of about the same size together.

        Parameters
        ----------
        D : list of ndarray
            Per term.
        errors : callable, optional
            Covariance matrices over sigma^2 of the residuals of the rows in its argument,
            (b, k) -> (b, k, k), -1 for added rows.  Default independent ones.
        """
        starts = _run_starts(self.cluster)
        sizes = np.diff(np.append(starts, len(self.W)))
        number, groups = self._numbered(starts)
        wide = np.array(self.q, dtype=int) @ groups
        fewer = (sizes > wide + self.p) & (errors is None)
        for reduce in (False, True):
            some = np.flatnonzero(fewer == reduce)
            if not len(some):
                continue
            width = self.W.shape[1] + wide[some]
            kept = width if reduce else sizes[some]
            for part in _classes(sizes[some], width, kept):
                at = some[part]
                W, index = _gather(self.W, starts[at], sizes[at])
                codes = [np.where(index < 0, 0, c[index]) for c in number]
                Z = self._wide(W, codes, groups[:, at].max(axis=1))
                X = W[:, :, sum(self.q) :]
                if reduce:
                    ends = np.cumsum([z.shape[2] for z in Z])
                    R = _triangular(np.concatenate([*Z, X], axis=2))
                    *Z, X = np.split(R[:, : R.shape[2] - 1], ends, axis=2)
                V = np.zeros((*X.shape[:2], X.shape[1]))
                np.einsum("gaa->ga", V)[:] = 1.0
                if errors is not None:
                    V = errors(index)
                for z, d in zip(Z, D, strict=True):
                    zd = (z.reshape(*z.shape[:2], -1, len(d)) @ d).reshape(z.shape)
                    V += zd @ z.transpose(0, 2, 1)
                yield ClusterBlock(
                    self.cluster[starts[at]], V, X[:, :, :-1], X[:, :, -1]
                )

    def _numbered(self, starts: Array) -> tuple[list[Array], Array]:
        """Groups of every term numbered within their cluster, and how many it has."""
        M = len(starts)
        sizes = np.diff(np.append(starts, len(self.W)))
        at = np.repeat(np.arange(M), sizes)
        number, groups = [], np.zeros((len(self.q), M), dtype=int)
        for t, codes in enumerate(self.codes):
            _, first, back = np.unique(codes, return_index=True, return_inverse=True)
            owner = at[first]
            groups[t] = np.bincount(owner, minlength=M)
            order = np.argsort(owner, kind="stable")
            rank = np.empty(len(owner), dtype=int)
            before = np.cumsum(groups[t]) - groups[t]
            rank[order] = np.arange(len(owner)) - before[owner[order]]
            number.append(rank[back])
        return number, groups

    def _wide(self, W: Array, number: list[Array], groups: Array) -> list[Array]:
        """Z of every term, the columns of each group of a cluster in their own place."""
        out, start = [], 0
        for q, codes, G in zip(self.q, number, groups, strict=True):
            z = W[:, :, start : start + q]
            start += q
            if G > 1:
                wide = np.zeros((*W.shape[:2], int(G) * q))
                at = codes[:, :, None] * q + np.arange(q)
                np.put_along_axis(wide, at, z, axis=2)
                z = wide
            out.append(z)
        return out


def cluster_rows(
    design: Design,
    pool: Pool,
    root: Root,
    clusters: Array,
    read: Callable[[Array], Array] | None = None,
) -> Iterator[ClusterRows]:
    """The rows of a design by cluster, in portions.

    Weights are numbers of copies.  An orthogonal map of w copies of a group leaves one with
    sqrt(w) times its columns of the levels above and of [X r], and others without
    any of these, which say nothing.

    Parameters
    ----------
    design : Design
        Sorted.
    root : Root
    clusters : ndarray of int, shape (n,)
        Cluster of each row of the design.
    read : callable, optional
        Rows in the pool's columns from their places in the sorted order.
    """
    order = np.arange(design.n_rows) if design.order is None else design.order
    places = np.arange(design.n_rows)
    cluster = clusters[order]
    if (np.diff(cluster) < 0).any():
        places = np.argsort(cluster, kind="stable")
        cluster = cluster[places]
    levels = design.levels[::-1]
    codes = [*(level.codes for level in levels), *(t.codes for t in design.terms)]
    q = tuple(1 if m is None else len(m) for m in pool.members)
    for some in portions(cluster):
        at = places[some]
        rows = order[at]
        P = _pool_rows(design, pool, rows) if read is None else read(at)
        top = P[:, -len(root.v) :]
        parts = [*pool.columns(P), np.column_stack([top[:, :-1], top @ root.v])]
        W = np.concatenate(_weighted(parts, design, rows), axis=1)
        precision = None if design.precision is None else design.precision[rows]
        yield ClusterRows(W, [c[rows] for c in codes], cluster[some], q, at, precision)


def portions(cluster: Array) -> Iterator[slice]:
    """Runs of whole clusters of moderate size.

    Parameters
    ----------
    cluster : ndarray of int, shape (n,)
        Of every row, those of a cluster side by side.
    """
    starts = _run_starts(cluster)
    shard = np.flatnonzero(np.diff(starts // SHARD_ROWS)) + 1
    for start, stop in pairwise([0, *starts[shard].tolist(), len(cluster)]):
        yield slice(start, stop)


def _weighted(parts: list[Array], design: Design, rows: Array) -> list[Array]:
    """Columns of every term and of the root in rows that stand for all their copies."""
    weights = [None if design.weights is None else design.weights[rows]]
    weights += [
        None if level.weights is None else level.weights[level.codes[rows]]
        for level in design.levels[::-1]
    ]
    weights += [None] * (len(parts) - len(weights))
    out, scale = [], None
    for part, own in zip(parts, weights, strict=True):
        if own is not None:
            scale = np.sqrt(own) if scale is None else scale * np.sqrt(own)
        out.append(part if scale is None else part * scale[:, None])
    return out


def _split(
    W: Array, at: Array, codes: Array, first: int, q: int
) -> tuple[tuple[Array, Array], Array, Array]:
    """Triangular factors of groups of rows: their first q rows, and the others.

    Parameters
    ----------
    W : ndarray of shape (n, w)
        The first columns are zero.
    at : ndarray of int, shape (n,)
        A number for each row; that of the first stands for a group.
    codes : ndarray of int, shape (n,)
    first, q : int

    Returns
    -------
    kept : tuple of ndarray
        Rows and numbers.
    rest, at_rest : ndarray
    """
    if not len(W):
        return (W, at), W, at
    starts = _run_starts(codes)
    sizes = np.diff(np.append(starts, len(W)))
    width = W.shape[1] - first
    kept: list[tuple[Array, Array]] = []
    rest: list[tuple[Array, Array]] = []
    for some in _classes(sizes, np.full(len(sizes), width), 0 * sizes):
        part, _ = _gather(W[:, first:], starts[some], sizes[some])
        R = _triangular(part)
        for rows, out in ((R[:, :q], kept), (R[:, q:], rest)):
            full = np.zeros((len(some) * rows.shape[1], W.shape[1]))
            full[:, first:] = rows.reshape(-1, width)
            out.append((full, np.repeat(at[starts[some]], rows.shape[1])))
    W_rest, at_rest = (np.concatenate(x) for x in zip(*rest, strict=True))
    order = np.argsort(at_rest, kind="stable")
    W_kept, at_kept = (np.concatenate(x) for x in zip(*kept, strict=True))
    return (W_kept, at_kept), W_rest[order], at_rest[order]


def _gather(W: Array, starts: Array, sizes: Array) -> tuple[Array, Array]:
    """Rows of some runs, (b, k, width), zeros where one has fewer; their places."""
    at = np.arange(int(sizes.max()))
    index = np.where(at < sizes[:, None], starts[:, None] + at, -1)
    out = W[index]
    out[index < 0] = 0.0
    return out, index


def _pool_rows(design: Design, pool: Pool, rows: Array) -> Array:
    """Rows of a design in the pool's columns."""
    columns = [*design.X.T, *design.extra.T, design.y]
    raw = np.column_stack(
        [c[rows] - s for c, s in zip(columns, pool.shift, strict=True)]
    )
    W = raw @ pool.matrix[1:] + pool.matrix[0]
    if design.precision is not None:
        W *= np.sqrt(design.precision[rows])[:, None]
    return W


def _triangular(W: Array) -> Array:
    """R of W = Q R for every group."""
    return np.asarray(np.linalg.qr(W, mode="r"))


def _run_starts(codes: Array) -> Array:
    return np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))


def _classes(sizes: Array, width: Array, kept: Array) -> Iterator[Array]:
    """Places of members of about the same size and width, few enough for one block.

    ``kept`` is how many rows each will have.
    """
    rounded = [_rounded(sizes), _rounded(width)]
    key = rounded[0] * (rounded[1].max() + 1) + rounded[1]
    order = np.argsort(key, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        rows, columns = int(sizes[some].max()), int(width[some].max())
        most = max(1, BLOCK_SIZE // (rows * columns + int(kept[some].max()) ** 2))
        for start in range(0, len(some), most):
            yield some[start : start + most]


def _rounded(sizes: Array) -> Array:
    """Number of the class of a size."""
    return np.ceil(PER_DOUBLING * np.log2(np.maximum(sizes, 1)) - 1e-9).astype(int)
