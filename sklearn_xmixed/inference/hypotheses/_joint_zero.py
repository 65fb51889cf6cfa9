"""The Wald test that all coefficients are zero."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import chdtrc

from ...optimization import solve

__all__ = ["wald"]

Array = np.ndarray


def wald(beta: Array, vcov: Array) -> tuple[float, int, float]:
    """Joint test that all of beta is zero: chi2, df and p.

    df is the rank of ``vcov``; nan where nothing is left to test.
    """
    df = len(beta)
    if df == 0:
        return math.nan, 0, math.nan
    try:
        chi2 = float(beta @ solve(vcov, beta))
    except np.linalg.LinAlgError:
        return math.nan, df, math.nan
    if not np.isfinite(chi2) or chi2 < 0:
        return math.nan, df, math.nan
    return chi2, df, float(chdtrc(df, chi2))
