"""Student's t distribution, which is the normal one where df is infinite."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

__all__ = ["t_p_value", "t_quantile"]

Array = np.ndarray


def t_p_value(t: Array, df: Array) -> Array:
    """Two-sided p-values; nan where df is not positive."""
    size, df = np.broadcast_arrays(np.abs(t), df)
    with np.errstate(invalid="ignore"):
        finite = 2.0 * stdtr(np.where(np.isinf(df), 1.0, df), -size)
    return np.where(np.isinf(df), 2.0 * ndtr(-size), np.where(df > 0, finite, np.nan))


def t_quantile(level: float | Array, df: Array) -> Array:
    """Half width of an interval in standard errors, t with P(|T| <= t) = level."""
    upper, df = np.broadcast_arrays(0.5 + 0.5 * np.asarray(level), df)
    finite = stdtrit(np.where(np.isinf(df) | ~(df > 0), 1.0, df), upper)
    return np.where(np.isinf(df), ndtri(upper), np.where(df > 0, finite, np.nan))
