"""Residual errors given the data: the contract, and independent errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..residuals import WhiteResiduals, Within

__all__ = ["Errors", "WhiteErrors"]

Array = np.ndarray


class Errors(ABC):
    """Residual errors of a fit.

    Attributes
    ----------
    white : bool
        Whether they are independent with one variance; nothing then has to be read of
        new rows.
    model : ResidualModel or WhiteResiduals
    psi : ndarray
        Its parameters.
    sigma2 : float
    """

    white: ClassVar[bool]
    model: Any
    psi: Array
    sigma2: float

    @abstractmethod
    def forecast(self, codes: Array, time: Array | None) -> Array:
        """E(e* | y) of new rows; 0 in groups that are not known.

        Parameters
        ----------
        codes : ndarray of int, shape (n,)
            Lowest-level group, -1 where unknown.
        time : ndarray of shape (n,) or None
        """

    @abstractmethod
    def standardize(self, within: Within | None, residual: Array) -> Array:
        """Lambda^-1/2 residual / sigma of any rows, in their order."""

    @abstractmethod
    def variance(self, time: Array | None, category: Array) -> Array:
        """Variance of the errors of any rows.

        Parameters
        ----------
        time : ndarray of shape (n,) or None
        category : ndarray of int, shape (n,)
        """

    @abstractmethod
    def covariance(self, codes: Array, time: Array | None, category: Array) -> Array:
        """Covariance matrix of the errors of any rows.

        Parameters
        ----------
        codes : ndarray of int, shape (n,)
            Lowest-level group; errors of different groups are independent.
        time, category
            As of ``variance``.
        """

    @abstractmethod
    def roots(self, within: Within | None) -> list[tuple[Array, Array]]:
        """Lambda^1/2 of every group by group size, to draw errors from.

        Returns
        -------
        list of (rows, root)
            rows (G, s) of the groups that have s rows, roots (G, s, s); empty where
            Lambda is the identity.
        """


class WhiteErrors(Errors):
    """Errors that are independent with one variance.

    Parameters
    ----------
    sigma2 : float
    """

    white = True
    model = WhiteResiduals()

    def __init__(self, sigma2: float):
        self.sigma2, self.psi = sigma2, self.model.start()

    def forecast(self, codes: Array, time: Array | None) -> Array:
        """Nothing is known of new errors."""
        return np.zeros(len(codes))

    def standardize(self, within: Within | None, residual: Array) -> Array:
        """residual / sigma."""
        return residual / np.sqrt(self.sigma2)

    def variance(self, time: Array | None, category: Array) -> Array:
        """sigma^2 of every row."""
        return np.full(len(category), self.sigma2)

    def covariance(self, codes: Array, time: Array | None, category: Array) -> Array:
        """sigma^2 times the identity."""
        return self.sigma2 * np.eye(len(codes))

    def roots(self, within: Within | None) -> list[tuple[Array, Array]]:
        """None is needed."""
        return []
