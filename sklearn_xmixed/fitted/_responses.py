"""What an estimator keeps after a fit to several responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri
from scipy.stats import false_discovery_control

from ..inference import VarianceParameter, check_level
from ..inference._variance import variance_table
from ._fitted import FittedModel

__all__ = ["FittedResponses", "ResponseEffects", "ResponseEstimates", "ResponseResults"]

Array = np.ndarray

#: how p-values may be adjusted for the number of responses
ADJUSTMENTS = (None, "bonferroni", "fdr")


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


@dataclass(frozen=True, eq=False)
class ResponseEffects:
    """Random effects of several responses on one design.

    Parameters
    ----------
    e : tuple of ndarray of shape (q, G, B)
        Z'V^-1 (y - X beta) of every floor, lowest first.
    D : tuple of ndarray of shape (q, q, B)
        Sigma / sigma^2 of every floor in the tree's basis.
    gains : dict of str to ndarray of shape (q, q_floor, B)
        From e to the effects of each equation.
    """

    e: tuple[Array, ...]
    D: tuple[Array, ...]
    gains: dict[str, Array]

    def linear(self, codes: Sequence[Array], Z: Sequence[Array]) -> Array:
        """Sum of Z u over the levels with a known group, (n, B)."""
        out = np.zeros((len(codes[0]), self.e[0].shape[-1]))
        for code, z, D, e in zip(codes, Z, self.D, self.e, strict=True):
            u = np.einsum("acB,cgB->agB", D, e)
            known = (code >= 0)[:, None]
            for a in range(len(u)):
                out += np.where(known, z[:, [a]] * u[a][code], 0.0)
        return out

    def take(self, which: Array) -> ResponseEffects:
        """Some of the responses."""
        return ResponseEffects(
            tuple(e[..., which] for e in self.e),
            tuple(D[..., which] for D in self.D),
            {name: gain[..., which] for name, gain in self.gains.items()},
        )

    def of(self, name: str, floor: int) -> Array:
        """Effects of an equation, (B, G, q)."""
        return np.einsum("acB,cgB->Bga", self.gains[name], self.e[floor])


@dataclass(frozen=True, eq=False)
class ResponseResults:
    """What is known after a fit to several responses.

    Arrays have one element per response, frames the response as first index level.

    Attributes
    ----------
    responses : tuple of str
    fixed_names : tuple of str
        Columns of the fixed part and, last, ``_cons`` if there is a constant.
    parameters : tuple of VarianceParameter
    estimates : ResponseEstimates
    """

    responses: tuple[str, ...]
    fixed_names: tuple[str, ...]
    parameters: tuple[VarianceParameter, ...]
    estimates: ResponseEstimates

    @property
    def log_likelihood(self) -> Array:
        """Log likelihood of each, or log restricted likelihood under REML."""
        return self.estimates.log_likelihood

    @property
    def converged(self) -> Array:
        """Whether the optimum of each is certified."""
        return self.estimates.converged

    @property
    def aic(self) -> Array:
        """Akaike's information criterion, -2 L + 2 n_params."""
        return -2.0 * self.log_likelihood + 2.0 * self.estimates.n_params

    @property
    def bic(self) -> Array:
        """Schwarz's criterion with N = number of observations."""
        at = self.estimates
        return -2.0 * self.log_likelihood + np.log(at.n_obs) * at.n_params

    @property
    def message(self) -> str:
        """How many did not converge, and why the first did not; empty if all did."""
        told = np.flatnonzero(self.estimates.messages != "")
        if not len(told):
            return ""
        first = int(told[0])
        return (
            f"{len(told)} of {len(self.responses)} responses have something to say about "
            f"convergence; the first is {self.responses[first]!r}: "
            f"{self.estimates.messages[first]} See converged_."
        )

    def fixed_table(
        self, confidence_level: float = 0.95, *, adjust: str | None = None
    ) -> pd.DataFrame:
        """Coefficients with standard errors, z tests and intervals.

        Parameters
        ----------
        adjust : {None, "fdr", "bonferroni"}, default=None
            A further column, p_adjusted: each coefficient's p-values adjusted for the
            number of responses.

        Raises
        ------
        ValueError
            If the confidence level does not lie between 0 and 1, or ``adjust`` is
            something else.
        """
        if adjust not in ADJUSTMENTS:
            raise ValueError(
                f"adjust must be one of {', '.join(map(repr, ADJUSTMENTS))}, got "
                f"{adjust!r}."
            )
        at = self.estimates
        zq = float(ndtri(0.5 + 0.5 * check_level(confidence_level)))
        with np.errstate(divide="ignore", invalid="ignore"):
            se = np.sqrt(np.einsum("mkk->mk", at.beta_vcov))
            se = np.where(at.kept, se, np.nan)
            z = at.beta / se
        columns = {
            "estimate": at.beta,
            "std_error": se,
            "z": z,
            "p_value": 2.0 * ndtr(-np.abs(z)),
            "ci_lower": at.beta - zq * se,
            "ci_upper": at.beta + zq * se,
        }
        if adjust is not None:
            columns["p_adjusted"] = _adjusted(columns["p_value"], adjust)
        index = pd.MultiIndex.from_product(
            [self.responses, self.fixed_names], names=["response", "term"]
        )
        return pd.DataFrame(
            {name: value.ravel() for name, value in columns.items()}, index=index
        )

    def variance_frame(
        self, metric: str = "variance", confidence_level: float = 0.95
    ) -> pd.DataFrame:
        """Variance parameters in the metric "variance", "sd" or "estimation".

        Raises
        ------
        ValueError
            If the metric is none of these, or the confidence level not between 0 and 1.
        """
        if metric not in ("variance", "sd", "estimation"):
            raise ValueError(
                f"metric must be 'variance', 'sd' or 'estimation', got {metric!r}."
            )
        level, at = check_level(confidence_level), self.estimates
        tables = [
            variance_table(metric, self.parameters, [], alpha, vcov, level)
            for alpha, vcov in zip(at.alpha, at.alpha_vcov, strict=True)
        ]
        columns = ("estimate", "std_error", "ci_lower", "ci_upper")
        index = pd.MultiIndex.from_tuples(
            [
                (response, p.level, p.term(metric))
                for response in self.responses
                for p in self.parameters
            ],
            names=["response", "level", "term"],
        )
        return pd.DataFrame(
            {c: np.concatenate([getattr(t, c) for t in tables]) for c in columns},
            index=index,
        )

    def to_frame(
        self, metric: str = "sd", confidence_level: float = 0.95
    ) -> pd.DataFrame:
        """All estimates in one tidy table, indexed by (response, equation, term).

        The equation of a coefficient is its response, as for one response.
        """
        fixed = self.fixed_table(confidence_level)
        random = self.variance_frame(metric, confidence_level)
        columns = list(fixed.columns)
        random = random.reindex(columns=columns)
        m, names = len(self.responses), [p.term(metric) for p in self.parameters]
        levels = [p.level for p in self.parameters]
        values = np.concatenate(
            [
                fixed.to_numpy().reshape(m, len(self.fixed_names), -1),
                random.to_numpy().reshape(m, len(names), -1),
            ],
            axis=1,
        )
        index = pd.MultiIndex.from_tuples(
            [
                (r, equation, term)
                for r in self.responses
                for equation, term in zip(
                    [*[r] * len(self.fixed_names), *levels],
                    [*self.fixed_names, *names],
                    strict=True,
                )
            ],
            names=["response", "equation", "term"],
        )
        return pd.DataFrame(
            values.reshape(-1, len(columns)), index=index, columns=columns
        )


def _adjusted(p: Array, how: str) -> Array:
    """p-values of every column adjusted for their number; nan stays."""
    out = np.full_like(p, np.nan)
    for k, column in enumerate(p.T):
        known = ~np.isnan(column)
        if not known.any():
            continue
        if how == "fdr":
            out[known, k] = false_discovery_control(column[known])
        else:
            out[known, k] = np.minimum(1.0, column[known] * known.sum())
    return out


@dataclass(frozen=True, eq=False)
class FittedResponses:
    """State of an estimator that was fitted to several responses.

    Parameters
    ----------
    results : ResponseResults
    template : FittedModel
        Of one response, with all that is alike in all of them.
    parts : tuple of (ndarray of int, FittedModel)
        Numbers of some responses, and what predicts them: a fit of one, or that of the
        template with coefficients and effects of several.
    sample : ndarray of bool, shape (n, m)
        Which rows were used for which response.
    """

    results: ResponseResults
    template: FittedModel
    parts: tuple[tuple[Array, FittedModel], ...]
    sample: Array

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"The model was fitted to {len(self.results.responses)} responses at once; "
            "what was asked for is there for a fit of one response: call fit(X, y) with "
            "that column of Y."
        )

    def coef_table(
        self, confidence_level: float, df: Any = None, adjust: str | None = None
    ) -> pd.DataFrame:
        """See ``MixedLinearRegressor.coef_table``."""
        if df not in (None, "asymptotic"):
            raise ValueError(
                f"df={df!r} is there for a fit of one response only: call fit(X, y) with "
                "that column of Y, or set df=None."
            )
        return self.results.fixed_table(confidence_level, adjust=adjust)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of X."""
        return self.template.columns

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Columns of the fixed part."""
        return self.template.fixed_names

    @property
    def equation_names(self) -> list[str]:
        """Names of the equations with random effects."""
        return self.template.equation_names

    @property
    def coef(self) -> Array:
        """Fixed effects without the constant, (m, p)."""
        return self.results.estimates.beta[:, : len(self.fixed_names)]

    @property
    def intercept(self) -> Array:
        """Constants, (m,)."""
        beta = self.results.estimates.beta
        none = beta.shape[1] == len(self.fixed_names)
        return np.zeros(len(beta)) if none else beta[:, -1].copy()

    @property
    def sigma2(self) -> Array:
        """Residual variances, (m,)."""
        return self.results.estimates.sigma2

    @property
    def n_iter(self) -> Array:
        """Iterations of each, at least 1."""
        return np.maximum(1, self.results.estimates.n_iter)

    @property
    def n_groups(self) -> dict[str, int]:
        """Number of groups at each level in the rows of the template."""
        return self.template.n_groups

    @property
    def exact(self) -> bool:
        """Whether the fixed part left no residual of some response."""
        return bool((~(self.sigma2 > 0)).any())

    @property
    def unbounded(self) -> bool:
        """Whether the likelihood of some response has no maximum."""
        return any(bool(np.any(part.unbounded)) for _, part in self.parts)

    @cached_property
    def variance_components(self) -> pd.DataFrame:
        """Variances and covariances with 95 % intervals."""
        return self.results.variance_frame("variance")

    def predict(
        self,
        estimator: Any,
        source: Any,
        *,
        kind: str | None,
        level: str | None,
        return_std: bool,
    ) -> Array:
        """Predictions for rows, (n, m)."""
        if return_std:
            raise NotImplementedError(
                "return_std=True is there for a fit of one response only: call "
                "fit(X, y) with that column of Y, or set return_std=False."
            )
        out = np.empty((source.n_rows, len(self.results.responses)))
        for numbers, part in self.parts:
            mean = part.predict(
                estimator, source, kind=kind, level=level, return_std=False
            )
            out[:, numbers] = mean if mean.ndim == 2 else mean[:, None]
        return out

    def random_effects(
        self, *, std: bool = False, fixed_known: bool | None = None
    ) -> dict[str, pd.DataFrame]:
        """BLUPs of every equation, indexed by response and group."""
        if std:
            raise NotImplementedError(
                "Standard errors of random effects are there for a fit of one response "
                "only: call fit(X, y) with that column of Y, or set return_std=False."
            )
        names = self.results.responses
        frames: dict[str, list[Any]] = {
            e: [None] * len(names) for e in self.equation_names
        }
        for numbers, part in self.parts:
            for e in part.equations:
                index = None
                for k, b in enumerate(numbers.tolist()):
                    if len(numbers) == 1 and not _several(part):
                        frame = part.random_effects()[e.name]
                    else:
                        values = part.posterior.of(e.name, e.floor)[k]  # type: ignore[attr-defined]
                        index = part.group_index(e) if index is None else index
                        frame = pd.DataFrame(
                            values, index=index, columns=list(e.effects)
                        )
                    frames[e.name][b] = frame
        return {
            e: pd.concat(found, keys=list(names), names=["response"])
            for e, found in frames.items()
        }


def _several(part: FittedModel) -> bool:
    return np.ndim(part.sigma2) > 0
