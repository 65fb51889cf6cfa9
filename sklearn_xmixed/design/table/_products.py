"""Sums of products from an engine, in the order of the design's groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ...tables import GroupSums, TableSums
from .._clusters import Clusters
from .._compiled import Compiled
from .._design import REMAINDER, Level, Term, kept_by_moments
from .._encoder import Encoder
from .._equations import Columns
from .._labels import Source
from .._levels import make_levels, read_labels
from .._moments import DOUBTFUL, Moments
from .._products import Products

__all__ = [
    "Grouped",
    "Groups",
    "TableClusters",
    "TableColumns",
    "TableProducts",
    "group_table",
    "kept_by_sums",
    "labels_of",
    "labels_of_groups",
    "numbered_groups",
]

Array = np.ndarray

#: eigenvalue of the correlations below which sums about the means are too coarse
COARSE = 1e-6


@dataclass(frozen=True, eq=False)
class Grouped:
    """Sums by lowest-level group, in any order.

    Parameters
    ----------
    labels : dict
        Labels of each group by level, top level first; None for ``_all``.
    n : ndarray of shape (G,)
        Number of rows.
    sums : ndarray of shape (len(left), w, G)
    """

    labels: dict[str, Any]
    n: Array
    sums: Array


@dataclass(frozen=True, eq=False)
class Groups:
    """Levels over the lowest groups, and the terms of factors.

    Parameters
    ----------
    levels : list of Level
    encoders : list of Encoder
    n : ndarray of shape (G,)
        Rows of the lowest groups.
    weights : ndarray of shape (G,) or None
        Sums of their weights.
    terms : tuple of Term
    clusters : Clusters or None
        Of robust errors.
    """

    levels: list[Level]
    encoders: list[Encoder]
    n: Array
    weights: Array | None
    terms: tuple[Term, ...] = ()
    clusters: Clusters | None = None

    def counted(self, weight_type: str) -> tuple[list[Level], Array]:
        """The levels, and observations of the lowest groups; weights that are copies."""
        if weight_type != "frequency":
            return [replace(level, weights=None) for level in self.levels], self.n
        return self.levels, self.n if self.weights is None else self.weights


@dataclass(frozen=True, eq=False)
class TableClusters:
    """Clusters of robust errors, by one column of labels.

    Parameters
    ----------
    encoder : Encoder
    number : ndarray of int, shape (M,)
        Of the clusters in the encoder's order.
    """

    encoder: Encoder
    number: Array

    @property
    def name(self) -> str:
        """Of the column."""
        return self.encoder.group

    def codes(self, got: GroupSums) -> Array:
        """Numbers of the clusters of an answer."""
        labels = labels_of(got, [self.name])[self.name]
        none = np.zeros(len(got.n), dtype=np.intp)
        return self.number[self.encoder.transform(labels, none)]


class Totals(Protocol):
    """Who forms sums over all rows, of columns in these units."""

    @property
    def n_rows(self) -> int:
        """How many rows there are."""

    @property
    def unit(self) -> Array:
        """Of each raw column."""

    def total(self, shift: Array, matrix: Array) -> Array:
        """Sums of products of ``[1, raw - shift] @ matrix``."""


@dataclass(frozen=True, eq=False)
class TableColumns(Columns):
    """Raw columns of a table; where moments cannot tell, the engine sums once more.

    Parameters
    ----------
    sums : Totals
        Of these columns and the response.
    """

    sums: Totals | None = None

    def independent(self, columns: Array, *, constant: bool) -> Array:
        """Which of some raw columns are not collinear with those before them."""
        assert self.sums is not None
        return kept_by_sums(self.sums, self.moments, columns, constant=constant)


def kept_by_sums(
    sums: Totals, moments: Moments, columns: Array, *, constant: bool
) -> Array:
    """The decision of ``kept_columns`` without rows.

    Where moments cannot tell, what each column has left after those that are surely
    independent is formed row by row and summed, twice.
    """
    if not len(columns):
        return np.zeros(0, dtype=bool)
    keep, varies, sure = kept_by_moments(moments, columns, constant=constant)
    if sure:
        return keep
    k, q = len(moments.mean), len(columns)
    shift = moments.mean if constant else np.zeros(k)
    V = np.zeros((k + 1, q))
    V[1 + columns, np.arange(q)] = 1.0 / sums.unit[columns]
    H = sums.total(shift, V)
    unit = np.sqrt(np.where(np.diagonal(H) > 0, np.diagonal(H), 1.0))
    V, H = V / unit, H / np.outer(unit, unit)
    V = V @ _remainders(H, varies, DOUBTFUL)[0]
    H = sums.total(shift, V)
    size = np.sqrt(np.where(np.diagonal(H) > 0, np.diagonal(H), 1.0))
    _, left = _remainders(H / np.outer(size, size), varies, DOUBTFUL, size)
    keep = varies & (left > REMAINDER)
    most = sums.n_rows - constant
    return keep & (np.cumsum(keep) <= most)


def _remainders(
    H: Array, varies: Array, least: float, size: Array | None = None
) -> tuple[Array, Array]:
    """What each column has left after those before it, and how much of a unit."""
    q = len(H)
    size = np.ones(q) if size is None else size
    T, left = np.eye(q), np.zeros(q)
    used: list[int] = []
    for j in range(q):
        if not varies[j]:
            continue
        if used:
            T[used, j] = -np.linalg.lstsq(
                H[np.ix_(used, used)], H[used, [j]], rcond=None
            )[0]
        share = max(float(T[:, j] @ H @ T[:, j]), 0.0)
        left[j] = np.sqrt(share) * size[j]
        if share > least and left[j] > REMAINDER:
            used.append(j)
    return T, left


@dataclass(frozen=True, eq=False)
class TableProducts(Products):
    """Products of raw columns [X, extra, y] that an engine summed.

    Parameters
    ----------
    n_rows : int
    sums : TableSums
    gram : ndarray of shape (k + 1, k + 1)
        Of the standard columns, all rows.
    left : ndarray of int
        Those of the standard columns that have random coefficients, the constant first.
    groups : ndarray of shape (len(left), k + 1, G)
        Their products with all, by group.
    encoders : tuple of Encoder
        Of the groups.
    precision : (float, float) or None
        Mean of the rows' precision weights, and the sum of their logarithms.
    clusters : TableClusters or None
        Of robust errors.
    shares : ndarray of shape (G,) or None
        Weights of the groups that go to their rows.
    """

    n_rows: int
    sums: TableSums
    gram: Array
    left: Array
    groups: Array
    encoders: tuple[Encoder, ...]
    precision: tuple[float, float] | None = None
    clusters: TableClusters | None = None
    shares: Array | None = None

    def counted(self, compiled: Compiled) -> Compiled:
        """A design over these sums with the numbers of its groups; here it has them."""
        return compiled

    @property
    def coarse(self) -> bool:
        """Whether other columns than the standard ones have to be summed anew."""
        centred = Moments.of_gram(self.gram, np.zeros(len(self.gram) - 1)).centred
        size = np.sqrt(np.diagonal(centred))
        if not (size > 0).all():
            return True
        return bool(np.linalg.eigvalsh(centred / np.outer(size, size))[0] < COARSE)

    def total(self, shift: Array, matrix: Array) -> Array:
        """Sums of products over all rows."""
        if self.coarse:
            return self.sums.total(shift, matrix)
        C = self._from_standard(shift, matrix)
        return C.T @ self.gram @ C

    def by_group(self, shift: Array, matrix: Array, left: Sequence[int]) -> Array:
        """Sums of products by group."""
        if self.coarse:
            got = self.sums.by_group(shift, matrix, left)
            out = got.sums[:, :, np.argsort(self._codes(got))]
        else:
            out = self.changed(self.left, self.groups, (shift, matrix), left)
        return out if self.shares is None else out * self.shares

    def changed(
        self,
        known: Array,
        groups: Array,
        columns: tuple[Array, Array],
        left: Sequence[int],
    ) -> Array:
        """Sums of products of the columns ``known`` with all, taken to other columns.

        Parameters
        ----------
        columns : (shift, matrix)
        """
        C = self._from_standard(*columns)
        own = C[np.ix_(known, np.asarray(left, dtype=int))]
        half = np.tensordot(own, groups, axes=(0, 0))
        return np.moveaxis(np.tensordot(C, half, axes=(0, 1)), 0, 1)

    def by_cluster(self, shift: Array, matrix: Array) -> tuple[Array, Array]:
        """Sums of products by cluster of robust errors, of all columns."""
        assert self.clusters is not None
        sums = replace(self.sums.over_groups, keys=(self.clusters.name,))
        got = sums.by_group(shift, matrix, range(matrix.shape[1]))
        order = np.argsort(self.clusters.codes(got))
        return got.n[order], got.sums[:, :, order]

    def _codes(self, got: GroupSums) -> Array:
        labels = labels_of(got, [e.group for e in self.encoders])
        codes = np.zeros(len(got.n), dtype=np.intp)
        for encoder in self.encoders:
            codes = encoder.transform(labels[encoder.group], codes)
        return codes

    def _from_standard(self, shift: Array, matrix: Array) -> Array:
        """``[1, raw - shift] @ matrix`` as a combination of the standard columns."""
        change = np.diag(np.append(1.0, self.sums.unit))
        change[0, 1:] = self.sums.centre - shift
        return change @ matrix


def labels_of(got: GroupSums, names: Sequence[str]) -> dict:
    """Labels of the groups by level, None for ``_all``."""
    if all(name == "_all" for name in names):
        return dict.fromkeys(names)
    return read_labels(Source.of(got.labels), list(names))


def labels_of_groups(encoders: Sequence[Encoder]) -> dict[str, Any]:
    """Labels of the lowest groups by level, in the order of their numbers."""
    out: dict[str, Any] = {}
    at = np.arange(encoders[-1].n_groups)
    for encoder in reversed(encoders):
        out[encoder.group] = (
            None if encoder.group == "_all" else np.asarray(encoder.own_labels)[at]
        )
        at = encoder.parents[at]
    return dict(reversed(out.items()))


def group_table(
    sums: TableSums, names: Sequence[str], left: Array, gram: Array
) -> tuple[list[Level], list[Encoder], GroupSums]:
    """Levels over the lowest groups, whose sums are in the order of their numbers.

    Parameters
    ----------
    names : sequence of str
        Levels, top first.
    left : ndarray of int
        Standard columns with random coefficients.
    gram : ndarray of shape (k + 1, k + 1)
        Of the standard columns, all rows.
    """
    if sums.keys:
        got = sums.by_group(sums.centre, sums.standard, [int(a) for a in left])
    else:  # one group, whose sums are known
        got = GroupSums(None, np.array([float(sums.n_rows)]), gram[left][:, :, None])
    return numbered_groups(got, names)


def numbered_groups(
    got: GroupSums, names: Sequence[str]
) -> tuple[list[Level], list[Encoder], GroupSums]:
    """The same of an engine's answer.

    Parameters
    ----------
    got : GroupSums
        In any order.
    names : sequence of str
        Levels, top first.
    """
    levels, encoders = make_levels(labels_of(got, names), len(got.n))
    order = np.argsort(levels[-1].codes)
    levels = [replace(level, codes=level.codes[order]) for level in levels]
    return levels, encoders, replace(got, n=got.n[order], sums=got.sums[:, :, order])
