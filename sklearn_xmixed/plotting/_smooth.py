"""A local linear smoother."""

from __future__ import annotations

import numpy as np

__all__ = ["local_linear"]

Array = np.ndarray

#: more points than this are thinned
MOST = 20_000


def local_linear(
    x: Array, y: Array, *, share: float = 0.6, n_points: int = 60
) -> tuple[Array, Array]:
    """Local linear regression with tricube weights on the nearest neighbours.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
    share : float, default=0.6
        Share of the points that count at each place.
    n_points : int, default=60
        Places, at quantiles of x and its ends.

    Returns
    -------
    at, smooth : ndarray of shape (k,)
        Cleveland (1979) without the robustness iterations; empty where x has fewer than
        three distinct values.
    """
    known = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[known], kind="stable")
    x, y = x[known][order], y[known][order]
    if len(x) > MOST:  # every k-th in the order of x
        some = np.linspace(0, len(x) - 1, MOST).round().astype(int)
        x, y = x[some], y[some]
    distinct = np.unique(x)
    if len(distinct) < 3:
        return np.empty(0), np.empty(0)
    at = np.unique(np.quantile(x, np.linspace(0.0, 1.0, n_points)))
    k = max(int(np.ceil(share * len(x))), 3)
    smooth = np.empty(len(at))
    for j, place in enumerate(at):
        distance = np.abs(x - place)
        third = np.partition(np.abs(distinct - place), 2)[2]
        width = max(np.partition(distance, k - 1)[k - 1], third) * 1.0001
        w = np.clip(1.0 - (distance / width) ** 3, 0.0, None) ** 3
        mean = w @ x / w.sum()
        spread = w @ (x - mean) ** 2
        slope = (w @ ((x - mean) * y)) / spread if spread > 0 else 0.0
        smooth[j] = w @ y / w.sum() + slope * (place - mean)
    return at, smooth
