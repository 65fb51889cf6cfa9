"""Natural estimates: variance parameters as log sd, atanh correlation and log sigma.

Their covariance matrix comes from the Hessian of the likelihood with beta profiled out
(the manual's L*).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...estimation._estimate import Estimate
from ...likelihood import Block
from ...optimization import eigen
from ._free_directions import FreeDirections, free_directions
from ._natural_hessian import direction_hessian, joint_hessian

__all__ = ["NaturalEstimates", "natural_estimates", "residual_estimates"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class NaturalEstimates:
    """Estimates and their covariance matrix in the estimation metric.

    Parameters
    ----------
    alpha : ndarray of shape (m + 1,)
        log sd and atanh correlation of each equation, then log sigma, or the
        parameters of structured residuals in their metrics.
    vcov : ndarray of shape (m + 1, m + 1)
        nan in the rows of parameters on the boundary.
    free : FreeDirections or None
        None where the information about the free parameters is not positive, up to
        directions in which the likelihood is flat.
    """

    alpha: Array
    vcov: Array
    free: FreeDirections | None


def natural_estimates(estimate: Estimate) -> NaturalEstimates:
    """Estimates and covariance matrix in the estimation metric."""
    blocks, Sigmas = estimate.objective.model.blocks, estimate.Sigmas
    alphas, free = [], []
    for block, D, Sigma in zip(blocks, estimate.D_blocks, Sigmas, strict=True):
        alphas.append(block.structure.to_natural(Sigma))
        free.append(block.structure.inside(D, block.metric))
    own, slope, inside = residual_estimates(estimate)
    alpha = np.concatenate([*alphas, own])
    mask = np.concatenate([*free, np.ones(len(own), dtype=bool)])
    vcov = np.full((len(alpha), len(alpha)), np.nan)
    if mask.all():
        # the optimiser's directions stay well conditioned where the user's
        # correlations come close to one or D is nearly singular
        H, steps = direction_hessian(estimate)
        J = _alpha_of_elements(estimate, Sigmas) @ steps
    else:
        curves = [
            _curves(block, Sigma, np.flatnonzero(keep), estimate.sigma2)
            for block, Sigma, keep in zip(blocks, Sigmas, free, strict=True)
        ]
        H, steps = joint_hessian(estimate, curves), _steps_of_free(estimate, curves)
        J = np.eye(int(mask.sum()))
    half, flat = _inverse_root(H, inside)
    if half is None:
        return NaturalEstimates(alpha, vcov, None)
    directions = free_directions(steps, half, flat, inside)
    if flat.shape[1]:
        return NaturalEstimates(alpha, vcov, directions)
    half = J @ half
    half[-len(own) :] = slope @ half[-len(own) :]
    at = np.flatnonzero(mask)
    vcov[at[:, None], at] = 2.0 * half @ half.T
    # a parameter that follows psi to the end of its range has no standard error
    lost = (np.abs(slope[:, ~inside]) > 1e-3).any(axis=1)
    if not inside.all():  # or that moves with nothing else
        lost |= (np.abs(slope[:, inside]) < 1e-3).all(axis=1)
    at = len(alpha) - len(own) + np.flatnonzero(lost)
    vcov[at] = vcov[:, at] = np.nan
    return NaturalEstimates(alpha, vcov, directions)


def _curves(
    block: Block, Sigma: Array, keep: Array, sigma2: float
) -> tuple[list[Array], list[list[Array]]]:
    """First and second derivatives of D_b along the alpha ``keep``."""
    # Sigma / sigma^2 in the equation's scaled columns is D_b
    lift = np.linalg.inv(block.metric) / np.sqrt(sigma2)
    first, second = block.structure.natural_derivatives(Sigma)
    return (
        [lift @ first[i] @ lift.T for i in keep],
        [[lift @ second[i][j] @ lift.T for j in keep] for i in keep],
    )


def _steps_of_free(
    estimate: Estimate, curves: list[tuple[list[Array], list[list[Array]]]]
) -> Array:
    """Elements of the D_b, psi and log sigma along the free alpha, psi and log sigma.

    Along alpha and log sigma it is Sigma that moves or stays.
    """
    model, psi = estimate.objective.model, len(estimate.psi)
    ends = np.cumsum([0, *(len(first) for first, _ in curves)])
    rest = psi + 1
    steps = np.zeros((model.n_params + rest, int(ends[-1]) + rest))
    steps[-rest:, -rest:] = np.eye(rest)
    for k, (block, s) in enumerate(zip(model.blocks, model.slices, strict=True)):
        gather = block.structure.gather
        for i, M in enumerate(curves[k][0]):
            steps[s, ends[k] + i] = gather(M)
        steps[s, -1] = -2.0 * gather(estimate.D_blocks[k])
    return steps


def _inverse_root(H: Array, inside: Array) -> tuple[Array | None, Array]:
    """F with F F' = H^-1, and what it leaves out: directions in which H is zero.

    F is None where H has a negative direction. Rows and columns at the end that are not
    ``inside`` count as known: F is zero there.
    """
    none = np.zeros((len(H), 0))
    if not inside.all():
        stay = np.append(np.ones(len(H) - len(inside), dtype=bool), inside)
        part, away = _inverse_root(H[np.ix_(stay, stay)], inside[inside])
        if part is None:
            return None, none
        F, flat = (np.zeros((len(H), found.shape[1])) for found in (part, away))
        F[stay], flat[stay] = part, away
        return F, flat
    if not np.isfinite(H).all():
        return None, none
    size = np.sqrt(np.abs(np.diagonal(H)))
    size = np.where(size > 0, size, 1.0)
    values, vectors = eigen(H / (size[:, None] * size))
    # flat within what a search leaves of slopes and rounding of second derivatives
    if values[0] < -1e-6:
        return None, none
    kept, moves = values > 1e-9, vectors / size[:, None]
    return moves[:, kept] / np.sqrt(values[kept]), moves[:, ~kept]


def _alpha_of_elements(estimate: Estimate, Sigmas: list[Array]) -> Array:
    """Slopes of alpha (and psi, log sigma) in the elements, psi and log sigma."""
    model = estimate.objective.model
    psi = len(estimate.psi)
    J = np.eye(model.n_params + psi + 1)
    for block, s, Sigma in zip(model.blocks, model.slices, Sigmas, strict=True):
        J[s, s], J[s, -1] = block.structure.natural_slopes(
            Sigma, block.metric, estimate.sigma2
        )
    return J


def residual_estimates(estimate: Estimate) -> tuple[Array, Array, Array]:
    """Reported parameters of the residuals, and their slopes in (psi, log sigma).

    The third result says which of the latter are not at the end of their range.
    """
    log_sigma = 0.5 * np.log(estimate.sigma2)
    residual, psi = estimate.objective.residual, estimate.psi
    return (
        residual.estimates(log_sigma, psi),
        residual.jacobian(log_sigma, psi),
        np.append(~residual.at_boundary(psi), True),
    )
