"""Stationary autoregressions from partial autocorrelations, with derivatives.

Any partial autocorrelations in (-1, 1) belong to exactly one stationary process
(Barndorff-Nielsen & Schou 1973; Monahan 1984); the map is the Durbin-Levinson
recursion.  Everything here is safe for complex steps.
"""

from __future__ import annotations

import numpy as np

__all__ = ["autocorrelations", "autoregression", "moving_average"]

Array = np.ndarray


def autoregression(partial: Array) -> tuple[Array, Array]:
    """Coefficients phi of an autoregression, and d phi / d partial."""
    p = len(partial)
    phi = np.zeros(0, dtype=partial.dtype)
    J = np.zeros((0, p), dtype=partial.dtype)
    for k in range(p):
        grown = phi - partial[k] * phi[::-1]
        slope = J - partial[k] * J[::-1]
        slope[:, k] -= phi[::-1]
        last = np.zeros((1, p), dtype=partial.dtype)
        last[0, k] = 1.0
        phi = np.append(grown, partial[k])
        J = np.concatenate([slope, last])
    return phi, J


def autocorrelations(partial: Array, n_lags: int) -> tuple[Array, Array]:
    """Autocorrelations at lags 0 .. n_lags, and their derivatives in ``partial``."""
    p = len(partial)
    r = np.zeros(n_lags + 1, dtype=partial.dtype)
    J = np.zeros((n_lags + 1, p), dtype=partial.dtype)
    r[0] = 1.0
    for k in range(1, min(p, n_lags) + 1):
        # innovations variance and coefficients of order k - 1
        phi, dphi = autoregression(partial[: k - 1])
        v = np.prod(1.0 - partial[: k - 1] ** 2)
        before = slice(k - 1, 0, -1)  # lags k - 1 .. 1
        r[k] = phi @ r[before] + partial[k - 1] * v
        J[k] = phi @ J[before]
        J[k, : k - 1] += r[before] @ dphi
        J[k, : k - 1] -= (
            partial[k - 1] * v * 2.0 * partial[: k - 1] / (1.0 - partial[: k - 1] ** 2)
        )
        J[k, k - 1] += v
    if n_lags > p:
        phi, dphi = autoregression(partial)
        for k in range(p + 1, n_lags + 1):
            before = slice(k - 1, k - 1 - p if k - 1 - p >= 0 else None, -1)
            r[k] = phi @ r[before]
            J[k] = phi @ J[before] + r[before] @ dphi
    return r, J


def moving_average(partial: Array) -> tuple[Array, Array, Array]:
    """theta, autocorrelations at lags 0 .. q and their derivatives.

    With theta = -phi(partial) the process is invertible.
    """
    q = len(partial)
    phi, J = autoregression(partial)
    c = np.append(np.ones(1, dtype=partial.dtype), -phi)
    dc = np.concatenate([np.zeros((1, q), dtype=partial.dtype), -J])
    g = np.array([c[: q + 1 - k] @ c[k:] for k in range(q + 1)])
    dg = np.array(
        [c[: q + 1 - k] @ dc[k:] + c[k:] @ dc[: q + 1 - k] for k in range(q + 1)]
    )
    r = g / g[0]
    return -phi, r, (dg - r[:, None] * dg[0]) / g[0]
