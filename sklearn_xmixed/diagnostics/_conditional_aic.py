"""Conditional AIC: how well the groups' own predictions predict.

With V over sigma^2 and P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1 the residuals of the
predictions are y - y_hat = P y, so that at given variances the trace of dy_hat/dy is

    n - tr(P) = p + sum over terms of tr(D dl/dD),     l = log|V| + log|X'V^-1X|.

The variances are estimated too, and y_hat moves with them.  With a_j = dy_hat/dgamma_j
= P V_j P y and H the Hessian of -2L in gamma, the implicit function theorem adds

    2 nn / c  sum_jk (H^-1)_jk [a_j'a_k + (c_k / c) a_j'P y],     c = y'P y,

c_k its derivative and nn the rows, less p under REML.  Gamma is the square root of D: a
variance of zero then moves nothing, as it should where it stays at zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from ..covariance import PARAMETERIZATIONS
from ..design._compile import compile_design
from ..design._design import Design
from ..design._moments import Moments
from ..estimation._estimate import Estimate, SearchOptions, estimate
from ..fitted._batches import starts_of
from ..likelihood import CrossedOptions, Kind, Objective, lay
from ..likelihood._stream import row_blocks
from .samples._training import NOT_THE_SAME

__all__ = ["Rows", "conditional_aic", "correction_terms"]

Array = np.ndarray

#: a direction in which -2L bends less than this share of the others is flat
FLAT = 1e-9


def conditional_aic(
    estimator: Any, X: Any, y: Any, sample_weight: Any, groups: Any
) -> pd.Series:
    """See ``MixedLinearRegressor.conditional_aic``."""
    fitted = estimator._fitted
    if not fitted.sigma2 > 0:
        raise ValueError(
            "The conditional AIC needs a positive residual variance; this fit leaves none."
        )
    X, y, sample_weight, groups = estimator._as_compiled(X, y, sample_weight, groups)
    design = compile_design(clone(estimator), X, y, sample_weight, groups).design
    _check_kind(estimator, design)
    options = SearchOptions(
        em_iter=estimator.em_iter, max_iter=estimator.max_iter, tol=estimator.tol
    )
    found = estimate(
        design,
        options,
        reml=fitted.reml,
        crossed=CrossedOptions("exact"),
        start=starts_of(fitted),
    )
    likelihood = fitted.results.log_likelihood
    if not np.isclose(-0.5 * found.deviance, likelihood, rtol=1e-6, atol=1e-5):
        raise ValueError(NOT_THE_SAME)
    rows = Rows(design, found.kind, found.D_blocks)
    trace = _hat_trace(rows, fitted.reml)
    correction = sum(correction_terms(rows, found))
    log_likelihood = rows.log_likelihood(found.sigma2)
    df = trace + correction + 1.0
    return pd.Series(
        {
            "log_likelihood": log_likelihood,
            "hat_trace": trace,
            "correction": correction,
            "df": df,
            "caic": -2.0 * log_likelihood + 2.0 * df,
        },
        name="value",
    )


def _check_kind(estimator: Any, design: Design) -> None:
    """What there is no correction for is refused."""
    if design.residual is not None:
        raise NotImplementedError(
            "The conditional AIC is there for independent residuals with one variance, "
            f"got residuals={estimator.residuals!r}: how much their parameters add to the "
            "degrees of freedom is not known. information_criteria() has the marginal AIC."
        )
    weighted = any(level.weights is not None for level in design.levels)
    if estimator.weight_type == "sampling" or weighted:
        raise NotImplementedError(
            "The conditional AIC is not there with sampling weights and with weights of "
            "groups. Frequency and precision weights of rows are allowed."
        )


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a design under given covariance matrices.

    All vectors are in the order of the design, times the roots of precision weights.
    """

    design: Design
    kind: Kind
    D_blocks: list[Array]

    @property
    def counts(self) -> Array | float:
        """How many rows each of them stands for."""
        return 1.0 if self.design.weights is None else self.design.weights

    @cached_property
    def codes(self) -> list[Array]:
        """Group of every row, by floor, then by term."""
        levels, terms = self.design.levels[::-1], self.design.terms
        return [level.codes for level in levels] + [term.codes for term in terms]

    @cached_property
    def columns(self) -> tuple[list[Array], Array]:
        """Z of every floor and term, and [X y]."""
        pool = self.kind.pool
        whole = np.empty((self.design.n_rows, pool.width))
        for _, _, W, rows in row_blocks(self.design, pool):
            whole[rows] = W
        return pool.columns(whole), whole[:, -pool.p - 1 :]

    @cached_property
    def residual(self) -> Array:
        """P y."""
        pieces = self.kind.objective.pieces(self.D_blocks, order=0)
        Z, top = self.columns
        out = top @ pieces.root.v
        if self.codes:
            D = self.kind.model.floors(self.D_blocks)
            posterior = self.kind.posterior(D, pieces, 1.0)
            out = out - posterior.linear(self.codes, Z)
        return out

    def project(self, values: Array) -> Array:
        """P times other values."""
        y = values / self.design.row_roots
        weights, precision = self.design.weights, self.design.precision
        parts = [self.design.X, self.design.extra, y]
        moments = Moments.of(parts, weights if precision is None else precision)
        design = replace(self.design, y=y, moments=moments)
        return replace(self, design=design, kind=_laid(design, reml=False)).residual

    def spread(self, D: list[Array]) -> Array:
        """Z D Z' times the residuals."""
        out = np.zeros(self.design.n_rows)
        left = self.residual * self.counts
        for z, code, d in zip(self.columns[0], self.codes, D, strict=True):
            sums = [np.bincount(code, column * left) for column in z.T]
            out += np.einsum("na,ab,bn->n", z, d, np.array(sums)[:, code])
        return out

    def log_likelihood(self, sigma2: float) -> float:
        """Of the responses given the predicted effects."""
        n = float(np.sum(self.counts * np.ones(self.design.n_rows)))
        squares = float(np.sum(self.counts * self.residual**2))
        return -0.5 * (
            n * np.log(2.0 * np.pi * sigma2)
            + squares / sigma2
            + self.design.log_det_rows
        )


def _laid(design: Design, *, reml: bool) -> Kind:
    metric = PARAMETERIZATIONS["matsqrt"]
    return lay(design, metric, reml=reml, crossed=CrossedOptions("exact"))


def _hat_trace(rows: Rows, reml: bool) -> float:
    """Trace of dy_hat/dy at given variances."""
    kind = rows.kind if reml else _laid(rows.design, reml=True)
    slopes = kind.objective.pieces(rows.D_blocks).l_D
    assert slopes is not None
    D = kind.model.floors(rows.D_blocks)
    own = sum(float(np.sum(G * d)) for G, d in zip(slopes, D, strict=True))
    return kind.pool.p + own


def correction_terms(rows: Rows, found: Estimate) -> tuple[float, float]:
    """The two terms that the estimation of the variances adds to the trace."""
    model, objective = rows.kind.model, rows.kind.objective
    if not model.n_params:
        return 0.0, 0.0
    gamma = objective.join(found.D_blocks)
    moves = []
    for b, steps in enumerate(model.first(gamma)):
        for step in steps:
            D_blocks = [np.zeros_like(D) for D in found.D_blocks]
            D_blocks[b] = step
            moves.append(rows.project(rows.spread(model.floors(D_blocks))))
    A = np.array(moves)
    # the exact Hessian: where factors cross the search has another
    _, _, H = Objective.hessian(objective, gamma)
    at = objective.last(gamma) or objective.pieces(found.D_blocks)
    assert at.c_D is not None
    slopes = [
        np.tensordot(J, C, axes=2)
        for J, C in zip(model.first(gamma), model.pull(at.c_D), strict=True)
    ]
    share = np.concatenate(slopes) / at.c
    counted = A * rows.counts
    size = np.sqrt(np.abs(np.diagonal(H)))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(H / np.outer(size, size))
    bends = values > FLAT * max(values[-1], 1e-300)
    half = (vectors[:, bends] / size[:, None]) / np.sqrt(values[bends])
    weight = 2.0 * objective.nn / at.c
    return (
        float(weight * np.sum((half.T @ counted) * (half.T @ A))),
        float(weight * (half.T @ counted @ rows.residual) @ (half.T @ share)),
    )
