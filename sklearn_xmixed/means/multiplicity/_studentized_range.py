"""The distribution of Tukey's studentized range, for many values at once.

scipy has it one value at a time, by adaptive integration that takes milliseconds each.
The range of k normals is one integral, its mean over the chi distribution of the
denominator another; both integrands are smooth, and fixed sums of a hundred terms have
ten digits.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, log_ndtr, ndtr

__all__ = ["studentized_range_quantile", "studentized_range_tail"]

Array = np.ndarray

#: points of the two sums; the outer has more where the chi distribution is wide
INNER, OUTER, WIDE = 128, 160, 640


def _range_tail(w: Array, k: int) -> Array:
    """P(range of k standard normals > w)."""
    x, weight = np.polynomial.legendre.leggauss(INNER)
    z = 8.5 * x  # of the smallest of them
    below = np.clip(ndtr(z + w[..., None]) - ndtr(z), 0.0, 1.0) ** (k - 1)
    # what the smallest would leave for a range of any size
    beyond = np.exp((k - 1) * log_ndtr(-z))
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    tail = k * 8.5 * ((beyond - below) * density) @ weight
    return np.clip(tail, 0.0, 1.0)


def studentized_range_tail(q: Array, k: int, df: Array) -> Array:
    """P(Q > q) of the studentized range of k means.

    Parameters
    ----------
    q : ndarray
    k : int
    df : ndarray
        Of the denominator; inf is allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_xmixed.means.multiplicity._studentized_range import studentized_range_tail
    >>> studentized_range_tail(np.array([3.5]), 3, np.array([10.0])).round(5)
    array([0.0771])
    """
    q, df = np.broadcast_arrays(np.asarray(q, dtype=float), np.asarray(df, dtype=float))
    out = np.full(q.shape, np.nan)
    for place in np.ndindex(q.shape):
        if np.isfinite(q[place]) and df[place] > 0:
            out[place] = _tail(float(q[place]), k, float(df[place]))
    return out


def _tail(q: float, k: int, df: float) -> float:
    if q <= 0:
        return 1.0
    if df > 1e6:
        return float(_range_tail(np.array([q]), k)[0])
    # the sum runs over log s, s^2 df being chi squared
    spread = 9.0 / np.sqrt(2.0 * df)
    low, high = -spread - 28.0 / df, min(spread + 1.0 / df, 3.0)
    x = np.linspace(low, high, OUTER if df > 5 else WIDE)
    log_density = (
        np.log(2.0)
        + 0.5 * df * np.log(0.5 * df)
        - gammaln(0.5 * df)
        + df * x
        - 0.5 * df * np.exp(2.0 * x)
    )
    mass = np.exp(log_density) * (x[1] - x[0])
    return float(np.clip(mass @ _range_tail(q * np.exp(x), k), 0.0, 1.0))


def studentized_range_quantile(level: float, k: int, df: float) -> float:
    """q with P(Q <= q) = level."""
    if not df > 0:
        return np.nan
    high = 8.0
    while _tail(high, k, df) > 1.0 - level:
        high *= 2.0
    return float(brentq(lambda q: _tail(q, k, df) - (1.0 - level), 0.0, high))
