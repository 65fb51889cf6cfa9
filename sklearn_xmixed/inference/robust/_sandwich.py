"""Robust and clustered covariance matrices.

The sandwich's bread is the inverse information, block diagonal in beta and the
variance parameters as in the manual's software; its meat is the sum of
squared scores of the top-level groups (or of coarser clusters), times
M / (M - 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...estimation._estimate import Estimate
from ...likelihood import Block, Scores
from ..variances._natural_estimates import residual_estimates

__all__ = ["Sandwich", "sandwich"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Sandwich:
    """Robust covariance matrices.

    Parameters
    ----------
    beta : ndarray of shape (p, p)
        Of the kept coefficients, the constant first.
    alpha : ndarray of shape (m, m)
        Of the variance parameters in the estimation metric.
    n_clusters : float
        Number of clusters (sum of their frequency weights).
    """

    beta: Array
    alpha: Array
    n_clusters: float


def sandwich(
    estimate: Estimate,
    alpha_vcov: Array,
    clusters: Array,
    counts: Array,
) -> Sandwich:
    """Robust covariance matrices at the optimum.

    Parameters
    ----------
    alpha_vcov : ndarray
        Model-based covariance matrix of the variance parameters.
    clusters : ndarray of int, shape (n,)
        Cluster of each row of the design.
    counts : ndarray of shape (M,)
        How many clusters each of them stands for.
    """
    M = float(counts.sum())
    free = np.isfinite(np.diagonal(alpha_vcov))
    beta, alpha = parameter_scores(estimate, clusters, free)
    alpha[:, ~free] = 0.0
    # a cluster that stands for w of them has w times their score
    factor = M / (M - 1.0)
    bread = np.where(np.isfinite(alpha_vcov), alpha_vcov, 0.0)
    meat = alpha.T @ (alpha / counts[:, None])
    robust = factor * bread @ meat @ bread
    robust[~free] = robust[:, ~free] = np.nan
    # the columns of X may be nearly collinear (calendar years and their squares), those
    # of Q are not: only what is left of the scores is taken back to X
    F = estimate.pieces.root.F
    half = estimate.sigma2 * F @ (F.T @ (beta / np.sqrt(counts)[:, None]).T)
    return Sandwich(
        factor * estimate.pool.vcov(half),
        robust,
        M if np.any(counts != 1.0) else len(counts),
    )


def parameter_scores(
    estimate: Estimate, clusters: Array, free: Array
) -> tuple[Array, Array]:
    """Derivatives of the log likelihood by cluster.

    Parameters
    ----------
    free : ndarray of bool, shape (m,)
        Which variance parameters are not on the boundary.

    Returns
    -------
    beta : ndarray of shape (M, p)
        In the coefficients of the basis Q.
    alpha : ndarray of shape (M, m)
        In the estimation metric.
    """
    sigma2, model = estimate.sigma2, estimate.objective.model
    D = estimate.D
    at = estimate.kind.scores(D, estimate.pieces.root, sigma2, clusters)
    log_sigma = at.c / sigma2 - at.n
    for d, W in zip(D, at.D, strict=True):
        log_sigma = log_sigma + np.tensordot(d, W, axes=2)
    blocks = [
        _alpha_scores(block, Sigma, at, sigma2)
        for block, Sigma in zip(model.blocks, estimate.Sigmas, strict=True)
    ]
    own = _residual_scores(estimate, at, log_sigma, free)
    return at.x / sigma2, np.column_stack([*blocks, own])


def _alpha_scores(block: Block, Sigma: Array, at: Scores, sigma2: float) -> Array:
    """Derivatives of the log likelihood along alpha, one row per cluster."""
    lift = np.linalg.inv(block.metric) / np.sqrt(sigma2)
    first, _ = block.structure.natural_derivatives(Sigma)
    out = np.zeros((len(at.n), len(first)))
    for k, M in enumerate(first):
        for floor, moved in block.spread(lift @ M @ lift.T):
            out[:, k] -= 0.5 * np.tensordot(moved, at.D[floor], axes=2)
    return out


def _residual_scores(
    estimate: Estimate, at: Scores, log_sigma: Array, free: Array
) -> Array:
    """Derivatives along the residuals' reported parameters, by cluster.

    These are maps of (psi, log sigma) with slopes J.  A psi at the end of its
    range counts as known; the pseudo-inverse takes what is left of J back.
    """
    if not at.psi.shape[1]:
        return log_sigma[:, None]
    _, J, inside = residual_estimates(estimate)
    kept = free[-len(J) :]
    scores = np.column_stack([-0.5 * at.psi, log_sigma])[:, inside]
    out = np.zeros((len(scores), len(J)))
    out[:, kept] = scores @ np.linalg.pinv(J[np.ix_(kept, inside)])
    return out
