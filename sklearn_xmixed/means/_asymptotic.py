"""Large samples: the normal and chi-squared distributions."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, fdtrc

from ..inference import FTest, Reference

__all__ = ["Asymptotic", "p_value"]

Array = np.ndarray


class Asymptotic(Reference):
    """Infinitely many degrees of freedom.

    Parameters
    ----------
    beta_vcov : ndarray of shape (p, p)
    """

    method = "asymptotic"

    def __init__(self, beta_vcov: Array):
        self.vcov = beta_vcov

    def df(self, L: Array) -> Array:
        """Infinite for every row."""
        return np.full(len(L), np.inf)

    def test(self, L: Array, difference: Array) -> FTest:
        """Wald's statistic over its degrees of freedom."""
        chi2 = float(difference @ np.linalg.solve(L @ self.vcov @ L.T, difference))
        return FTest(chi2 / len(L), len(L), np.inf)


def p_value(test: FTest) -> float:
    """Of an F test; of chi-squared where the denominator has df = inf."""
    if np.isinf(test.df_denom):
        return float(chdtrc(test.df, test.df * test.f_value))
    return float(fdtrc(test.df, test.df_denom, test.f_value))
