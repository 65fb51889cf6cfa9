"""The table of variance parameters in one metric, by the delta method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri

from ._parameters import VarianceParameter, sd_of

__all__ = ["VarianceTable", "variance_table"]

Array = np.ndarray


@dataclass(frozen=True)
class VarianceTable:
    """Variance parameters in one metric.

    Parameters
    ----------
    metric : {"variance", "sd", "estimation"}
    parameters : tuple of VarianceParameter
    estimate, std_error, ci_lower, ci_upper : ndarray of shape (m,)
    """

    metric: str
    parameters: tuple[VarianceParameter, ...]
    estimate: Array
    std_error: Array
    ci_lower: Array
    ci_upper: Array


def variance_table(
    metric: str,
    parameters: tuple[VarianceParameter, ...],
    alpha: Array,
    vcov: Array,
    confidence_level: float,
) -> VarianceTable:
    """Estimates, standard errors and intervals in one metric.

    Intervals are formed for log sds and variances, atanh correlations, and
    covariances as they are; of other parameters of the residuals in their own metric.
    ``alpha`` and ``vcov`` may be those of several fits, on an axis before.

    Raises
    ------
    ValueError
        If the metric is none of "variance", "sd" and "estimation".
    """
    if metric not in ("variance", "sd", "estimation"):
        raise ValueError(
            f"metric must be 'variance', 'sd' or 'estimation', got {metric!r}."
        )
    z = float(ndtri(0.5 + 0.5 * confidence_level))
    se = np.sqrt(np.diagonal(vcov, axis1=-2, axis2=-1))
    value, error, low, high = np.full((4, *alpha.shape), np.nan)
    for k, p in enumerate(parameters):
        a, s, at = alpha[..., k], se[..., k], (..., k)
        ends = (a - z * s, a + z * s)
        if metric == "estimation":
            value[at], error[at] = a, s
            low[at], high[at] = ends
        elif p.kind == "coef":
            value[at], slope = _back(p.transform, a)
            error[at] = slope * s
            low[at], high[at] = (_back(p.transform, end)[0] for end in ends)
        elif p.kind != "corr":
            power = 2.0 if metric == "variance" else 1.0
            value[at] = np.exp(power * a)
            error[at] = power * value[at] * s
            with np.errstate(over="ignore"):  # an interval may be without end
                low[at], high[at] = (np.exp(power * end) for end in ends)
        elif metric == "sd":
            value[at] = np.tanh(a)
            error[at] = (1.0 - value[at] ** 2) * s
            low[at], high[at] = (np.tanh(end) for end in ends)
        else:
            value[at], error[at] = _covariance(k, p, parameters, alpha, vcov)
            low[at] = value[at] - z * error[at]
            high[at] = value[at] + z * error[at]
    return VarianceTable(metric, parameters, value, error, low, high)


def _back(transform: str, a: Array) -> tuple[Array, Array]:
    """A parameter from its metric of estimation, and the slope of this map."""
    if transform == "natural":
        return a, np.ones_like(a)
    if transform == "atanh":
        value = np.tanh(a)
        return value, 1.0 - value**2
    if transform == "log":
        value = np.exp(a)
        return value, value
    value = expit(a)
    return value, value * (1.0 - value)


def _covariance(
    k: int,
    parameter: VarianceParameter,
    parameters: tuple[VarianceParameter, ...],
    alpha: Array,
    vcov: Array,
) -> tuple[Array, Array]:
    """A covariance and its standard error from alpha by the delta method."""
    ends = [sd_of(parameter, effect, parameters) for effect in parameter.effects[:2]]
    i, j = ends[0], ends[-1]
    r = np.tanh(alpha[..., k])
    with np.errstate(invalid="ignore"):
        size = np.exp(alpha[..., i] + alpha[..., j])
        value = r * size
    slope = np.zeros(alpha.shape)  # over size, whose square may leave the range
    slope[..., i] += r
    slope[..., j] += r
    slope[..., k] = 1.0 - r**2
    used = np.unique([i, j, k])
    part = slope[..., None, used]
    with np.errstate(invalid="ignore"):
        inner = vcov[..., used[:, None], used]
        variance = (part @ inner @ part.swapaxes(-1, -2))[..., 0, 0]
        error = size * np.sqrt(variance)
    known = np.isfinite(value)
    return np.where(known, value, 0.0), np.where(known, error, np.nan)
