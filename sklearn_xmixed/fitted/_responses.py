"""What an estimator keeps after a fit to several responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc
from scipy.stats import false_discovery_control

from ..design._categories import Categories
from ..inference import LinearHypothesis, VarianceParameter, check_level
from ..inference._coefficients import t_p_value, t_quantile
from ..inference._variance import variance_table
from ._fitted import FittedModel
from ._response_tests import ResponseTests

__all__ = [
    "FittedResponses",
    "ResponseEffects",
    "ResponseEstimates",
    "ResponsePart",
    "ResponseResults",
]

Array = np.ndarray

#: how p-values may be adjusted for the number of responses
ADJUSTMENTS = (None, "fdr", "holm", "bonferroni")


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
        self,
        confidence_level: float = 0.95,
        *,
        adjust: str | None = None,
        reference: tuple[Array, Array] | None = None,
    ) -> pd.DataFrame:
        """Coefficients with standard errors, tests and intervals.

        Parameters
        ----------
        adjust : {None, "fdr", "holm", "bonferroni"}, default=None
            A further column, p_adjusted: each coefficient's p-values adjusted for the
            number of responses.
        reference : (ndarray of shape (m, k), ndarray of shape (m, k, k)), optional
            Degrees of freedom and covariance matrices for small samples, with which
            t and df stand in place of z.

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
        at, level = self.estimates, check_level(confidence_level)
        df, vcov = (None, at.beta_vcov) if reference is None else reference
        used = np.full(at.beta.shape, np.inf) if df is None else df
        with np.errstate(divide="ignore", invalid="ignore"):
            se = np.sqrt(np.einsum("mkk->mk", vcov))
            se = np.where(at.kept, se, np.nan)
            ratio = at.beta / se
            half = t_quantile(level, used) * se
        test = {"z": ratio} if df is None else {"t": ratio, "df": df}
        columns = {
            "estimate": at.beta,
            "std_error": se,
            **test,
            "p_value": t_p_value(ratio, used),
            "ci_lower": at.beta - half,
            "ci_upper": at.beta + half,
        }
        if adjust is not None:
            columns["p_adjusted"] = _adjusted(columns["p_value"], adjust)
        index = _by_response(
            self.responses, [(name,) for name in self.fixed_names], ["term"]
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
        table = variance_table(
            metric, self.parameters, [], at.alpha, at.alpha_vcov, level
        )
        columns = ("estimate", "std_error", "ci_lower", "ci_upper")
        index = _by_response(
            self.responses,
            [(p.level, p.term(metric)) for p in self.parameters],
            ["level", "term"],
        )
        return pd.DataFrame(
            {c: getattr(table, c).ravel() for c in columns}, index=index
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


def _by_response(
    responses: Sequence[str], rows: Sequence[tuple[str, ...]], names: Sequence[str]
) -> pd.MultiIndex:
    """The same rows for every response."""
    m = len(responses)
    repeated = np.tile(np.arange(len(rows)), m)
    columns = [pd.Index(column, dtype=object) for column in zip(*rows, strict=True)]
    return pd.MultiIndex.from_arrays(
        [
            pd.Index(responses)[np.repeat(np.arange(m), len(rows))],
            *(column[repeated] for column in columns),
        ],
        names=["response", *names],
    )


def _bonferroni(p: Array) -> Array:
    return np.minimum(1.0, len(p) * p)


def _holm(p: Array) -> Array:
    """Bonferroni's method step by step, from the smallest p-value."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order])
    out = np.empty_like(p)
    out[order] = np.minimum(1.0, stepped)
    return out


_METHODS: dict[str, Callable[[Array], Array]] = {
    "fdr": false_discovery_control,
    "holm": _holm,
    "bonferroni": _bonferroni,
}


def _adjusted(p: Array, how: str) -> Array:
    """p-values of every column adjusted for their number; nan stays."""
    out = np.full_like(p, np.nan)
    for k, column in enumerate(p.T):
        known = ~np.isnan(column)
        if not known.any():
            continue
        out[known, k] = _METHODS[how](column[known])
    return out


@dataclass(frozen=True, eq=False)
class ResponsePart:
    """Some of the responses, and what answers for them.

    Parameters
    ----------
    numbers : ndarray of int
    model : FittedModel
        A fit of one response, or that of the template with coefficients and effects of
        several.
    tests : ResponseTests
    """

    numbers: Array
    model: FittedModel
    tests: ResponseTests

    def effects(self, equation: Any) -> tuple[Array, pd.Index]:
        """Effects of an equation, (B, G, q), and its groups."""
        if np.ndim(self.model.sigma2):
            posterior: Any = self.model.posterior
            values = posterior.of(equation.name, equation.floor)
            return values, self.model.group_index(equation)
        frame = self.model.random_effects()[equation.name]
        return frame.to_numpy()[None], frame.index


@dataclass(frozen=True, eq=False)
class FittedResponses:
    """State of an estimator that was fitted to several responses.

    Parameters
    ----------
    results : ResponseResults
    template : FittedModel
        Of one response, with all that is alike in all of them.
    parts : tuple of ResponsePart
    sample : ndarray of bool, shape (n, m)
        Which rows were used for which response.
    """

    results: ResponseResults
    template: FittedModel
    parts: tuple[ResponsePart, ...]
    sample: Array

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"The model was fitted to {len(self.results.responses)} responses at once; "
            "what was asked for is there for a fit of one response: call fit(X, y) with "
            "that column of Y."
        )

    @property
    def offset_is_array(self) -> bool:
        """Whether the offset was no column, and is not kept."""
        return self.template.offset_is_array

    def coef_table(
        self, confidence_level: float, df: Any = None, adjust: str | None = None
    ) -> pd.DataFrame:
        """See ``MixedLinearRegressor.coef_table``."""
        method = self.template.df_method if df is None else df
        reference = None
        if not (method is None or (isinstance(method, str) and method == "asymptotic")):
            reference = self._reference(method)
        return self.results.fixed_table(
            confidence_level, adjust=adjust, reference=reference
        )

    def _reference(self, method: str) -> tuple[Array, Array]:
        """Degrees of freedom and covariance matrices of all coefficients."""
        df = np.full(self.results.estimates.beta.shape, np.nan)
        vcov = np.full(self.results.estimates.beta_vcov.shape, np.nan)
        for part in self.parts:
            df[part.numbers], vcov[part.numbers] = part.tests.reference(method)
        return df, vcov

    def p_values(self, hypothesis: LinearHypothesis, df: str | None = None) -> Array:
        """Wald tests of a linear hypothesis, (m,).

        Parameters
        ----------
        hypothesis : LinearHypothesis
        df : str, optional
            A method for small samples; None is the large sample.
        """
        L, estimates = hypothesis.L, self.results.estimates
        difference = np.nan_to_num(estimates.beta) @ L.T - hypothesis.value
        if df is not None:
            out = np.full(len(difference), np.nan)
            for part in self.parts:
                out[part.numbers] = part.tests.p_values(df, L, difference[part.numbers])
            return out
        with np.errstate(all="ignore"):
            half = np.linalg.solve(L @ estimates.beta_vcov @ L.T, difference[..., None])
        return np.asarray(chdtrc(len(L), (difference * half[..., 0]).sum(axis=1)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of X."""
        return self.template.columns

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Columns of the fixed part."""
        return self.template.fixed_names

    @property
    def categories(self) -> Categories | None:
        """Categories of coded columns, with the combinations of all responses' rows."""
        first, *others = (part.model.categories for part in self.parts)
        for more in others:
            first = first if first is None or more is None else first.plus(more)
        return first

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
        return any(bool(np.any(part.model.unbounded)) for part in self.parts)

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
        for part in self.parts:
            mean = part.model.predict(
                estimator, source, kind=kind, level=level, return_std=False
            )
            out[:, part.numbers] = mean if mean.ndim == 2 else mean[:, None]
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
        names, out = self.results.responses, {}
        for name in self.equation_names:
            frames, numbers = [], []
            for part in self.parts:
                (equation,) = (e for e in part.model.equations if e.name == name)
                values, groups = part.effects(equation)
                B, G, q = values.shape
                which = np.repeat(part.numbers, G)
                index = groups.take(np.tile(np.arange(G), B))
                frame = pd.DataFrame(
                    values.reshape(B * G, q),
                    index=index,
                    columns=list(equation.effects),
                )
                frames.append(_with_response(frame, which, names))
                numbers.append(which)
            whole = pd.concat(frames) if len(frames) > 1 else frames[0]
            order = np.argsort(np.concatenate(numbers), kind="stable")
            out[name] = whole.iloc[order]
        return out


def _with_response(
    frame: pd.DataFrame, numbers: Array, names: Sequence[str]
) -> pd.DataFrame:
    """The response as first index level."""
    index = frame.index
    single = not isinstance(index, pd.MultiIndex)
    levels = (
        [index] if single else [index.get_level_values(k) for k in range(index.nlevels)]
    )
    response = pd.Index(names)[numbers]
    frame.index = pd.MultiIndex.from_arrays(
        [response, *levels], names=["response", *index.names]
    )
    return frame
