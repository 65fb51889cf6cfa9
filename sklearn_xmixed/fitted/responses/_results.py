"""Results of a fit to several responses: criteria and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...inference import (
    VarianceParameter,
    check_level,
    t_p_value,
    t_quantile,
    variance_table,
)
from ._estimates import ResponseEstimates
from ._p_values import ADJUSTMENTS, adjusted

__all__ = ["ResponseResults"]

Array = np.ndarray


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
            columns["p_adjusted"] = adjusted(columns["p_value"], adjust)
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
        level, at = check_level(confidence_level), self.estimates
        table = variance_table(metric, self.parameters, at.alpha, at.alpha_vcov, level)
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
