"""Everything a fit saves, under readable names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.linalg import block_diag
from scipy.special import ndtr, ndtri

from ._codec import Portable
from ._confidence_level import check_level
from ._monte_carlo import MonteCarlo
from ._parts import EquationSummary, GroupSummary, Matrix, Specification, Vector
from .variances._parameters import VarianceParameter
from .variances._table import VarianceTable, variance_table

__all__ = ["Results"]


@dataclass(frozen=True, eq=False)
class Results(Portable):
    """What is known after a fit.

    Attributes
    ----------
    n_obs : int or float
        Number of observations (sum of frequency weights).
    n_params : int
        Number of parameters: fixed effects, variances, covariances.
    n_fixed, n_random, n_sd, n_corr, n_residual : int
        How these split up: fixed effects that are estimated; parameters of
        the random effects, of which standard deviations and correlations; parameters
        of the residuals.
    log_likelihood : float
        Log likelihood, or log restricted likelihood under REML.
    wald_chi2, wald_df, wald_p : float, int, float
        Test that all coefficients but the constant are zero.
    comparison_log_likelihood : float
        Log likelihood of linear regression (nan without ``lr_test``).
    lr_chi2, lr_df, lr_p, lr_kind, lr_note
        Test against linear regression.
    converged : bool
    method : {"ML", "REML"}
    message : str
        What there is to say about convergence; empty when all is well.
    target : str
    fixed_names : tuple of str
        Columns of the fixed part and, last, ``_cons`` if there is a constant.
    omitted : tuple of str
        Collinear columns of the fixed part.
    beta : ndarray of shape (p,)
        Coefficients in the order of ``fixed_names``; 0 where omitted.
    beta_vcov : ndarray of shape (p, p)
    groups : tuple of GroupSummary
    equations : tuple of EquationSummary
    parameters : tuple of VarianceParameter
    alpha : ndarray
        Variance parameters in the estimation metric.
    alpha_vcov : ndarray
        Their covariance matrix.
    residual_label : str
        Structure of the residuals, "Independent, by followup" say; empty for
        independent ones with one variance.
    std_errors : bool
        Whether standard errors of the variance parameters were asked for.
    has_lr_test : bool
    vce : {"oim", "robust", "cluster", "CR0", "CR1", "CR1S", "CR2", "CR3"}
    n_clusters : float
        Number of clusters of robust standard errors.
    cluster_name : str
        Their variable.
    pseudo : bool
        Whether the likelihood is a pseudolikelihood (sampling weights or robust
        standard errors).
    model_beta_vcov : ndarray of shape (p, p) or None
        Model-based covariance matrix of ``beta`` where ``beta_vcov`` is robust.
    Sigmas : tuple of ndarray
        Covariance matrix of the random effects of each equation that has any.
    specification : Specification
        How the fit was asked for: weights, residuals, optimisation, rows left out.
    monte_carlo : MonteCarlo or None
        Accuracy of a fit with crossed factors that was computed iteratively.
    crossed : str
        How crossed factors were dealt with, and why so; empty without them.
    """

    n_obs: float
    n_params: int
    n_fixed: int
    n_random: int
    n_sd: int
    n_corr: int
    n_residual: int
    log_likelihood: float
    wald_chi2: float
    wald_df: int
    wald_p: float
    comparison_log_likelihood: float
    lr_chi2: float
    lr_df: int
    lr_p: float
    lr_kind: str
    lr_note: str
    has_lr_test: bool
    converged: bool
    method: str
    message: str
    target: str
    fixed_names: tuple[str, ...]
    omitted: tuple[str, ...]
    beta: Vector
    beta_vcov: Matrix
    groups: tuple[GroupSummary, ...]
    equations: tuple[EquationSummary, ...]
    parameters: tuple[VarianceParameter, ...]
    Sigmas: tuple[Matrix, ...]
    alpha: Vector
    alpha_vcov: Matrix
    std_errors: bool
    vce: str = "oim"
    n_clusters: float = math.nan
    cluster_name: str = ""
    pseudo: bool = False
    model_beta_vcov: Matrix | None = None
    residual_label: str = ""
    specification: Specification = field(default_factory=Specification)
    monte_carlo: MonteCarlo | None = None
    crossed: str = ""

    @property
    def title(self) -> str:
        """First line of the output."""
        if not self.equations:
            return "Linear regression"
        method = "" if self.pseudo and self.method == "ML" else f"{self.method} "
        return f"Mixed-effects {method}regression"

    @property
    def rank(self) -> int:
        """Rank of ``vcov``: estimates that have a standard error."""
        V = self.vcov.to_numpy()
        diagonal = np.diagonal(V)
        used = np.flatnonzero(np.isfinite(diagonal) & (diagonal > 0))
        scale = np.sqrt(diagonal[used])
        if not len(used):
            return 0
        correlation = V[np.ix_(used, used)] / np.outer(scale, scale)
        return int(np.linalg.matrix_rank(correlation, hermitian=True))

    @property
    def return_code(self) -> int:
        """0 if the fit converged, 430 if not, as the manual's software has it."""
        return 0 if self.converged else 430

    @property
    def params(self) -> pd.Series:
        """All estimates in the estimation metric, indexed like ``vcov``."""
        values = np.concatenate([self.beta, self.alpha])
        return pd.Series(values, index=self.vcov.index, name="estimate")

    @property
    def model_vcov(self) -> pd.DataFrame:
        """Covariance matrix of the fixed effects if the model is right.

        The same as in ``vcov`` unless standard errors are robust.
        """
        V = self.beta_vcov if self.model_beta_vcov is None else self.model_beta_vcov
        names = pd.Index(self.fixed_names, dtype=object)
        return pd.DataFrame(V, index=names, columns=names)

    @property
    def residual_parameters(self) -> dict[str, float]:
        """Parameters of the residuals in the variance metric, by their terms."""
        table = self.variance_table("variance")
        return {
            p.term("variance"): float(value)
            for p, value in zip(table.parameters, table.estimate, strict=True)
            if p.equation is None
        }

    @property
    def boundary(self) -> tuple[tuple[str, str], ...]:
        """(level, term) of variance parameters at the end of their range.

        Variances of zero, correlations of one and what depends on them: they have
        estimates, but no standard errors.  Empty without ``std_errors``, and where
        none has one because the model is not identified.
        """
        lost = np.isnan(np.diagonal(self.alpha_vcov))
        if not self.std_errors or lost.all():
            return ()
        return tuple(
            (p.level, p.term("sd"))
            for p, gone in zip(self.parameters, lost, strict=True)
            if gone
        )

    @property
    def aic(self) -> float:
        """Akaike's information criterion, -2 L + 2 n_params."""
        return -2.0 * self.log_likelihood + 2.0 * self.n_params

    @property
    def bic(self) -> float:
        """Schwarz's criterion with N = number of observations."""
        return -2.0 * self.log_likelihood + math.log(self.n_obs) * self.n_params

    def fixed_table(self, confidence_level: float = 0.95) -> pd.DataFrame:
        """Coefficients with standard errors, z tests and intervals.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.

        Returns
        -------
        DataFrame
            Columns estimate, std_error, z, p_value, ci_lower and ci_upper.

        Raises
        ------
        ValueError
            If the confidence level does not lie between 0 and 1.
        """
        zq = float(ndtri(0.5 + 0.5 * check_level(confidence_level)))
        se = np.sqrt(np.diagonal(self.beta_vcov))
        gone = np.isin(self.fixed_names, self.omitted)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(gone, np.nan, self.beta / se)
        se = np.where(gone, np.nan, se)
        return pd.DataFrame(
            {
                "estimate": self.beta,
                "std_error": se,
                "z": z,
                "p_value": 2.0 * ndtr(-np.abs(z)),
                "ci_lower": self.beta - zq * se,
                "ci_upper": self.beta + zq * se,
            },
            index=pd.Index(self.fixed_names, dtype=object),
        )

    def variance_table(
        self, metric: str = "variance", confidence_level: float = 0.95
    ) -> VarianceTable:
        """Variance parameters in one metric.

        Parameters
        ----------
        metric : {"variance", "sd", "estimation"}, default="variance"
            Variances and covariances, standard deviations and correlations, or what
            the standard errors are symmetric in.
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.

        Returns
        -------
        VarianceTable
            Arrays with one element per parameter.

        Raises
        ------
        ValueError
            If the metric is none of these, or the confidence level not between 0 and 1.
        """
        return variance_table(
            metric,
            self.parameters,
            self.alpha,
            self.alpha_vcov,
            check_level(confidence_level),
        )

    def variance_frame(
        self, metric: str = "variance", confidence_level: float = 0.95
    ) -> pd.DataFrame:
        """The same as a frame.

        Parameters
        ----------
        metric, confidence_level
            As of ``variance_table``.

        Returns
        -------
        DataFrame
            Indexed by (level, term), with columns estimate, std_error, ci_lower and
            ci_upper.
        """
        table = self.variance_table(metric, confidence_level)
        index = pd.MultiIndex.from_tuples(
            [(p.level, p.term(metric)) for p in table.parameters],
            names=["level", "term"],
        )
        return pd.DataFrame(
            {
                "estimate": table.estimate,
                "std_error": table.std_error,
                "ci_lower": table.ci_lower,
                "ci_upper": table.ci_upper,
            },
            index=index,
        )

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of all parameters in the estimation metric.

        Block diagonal in the fixed effects and the variance parameters.
        """
        names = [(self.target, name) for name in self.fixed_names]
        names += [(q.level, q.term("estimation")) for q in self.parameters]
        index = pd.MultiIndex.from_tuples(names, names=["equation", "term"])
        V = block_diag(self.beta_vcov, self.alpha_vcov)
        return pd.DataFrame(V, index=index, columns=index)

    # -- taking it elsewhere -------------------------------------------------------

    def to_frame(
        self, metric: str = "sd", confidence_level: float = 0.95
    ) -> pd.DataFrame:
        """All estimates in one tidy table.

        Parameters
        ----------
        metric : {"sd", "variance", "estimation"}, default="sd"
            Of the variance parameters.
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.

        Returns
        -------
        DataFrame
            Index (equation, term): (response, coefficient), then (level, parameter);
            columns estimate, std_error, z, p_value, ci_lower, ci_upper, z and p_value
            for the fixed effects alone.
        """
        fixed = self.fixed_table(confidence_level)
        random = self.variance_frame(metric, confidence_level)
        names = [(self.target, name) for name in fixed.index]
        index = pd.MultiIndex.from_tuples(
            [*names, *random.index], names=["equation", "term"]
        )
        random = random.reindex(columns=fixed.columns)
        values = np.concatenate([fixed.to_numpy(), random.to_numpy()])
        return pd.DataFrame(values, index=index, columns=fixed.columns)
