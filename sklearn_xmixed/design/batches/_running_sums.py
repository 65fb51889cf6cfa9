"""Sums of all rows that have come so far, to which those of further rows are added.

They are formed in a basis that the first rows give, in which these are uncorrelated, and
which stays: sums of columns that lie far from their means, or close to one another,
lose no digits, and nothing has to be summed again of rows that are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from .._categories import Categories
from .._design import REMAINDER
from .._moments import Moments
from .._products import Products
from ..table._products import Grouped
from ._running_groups import RunningGroups

__all__ = ["Arrived", "RunningProducts", "RunningSums", "Summed"]

Array = np.ndarray

#: a column of unit size of which less is left has nothing but rounding left
SMALLEST = 1e-10


class Summed(Protocol):
    """Who forms sums of products of ``[1, raw - shift] @ matrix``."""

    def total(self, shift: Array, matrix: Array) -> Array:
        """Of all rows."""

    def by_group(self, shift: Array, matrix: Array, left: Sequence[int]) -> Grouped:
        """By lowest-level group, of the columns ``left`` with all."""

    def by_names(self, names: Sequence[str], shift: Array, matrix: Array) -> Grouped:
        """By the labels of some columns, of all columns."""


@dataclass(frozen=True, eq=False)
class Arrived:
    """Rows of one call, before they are summed.

    Parameters
    ----------
    columns, fixed, extra, levels : tuple of str
        Names: of the columns of X, those of the fixed part, of random coefficients beside
        it, and the levels, top first.
    target : str
    n_rows, n_dropped : int
        Rows used, and left out.
    weighted : bool
    low, high, mean : ndarray of shape (k,)
        Of the raw columns [fixed, extra, y].
    rows : Summed
    categories : Categories or None
        Of columns that are coded.
    offset : tuple of str
        Name of what was taken from the response, if anything was.
    offset_mean : float
    log_weights : float
        Sum of the logarithms of precision weights.
    cluster : tuple of str
        Name of the clusters of robust errors, where these are no top-level groups.
    """

    columns: tuple[str, ...]
    fixed: tuple[str, ...]
    extra: tuple[str, ...]
    levels: tuple[str, ...]
    target: str
    n_rows: int
    n_dropped: int
    weighted: bool
    low: Array
    high: Array
    mean: Array
    rows: Summed
    categories: Categories | None = None
    offset: tuple[str, ...] = ()
    offset_mean: float = 0.0
    log_weights: float = 0.0
    cluster: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class RunningSums:
    """What is kept of all rows so far.

    Parameters
    ----------
    names : Arrived
        The first rows' names and numbers, without the rows.
    centre, unit : ndarray of shape (k,)
        Of the first rows: means, and largest deviations from them.
    basis : ndarray of shape (k + 1, k + 1)
        Column 1 + j of ``[1, raw - centre] @ basis`` is the raw column j less what the
        constant and the columns before it have of it; those with random coefficients come
        first.
    left : ndarray of int
        Columns of the basis that have random coefficients, the constant first.
    gram : ndarray of shape (k + 1, k + 1)
        Of the basis, all rows.
    groups : RunningGroups
        The lowest, with products of ``left`` and all columns.
    clusters : RunningGroups or None
        Of robust errors: top-level groups, within the clusters where these are others,
        with products of all columns.
    mean : ndarray of shape (k,)
        Of the raw columns, whatever the weights.
    largest : ndarray of shape (k,)
        Sizes of the largest values.
    n_rows, n_dropped, n_batches : int
    weighted : bool
    offset_mean : float
    log_weights : float
        Sum of the logarithms of precision weights.
    """

    names: Arrived
    centre: Array
    unit: Array
    basis: Array
    left: Array
    gram: Array
    groups: RunningGroups
    clusters: RunningGroups | None
    mean: Array
    largest: Array
    n_rows: int
    n_dropped: int
    n_batches: int
    weighted: bool
    offset_mean: float = 0.0
    log_weights: float = 0.0

    @classmethod
    def of(
        cls, arrived: Arrived, random: Sequence[str], *, robust: bool
    ) -> RunningSums:
        """Those of the first rows.

        Parameters
        ----------
        random : sequence of str
            Columns with random coefficients.
        robust : bool
            Whether there are sums by top-level group too, for robust errors.
        """
        centre = arrived.mean
        unit = np.maximum(arrived.high - centre, centre - arrived.low)
        unit = np.where(unit > 0, unit, 1.0)
        raw = [*arrived.fixed, *arrived.extra]
        first = sorted({raw.index(name) for name in random})
        order = [*first, *(j for j in range(len(unit)) if j not in first)]
        basis = _basis(arrived.rows, centre, unit, order)
        left = np.array([0, *(1 + j for j in first)], dtype=int)
        k = len(unit)
        empty = cls(
            replace(arrived, rows=None),  # type: ignore[arg-type]
            centre,
            unit,
            basis,
            left,
            np.zeros((k + 1, k + 1)),
            RunningGroups.none(len(left), k + 1),
            RunningGroups.none(k + 1, k + 1) if robust else None,
            np.zeros(k),
            np.zeros(k),
            0,
            0,
            0,
            False,
        )
        return empty.plus(arrived)

    def plus(self, arrived: Arrived) -> RunningSums:
        """The same with further rows.

        Raises
        ------
        ValueError
            If their columns are others.
        TypeError
            If their labels are text where those so far are numbers, or the reverse.
        """
        self._check(arrived)
        gram = arrived.rows.total(self.centre, self.basis)
        largest = np.maximum(np.abs(arrived.low), np.abs(arrived.high))
        n = self.n_rows + arrived.n_rows
        share = arrived.n_rows / n
        more = replace(
            self,
            gram=self.gram + gram,
            largest=np.maximum(self.largest, largest),
            n_rows=n,
            n_dropped=self.n_dropped + arrived.n_dropped,
            n_batches=self.n_batches + 1,
            weighted=self.weighted or arrived.weighted,
            mean=self.mean + share * (arrived.mean - self.mean),
            offset_mean=self.offset_mean
            + share * (arrived.offset_mean - self.offset_mean),
            log_weights=self.log_weights + arrived.log_weights,
        )
        if self.n_batches and arrived.categories is not None:
            assert self.names.categories is not None
            so_far = self.names.categories.plus(arrived.categories)
            more = replace(more, names=replace(self.names, categories=so_far))
        rows, levels = arrived.rows, arrived.levels
        if levels:
            got = rows.by_group(self.centre, self.basis, self.left.tolist())
            more = replace(more, groups=self.groups.plus(levels, got))
        if self.clusters is None:
            return more
        names = list(dict.fromkeys([*arrived.cluster, *levels[:1]]))
        got = rows.by_names(names, self.centre, self.basis)
        return replace(more, clusters=self.clusters.plus(names, got))

    def _check(self, arrived: Arrived) -> None:
        """Whether further rows have the same columns."""
        kinds = {
            "fixed": "columns of the fixed part",
            "extra": "random coefficients beside the fixed part",
            "levels": "levels",
            "offset": "columns of the offset",
            "cluster": "columns of the clusters",
        }
        for what, name in kinds.items():
            so_far, now = getattr(self.names, what), getattr(arrived, what)
            if so_far != now:
                raise ValueError(
                    f"The {name} are {list(now)} here and were {list(so_far)} in the rows "
                    "so far, to whose sums these rows would be added. Pass the same "
                    "columns in the same order, or call fit to start anew."
                )

    def of_columns(self, raw: Sequence[int]) -> RunningProducts:
        """Sums of products of some raw columns."""
        return RunningProducts(self.n_rows, self, np.array(raw, dtype=int))


@dataclass(frozen=True, eq=False)
class RunningProducts(Products):
    """Sums of products of some of the raw columns, by linear algebra alone.

    Parameters
    ----------
    n_rows : int
    sums : RunningSums
    raw : ndarray of int
        Which of its raw columns are meant.
    precision : (float, float) or None
        Mean of the rows' precision weights, and the sum of their logarithms.
    owner : ndarray of int or None
        Cluster of every one of the sums' clusters; None for the same.
    """

    n_rows: int
    sums: RunningSums
    raw: Array
    precision: tuple[float, float] | None = None
    owner: Array | None = None

    @property
    def unit(self) -> Array:
        """Largest deviations of the columns from the first rows' means."""
        return self.sums.unit[self.raw]

    @property
    def moments(self) -> Moments:
        """Of the columns, in the user's units."""
        centre = self.sums.centre[self.raw]
        scaled = np.diag(np.append(1.0, 1.0 / self.unit))
        standard = Moments.of_gram(self.total(centre, scaled), np.zeros(len(centre)))
        return Moments(
            standard.n,
            centre + self.unit * standard.mean,
            standard.centred * np.outer(self.unit, self.unit),
        )

    def total(self, shift: Array, matrix: Array) -> Array:
        """Sums of products over all rows."""
        C = self._from_basis(shift, matrix)
        return C.T @ self.sums.gram @ C

    def by_group(self, shift: Array, matrix: Array, left: Sequence[int]) -> Array:
        """Sums of products by group."""
        C = self._from_basis(shift, matrix)
        own = C[np.ix_(self.sums.left, np.asarray(left, dtype=int))]
        return _changed(self.sums.groups.sums, own, C)

    def by_cluster(self, shift: Array, matrix: Array) -> tuple[Array, Array]:
        """Sums of products by cluster of robust errors, of all columns."""
        clusters = self.sums.clusters
        assert clusters is not None
        C = self._from_basis(shift, matrix)
        n, sums = clusters.n, _changed(clusters.sums, C, C)
        if self.owner is None:
            return n, sums
        M = int(self.owner.max()) + 1
        out = np.zeros((*sums.shape[:2], M))
        for at in np.ndindex(*sums.shape[:2]):
            out[at] = np.bincount(self.owner, sums[at], minlength=M)
        return np.bincount(self.owner, n, minlength=M), out

    def precise(self) -> RunningProducts:
        """The same of rows whose weights say how exact they are."""
        sums = self.sums
        mean = float(sums.gram[0, 0]) / self.n_rows
        return replace(self, precision=(mean, sums.log_weights))

    def _from_basis(self, shift: Array, matrix: Array) -> Array:
        """``[1, raw - shift] @ matrix`` as a combination of the basis."""
        k = len(self.sums.unit)
        wide = np.zeros((k + 1, matrix.shape[1]))
        wide[0] = matrix[0] + (self.sums.centre[self.raw] - shift) @ matrix[1:]
        wide[1 + self.raw] = matrix[1:]
        # rows of a triangular matrix but for their order, in units of the columns
        size = np.append(1.0, self.sums.unit)[:, None]
        return np.linalg.solve(self.sums.basis * size, wide * size)


def _changed(sums: Array, left: Array, right: Array) -> Array:
    """left' S right of the sums of every group."""
    half = np.tensordot(left, sums, axes=(0, 0))
    return np.moveaxis(np.tensordot(right, half, axes=(0, 1)), 0, 1)


def _basis(rows: Summed, centre: Array, unit: Array, order: list[int]) -> Array:
    """The triangular basis in which rows are uncorrelated.

    Found twice: what two columns that are nearly the same differ by is known to a few
    digits from their own sums, and to all from its own.
    """
    M = np.diag(np.append(1.0, 1.0 / unit))
    at = np.array([0, *(1 + j for j in order)], dtype=int)
    for _ in range(2):
        H = rows.total(centre, M)[np.ix_(at, at)]
        H = H / H[0, 0]
        size = np.sqrt(np.diagonal(H))
        size = np.where(size > SMALLEST, size, 1.0)
        T = np.zeros_like(M)
        T[np.ix_(at, at)] = _orthogonal(H / np.outer(size, size)) / size[:, None]
        M = M @ T
    return M


def _orthogonal(H: Array) -> Array:
    """Columns less what those before them have of them, in units of what is left."""
    T, used = np.eye(len(H)), [0]
    for j in range(1, len(H)):
        T[used, j] = -np.linalg.lstsq(H[np.ix_(used, used)], H[used, j], rcond=None)[0]
        left = float(T[:, j] @ H @ T[:, j])
        # what is nothing but rounding now may vary in later rows: it keeps its unit
        if left > REMAINDER**2:
            T[:, j] /= np.sqrt(left)
            used.append(j)
    return T
