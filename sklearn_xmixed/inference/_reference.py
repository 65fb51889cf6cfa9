"""Reference distributions of tests about coefficients: the contract.

A large sample refers to the normal and chi-squared distributions.  Everything else, the
methods for small samples and those for few clusters, answers here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

__all__ = ["FTest", "Reference"]

Array = np.ndarray


@dataclass(frozen=True)
class FTest:
    """Joint test of several linear hypotheses.

    Parameters
    ----------
    f_value : float
        Scaled as it is referred to the F distribution.
    df : int
        Numerator degrees of freedom, the rank of the hypotheses.
    df_denom : float
        Denominator degrees of freedom.
    scale : float
        Factor by which the Wald statistic over ``df`` was multiplied.
    """

    f_value: float
    df: int
    df_denom: float
    scale: float = 1.0

    @property
    def p_value(self) -> float:
        """Upper tail of F(df, df_denom)."""
        if not (self.df > 0 and self.df_denom > 0):
            return float("nan")
        return float(fdtrc(self.df, self.df_denom, self.f_value))


class Reference(ABC):
    """What tests and intervals of coefficients are referred to.

    Attributes
    ----------
    method : str
        Its name, as ``df=`` takes it.
    vcov : ndarray of shape (p, p)
        Covariance matrix of all coefficients in the order of ``coef_table``, adjusted
        where the method adjusts it; zero where one is omitted.
    """

    method: str
    vcov: Array

    @abstractmethod
    def df(self, L: Array) -> Array:
        """Degrees of freedom of t for each row of L, shape (k, p) -> (k,)."""

    @abstractmethod
    def test(self, L: Array, difference: Array) -> FTest:
        """Joint test that L beta is what it is said to be.

        Parameters
        ----------
        L : ndarray of shape (k, p)
            Linearly independent rows.
        difference : ndarray of shape (k,)
            L beta minus its hypothesised value.
        """
