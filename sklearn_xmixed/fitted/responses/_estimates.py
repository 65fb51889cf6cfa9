"""Estimates of several responses, an axis of responses first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .._fitted import FittedModel

__all__ = ["ResponseEstimates"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class ResponseEstimates:
    """Estimates of m responses, with an axis of responses first.

    Parameters
    ----------
    beta : ndarray of shape (m, k)
        Coefficients, the constant last.
    beta_vcov : ndarray of shape (m, k, k)
    kept : ndarray of bool, shape (m, k)
        Which of them are not collinear.
    alpha : ndarray of shape (m, a)
        Variance parameters in the estimation metric.
    alpha_vcov : ndarray of shape (m, a, a)
    sigma2, log_likelihood : ndarray of shape (m,)
    n_obs, n_params, n_iter : ndarray of shape (m,)
    converged : ndarray of bool, shape (m,)
    messages : ndarray of str, shape (m,)
    """

    beta: Array
    beta_vcov: Array
    kept: Array
    alpha: Array
    alpha_vcov: Array
    sigma2: Array
    log_likelihood: Array
    n_obs: Array
    n_params: Array
    n_iter: Array
    converged: Array
    messages: Array

    @classmethod
    def of_fits(cls, fits: Sequence[FittedModel]) -> ResponseEstimates:
        """Of responses that were fitted one by one."""
        results = [fit.results for fit in fits]

        def array(values: Any) -> Array:
            return np.array(list(values))

        return cls(
            array(r.beta for r in results),
            array(r.beta_vcov for r in results),
            array(~np.isin(r.fixed_names, r.omitted) for r in results),
            array(r.alpha for r in results),
            array(r.alpha_vcov for r in results),
            array(float(fit.sigma2) for fit in fits),
            array(r.log_likelihood for r in results),
            array(r.n_obs for r in results),
            array(r.n_params for r in results),
            array(fit.n_iter for fit in fits),
            array(bool(r.converged) for r in results),
            np.array([r.message for r in results], dtype=object),
        )

    @classmethod
    def gather(
        cls, parts: Sequence[tuple[Array, ResponseEstimates]], m: int
    ) -> ResponseEstimates:
        """From parts with the numbers of their responses."""
        out = []
        for field in fields(cls):
            first = getattr(parts[0][1], field.name)
            whole = np.empty((m, *first.shape[1:]), dtype=first.dtype)
            for numbers, part in parts:
                whole[numbers] = getattr(part, field.name)
            out.append(whole)
        return cls(*out)

    def take(self, which: Array) -> ResponseEstimates:
        """Some of the responses."""
        return type(self)(*(getattr(self, f.name)[which] for f in fields(self)))
