"""Covariance matrices of all estimates, as far as they are there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..design._compile import Compiled
from ..estimation._estimate import Estimate
from ..inference import (
    CORRECTIONS,
    ClusterRobust,
    FreeDirections,
    cluster_robust,
    natural_estimates,
    sandwich,
)
from ..residuals import NotPositiveDefiniteError
from ._coefficient_order import Order
from ._results_options import ResultsOptions

__all__ = ["SavedVariances", "robust_reference", "saved_variances"]

Array = np.ndarray


def robust_reference(
    compiled: Compiled, found: Estimate, vce: str
) -> ClusterRobust | None:
    """The cluster-robust covariance matrix with its degrees of freedom; None without."""
    if vce not in CORRECTIONS or not (found.sigma2 > 0 and found.pool.p):
        return None
    assert compiled.clusters is not None
    to_user = Order.of(compiled).coefficients(np.linalg.inv(found.pool.R))
    return cluster_robust(found, compiled.clusters, vce, to_user)


@dataclass(frozen=True, eq=False)
class SavedVariances:
    """Covariance matrices of all estimates.

    ``model`` is that of the coefficients under the model, ``beta`` the one asked for,
    both in the engine's order, from which ``order`` leads to the user's;
    ``free`` are the directions off the boundary, None where they are not identified or
    were not asked for; ``robust`` has the corrections for few clusters, if asked for.
    """

    alpha: Array
    alpha_vcov: Array
    beta: Array
    model: Array
    order: Order
    n_clusters: float
    unidentified: int | None
    free: FreeDirections | None
    robust: ClusterRobust | None = None


def saved_variances(
    compiled: Compiled, found: Estimate, options: ResultsOptions
) -> SavedVariances:
    """Covariance matrices of the coefficients and of the variance parameters."""
    blocks, certificate = found.kind.model.blocks, found.certificate
    model = found.sigma2 * found.pool.vcov(found.pieces.root.F)
    unidentified, free = certificate.unidentified, None
    if found.sigma2 > 0 and (options.std_errors or not blocks):
        alpha, alpha_vcov, free = _natural(found)
        searched = found.kind.searched
        if searched and free is None and unidentified is None and certificate.converged:
            unidentified = _weakest(found)
    else:
        alpha, alpha_vcov = _estimates_only(found)
    beta, n_clusters = model, math.nan
    clusters = compiled.clusters
    if clusters is not None and options.vce in CORRECTIONS:
        n_clusters = clusters.number
    elif clusters is not None and found.sigma2 > 0:
        robust = sandwich(found, alpha_vcov, clusters.codes, clusters.counts)
        beta, alpha_vcov = robust.beta, robust.alpha
        n_clusters = robust.n_clusters
    return SavedVariances(
        alpha,
        alpha_vcov,
        beta,
        model,
        Order.of(compiled),
        n_clusters,
        unidentified,
        free,
        robust_reference(compiled, found, options.vce),
    )


def _natural(found: Estimate) -> tuple[Array, Array, FreeDirections | None]:
    """Estimates with their covariance matrix, nan where the residuals are singular."""
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            natural = natural_estimates(found)
    except NotPositiveDefiniteError:  # next to it there is nothing to differentiate
        return *_estimates_only(found), None
    return natural.alpha, natural.vcov, natural.free


def _weakest(found: Estimate) -> int:
    """Equation whose groups have the fewest rows: the likeliest to be undetermined."""
    blocks = found.objective.model.blocks
    if not blocks:
        return 0  # the number of equations stands for the residuals
    return int(np.argmax([np.max(b.n_groups) for b in blocks]))


def _estimates_only(found: Estimate) -> tuple[Array, Array]:
    parts = [
        b.structure.to_natural(S)
        for b, S in zip(found.objective.model.blocks, found.Sigmas, strict=True)
    ]
    with np.errstate(divide="ignore"):
        own = found.objective.residual.estimates(0.5 * np.log(found.sigma2), found.psi)
        alpha = np.concatenate([*parts, own])
    return alpha, np.full((len(alpha), len(alpha)), np.nan)
