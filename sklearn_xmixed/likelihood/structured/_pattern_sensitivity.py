"""Structured residuals without random effects: everything by pattern.

V is then block diagonal with one Lambda per pattern of times, and with C the sum of A A'
over its groups (A = W^-1 X F) all traces are products of matrices of a pattern's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from ._matrices import CategoryMatrices, Chunk
from ._sensitivity import StructuredSensitivity

__all__ = ["PatternSensitivity"]

Array = np.ndarray


class PatternSensitivity(StructuredSensitivity):
    """As ``StructuredSensitivity``; nothing but psi moves V."""

    @cached_property
    def traces(self) -> tuple[Array, Array]:
        """tr(G Y_i) and half of tr(G Y_i G Y_j)."""
        k = len(self.psi)
        first, second = np.zeros(k), np.zeros((k, k))
        for category in self._categories:
            size = len(category.z)
            t, own = np.zeros(size), np.zeros((size, size))
            for chunk, inverse, slopes in self._matrices(category):
                C = self._outer(chunk)
                count = chunk.count
                M = inverse @ slopes  # Lambda^-1 dLambda
                t += np.einsum("kpaa,p->k", M, count)
                t -= np.einsum("kpab,pba->k", slopes, C)
                flat = M.reshape(size, -1)
                weighted = (M * count[:, None, None]).transpose(0, 1, 3, 2)
                own += flat @ weighted.reshape(size, -1).T
                right = (M @ C).transpose(0, 1, 3, 2).reshape(size, -1)
                cross = slopes.reshape(size, -1) @ right.T
                own -= cross + cross.T
            places = category.places[:, :-1]
            first += places.T @ t
            second += places.T @ own @ places
        e = self.slopes
        second += np.einsum("ixy,jyx->ij", e, e)
        return first, 0.5 * second

    def quadratics(self, W: Array) -> Array:
        """Sum of W_ij Q_ij, the middle matrices being summed first."""
        out = np.zeros(self._A.shape)
        for category in self._categories:
            places = category.places[:, :-1]
            own = places @ W @ places.T
            for chunk, inverse, slopes in self._matrices(category):
                moved = np.tensordot(own, slopes, axes=1)
                middle = np.einsum(
                    "kpab,kpbc->pac", slopes, inverse @ moved, optimize=True
                )
                chunk.apply(middle, self._A, out)
        share = self.rows.share
        return self._A.T @ (out if share is None else out * share[:, None])

    def _matrices(
        self, category: CategoryMatrices
    ) -> Iterator[tuple[Chunk, Array, Array]]:
        """Patterns with Lambda^-1 and the derivatives of Lambda."""
        for chunk in category.chunks:
            inverse = np.linalg.inv(category.value(chunk.times))
            yield chunk, inverse, category.first(chunk.times)

    def _outer(self, chunk: Chunk) -> Array:
        """Sum of A A' over the groups of each pattern, shape (P, s, s)."""
        x = self._A[chunk.rows]
        y = x if self.rows.share is None else x * self._share_of(chunk)
        starts = np.flatnonzero(np.append(True, np.diff(chunk.pattern) > 0))
        if len(starts) == len(chunk.rows):
            return x @ y.transpose(0, 2, 1)
        ends = np.append(starts[1:], len(chunk.rows))
        out = np.empty((len(starts), x.shape[1], x.shape[1]))
        for k, (a, b) in enumerate(zip(starts, ends, strict=True)):
            out[k] = np.tensordot(x[a:b], y[a:b], axes=((0, 2), (0, 2)))
        return out
