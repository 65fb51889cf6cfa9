"""Lambda over given times as numbers that are looked up in a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Lookup"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Lookup:
    """What a structure's Lambda is made of.

    Parameters
    ----------
    places : ndarray of int, shape (T, T)
        Where in the table the covariance of two times stands.
    table : callable
        The table at a shape; safe for complex steps.
    pull : callable
        sum(weight * d table / d shape_k) for each k at a shape and weights of the table;
        safe for complex steps.
    """

    places: Array
    table: Callable[[Array], Array]
    pull: Callable[[Array, Array], Array]
