"""Symmetric positive definite matrices of dense blocks.

Columns that no chain of common groups connects are independent: the matrix falls into
blocks.  Small blocks of similar size are factorised together, large ones one by one and
in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import blas, lapack
from scipy.sparse.csgraph import connected_components

__all__ = ["Blocks", "Layout"]

Array = np.ndarray

#: blocks up to this size are padded to a power of two and batched
SMALL = 64
#: columns of a large block that are processed together
PANEL = 1024


@dataclass(frozen=True, eq=False)
class Batch:
    """Blocks of one size.

    Parameters
    ----------
    size : int
    columns : ndarray of int of shape (C, size)
        Column of the matrix at each place; N where padded.
    members : ndarray of int or slice
        Which of the pattern's elements lie here.
    offsets : ndarray of int
        Where, in the flattened batch.
    """

    size: int
    columns: Array
    members: Array | slice
    offsets: Array


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the elements of a sparsity pattern stand.

    Parameters
    ----------
    N : int
    batches : tuple of Batch
    label, place : ndarray of int of shape (N,)
        Block of each column and its place in it.
    """

    N: int
    batches: tuple[Batch, ...]
    label: Array
    place: Array

    @classmethod
    def of(cls, N: int, i: Array, j: Array) -> Layout:
        """Of a lower triangle that includes the diagonal."""
        graph = sparse.coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(N, N))
        n_blocks, label = connected_components(graph, directed=False) if N else (0, i)
        size = np.bincount(label, minlength=n_blocks)
        order = np.argsort(label, kind="stable")
        first = np.cumsum(size) - size
        place = np.empty(N, dtype=np.int64)
        place[order] = np.arange(N) - np.repeat(first, size)
        padded = np.where(
            size <= SMALL, 2 ** np.ceil(np.log2(np.maximum(size, 1))), size
        ).astype(np.int64)
        batches = []
        for s in np.unique(padded):
            blocks = np.flatnonzero(padded == s)
            slot = np.full(n_blocks, -1)
            slot[blocks] = np.arange(len(blocks))
            columns = np.full((len(blocks), s), N)
            mine = np.flatnonzero(slot[label] >= 0)
            columns[slot[label[mine]], place[mine]] = mine
            members: Array | slice = slice(None)
            rows, cols = i, j
            if n_blocks > 1:
                members = np.flatnonzero(slot[label[j]] >= 0)
                rows, cols = i[members], j[members]
            offsets = (slot[label[cols]] * s + place[cols]) * s + place[rows]
            batches.append(Batch(int(s), columns, members, offsets))
        return cls(N, tuple(batches), label, place)

    @classmethod
    def whole(cls, N: int) -> Layout:
        """One block."""
        at = np.arange(N)
        batch = Batch(N, at[None], slice(None), at[:0])
        return cls(N, (batch,), np.zeros(N, dtype=np.int64), at)

    @property
    def cubes(self) -> float:
        """Sum of the cubes of the blocks' sizes."""
        return float(sum(len(b.columns) * float(b.size) ** 3 for b in self.batches))

    @property
    def squares(self) -> float:
        """Elements of all blocks."""
        return float(sum(len(b.columns) * float(b.size) ** 2 for b in self.batches))


class Blocks:
    """A positive definite matrix, then its factor, then its inverse.

    Parameters
    ----------
    layout : Layout
    elements : ndarray of shape (k,) or (N, N)
        Of the lower triangle, in the order of the pattern; or the whole matrix.

    Raises
    ------
    LinAlgError
        If the matrix is not positive definite.
    """

    def __init__(self, layout: Layout, elements: Array):
        self.layout = layout
        self.inverted = False
        self.log_det = 0.0
        self._data: list[Array] = []
        for batch in layout.batches:
            C, s = batch.columns.shape
            if elements.ndim == 2:
                data = np.ascontiguousarray(elements)[None]
            else:
                data = np.zeros((C, s, s))
                data.reshape(-1)[batch.offsets] = elements[batch.members]
            if s <= SMALL:
                if elements.ndim == 1:
                    c, k = np.nonzero(batch.columns == layout.N)
                    data[c, k, k] = 1.0
                    data += np.triu(data, 1).transpose(0, 2, 1)
                L = np.linalg.cholesky(data)
                self.log_det += 2.0 * float(
                    np.log(np.diagonal(L, axis1=1, axis2=2)).sum()
                )
                half = np.linalg.inv(L)
                data = half.transpose(0, 2, 1) @ half
            else:
                for block in data:
                    # the upper triangle by rows is the lower one by columns
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
        for batch, data in zip(self.layout.batches, self._data, strict=True):
            part = padded[batch.columns]
            if batch.size <= SMALL:
                solved = data @ part
            else:
                solved = np.empty_like(part)
                for c, block in enumerate(data):
                    if self.inverted:
                        solved[c] = blas.dsymm(1.0, block.T, part[c], lower=1)
                    else:
                        solved[c] = lapack.dpotrs(block.T, part[c], lower=1)[0]
            real = batch.columns < self.layout.N
            out[batch.columns[real]] = solved[real]
        return out

    def invert(self) -> None:
        """Turn the factor into the inverse, in place."""
        if self.inverted:
            return
        for batch, data in zip(self.layout.batches, self._data, strict=True):
            if batch.size > SMALL:
                for block in data:
                    lapack.dpotri(block.T, lower=1, overwrite_c=1)
        self.inverted = True

    def diagonal(self) -> Array:
        """Diagonal of the inverse."""
        self.invert()
        out = np.empty(self.layout.N)
        for batch, data in zip(self.layout.batches, self._data, strict=True):
            real = batch.columns < self.layout.N
            out[batch.columns[real]] = np.diagonal(data, axis1=1, axis2=2)[real]
        return out

    def elements(self, n: int) -> Array:
        """Elements of the inverse at the n places of the pattern."""
        self.invert()
        out = np.empty(n)
        for batch, data in zip(self.layout.batches, self._data, strict=True):
            out[batch.members] = data.reshape(-1)[batch.offsets]
        return out

    def at(self, i: Array, j: Array) -> Array:
        """Any elements of the inverse."""
        self.invert()
        layout = self.layout
        out = np.zeros(len(i))
        low, high = layout.place[j], layout.place[i]
        low, high = np.minimum(low, high), np.maximum(low, high)
        together = layout.label[i] == layout.label[j]
        for batch, data in zip(layout.batches, self._data, strict=True):
            slot = np.full(int(layout.label.max()) + 1, -1)
            slot[layout.label[batch.columns[:, 0]]] = np.arange(len(batch.columns))
            mine = np.flatnonzero(together & (slot[layout.label[i]] >= 0))
            out[mine] = data[slot[layout.label[i[mine]]], low[mine], high[mine]]
        return out

    def whole(self) -> Array:
        """The inverse as one matrix."""
        self.invert()
        N = self.layout.N
        out = np.zeros((N, N))
        for batch, data in zip(self.layout.batches, self._data, strict=True):
            for columns, block in zip(batch.columns, data, strict=True):
                real = columns < N
                at = columns[real]
                upper = np.triu(block[np.ix_(real, real)])
                out[np.ix_(at, at)] = upper + np.triu(upper, 1).T
        return out

    def traces(
        self, W: list[Array], terms: Array, n_terms: int
    ) -> tuple[Array, Array, Array]:
        """Sums over the inverse that second derivatives consist of.

        Parameters
        ----------
        W : list of ndarray of shape (k,)
            Symmetric matrices of the same pattern.
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
        for batch, data in zip(self.layout.batches, self._data, strict=True):
            C, s = batch.columns.shape
            member = np.zeros((C, s, n_terms))
            c, k = np.nonzero(batch.columns < self.layout.N)
            member[c, k, terms[batch.columns[c, k]]] = 1.0
            if s <= SMALL:
                dense = [_dense(values, batch) for values in W]
                _add_traces(data, [data @ w for w in dense], member, WW, Wt, tt)
                continue
            place, at = np.divmod(batch.offsets, s * s)
            for slot, block in enumerate(data):
                _mirror(block)
                mine = place == slot
                j, i = np.divmod(at[mine], s)
                products = [
                    _times_sparse(block, values[batch.members][mine], i, j)
                    for values in W
                ]
                _add_traces(
                    block[None],
                    [F[None] for F in products],
                    member[slot][None],
                    WW,
                    Wt,
                    tt,
                )
        return np.tril(WW) + np.tril(WW, -1).T, Wt, tt


def _add_traces(
    data: Array, F: list[Array], member: Array, WW: Array, Wt: Array, tt: Array
) -> None:
    for c, start in _panels(data):
        rows = slice(start, start + PANEL)
        part, own = data[c, rows], member[c, rows]
        for i, first in enumerate(F):
            Wt[i] += np.einsum("...ab,...ab->...a", first[c, rows], part).ravel() @ (
                own.reshape(-1, own.shape[-1])
            )
            for h, second in enumerate(F[: i + 1]):
                if isinstance(c, slice):
                    WW[i, h] += np.einsum("cab,cba->", first, second)
                else:
                    WW[i, h] += np.einsum(
                        "ab,ba->", first[c, rows], second[c][:, rows]
                    )
        part = part.copy()
        at = np.arange(part.shape[-2])
        part[..., at, start + at] -= 1.0
        part *= part
        half = (part @ member[c]).reshape(-1, own.shape[-1])
        tt += own.reshape(half.shape).T @ half


def _dense(values: Array, batch: Batch) -> Array:
    out = np.zeros((*batch.columns.shape, batch.size))
    out.reshape(-1)[batch.offsets] = values[batch.members]
    return out + np.triu(out, 1).transpose(0, 2, 1)


def _times_sparse(block: Array, values: Array, i: Array, j: Array) -> Array:
    """block @ W, W given by its lower triangle, a panel of W dense at a time."""
    s, below = len(block), i != j
    rows, columns = np.append(i, j[below]), np.append(j, i[below])
    both = np.append(values, values[below])
    W = sparse.csr_array((both, (rows, columns)), shape=(s, s))
    out = np.empty_like(block)
    for start in range(0, s, PANEL):
        part = slice(start, min(start + PANEL, s))
        out[:, part] = block @ W[part].toarray().T
    return out


def _panels(data: Array) -> list[tuple[int | slice, int]]:
    """Small blocks all at once, large ones by panels of rows."""
    C, s, _ = data.shape
    if s <= SMALL:
        return [(slice(None), 0)]
    return [(c, start) for c in range(C) for start in range(0, s, PANEL)]


def _mirror(block: Array) -> None:
    """Copy the upper triangle below, in place."""
    s = len(block)
    for start in range(0, s, PANEL):
        rows = slice(start, min(start + PANEL, s))
        block[rows, : rows.start] = block[: rows.start, rows].T
        square = block[rows, rows]
        block[rows, rows] = np.triu(square) + np.triu(square, 1).T
