"""What ``fit`` works on: a design, and the names that belong to its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._categories import Categories
from ._clusters import Clusters
from ._design import Design
from ._encoder import Encoder
from ._factors import Factor

__all__ = ["Compiled"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Compiled:
    """A design with the names that belong to its numbers.

    Parameters
    ----------
    design : Design
        Levels without random effects of their own are left out.
    encoders : tuple of Encoder
        One per level asked for, top level first.
    level_numbers : tuple of int
        Which of these each level of the design is.
    columns : tuple of str
        Names by which the columns of X go.
    fixed_names : tuple of str
        All columns of the fixed part, in the user's order.
    kept : ndarray of bool
        Which of them are not collinear.
    extra_names : tuple of str
        Random columns that are not in the fixed part.
    shown : tuple of (str, ndarray, ndarray)
        Every level asked for, top first: sizes of its groups, and how many
        groups each stands for.
    empty : tuple of (int, str)
        Equations without any effect: place among the equations, group.
    target : str
        Name of the response.
    dropped : ndarray of int
        Rows left out for missing values or zero weights.
    clusters : Clusters or None
        Of robust standard errors.
    dependence : ndarray
        Omitted columns as combinations of the constant and the kept ones.
    factors : tuple of (Factor or None)
        One per equation of the design.
    means : ndarray
        Of the columns of the fixed part.
    n_unnumbered : int
        Rows left out of a table that has no order, and so no numbers of rows.
    categories : Categories or None
        Of columns that were coded.
    offset_mean : float or None
        Mean of what was taken from the response; None without.
    """

    design: Design
    encoders: tuple[Encoder, ...]
    level_numbers: tuple[int, ...]
    columns: tuple[str, ...]
    fixed_names: tuple[str, ...]
    kept: Array
    extra_names: tuple[str, ...]
    shown: tuple[tuple[str, Array, Array], ...]
    empty: tuple[tuple[int, str], ...]
    target: str
    dropped: Array
    clusters: Clusters | None
    dependence: Array
    factors: tuple[Factor | None, ...]
    means: Array
    n_unnumbered: int = 0
    categories: Categories | None = None
    offset_mean: float | None = None

    @property
    def n_dropped(self) -> int:
        """Number of rows left out."""
        return len(self.dropped) + self.n_unnumbered
