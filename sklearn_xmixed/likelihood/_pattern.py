"""Which pairs of remaining columns meet, and by what.

What is left of the remaining terms once the first is eliminated is
A = A_rr - A_rs K_s A_sr.  Its elements are linear in the K_s of the first term's
groups, and groups with the same cross-products have the same K_s: with one row per
nonzero element of the lower triangle and one column per element of a class's K_s

    A = fixed - R vec(K_s),

which costs a product of a sparse matrix with a short vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ._crossing import Crossing

__all__ = ["Pattern", "counting_order", "vector"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Pattern:
    """Nonzero elements of the remaining matrix, lower triangle by columns.

    Parameters
    ----------
    N : int
        Columns that remain.
    i, j : ndarray of int of shape (k,)
        Row and column, i >= j; the whole diagonal is among them.
    fixed : ndarray of shape (k,)
        Elements of A_rr.
    R : csr_array of shape (k, classes * q (q + 1) / 2)
        What the elements of each class's symmetric matrix contribute.
    twice : ndarray of shape (k,)
        1 on the diagonal and 2 beside it.
    """

    N: int
    i: Array
    j: Array
    fixed: Array
    R: sparse.csr_array
    twice: Array

    @classmethod
    def of(cls, x: Crossing) -> Pattern:
        """Enumerate the pairs of columns that meet."""
        N, q = x.N, x.q[x.first]
        one, which = x.classes
        _, column, value = x.coupled
        order = np.argsort(which, kind="stable")
        keys, classes, values = [], [], []
        for left, right, group in x.pairs(order):
            i, j = column[left], column[right]
            at = counting_order(j, N)
            at = at[counting_order(i[at], N)]
            key = i[at].astype(np.int64) * N + j[at]
            kind = which[group[at]]
            left, right = left[at], right[at]
            product = np.empty((len(key), q * (q + 1) // 2))
            for c, (a, b) in enumerate(_places(q)):
                product[:, c] = value[a][left] * value[b][right]
                if a != b:
                    product[:, c] += value[b][left] * value[a][right]
            key, kind, product = _merge(key, kind, product)
            keys.append(key)
            classes.append(kind)
            values.append(product)
        key, kind, product = _merge(*_in_order(keys, classes, values, q))
        lower = sparse.coo_array(sparse.tril(x.A_rest, format="coo"))
        rows, columns = lower.coords
        own = rows.astype(np.int64) * N + columns
        every = np.unique(
            np.concatenate([key, own, np.arange(N, dtype=np.int64) * (N + 1)])
        )
        fixed = np.zeros(len(every))
        fixed[np.searchsorted(every, own)] = lower.data
        h = q * (q + 1) // 2
        pointer = np.searchsorted(key, np.append(every, N * np.int64(N))) * h
        R = sparse.csr_array(
            (
                product.ravel(),
                (kind[:, None] * h + np.arange(h)).ravel(),
                pointer,
            ),
            shape=(len(every), len(one) * h),
        )
        i, j = every // max(N, 1), every % max(N, 1)
        return cls(N, i, j, fixed, R, np.where(i == j, 1.0, 2.0))

    def values(self, K: Array) -> Array:
        """Elements of A for the K_s of each class, shape (classes, q, q)."""
        return self.fixed - self.R @ vector(K)

    def products(self, K: Array) -> Array:
        """Elements of A_rs K A_sr."""
        return self.R @ vector(K)

    def per_class(self, elements: Array, q: int) -> Array:
        """Sum of A_sr M A_rs over the groups of each class, M given by its elements.

        Returns
        -------
        ndarray of shape (classes, q, q)
        """
        return unpack(self.R.T @ (elements * self.twice), q)

    def symmetric(self, elements: Array) -> sparse.csr_array:
        """The matrix of these elements, whole."""
        below = self.i != self.j
        rows = np.concatenate([self.i, self.j[below]])
        columns = np.concatenate([self.j, self.i[below]])
        both = np.concatenate([elements, elements[below]])
        return sparse.csr_array((both, (rows, columns)), shape=(self.N, self.N))


def _places(q: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(q) for b in range(a, q)]


def vector(K: Array) -> Array:
    """Upper triangles of symmetric matrices (k, q, q) one after the other."""
    q = K.shape[1]
    if q == 1:
        return K[:, 0, 0]
    a, b = np.triu_indices(q)
    return K[:, a, b].ravel()


def unpack(summed: Array, q: int) -> Array:
    """Symmetric matrices from sums of products of pairs counted twice."""
    a, b = np.triu_indices(q)
    flat = summed.reshape(-1, len(a))
    out = np.empty((len(flat), q, q))
    out[:, a, b] = flat * np.where(a == b, 1.0, 0.5)
    out[:, b, a] = out[:, a, b]
    return out


def counting_order(codes: Array, size: int) -> Array:
    """The stable order of small integers."""
    n = len(codes)
    rows = sparse.csr_array(
        (np.ones(n, dtype=np.int8), codes, np.arange(n + 1)), shape=(n, size)
    )
    return rows.tocsc().indices


def _merge(key: Array, kind: Array, product: Array) -> tuple[Array, Array, Array]:
    """Neighbours with the same element and class added up."""
    if not len(key):
        return key, kind, product
    new = np.append(True, (key[1:] != key[:-1]) | (kind[1:] != kind[:-1]))
    if new.all():
        return key, kind, product
    first = np.flatnonzero(new)
    return key[first], kind[first], np.add.reduceat(product, first, axis=0)


def _in_order(
    keys: list[Array], classes: list[Array], values: list[Array], q: int
) -> tuple[Array, Array, Array]:
    if len(keys) == 1:
        return keys[0], classes[0], values[0]
    if not keys:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, np.zeros((0, q * (q + 1) // 2))
    key = np.concatenate(keys)
    order = np.argsort(key, kind="stable")
    return key[order], np.concatenate(classes)[order], np.concatenate(values)[order]
