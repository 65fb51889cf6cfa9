"""The estimation metric: logarithms of sds and arc tangents of correlations.

alpha holds, per structure, one log(sd) for each variance parameter and one
atanh(correlation) for each covariance parameter; every alpha is a free real
number whose estimate can be read on its own.
"""

from __future__ import annotations

import numpy as np

from ._structure import Compound, Structure, get_structure

__all__ = ["natural_derivatives", "to_natural", "to_sd_corr"]

Array = np.ndarray


def to_sd_corr(structure: Structure, Sigma: Array) -> Array:
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


def to_natural(structure: Structure, Sigma: Array) -> Array:
    """alpha of a covariance matrix (-inf or +-inf on the boundary)."""
    if isinstance(structure, Compound):  # Sigma is what it reports
        structure = get_structure("exchangeable", 2)
    values = to_sd_corr(structure, Sigma)
    k = structure.n_variances
    with np.errstate(divide="ignore"):
        return np.concatenate([np.log(values[:k]), np.arctanh(values[k:])])


def natural_derivatives(
    structure: Structure, Sigma: Array
) -> tuple[Array, list[list[Array]]]:
    """First and second derivatives of Sigma in alpha.

    Returns
    -------
    first : ndarray of shape (m, q, q)
    second : list of lists of ndarray of shape (q, q)
    """
    if isinstance(structure, Compound):
        return _of_compound(structure, Sigma)
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


def _of_compound(structure: Compound, Sigma: Array) -> tuple[Array, list[list[Array]]]:
    """The same for the eigenvalues of an exchangeable matrix; Sigma = [[v, c], [c, v]]."""
    v, c = Sigma[0]
    r, along = c / v, np.array([-1.0, structure.size - 1.0])
    values = np.diag(v + c * along)
    slope = np.diag((1.0 - r**2) * v * along)
    first = np.array([2.0 * values, slope])
    return first, [[4.0 * values, 2.0 * slope], [2.0 * slope, -2.0 * r * slope]]
