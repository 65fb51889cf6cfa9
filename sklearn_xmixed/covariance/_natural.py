"""The estimation metric: logarithms of sds and arc tangents of correlations.

alpha holds, per structure, one log(sd) for each variance parameter and one
atanh(correlation) for each covariance parameter; every alpha is a free real
number whose estimate can be read on its own.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

__all__ = ["natural_derivatives", "natural_slopes", "to_natural", "to_sd_corr"]

Array = np.ndarray


class Pattern(Protocol):
    """What these maps ask of a structure."""

    @property
    def q(self) -> int:
        """Number of random effects."""
        ...

    @property
    def pattern(self) -> Array:
        """Parameter number per element."""
        ...

    @property
    def n_params(self) -> int:
        """Number of free parameters."""
        ...

    @property
    def n_variances(self) -> int:
        """How many of them are variances."""
        ...

    @property
    def places(self) -> list[tuple[int, int]]:
        """First element of each parameter."""
        ...


def to_sd_corr(structure: Pattern, Sigma: Array) -> Array:
    """Standard deviations and correlations, one per parameter.

    A correlation with a zero standard deviation is nan.
    """
    sd = np.sqrt(np.diagonal(Sigma).clip(0.0))
    out = np.empty(structure.n_params)
    for k, (i, j) in enumerate(structure.places):
        if i == j:
            out[k] = sd[i]
        else:
            scale = sd[i] * sd[j]
            out[k] = np.clip(Sigma[i, j] / scale, -1.0, 1.0) if scale > 0 else np.nan
    return out


def to_natural(structure: Pattern, Sigma: Array) -> Array:
    """alpha of a covariance matrix (-inf or +-inf on the boundary)."""
    values = to_sd_corr(structure, Sigma)
    k = structure.n_variances
    with np.errstate(divide="ignore"):
        return np.concatenate([np.log(values[:k]), np.arctanh(values[k:])])


def natural_derivatives(
    structure: Pattern, Sigma: Array
) -> tuple[Array, list[list[Array]]]:
    """First and second derivatives of Sigma in alpha.

    Returns
    -------
    first : ndarray of shape (m, q, q)
    second : list of lists of ndarray of shape (q, q)
    """
    q, m, pattern = structure.q, structure.n_params, structure.pattern
    sd = np.sqrt(np.diagonal(Sigma))
    scale = np.outer(sd, sd)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(scale > 0, Sigma / scale, 0.0)
    off = ~np.eye(q, dtype=bool)
    # every element is scale * r; u counts how often log(sd_k) enters its scale,
    # c marks that its correlation is parameter k
    diagonal = pattern.diagonal()
    u = [
        (diagonal[:, None] == k).astype(float) + (diagonal[None, :] == k)
        for k in range(m)
    ]
    c = [(pattern == k) & off for k in range(m)]
    slope = (1.0 - r**2) * scale
    bend = -2.0 * r * slope
    first = np.array([u[k] * Sigma + c[k] * slope for k in range(m)])
    second = [
        [
            u[k] * u[h] * Sigma
            + (u[k] * c[h] + u[h] * c[k]) * slope
            + (c[k] & c[h]) * bend
            for h in range(m)
        ]
        for k in range(m)
    ]
    return first, second


def natural_slopes(
    structure: Pattern, Sigma: Array, moved: Array
) -> tuple[Array, Array]:
    """Slopes of alpha in the elements along which Sigma moves, and in log sigma.

    Parameters
    ----------
    moved : ndarray of shape (m, q, q)
        dSigma along each element.
    """
    m, sd = structure.n_params, np.sqrt(np.diagonal(Sigma))
    J, on_sigma = np.zeros((m, m)), np.zeros(m)
    # d log(sd_i) = dSigma_ii / (2 Sigma_ii), and 1 for log sigma
    log_sd = np.diagonal(moved, axis1=1, axis2=2) / (2.0 * sd**2)
    for k, (i, j) in enumerate(structure.places):
        if i == j:
            J[k], on_sigma[k] = log_sd[:, i], 1.0
            continue
        scale = sd[i] * sd[j]
        r = Sigma[i, j] / scale
        left = (1.0 - r) * (1.0 + r)
        slope = moved[:, i, j] / scale - r * (log_sd[:, i] + log_sd[:, j])
        # a correlation that rounds to one has no slope in the atanh metric
        J[k] = slope / left if left > 0 else np.nan
    return J, on_sigma
