"""Residual parameters without a group, in the variance metric."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ..fitted._fitted import FittedModel
from .samples import OneStep

__all__ = ["residual_variances"]

Array = np.ndarray


def _back(transform: str, a: Array) -> Array:
    if transform == "natural":
        return a
    if transform == "atanh":
        return np.tanh(a)
    return expit(a) if transform == "logit" else np.exp(a)


def residual_variances(fitted: FittedModel, found: OneStep) -> list[Array]:
    """One array of shape (M,) per reported parameter of the residuals.

    The parameters move linearly with psi and log sigma in the metric in which their
    standard errors are formed.
    """
    model, psi = fitted.errors.model, fitted.errors.psi
    log_sigma = 0.5 * np.log(fitted.sigma2)
    change = np.column_stack([found.psi, 0.5 * np.log(found.sigma2) - log_sigma])
    alpha = model.estimates(log_sigma, psi) + change @ model.jacobian(log_sigma, psi).T
    parameters = [p for p in fitted.results.parameters if p.equation is None]
    out = []
    for k, p in enumerate(parameters):
        a = alpha[:, k]
        if p.kind == "coef":
            out.append(_back(p.transform, a))
        elif p.kind != "corr":
            out.append(np.exp(2.0 * a))
        else:
            ends = [
                next(
                    j
                    for j, q in enumerate(parameters)
                    if q.kind == "sd" and q.category == p.category and x in q.effects
                )
                for x in (p.effects[0], p.effects[-1])
            ]
            out.append(np.tanh(a) * np.exp(alpha[:, ends].sum(axis=1)))
    return out
