"""Sums of products of a design whose grouping factors cross.

Every grouping is a *term*: a code per row and a few columns that every group has
coefficients of.  The term with most columns is eliminated first, group by group, as a
floor of the tree would be; its products with the other terms are kept sparse and what
is left of those is dense.  Terms are numbered as the floors of the variance model:
nested levels, lowest first, then those of the factors.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from .._design import Design
from ._basis import Pool
from ._crossproducts import row_blocks

__all__ = ["Crossing", "build_crossing"]

Array = np.ndarray

#: so many products of one group's columns with each other are listed one by one
MAX_PAIRS = 40_000_000
#: dense matrices of the remaining columns that are held at once
COPIES = 4


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
    A_rest : ndarray of shape (N, N)
        Of those with themselves.
    B_first, B_rest : ndarray of shape (G q, p + 1), (N, p + 1)
        With [X y].
    """

    n: float
    total: Array
    q: tuple[int, ...]
    G: tuple[int, ...]
    first: int
    rest: tuple[int, ...]
    A_first: Array
    A_cross: sparse.csr_array
    A_rest: Array
    B_first: Array
    B_rest: Array

    #: there is no tree below the root
    depth = 0
    shards = ()

    @property
    def p(self) -> int:
        """Columns of X."""
        return self.total.shape[0] - 1

    @property
    def slices(self) -> dict[int, slice]:
        """Columns of each remaining term."""
        ends = np.cumsum([0, *(self.q[t] * self.G[t] for t in self.rest)])
        return {
            t: slice(int(a), int(b))
            for t, a, b in zip(self.rest, ends[:-1], ends[1:], strict=True)
        }

    @cached_property
    def pairs(self) -> tuple[Array, Array, Array, Array, Array] | None:
        """Products within each row of ``A_cross``: i, j, of which row, how large.

        Row by row all pairs i >= j of its nonzero elements; then their products, and
        the same counted twice off the diagonal.  None where they are too many or the
        first term has several columns.
        """
        A = self.A_cross
        size = np.diff(A.indptr).astype(np.int64)
        if self.q[self.first] != 1 or (size * (size + 1)).sum() // 2 > MAX_PAIRS:
            return None
        rank = np.arange(A.nnz) - np.repeat(A.indptr[:-1].astype(np.int64), size)
        left = np.repeat(np.arange(A.nnz), rank + 1)
        ends = np.cumsum(rank + 1)
        right = np.arange(len(left)) - np.repeat(ends - (rank + 1), rank + 1)
        right += A.indptr[:-1][np.repeat(np.arange(len(size)), size)][left]
        row = np.repeat(np.arange(len(size)), size)[left]
        i, j = A.indices[left].astype(np.int64), A.indices[right].astype(np.int64)
        product = A.data[left] * A.data[right]
        return i, j, row, product, np.where(i == j, product, 2.0 * product)

    def __getstate__(self) -> dict:
        return {k: v for k, v in self.__dict__.items() if k != "pairs"}


def build_crossing(design: Design, pool: Pool) -> Crossing:
    """One pass over the rows.

    Raises
    ------
    MemoryError
        If the columns that remain are too many for a dense matrix.
    """
    n, m = design.n_rows, pool.p + 1
    W = np.empty((n, pool.width))
    for _, _, block, rows in row_blocks(design, pool):
        W[rows] = block
    top = W[:, -m:]
    codes: list[Array] = [level.codes for level in design.levels[::-1]]
    columns: list[Array] = [W[:, b.members] for b in pool.levels]
    sizes = [level.n_groups for level in design.levels[::-1]]
    one = np.ones((n, 1))
    for term in design.terms:
        codes.append(term.codes)
        columns.append(one)
        sizes.append(term.n_groups)
    q = tuple(c.shape[1] for c in columns)
    wide = [a * b for a, b in zip(q, sizes, strict=True)]
    first = int(np.argmax(wide))
    rest = tuple(t for t in range(len(wide)) if t != first)
    _check_memory(sum(wide) - wide[first])
    Z = [_wide(c, z, G) for c, z, G in zip(codes, columns, sizes, strict=True)]
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
    return Crossing(
        float(n) if w is None else float(w.sum()),
        top.T @ (top if w is None else top * w[:, None]),
        q,
        tuple(sizes),
        first,
        rest,
        _own_products(codes[first], columns[first], sizes[first], w),
        A_cross,
        np.asarray(sparse.csr_array(other @ Z_rest).todense()),
        np.asarray(left @ top),
        np.asarray(other @ top),
    )


def _wide(codes: Array, columns: Array, G: int) -> sparse.csr_array:
    n, q = columns.shape
    at = codes[:, None] * q + np.arange(q)
    return sparse.csr_array(
        (np.ascontiguousarray(columns).ravel(), at.ravel(), np.arange(n + 1) * q),
        shape=(n, G * q),
    )


def _own_products(codes: Array, columns: Array, G: int, w: Array | None) -> Array:
    q = columns.shape[1]
    out = np.empty((G, q, q))
    for a in range(q):
        for b in range(a + 1):
            product = columns[:, a] * columns[:, b]
            if w is not None:
                product = product * w
            out[:, a, b] = out[:, b, a] = np.bincount(codes, product, minlength=G)
    return out


def _check_memory(N: int) -> None:
    need = 8.0 * COPIES * N * N
    try:
        free = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return
    if need > free:
        raise MemoryError(
            f"Crossed effects: besides the largest factor {N} random effects remain, "
            f"which need {need / 1e9:.1f} GB as {COPIES} dense matrices; this machine "
            f"has {free / 1e9:.1f} GB."
        )


def block_diagonal(blocks: Array | Sequence[Array]) -> sparse.csr_array:
    """Sparse matrix of the blocks (G, q, q) along its diagonal."""
    blocks = np.asarray(blocks)
    G, q, _ = blocks.shape
    rows = np.arange(G * q)
    at = (rows // q * q)[:, None] + np.arange(q)
    return sparse.csr_array(
        (blocks.reshape(-1), at.ravel(), np.arange(G * q + 1) * q), shape=(G * q, G * q)
    )
