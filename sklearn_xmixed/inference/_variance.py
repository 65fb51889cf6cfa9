"""Variance parameters: estimates, standard errors and intervals in three metrics.

The joint covariance matrix is that of {log sd, atanh correlation, log sigma},
from the Hessian of the likelihood with beta profiled out (the manual's L*);
the other metrics follow by the delta method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from .._estimation import Estimate
from ..covariance import Structure, natural_derivatives, to_natural
from ..likelihood import Block, evaluate

__all__ = ["VarianceParameter", "VarianceTable", "natural_vcov", "variance_table"]

Array = np.ndarray

#: a variance below this share of the residual's (columns of unit size) is zero
ZERO = 1e-9
#: a correlation within this of +-1 is on the boundary
ONE = 1e-7


@dataclass(frozen=True)
class VarianceParameter:
    """One parameter of the random part.

    Parameters
    ----------
    equation : int or None
        Number of its equation; None for the residuals.
    level : str
        Name of the equation, "Residual" for the residuals.
    kind : {"sd", "corr", "residual"}
    effects : tuple of str
        Random effects it belongs to: those that share a variance, or the two
        (or more) that share a correlation.
    """

    equation: int | None
    level: str
    kind: str
    effects: tuple[str, ...]

    def term(self, metric: str) -> str:
        """Its name in the metric "variance", "sd" or "estimation"."""
        first, second = {
            "variance": ("var", "cov"),
            "sd": ("sd", "corr"),
            "estimation": ("lns", "atr"),
        }[metric]
        if self.kind == "residual":
            return f"{first}(Residual)"
        if self.kind == "sd":
            return f"{first}({' '.join(self.effects)})"
        joint = "," if len(self.effects) == 2 else " "
        return f"{second}({joint.join(self.effects)})"


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


def natural_vcov(estimate: Estimate, T_blocks: list[Array]) -> tuple[Array, Array, bool]:
    """Estimates and covariance matrix in the estimation metric.

    Parameters
    ----------
    estimate : Estimate
    T_blocks : list of ndarray of shape (q_floor, q)
        From the effects in the user's columns to the tree's basis.

    Returns
    -------
    alpha : ndarray of shape (m + 1,)
        log sd and atanh correlation of each equation, then log sigma.
    vcov : ndarray of shape (m + 1, m + 1)
        nan in the rows of parameters on the boundary.
    definite : bool
        Whether the information about the free parameters is positive definite.
    """
    objective, sigma2 = estimate.objective, estimate.sigma2
    blocks = objective.model.blocks
    alphas, free, parts = [], [], []
    for block, Sigma, T in zip(blocks, estimate.Sigmas, T_blocks, strict=True):
        structure = block.structure
        alpha = to_natural(structure, Sigma)
        inside = _inside(structure, block, Sigma, sigma2)
        first, second = natural_derivatives(structure, Sigma)
        keep = np.flatnonzero(inside)
        lift = T / np.sqrt(sigma2)  # Sigma_user / sigma^2 in the tree's basis
        parts.append(
            (
                block.floor,
                [lift @ first[i] @ lift.T for i in keep],
                [[lift @ second[i][j] @ lift.T for j in keep] for i in keep],
            )
        )
        alphas.append(alpha)
        free.append(inside)
    alpha = np.concatenate([*alphas, [0.5 * np.log(sigma2)]])
    mask = np.concatenate([*free, [True]])
    H = _joint_hessian(estimate, parts)
    vcov = np.full((len(alpha), len(alpha)), np.nan)
    definite = False
    if np.isfinite(H).all():
        size = np.sqrt(np.abs(np.diagonal(H)))
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(H / np.outer(size, size))
        definite = bool(values[0] > 1e-9)
        if definite:
            half = vectors / np.sqrt(values) / size[:, None]
            vcov[np.ix_(mask, mask)] = 2.0 * half @ half.T
    return alpha, vcov, definite


def _inside(structure: Structure, block: Block, Sigma: Array, sigma2: float) -> Array:
    """Which parameters of an equation are off the boundary."""
    variances = np.diagonal(Sigma).clip(0.0)
    # variances are judged against the residual's in columns of unit size
    size = (np.linalg.inv(block.metric) ** 2).sum(axis=0)
    zero = variances * size <= ZERO * sigma2
    live = np.flatnonzero(~zero)
    singular = False
    if len(live) > 1:
        sd = np.sqrt(variances[live])
        correlation = Sigma[np.ix_(live, live)] / np.outer(sd, sd)
        singular = bool(np.linalg.eigvalsh(correlation)[0] < ONE)
    return np.array(
        [
            not zero[i] and not zero[j] and (i == j or not singular)
            for i, j in structure.places()
        ],
        dtype=bool,
    )


def _joint_hessian(estimate: Estimate, parts) -> Array:
    """Hessian of -2 L* in the free alpha and log sigma (Eq. 15)."""
    objective, pieces = estimate.objective, estimate.pieces
    weight = 1.0 / estimate.sigma2
    D = objective.model.floors(estimate.D_blocks)
    directions = [(floor, M) for floor, first, _ in parts for M in first]
    m = len(directions)
    # log sigma moves every floor: D = Sigma / sigma^2
    directions += [(k, -2.0 * d) for k, d in enumerate(D)]
    at = evaluate(
        objective.tree, D, reml=objective.reml, order=2, directions=directions
    )
    pick = np.zeros((m + 1, len(directions)))
    pick[:m, :m] = np.eye(m)
    pick[m, m:] = 1.0
    c_D, l_D = pieces.c_D, pieces.l_D
    assert c_D is not None
    assert l_D is not None
    W = [weight * c + l for c, l in zip(c_D, l_D, strict=True)]
    c_1 = pick @ np.array([np.sum(c_D[k] * M) for k, M in directions])
    H = pick @ (weight * at.c_2 + at.l_2) @ pick.T if directions else np.zeros((1, 1))
    H[m, :] -= 2.0 * weight * c_1
    H[:, m] -= 2.0 * weight * c_1
    H[m, m] += 4.0 * weight * pieces.c
    # curvature of D itself
    start = 0
    for floor, first, second in parts:
        for i, row in enumerate(second):
            for j, M in enumerate(row):
                H[start + i, start + j] += np.sum(W[floor] * M)
            cross = -2.0 * np.sum(W[floor] * first[i])
            H[start + i, m] += cross
            H[m, start + i] += cross
        start += len(first)
    H[m, m] += 4.0 * sum(np.sum(w * d) for w, d in zip(W, D, strict=True))
    return 0.5 * (H + H.T)


def variance_table(
    metric: str,
    parameters: tuple[VarianceParameter, ...],
    Sigmas: list[Array],
    alpha: Array,
    vcov: Array,
    confidence_level: float,
) -> VarianceTable:
    """Estimates, standard errors and intervals in one metric.

    Intervals are formed for log sds and variances, atanh correlations, and
    covariances as they are.
    """
    z = float(ndtri(0.5 + 0.5 * confidence_level))
    se = np.sqrt(np.diagonal(vcov))
    m = len(alpha)
    value, error = np.empty(m), np.full(m, np.nan)
    low, high = np.full(m, np.nan), np.full(m, np.nan)
    index = {(p.equation, p.effects): k for k, p in enumerate(parameters)}
    for k, p in enumerate(parameters):
        a, s = alpha[k], se[k]
        ends = np.array([a - z * s, a + z * s])
        if metric == "estimation":
            value[k], error[k] = a, s
            low[k], high[k] = ends
        elif p.kind != "corr":
            power = 2.0 if metric == "variance" else 1.0
            value[k] = np.exp(power * a)
            error[k] = power * value[k] * s
            low[k], high[k] = np.exp(power * ends)
        elif metric == "sd":
            value[k] = np.tanh(a)
            error[k] = (1.0 - value[k] ** 2) * s
            low[k], high[k] = np.tanh(ends)
        else:
            value[k], error[k] = _covariance(k, p, parameters, index, alpha, vcov)
            low[k], high[k] = value[k] - z * error[k], value[k] + z * error[k]
    return VarianceTable(metric, parameters, value, error, low, high)


def _covariance(
    k: int,
    parameter: VarianceParameter,
    parameters: tuple[VarianceParameter, ...],
    index: dict,
    alpha: Array,
    vcov: Array,
) -> tuple[float, float]:
    """A covariance and its standard error from alpha by the delta method."""
    ends = [_sd_of(parameter, effect, parameters) for effect in parameter.effects[:2]]
    i, j = ends[0], ends[-1]
    r = np.tanh(alpha[k])
    with np.errstate(invalid="ignore"):
        value = r * np.exp(alpha[i] + alpha[j])
    if not np.isfinite(value):
        return 0.0, np.nan
    slope = np.zeros(len(alpha))
    slope[i] += value
    slope[j] += value
    slope[k] = (1.0 - r**2) * np.exp(alpha[i] + alpha[j])
    used = np.unique([i, j, k])
    variance = slope[used] @ vcov[np.ix_(used, used)] @ slope[used]
    return float(value), float(np.sqrt(variance))


def _sd_of(
    parameter: VarianceParameter, effect: str, parameters: tuple[VarianceParameter, ...]
) -> int:
    for k, p in enumerate(parameters):
        if p.equation == parameter.equation and p.kind == "sd" and effect in p.effects:
            return k
    raise AssertionError("every effect has a variance")
