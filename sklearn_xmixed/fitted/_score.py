"""How well predictions of rows in memory agree with what was observed."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import r2_score

__all__ = ["r_squared"]

Array = np.ndarray


def r_squared(y: Any, mean: Array, sample_weight: Any, *, known_only: bool) -> float:
    """R^2, of several responses the average.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, m)
    mean : ndarray of the same shape
        Predictions.
    sample_weight : array-like of shape (n,) or None
    known_only : bool
        Whether rows without a response or a prediction are left out, of each response
        its own.

    Raises
    ------
    ValueError
        As ``sklearn.metrics.r2_score``.
    """
    if not known_only:
        return r2_score(y, mean, sample_weight=sample_weight)
    n = len(mean)
    columns = np.asarray(y, dtype=float).reshape(n, -1).T
    w = None if sample_weight is None else np.asarray(sample_weight)
    scores = []
    for own, predicted in zip(columns, mean.reshape(n, -1).T, strict=True):
        known = ~(np.isnan(own) | np.isnan(predicted))
        weight = None if w is None else w[known]
        scores.append(r2_score(own[known], predicted[known], sample_weight=weight))
    return float(np.mean(scores))
