"""Sums of products of rows in memory, as an engine gives them of a table's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse

from .._levels import make_levels
from .._moments import BLOCK_ROWS
from ..table._products import Grouped, labels_of_groups

__all__ = ["RowSums"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class RowSums:
    """Columns in memory whose products are summed block by block.

    Parameters
    ----------
    raw : list of ndarray of shape (n,)
    labels : dict
        Labels by level, top level first; None for ``_all``.
    weights : ndarray of shape (n,) or None
    beside : dict
        Labels that are of no level.
    """

    raw: list[Array]
    labels: dict[str, Any]
    weights: Array | None
    beside: dict[str, Any] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.raw[-1])

    def total(self, shift: Array, matrix: Array) -> Array:
        """Sums of products of all columns ``[1, raw - shift] @ matrix``."""
        out = np.zeros((matrix.shape[1],) * 2)
        for start in range(0, self.n_rows, BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            W = self._columns(rows, shift, matrix)
            w = None if self.weights is None else self.weights[rows, None]
            out += W.T @ (W if w is None else W * w)
        return out

    def by_group(self, shift: Array, matrix: Array, left: Sequence[int]) -> Grouped:
        """The same by group, of the columns ``left`` with all."""
        levels, encoders = make_levels(self.labels, self.n_rows)
        codes, G = levels[-1].codes, levels[-1].n_groups
        order = np.argsort(codes, kind="stable")
        sums = np.zeros((len(left), matrix.shape[1], G))
        for start in range(0, self.n_rows, BLOCK_ROWS):
            rows = order[start : start + BLOCK_ROWS]
            W = self._columns(rows, shift, matrix)
            first, last = codes[rows[0]], codes[rows[-1]] + 1
            for i, a in enumerate(left):
                own = W[:, a] if self.weights is None else W[:, a] * self.weights[rows]
                member = sparse.csr_array(
                    (own, (codes[rows] - first, np.arange(len(rows)))),
                    shape=(last - first, len(rows)),
                )
                sums[i, :, first:last] += (member @ W).T
        n = np.bincount(codes, minlength=G).astype(float)
        return Grouped(labels_of_groups(encoders), n, sums)

    def by_names(self, names: Sequence[str], shift: Array, matrix: Array) -> Grouped:
        """The same by the labels of some columns, of all columns."""
        known = {**self.beside, **self.labels}
        own = replace(self, labels={name: known[name] for name in names})
        return own.by_group(shift, matrix, range(matrix.shape[1]))

    def _columns(self, rows: Any, shift: Array, matrix: Array) -> Array:
        own = [column[rows] - s for column, s in zip(self.raw, shift, strict=True)]
        return np.column_stack([np.ones(len(own[-1])), *own]) @ matrix
