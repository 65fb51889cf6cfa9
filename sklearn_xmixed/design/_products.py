"""Sums of products in place of rows: the contract of whoever holds the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

__all__ = ["Products"]

Array = np.ndarray


class Products(ABC):
    """Sums of products of any affine columns of rows that are elsewhere.

    Attributes
    ----------
    n_rows : int
    """

    n_rows: int

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
