"""Shares of the variance that the fixed part and the random effects explain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .._fixed import read_fixed
from ._rows import Rows

__all__ = ["r2"]

Array = np.ndarray


def r2(rows: Rows, weights: Array | None) -> pd.Series:
    """Marginal and conditional R^2 with the variances that they are made of.

    See ``MixedLinearRegressor.r2``.
    """
    fitted = rows.fitted
    X = read_fixed(rows.estimator, rows.source, fitted.fixed_names)
    explained = X @ fitted.coef + fitted.intercept
    w = np.ones(rows.n) if weights is None else weights
    if rows.n < 2:
        raise ValueError(f"R^2 needs at least two rows, got {rows.n}.")
    centred = explained - np.average(explained, weights=w)
    # n / (n - 1), as of a sample; weights count as numbers of rows
    total = w.sum()
    fixed = float(w @ centred**2 / total * (rows.n / (rows.n - 1)))
    random = float(np.average(rows.random_variance(), weights=w))
    residual = float(np.average(rows.residual_variance(), weights=w))
    everything = fixed + random + residual
    return pd.Series(
        {
            "marginal": fixed / everything if everything > 0 else np.nan,
            "conditional": (fixed + random) / everything if everything > 0 else np.nan,
            "fixed_variance": fixed,
            "random_variance": random,
            "residual_variance": residual,
        },
        name="value",
    )
