"""Sums of products in place of rows: the contract of whoever holds the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["GroupPart", "Products", "StandIns"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class GroupPart:
    """Sums by group of some top-level groups with all that is below them.

    Parameters
    ----------
    levels : tuple of Level
        Over these groups alone; empty where there are none.
    sums : ndarray of shape (a, w, G)
        Of the columns asked for with all, by lowest-level group.
    labels : object
        What the groups are called.
    """

    levels: tuple[Any, ...]
    sums: Array
    labels: Any


@dataclass(frozen=True, eq=False)
class StandIns:
    """Rows of a few groups whose sums of products are those of all groups.

    Parameters
    ----------
    W : ndarray of shape (n, w)
        In the columns asked for, in the order of the design's rows.
    count : ndarray of shape (G,)
        How many groups each stands for.
    """

    W: Array
    count: Array


class Products(ABC):
    """Sums of products of any affine columns of rows that are elsewhere.

    Attributes
    ----------
    n_rows : int
    precision : (float, float) or None
        Mean of the rows' precision weights, and the sum of their logarithms.
    elsewhere : bool
        Whether the sums by group are not in this process either.
    """

    n_rows: int
    precision: tuple[float, float] | None = None
    elsewhere = False

    @abstractmethod
    def total(self, shift: Array, matrix: Array) -> Array:
        """Sums of products of ``[1, raw - shift] @ matrix`` over all rows, (w, w).

        Parameters
        ----------
        shift : ndarray of shape (k,)
        matrix : ndarray of shape (k + 1, w)
        """

    @abstractmethod
    def by_group(self, shift: Array, matrix: Array, left: Sequence[int]) -> Array:
        """The same of the columns ``left`` with all, (len(left), w, G).

        Groups are those that the design's codes speak of, in the same order.
        """

    def by_cluster(self, shift: Array, matrix: Array) -> tuple[Array, Array]:
        """Sums of products by cluster of robust errors, of all columns.

        Returns
        -------
        n : ndarray of shape (M,)
            Rows.
        sums : ndarray of shape (w, w, M)
        """
        raise NotImplementedError("No clusters were asked for.")

    def stand_ins(self, shift: Array, matrix: Array, q: int) -> StandIns:
        """Groups that stand for all those whose rows are alike but for [X y].

        Parameters
        ----------
        shift, matrix
            As of ``total``.
        q : int
            How many of the columns, the first, are random; the others are [X y].
        """
        raise NotImplementedError("Only structured residuals have stand-ins.")

    def weighted(self, shift: Array, matrix: Array, q: int, inverse: Array) -> Array:
        """Sums of products of every group, its rows multiplied by a matrix.

        Parameters
        ----------
        shift, matrix, q
            As of ``stand_ins``.
        inverse : ndarray of shape (n, s)
            The matrices of the stand-ins' rows, each in the order of its group.

        Returns
        -------
        ndarray of shape (q, w, G)
            Of the random columns with all.
        """
        raise NotImplementedError("Only structured residuals have stand-ins.")

    def by_term(
        self, term: int, shift: Array, matrix: Array, left: Sequence[int]
    ) -> Array:
        """The same by the groups of a term, where factors cross.

        Parameters
        ----------
        term : int
            Levels first, the lowest before the others, then the terms of factors.
        """
        raise NotImplementedError("Only designs with factors have terms.")

    def by_pair(
        self,
        terms: tuple[int, int],
        shift: Array,
        left: Array,
        right: Array,
    ) -> tuple[Array, Array, Array]:
        """Sums of products by the pairs of groups of two terms that have rows.

        Parameters
        ----------
        terms : (int, int)
        left, right : ndarray of shape (k + 1, q)
            Columns of either term as combinations of ``[1, raw - shift]``.

        Returns
        -------
        own, other : ndarray of int, shape (cells,)
            Groups of the two terms.
        sums : ndarray of shape (q_left, q_right, cells)
        """
        raise NotImplementedError("Only designs with factors have terms.")

    def of_parts(
        self,
        shift: Array,
        matrix: Array,
        left: Sequence[int],
        function: Callable[..., Any],
        *args: Any,
    ) -> Any:
        """``function(part, *args)`` of every ``GroupPart``, which stays where that is.

        Returns
        -------
        Parts
        """
        raise NotImplementedError("These sums are all in this process.")
