"""Symmetric positive definite matrices of dense blocks.

Columns that no chain of common groups connects are independent: the matrix falls into
blocks.  Small blocks of similar size are factorised together, large ones one by one and
in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse.csgraph import connected_components

__all__ = ["Blocks", "Layout"]

Array = np.ndarray

#: blocks up to this size are padded to a power of two and batched
SMALL = 64
#: products of larger blocks are formed in single precision
SINGLE = 4096
#: columns of a large block that are processed together
PANEL = 1024


@dataclass(frozen=True, eq=False)
class Layout:
    """Which columns form blocks of their own.

    Parameters
    ----------
    N : int
    batches : tuple of ndarray of int of shape (C, size)
        Blocks of one size each: column of the matrix at each place; N where padded.
    label, place : ndarray of int of shape (N,)
        Block of each column and its place in it.
    """

    N: int
    batches: tuple[Array, ...]
    label: Array
    place: Array

    @classmethod
    def of(cls, A_cross: sparse.csr_array, A_rest: sparse.csr_array) -> Layout:
        """Of what remains when columns that meet are connected."""
        G, N = A_cross.shape
        graph = sparse.block_array([[None, A_cross], [None, A_rest]], format="csr")
        pad = sparse.csr_array(
            (graph.data, graph.indices + G, graph.indptr), (G + N,) * 2
        )
        _, found = connected_components(pad, directed=False)
        _, label = np.unique(found[G:], return_inverse=True)
        n_blocks = int(label.max(initial=-1)) + 1
        if n_blocks <= 1:
            return cls.whole(N)
        size = np.bincount(label, minlength=n_blocks)
        order = np.argsort(label, kind="stable")
        place = np.empty(N, dtype=np.int64)
        place[order] = np.arange(N) - np.repeat(np.cumsum(size) - size, size)
        padded = np.where(size <= SMALL, 2 ** np.ceil(np.log2(size)), size)
        padded = padded.astype(np.int64)
        batches = []
        for s in np.unique(padded):
            slot = _slots(np.flatnonzero(padded == s), n_blocks)
            mine = np.flatnonzero(slot[label] >= 0)
            columns = np.full((int(slot.max()) + 1, s), N)
            columns[slot[label[mine]], place[mine]] = mine
            batches.append(columns)
        return cls(N, tuple(batches), label.astype(np.int64), place)

    @classmethod
    def whole(cls, N: int) -> Layout:
        """One block."""
        at = np.arange(N)
        return cls(N, (at[None],), np.zeros(N, dtype=np.int64), at)

    def scatter(self, parts: Sequence[sparse.csr_array], columns: Array) -> Array:
        """Sum of sparse matrices as dense blocks, shape (C, size, size)."""
        C, s = columns.shape
        out = np.zeros((C, s, s))
        whole = len(self.batches) == 1 and C == 1
        for part in parts:
            rows = np.repeat(np.arange(self.N), np.diff(part.indptr))
            if whole and part.nnz > s * s / 8:
                if out.any():
                    out[0] += part.toarray()
                else:
                    out = np.ascontiguousarray(part.toarray())[None]
                continue
            slot = _slots(self.label[columns[:, 0]], int(self.label.max()) + 1)
            at = slot[self.label[rows]]
            mine = slice(None) if whole else at >= 0
            j = self.place[part.indices[mine]]
            out[at[mine], self.place[rows[mine]], j] += part.data[mine]
        return out

    @property
    def largest(self) -> int:
        """Columns of the largest block."""
        return int(np.bincount(self.label).max()) if self.N else 0

    @property
    def cubes(self) -> float:
        """Sum of the cubes of the blocks' sizes."""
        return float(sum(len(b) * float(b.shape[1]) ** 3 for b in self.batches))

    @property
    def squares(self) -> float:
        """Elements of all blocks."""
        return float(sum(len(b) * float(b.shape[1]) ** 2 for b in self.batches))


def _slots(labels: Array, n: int) -> Array:
    """Number of each block in its batch, -1 for the others."""
    slot = np.full(n, -1)
    slot[labels] = np.arange(len(labels))
    return slot


class Blocks:
    """A positive definite matrix, then its factor, then its inverse.

    Parameters
    ----------
    layout : Layout
    parts : sequence of csr_array of shape (N, N)
        They and the unit matrix are added up.

    Raises
    ------
    LinAlgError
        If the matrix is not positive definite.
    """

    def __init__(self, layout: Layout, parts: Sequence[sparse.csr_array]):
        self.layout = layout
        self.inverted = False
        self.log_det = 0.0
        self._data: list[Array] = []
        for columns in layout.batches:
            data = layout.scatter(parts, columns)
            at = np.arange(columns.shape[1])
            data[:, at, at] += 1.0
            if len(at) <= SMALL:
                L = np.linalg.cholesky(data)
                diagonal = np.diagonal(L, axis1=1, axis2=2)
                self.log_det += 2.0 * float(np.log(diagonal).sum())
                half = np.linalg.inv(L)
                data = half.transpose(0, 2, 1) @ half
            else:
                for block in data:
                    factor, info = lapack.dpotrf(
                        block.T, lower=1, overwrite_a=1, clean=0
                    )
                    if info:
                        raise np.linalg.LinAlgError("V is not positive definite")
                    self.log_det += 2.0 * float(np.log(np.diagonal(factor)).sum())
            self._data.append(data)

    def solve(self, rhs: Array) -> Array:
        """M^-1 rhs."""
        out = np.empty_like(rhs)
        padded = np.concatenate([rhs, np.zeros((1, rhs.shape[1]))])
        for columns, data in zip(self.layout.batches, self._data, strict=True):
            part = padded[columns]
            if columns.shape[1] <= SMALL or self.inverted:
                solved = data @ part
            else:
                solved = np.empty_like(part)
                for c, block in enumerate(data):
                    solved[c] = lapack.dpotrs(block.T, part[c], lower=1)[0]
            real = columns < self.layout.N
            out[columns[real]] = solved[real]
        return out

    def invert(self) -> None:
        """Turn the factor into the inverse, in place."""
        if self.inverted:
            return
        for columns, data in zip(self.layout.batches, self._data, strict=True):
            if columns.shape[1] > SMALL:
                for block in data:
                    lapack.dpotri(block.T, lower=1, overwrite_c=1)
                    _mirror(block)
        self.inverted = True

    def diagonal(self) -> Array:
        """Diagonal of the inverse."""
        self.invert()
        out = np.empty(self.layout.N)
        for columns, data in zip(self.layout.batches, self._data, strict=True):
            real = columns < self.layout.N
            out[columns[real]] = np.diagonal(data, axis1=1, axis2=2)[real]
        return out

    def at(self, i: Array, j: Array) -> Array:
        """Elements of the inverse."""
        self.invert()
        layout = self.layout
        if len(layout.batches) == 1 and len(self._data[0]) == 1:
            return self._data[0].reshape(-1)[i * np.int64(layout.N) + j]
        out = np.zeros(len(i))
        block = np.where(layout.label[i] == layout.label[j], layout.label[i], -1)
        for columns, data in zip(layout.batches, self._data, strict=True):
            slot = _slots(layout.label[columns[:, 0]], int(layout.label.max()) + 2)
            mine = np.flatnonzero(slot[block] >= 0)
            place = layout.place[i[mine]], layout.place[j[mine]]
            out[mine] = data[slot[block[mine]], *place]
        return out

    def inner(self, matrix: sparse.csr_array) -> float:
        """tr(M^-1 W) of a sparse W in the blocks."""
        N = self.layout.N
        self.invert()
        if len(self._data) == 1 and len(self._data[0]) == 1 and matrix.nnz > N * N / 8:
            return float(
                sum(
                    np.vdot(self._data[0][0, start : start + PANEL], part.toarray())
                    for start in range(0, N, PANEL)
                    for part in [matrix[start : start + PANEL]]
                )
            )
        rows = np.repeat(np.arange(N), np.diff(matrix.indptr))
        return float(self.at(rows, matrix.indices) @ matrix.data)

    def whole(self) -> Array:
        """The inverse as one matrix."""
        self.invert()
        N = self.layout.N
        out = np.zeros((N, N))
        for batch, data in zip(self.layout.batches, self._data, strict=True):
            for columns, block in zip(batch, data, strict=True):
                real = columns < N
                out[np.ix_(columns[real], columns[real])] = block[np.ix_(real, real)]
        return out

    def traces(
        self, W: list[sparse.csr_array], terms: Array, n_terms: int
    ) -> tuple[Array, Array, Array]:
        """Sums over the inverse that second derivatives consist of.

        Parameters
        ----------
        W : list of csr_array of shape (N, N)
            Symmetric matrices in the blocks.
        terms : ndarray of int of shape (N,)
            Term of each column.

        Returns
        -------
        WW : ndarray of shape (len(W), len(W))
            tr(M^-1 W_i M^-1 W_j).
        Wt : ndarray of shape (len(W), n_terms)
            tr(M^-1 W_i M^-1) over the columns of a term.
        tt : ndarray of shape (n_terms, n_terms)
            Sum of squares of I - M^-1 over pairs of columns of two terms.
        """
        self.invert()
        m = len(W)
        WW, Wt = np.zeros((m, m)), np.zeros((m, n_terms))
        tt = np.zeros((n_terms, n_terms))
        for columns, data in zip(self.layout.batches, self._data, strict=True):
            C, s = columns.shape
            member = np.zeros((C, s, n_terms))
            c, k = np.nonzero(columns < self.layout.N)
            member[c, k, terms[columns[c, k]]] = 1.0
            if C == 1 and len(self.layout.batches) == 1:
                products = [_times_sparse(data[0], w)[None] for w in W]
            else:
                products = [data @ self.layout.scatter([w], columns) for w in W]
            for c_, start in _panels(data):
                rows = slice(start, start + PANEL)
                part, own = data[c_, rows], member[c_, rows]
                own = own.reshape(-1, n_terms)
                for i, first in enumerate(products):
                    inner = np.einsum("...ab,...ab->...a", first[c_, rows], part)
                    Wt[i] += inner.ravel() @ own
                    for h, second in enumerate(products[: i + 1]):
                        across = np.swapaxes(second[c_][..., rows], -1, -2)
                        WW[i, h] += np.sum(first[c_, rows] * across, dtype=float)
                part = part.copy()
                at = np.arange(part.shape[-2])
                part[..., at, start + at] -= 1.0
                part *= part
                tt += own.T @ (part @ member[c_]).reshape(-1, n_terms)
        return np.tril(WW) + np.tril(WW, -1).T, Wt, tt


def _panels(data: Array) -> list[tuple[Any, int]]:
    """Small blocks all at once, large ones by panels of rows."""
    C, s, _ = data.shape
    if s <= SMALL:
        return [(slice(None), 0)]
    return [(c, start) for c in range(C) for start in range(0, s, PANEL)]


def _times_sparse(block: Array, W: sparse.csr_array) -> Array:
    """block @ W for symmetric W.

    Large products are formed in single precision, in panels of rows: they enter
    nothing but sums of millions of products.
    """
    if len(block) <= SINGLE:
        return block @ W.toarray()
    dense = W.astype(np.float32).toarray()
    out = np.empty(block.shape, np.float32)
    for start in range(0, len(block), PANEL):
        part = slice(start, start + PANEL)
        np.matmul(block[part].astype(np.float32), dense, out=out[part])
    return out


def _mirror(block: Array) -> None:
    """Copy the upper triangle below, in place."""
    s = len(block)
    for start in range(0, s, PANEL):
        rows = slice(start, min(start + PANEL, s))
        block[rows, : rows.start] = block[: rows.start, rows].T
        square = block[rows, rows]
        block[rows, rows] = np.triu(square) + np.triu(square, 1).T
