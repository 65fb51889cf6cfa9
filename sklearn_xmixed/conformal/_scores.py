"""Scores of rows that a fit has not seen, and the intervals that they make.

Every score has a share of one, by how many rows or groups are exchangeable with the
next one; the share that is left belongs to the next one itself, whose score is not known
and counts as infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Scores", "shares", "upper_quantile"]

Array = np.ndarray

#: numbers that are sorted together
BATCH = 1 << 22
#: what the sum of many shares is off by at most
ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores with their shares.

    Parameters
    ----------
    values, shares : ndarray of shape (n,)
    fold : ndarray of int, shape (n,)
        By which fit a row was left out.
    """

    values: Array
    shares: Array
    fold: Array

    def ends(
        self, centre: Array, scale: Array, confidence_level: float
    ) -> tuple[Array, Array]:
        """Lower and upper ends of the intervals of new rows.

        With one fit it is the centre -+ q times the scale; with several every score goes
        with the fit that it is of (CV+).

        Parameters
        ----------
        centre, scale : ndarray of shape (folds, m)
        confidence_level : float
        """
        if len(centre) == 1:
            q = upper_quantile(self.values, self.shares, confidence_level)
            reach = q * scale[0]
            return centre[0] - reach, centre[0] + reach
        lower, upper = np.empty((2, centre.shape[1]))
        step = max(1, BATCH // max(1, len(self.values)))
        for start in range(0, centre.shape[1], step):
            part = slice(start, start + step)
            middle = centre[self.fold, part]
            reach = self.values[:, None] * scale[self.fold, part]
            upper[part] = upper_quantile(middle + reach, self.shares, confidence_level)
            lower[part] = -upper_quantile(reach - middle, self.shares, confidence_level)
        return lower, upper


def shares(units: Array) -> Array:
    """Share of every row: 1 / (K + 1) of each of K units, evenly among its rows.

    Parameters
    ----------
    units : ndarray of int, shape (n,)
        Unit of each row; every row its own where rows are exchangeable.
    """
    _, place, size = np.unique(units, return_inverse=True, return_counts=True)
    return 1.0 / ((len(size) + 1.0) * size[place])


def upper_quantile(values: Array, shares: Array, level: float) -> Array:
    """The least value up to which the shares add up to ``level``.

    Infinite where all of them do not.

    Parameters
    ----------
    values : ndarray of shape (n, ...)
    shares : ndarray of shape (n,)
    """
    order = np.argsort(values, axis=0)
    reached = np.cumsum(shares[order], axis=0) >= level - ROUNDING
    at = np.argmax(reached, axis=0)
    found = np.take_along_axis(np.take_along_axis(values, order, 0), at[None], 0)[0]
    return np.where(reached.any(axis=0), found, np.inf)
