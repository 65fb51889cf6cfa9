"""Sums of products of a design whose grouping factors cross.

Every grouping is a *term*: a code per row and a few columns that every group has
coefficients of.  The term with most columns is eliminated first, group by group, as a
floor of the tree would be; its products with the other terms are kept sparse.  Terms
are numbered as the floors of the variance model: nested levels, lowest first, then
those of the factors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import lsmr

from ...design._design import Design
from ...design._products import Products
from .._basis import Pool
from .._stream import row_blocks

__all__ = [
    "Crossing",
    "block_diagonal",
    "build_crossing",
    "remainder",
    "rows_of",
    "wide",
]

Array = np.ndarray

#: pairs of columns that are listed at once
PAIRS = 1 << 23


@dataclass(frozen=True, eq=False)
class Crossing:
    """Cross-products of all random columns and of [X y].

    Parameters
    ----------
    n : float
        Number of observations (sum of their weights).
    total : ndarray of shape (p + 1, p + 1)
        Of [X y].
    q, G : tuple of int
        Columns and groups of each term.
    first : int
        The term that is eliminated group by group.
    rest : tuple of int
        The others, in the order of their columns.
    A_first : ndarray of shape (G, q, q)
        Of the first term's columns with themselves.
    A_cross : csr_array of shape (G q, N)
        Of the first term's columns with the N columns of the others.
    A_rest : csr_array of shape (N, N)
        Of those with themselves.
    B_first, B_rest : ndarray of shape (G q, p + 1), (N, p + 1)
        With [X y].
    taken : tuple of ndarray of shape (G, q), or None
        Effects of every term that were taken from y (see ``_centre``).
    """

    n: float
    total: Array
    q: tuple[int, ...]
    G: tuple[int, ...]
    first: int
    rest: tuple[int, ...]
    A_first: Array
    A_cross: sparse.csr_array
    A_rest: sparse.csr_array
    B_first: Array
    B_rest: Array
    taken: tuple[Array, ...] | None = None

    #: there is no tree below the root
    depth = 0
    shards = ()

    @property
    def p(self) -> int:
        """Columns of X."""
        return self.total.shape[0] - 1

    @property
    def N(self) -> int:
        """Columns that remain after the first term."""
        return self.A_rest.shape[0]

    def n_groups(self, term: int) -> float:
        """Number of groups of a term."""
        return float(self.G[term])

    def with_top(self, term: int) -> Array:
        """Products of a term's columns with [X y], (G, q, p + 1)."""
        first = term == self.first
        B = self.B_first if first else self.B_rest[self.slices[term]]
        return B.reshape(self.G[term], self.q[term], -1)

    @cached_property
    def slices(self) -> dict[int, slice]:
        """Columns of each remaining term."""
        ends = np.cumsum([0, *(self.q[t] * self.G[t] for t in self.rest)])
        return {
            t: slice(int(a), int(b))
            for t, a, b in zip(self.rest, ends[:-1], ends[1:], strict=True)
        }

    @cached_property
    def coupled(self) -> tuple[Array, Array, Array]:
        """Columns that meet each group of the first term.

        Returns
        -------
        pointer : ndarray of shape (G + 1,)
        column : ndarray of shape (k,)
        value : ndarray of shape (q, k)
            Their products with the group's own columns.
        """
        A, q = self.A_cross, self.q[self.first]
        if q == 1:
            return A.indptr.astype(np.int64), A.indices, A.data[None]
        G, N = self.G[self.first], self.N
        row = np.repeat(np.arange(G * q), np.diff(A.indptr))
        key, at = np.unique((row // q) * N + A.indices, return_inverse=True)
        value = np.zeros((q, len(key)))
        value[row % q, at] = A.data
        pointer = np.searchsorted(key, np.arange(G + 1, dtype=np.int64) * N)
        return pointer, (key % N).astype(np.int32), value

    def pairs(self) -> Iterator[tuple[Array, Array, Array]]:
        """Pairs of places in ``coupled`` that share a group, and the group.

        In portions; each pair once, and each place with itself.
        """
        pointer = self.coupled[0]
        size = np.diff(pointer)
        many = size * (size + 1) // 2
        ends = np.cumsum(many)
        total = int(ends[-1]) if len(ends) else 0
        cuts = np.searchsorted(ends, np.arange(PAIRS, total + PAIRS, PAIRS), "left") + 1
        cuts = np.unique(np.concatenate([[0], cuts.clip(max=len(size))]))
        for start, stop in pairwise(cuts):
            length = size[start:stop]
            first = np.repeat(pointer[start:stop], length)
            rank = np.arange(length.sum()) - np.repeat(
                np.cumsum(length) - length, length
            )
            left = np.repeat(first + rank, rank + 1)
            finish = np.cumsum(rank + 1)
            right = np.arange(len(left)) - np.repeat(finish - (rank + 1), rank + 1)
            right += np.repeat(first, rank + 1)
            yield left, right, np.repeat(np.arange(start, stop), many[start:stop])

    def __getstate__(self) -> dict:
        lost = ("coupled", "slices")
        return {k: v for k, v in self.__dict__.items() if k not in lost}


def build_crossing(design: Design, pool: Pool) -> Crossing:
    """One pass over the rows, or sums by terms and by pairs of them."""
    if design.products is not None:
        return _crossing_of_products(design, pool, design.products)
    n = design.n_rows
    top, codes, columns, sizes = rows_of(design, pool)
    q = tuple(1 if c is None else c.shape[1] for c in columns)
    first, rest = _elimination_order(q, sizes)
    Z = [wide(c, z, G) for c, z, G in zip(codes, columns, sizes, strict=True)]
    Z_first = Z[first]
    Z_rest = (
        sparse.hstack([Z[t] for t in rest], format="csr")
        if rest
        else sparse.csr_array((n, 0))
    )
    w = design.weights
    left = Z_first.T.tocsr()
    other = Z_rest.T.tocsr()
    if w is not None:
        left, other = left.multiply(w).tocsr(), other.multiply(w).tocsr()
    A_cross = sparse.csr_array(left @ Z_rest)
    A_cross.sum_duplicates()
    A_rest = sparse.csr_array(other @ Z_rest)
    A_rest.sum_duplicates()
    return Crossing(
        float(n) if w is None else float(w.sum()),
        top.T @ (top if w is None else top * w[:, None]),
        q,
        tuple(sizes),
        first,
        rest,
        _own_products(codes[first], columns[first], sizes[first], w),
        A_cross,
        A_rest,
        np.asarray(left @ top),
        np.asarray(other @ top),
    )


def _elimination_order(
    q: Sequence[int], sizes: Sequence[int]
) -> tuple[int, tuple[int, ...]]:
    """The term with most columns, and the others."""
    wide = [a * b for a, b in zip(q, sizes, strict=True)]
    first = int(np.argmax(wide))
    return first, tuple(t for t in range(len(wide)) if t != first)


def _crossing_of_products(design: Design, pool: Pool, products: Products) -> Crossing:
    """The same of rows that are elsewhere."""
    m, shift = pool.p + 1, pool.shift
    one = np.zeros((len(pool.matrix), 1))
    one[0] = 1.0
    with_one = np.concatenate([one, pool.matrix], axis=1)
    members = [np.zeros(1, dtype=int) if c is None else 1 + c for c in pool.members]
    q = tuple(len(c) for c in members)
    sizes = [level.n_groups for level in design.levels[::-1]]
    sizes += [term.n_groups for term in design.terms]
    first, rest = _elimination_order(q, sizes)
    total = products.total(shift, with_one)
    A: list[Array] = []
    B: list[Array] = []
    for t, own in enumerate(members):
        sums = products.by_term(t, shift, with_one, own.tolist())
        A.append(np.ascontiguousarray(sums[:, own].transpose(2, 0, 1)))
        B.append(np.ascontiguousarray(sums[:, -m:].transpose(2, 0, 1)).reshape(-1, m))

    def crossed(s: int, t: int) -> sparse.csr_array:
        """Products of the columns of two terms."""
        left, right = with_one[:, members[s]], with_one[:, members[t]]
        i, j, sums = products.by_pair((s, t), shift, left, right)
        rows = i * q[s] + np.arange(q[s])[:, None, None]
        columns = j * q[t] + np.arange(q[t])[:, None]
        at = [np.broadcast_to(x, sums.shape).ravel() for x in (rows, columns)]
        shape = (sizes[s] * q[s], sizes[t] * q[t])
        return sparse.coo_array((sums.ravel(), tuple(at)), shape=shape).tocsr()

    pairs = {(s, t): crossed(s, t) for s in rest for t in rest if s < t}
    blocks = [
        [
            block_diagonal(A[s])
            if s == t
            else pairs[s, t]
            if s < t
            else pairs[t, s].T.tocsr()
            for t in rest
        ]
        for s in rest
    ]
    if not rest:
        none = sparse.csr_array((sizes[first] * q[first], 0))
        A_cross, A_rest, B_rest = none, sparse.csr_array((0, 0)), np.zeros((0, m))
    else:
        A_cross = sparse.hstack([crossed(first, t) for t in rest], format="csr")
        A_rest = sparse.block_array(blocks, format="csr")
        B_rest = np.concatenate([B[t] for t in rest])
    return Crossing(
        design.count(float(total[0, 0])),
        total[-m:, -m:],
        q,
        tuple(sizes),
        first,
        rest,
        A[first],
        sparse.csr_array(A_cross),
        sparse.csr_array(A_rest),
        B[first],
        B_rest,
    )


def remainder(design: Design, pool: Pool) -> float:
    """Sum of squares that X and all random columns leave of y, as a share of the whole.

    From the rows, because cross-products have half of the digits.
    """
    top, *terms = rows_of(design, pool)
    X, y = top[:, :-1], top[:, -1]
    Z = [wide(c, z, G) for c, z, G in zip(*terms, strict=True)]
    left = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    whole = left @ left
    columns = sparse.hstack([sparse.csr_array(X), *Z], format="csr")
    found = lsmr(columns, left, atol=1e-12, btol=1e-12, conlim=0.0, maxiter=1000)
    return float(found[3] ** 2 / whole) if whole > 0 else 0.0


def rows_of(
    design: Design, pool: Pool
) -> tuple[Array, list[Array], list[Array | None], list[int]]:
    """[X y] by row, and of every term the groups, the columns and how many groups."""
    W = np.empty((design.n_rows, pool.width))
    for _, _, block, rows in row_blocks(design, pool):
        W[rows] = block
    codes: list[Array] = [level.codes for level in design.levels[::-1]]
    sizes = [level.n_groups for level in design.levels[::-1]]
    for term in design.terms:
        codes.append(term.codes)
        sizes.append(term.n_groups)
    columns = [None if m is None else W[:, m] for m in pool.members]
    return W[:, -pool.p - 1 :], codes, columns, sizes


def wide(codes: Array, columns: Array | None, G: int) -> sparse.csr_array:
    """Z of a term: its columns apart for each group."""
    n = len(codes)
    if columns is None:
        parts = (np.ones(n), codes, np.arange(n + 1))
        return sparse.csr_array(parts, shape=(n, G))
    q = columns.shape[1]
    at = codes[:, None] * q + np.arange(q)
    return sparse.csr_array(
        (np.ascontiguousarray(columns).ravel(), at.ravel(), np.arange(n + 1) * q),
        shape=(n, G * q),
    )


def _own_products(
    codes: Array, columns: Array | None, G: int, w: Array | None
) -> Array:
    if columns is None:
        return np.bincount(codes, w, minlength=G).astype(float)[:, None, None]
    q = columns.shape[1]
    out = np.empty((G, q, q))
    for a in range(q):
        for b in range(a + 1):
            product = columns[:, a] * columns[:, b]
            if w is not None:
                product = product * w
            out[:, a, b] = out[:, b, a] = np.bincount(codes, product, minlength=G)
    return out


def block_diagonal(blocks: Array | Sequence[Array]) -> sparse.csr_array:
    """Sparse matrix of the blocks (G, q, q) along its diagonal."""
    blocks = np.asarray(blocks)
    G, q, _ = blocks.shape
    rows = np.arange(G * q)
    at = (rows // q * q)[:, None] + np.arange(q)
    return sparse.csr_array(
        (blocks.reshape(-1), at.ravel(), np.arange(G * q + 1) * q), shape=(G * q, G * q)
    )
