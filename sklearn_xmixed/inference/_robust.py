"""Robust and clustered covariance matrices.

The sandwich's bread is the inverse information, block diagonal in beta and the
variance parameters as in the manual's software; its meat is the sum of
squared scores of the top-level groups (or of coarser clusters), times
M / (M - 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._design import Design
from .._estimation import Estimate
from ..covariance import natural_derivatives
from ..likelihood import Block, Scores, Tree, top_scores

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
    design: Design,
    estimate: Estimate,
    beta_vcov: Array,
    alpha_vcov: Array,
    *,
    clusters: Array | None = None,
    frequency: bool = False,
) -> Sandwich:
    """Robust covariance matrices at the optimum.

    Parameters
    ----------
    beta_vcov, alpha_vcov : ndarray
        Model-based covariance matrices.
    clusters : ndarray of int, shape (M,), optional
        Cluster of each top-level group (of each row without levels).
    frequency : bool
        Whether weights are frequencies; a group of weight w then counts as w
        groups.
    """
    pool, sigma2 = estimate.pool, estimate.sigma2
    model = estimate.objective.model
    D = model.floors(estimate.D_blocks)
    assert isinstance(estimate.tree, Tree)  # crossed models are refused before
    at = top_scores(design, pool, estimate.tree, D, estimate.pieces)
    # beta = R^-1 beta_Q, so a score in beta is R' times that in beta_Q
    beta = (at.x @ pool.R) / sigma2
    columns = [
        _alpha_scores(block, Sigma, at, sigma2)
        for block, Sigma in zip(model.blocks, estimate.Sigmas, strict=True)
    ]
    log_sigma = at.c / sigma2 - at.n
    for d, c, l in zip(D, at.c_D, at.l_D, strict=True):
        log_sigma = log_sigma + np.tensordot(d, c / sigma2 + l, axes=2)
    alpha = np.column_stack([*columns, log_sigma])
    scores = np.concatenate([beta, alpha], axis=1)
    counts = np.ones(len(scores))
    if frequency:
        counts = _counts(design)
    if clusters is None:
        meat = scores.T @ (scores / counts[:, None])
        M = float(counts.sum())
    else:
        M = int(clusters.max()) + 1
        summed = np.zeros((M, scores.shape[1]))
        np.add.at(summed, clusters, scores)
        meat = summed.T @ summed
    if not M > 1:
        raise ValueError(
            "Robust standard errors need at least two clusters, found one. Use "
            "vce='oim', or clusters of another variable."
        )
    factor = M / (M - 1.0)
    p = beta.shape[1]
    free = np.isfinite(np.diagonal(alpha_vcov))
    bread = np.where(np.isfinite(alpha_vcov), alpha_vcov, 0.0)
    robust = factor * bread @ meat[p:, p:] @ bread
    robust[~free] = robust[:, ~free] = np.nan
    return Sandwich(factor * beta_vcov @ meat[:p, :p] @ beta_vcov, robust, M)


def _alpha_scores(block: Block, Sigma: Array, at: Scores, sigma2: float) -> Array:
    """Derivatives of the log likelihood along alpha, one row per group."""
    k = block.floor
    W = at.c_D[k] / sigma2 + at.l_D[k]
    lift = block.Lambda @ np.linalg.inv(block.metric) / np.sqrt(sigma2)
    first, _ = natural_derivatives(block.structure, Sigma)
    return np.column_stack(
        [-0.5 * np.tensordot(lift @ M @ lift.T, W, axes=2) for M in first]
    )


def _counts(design: Design) -> Array:
    """How many groups each top-level group stands for."""
    if not design.levels:
        n = design.n_rows
        return np.ones(n) if design.weights is None else design.weights
    top = design.levels[0]
    return np.ones(top.n_groups) if top.weights is None else top.weights
