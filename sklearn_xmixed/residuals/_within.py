"""The residual structure over rows: what it needs to know of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ._groups import Groups
from ._model import Part, ResidualModel
from ._structure import shown_time
from ._table import make_structure
from ._variance import Spread

__all__ = ["Within"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Within:
    """What the residual structure needs to know of the rows, in their given order.

    Parameters
    ----------
    structure : str
    order : int or None
    group : str
        Name of the lowest-level grouping variable.
    codes : ndarray of int, shape (n,)
        Lowest-level group of each row, numbered in the order of the paths.
    time : ndarray of shape (n,) or (n, k), or None
        Times, or the coordinates of places.
    by : ndarray of int, shape (n,) or None
        Category of each row.
    by_name : str or None
    categories : tuple of str
    occasions : tuple of str
        Names of the times 0, 1, ...; empty where times are the user's numbers.
    spread : ndarray of shape (n,) or None
        What the standard deviation of a row depends on.
    variance : callable or None
        What makes standard deviations of it.
    """

    structure: str
    order: int | None
    group: str
    codes: Array
    time: Array | None = None
    by: Array | None = None
    by_name: str | None = None
    categories: tuple[str, ...] = ("",)
    occasions: tuple[str, ...] = ()
    spread: Array | None = None
    variance: Callable[[Array], Spread] | None = None

    @property
    def plain(self) -> bool:
        """Whether all residuals are independent with one variance."""
        alone = self.by is None and self.spread is None
        return self.structure == "independent" and alone

    @cached_property
    def place(self) -> Array | None:
        """What the structure is told of a row: its time, and what its sd depends on."""
        if self.spread is None:
            return self.time
        return np.column_stack([*self.coordinates, self.spread])

    @cached_property
    def coordinates(self) -> list[Array]:
        """Columns of the time."""
        return [] if self.time is None else [*np.atleast_2d(self.time.T)]

    def take(self, rows: Array, codes: Array) -> Within:
        """Some rows, whose groups have new numbers."""
        return replace(
            self,
            codes=codes,
            time=None if self.time is None else self.time[rows],
            by=None if self.by is None else self.by[rows],
            spread=None if self.spread is None else self.spread[rows],
        )

    def shown(self, time: float) -> str:
        """A time as messages have it."""
        return shown_time(time, self.occasions)

    @cached_property
    def order_of_rows(self) -> Array:
        """Order of the rows by group and time."""
        c, keys = self.codes, self.coordinates[::-1]
        if self.time is None:  # groups that are alike have their rows in one order
            keys = [k for k in (self.spread, self.by) if k is not None]
        step = np.diff(c)
        if (step >= 0).all() and (
            not keys
            or (len(keys) == 1 and ((np.diff(keys[0]) >= 0) | (step > 0)).all())
        ):
            return np.arange(len(c))
        if not keys:
            return np.argsort(c, kind="stable")
        return np.lexsort((*keys, c))

    def model(self, order: Array, count: Array | None = None) -> ResidualModel:
        """The structure over rows in the given order.

        Parameters
        ----------
        order : ndarray of int, shape (n,)
            As from ``order_of_rows``.
        count : ndarray of shape (n,), optional
            Weight of each row's contribution to log|Lambda|.
        """
        parts = []
        for rows, groups in self.layout(order, count):
            structure = make_structure(
                self.structure, self.order, groups, self.variance
            )
            row_count = groups.n_rows if count is None else float(count[rows].sum())
            kernel = structure.kernel(groups)
            parts.append(Part(rows, groups, row_count, structure, kernel))
        return ResidualModel(tuple(parts), self.categories)

    def layout(
        self, order: Array, count: Array | None = None
    ) -> list[tuple[slice | Array, Groups]]:
        """Rows and groups of each category."""
        out: list[tuple[slice | Array, Groups]] = []
        codes = self.codes[order]
        by = None if self.by is None else self.by[order]
        place = None if self.place is None else self.place[order]
        for b in range(len(self.categories)):
            rows: slice | Array = slice(None) if by is None else np.flatnonzero(by == b)
            mine = codes[rows]
            starts = np.flatnonzero(np.append(len(mine) > 0, mine[1:] != mine[:-1]))
            groups = Groups(
                np.append(starts, len(mine)),
                None if place is None else place[rows],
                None if count is None else count[rows],
                self.occasions,
            )
            out.append((rows, groups))
        return out
