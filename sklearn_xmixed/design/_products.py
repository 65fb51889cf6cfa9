"""Sums of products in place of rows: the contract of whoever holds the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["GroupPart", "Products"]

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


class Products(ABC):
    """Sums of products of any affine columns of rows that are elsewhere.

    Attributes
    ----------
    n_rows : int
    elsewhere : bool
        Whether the sums by group are not in this process either.
    """

    n_rows: int
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
