"""Shares of the variance that the fixed part and the random effects explain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..design._fixed import read_fixed
from ._rows import Rows

__all__ = ["r2"]

Array = np.ndarray


def r2(rows: Rows, weights: Array | None) -> pd.Series:
    """Marginal and conditional R^2 with the variances that they are made of.

    See ``MixedLinearRegressor.r2``.
    """
    fitted = rows.fitted
    X = read_fixed(rows.estimator, rows.source, fitted.fixed_names)
    explained = X @ fitted.coef  # a constant has no variance, not even a rounded one
    of_row = rows.random_variance()
    w = np.ones(rows.n) if weights is None else weights
    complete = ~(np.isnan(explained) | np.isnan(of_row))  # all without missing="drop"
    n = int(complete.sum())
    if n < 2:
        raise ValueError(f"R^2 needs at least two complete rows, got {n}.")
    if not w[complete].any():
        raise ValueError("R^2 needs a positive weight; all are zero.")

    def mean(values: Array) -> float:
        return float(np.average(values[complete], weights=w[complete]))

    if weights is not None and rows.estimator.weight_type == "frequency":
        size = float(w[complete].sum())  # a weight of k is k rows
        if not size > 1:
            raise ValueError(
                f"Frequency weights must add up to more than 1, got {size:g}."
            )
    else:
        size = float(n)
    # size / (size - 1), as of a sample
    fixed = mean((explained - mean(explained)) ** 2) * size / (size - 1.0)
    random, residual = mean(of_row), mean(rows.residual_variance())
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
