"""Multiple imputation: fits of several completed data sets, pooled by Rubin's rules.

With Q_k the estimate of data set k of m and U_k its squared standard error,

    Q = mean Q_k,   W = mean U_k,   B = sum (Q_k - Q)^2 / (m - 1),   T = W + (1 + 1/m) B,

lambda = (1 + 1/m) B / T, and degrees of freedom after Barnard and Rubin (1999): with
nu_old = (m - 1) / lambda^2, nu_com those of complete data and
nu_obs = (nu_com + 1) / (nu_com + 3) nu_com (1 - lambda),

    nu = nu_old nu_obs / (nu_old + nu_obs).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone

from ..inference import (
    VarianceParameter,
    check_level,
    t_p_value,
    t_quantile,
    variance_table,
)
from ..reporting import PlainPage
from ._sample import METRICS

__all__ = ["PooledResult", "mi_estimate", "pool"]

Array = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class PooledResult:
    """What ``mi_estimate`` and ``pool`` return.

    Attributes
    ----------
    pooled : DataFrame
        Fixed effects and, in the metric of estimation (log sd, atanh of correlations),
        variance parameters: estimate, within, between, total (variances), std_error,
        df, riv (relative increase of variance), ``lambda_`` (share of the variance due to
        missing values), fmi (fraction of missing information),
        relative_efficiency.
    covariance : DataFrame
        Covariance matrix T = W + (1 + 1/m) B of these.
    fits : tuple of MixedLinearRegressor
    n_imputations : int
    complete_df : float
    """

    pooled: pd.DataFrame
    covariance: pd.DataFrame
    fits: tuple[Any, ...]
    complete_df: float
    confidence_level: float

    @property
    def n_imputations(self) -> int:
        """Number of data sets."""
        return len(self.fits)

    @property
    def average_riv(self) -> float:
        """Mean relative increase of variance of the fixed effects."""
        return float(self.pooled["riv"].to_numpy()[self._fixed].mean())

    @property
    def largest_fmi(self) -> float:
        """Largest fraction of missing information."""
        return float(self.pooled["fmi"].max())

    @property
    def _fixed(self) -> Array:
        return np.arange(len(self.pooled)) < len(self.fits[0].results_.beta)

    def to_frame(
        self, metric: str = "sd", confidence_level: float | None = None
    ) -> pd.DataFrame:
        """Estimates with t tests and intervals, and what was lost to missing values.

        Parameters
        ----------
        metric : {"sd", "variance", "estimation"}, default="sd"
            Of the variance parameters; standard errors by the delta method, intervals
            mapped from the metric of estimation.
        confidence_level : float, default=None
            None takes that of the call of ``mi_estimate``.

        Returns
        -------
        DataFrame
            estimate, std_error, t, df, p_value, ci_lower, ci_upper, riv, fmi,
            relative_efficiency; variances are not tested.
        """
        if metric not in (*METRICS, "estimation"):
            raise ValueError(
                f"metric must be one of {[*METRICS, 'estimation']}, got {metric!r}."
            )
        level = self.confidence_level if confidence_level is None else confidence_level
        level = check_level(level)
        table = self.pooled
        estimate, se = table["estimate"].to_numpy(), table["std_error"].to_numpy()
        df = table["df"].to_numpy()
        half = t_quantile(level, df) * se
        low, high = estimate - half, estimate + half
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(self._fixed, estimate / se, np.nan)
        names = list(table.index)
        if metric != "estimation":
            estimate, se, low, high = self._mapped(
                metric, level, estimate, se, low, high
            )
            first = self.fits[0].results_
            at = len(first.beta)
            names[at:] = [(p.level, p.term(metric)) for p in first.parameters]
        return pd.DataFrame(
            {
                "estimate": estimate,
                "std_error": se,
                "t": t,
                "df": df,
                "p_value": t_p_value(t, df),
                "ci_lower": low,
                "ci_upper": high,
                "riv": table["riv"].to_numpy(),
                "fmi": table["fmi"].to_numpy(),
                "relative_efficiency": table["relative_efficiency"].to_numpy(),
            },
            index=pd.MultiIndex.from_tuples(names, names=table.index.names),
        )

    def _mapped(
        self,
        metric: str,
        level: float,
        estimate: Array,
        se: Array,
        low: Array,
        high: Array,
    ) -> tuple[Array, Array, Array, Array]:
        """Variance parameters in another metric; a covariance by the delta method."""
        parameters = self.fits[0].results_.parameters
        a = len(estimate) - len(parameters)

        def back(alpha: Array, V: Array) -> Any:
            return variance_table(metric, parameters, alpha, V, 0.95)

        V = self.covariance.to_numpy()[a:, a:]
        own = back(estimate[a:], V)
        columns = [x.copy() for x in (estimate, se, low, high)]
        columns[0][a:], columns[1][a:] = own.estimate, own.std_error
        zero = np.zeros_like(V)
        for column, ends in zip(columns[2:], (low, high), strict=True):
            column[a:] = back(ends[a:], zero).estimate
        covariance = np.array([_is_covariance(p, metric) for p in parameters])
        if covariance.any():  # not monotone in any one parameter
            at = a + np.flatnonzero(covariance)
            q = t_quantile(level, self.pooled["df"].to_numpy()[at])
            columns[2][at] = columns[0][at] - q * columns[1][at]
            columns[3][at] = columns[0][at] + q * columns[1][at]
        return columns[0], columns[1], columns[2], columns[3]

    def _page(self) -> PlainPage:
        first = self.fits[0].results_
        numbers = [fit.results_.n_obs for fit in self.fits]
        table = self.to_frame()
        same = min(numbers) == max(numbers)
        df = f"{self.complete_df:g}" if np.isfinite(self.complete_df) else "large"
        return PlainPage(
            title="Multiple-imputation estimates",
            facts=(
                ("Imputations", len(self.fits)),
                ("Number of obs", numbers[0] if same else "varies"),
                ("Average RVI", f"{self.average_riv:.4f}"),
                ("Largest FMI", f"{self.largest_fmi:.4f}"),
                ("Complete DF", df),
            ),
            stub=first.target,
            above=("", "", "", "", ""),
            statistic="t",
            confidence_level=self.confidence_level,
            table=table[
                ["estimate", "std_error", "t", "p_value", "ci_lower", "ci_upper"]
            ],
            notes=(),
        )

    def summary(self) -> str:
        """The table as text.

        Returns
        -------
        str
        """
        return self._page().text()

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self._page().html()


def mi_estimate(
    estimator: Any,
    datasets: Iterable[Any],
    *,
    complete_df: float | None = None,
    confidence_level: float = 0.95,
    n_jobs: int | None = None,
) -> PooledResult:
    """Fit the model to completed data sets and pool the results by Rubin's rules.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        Its clones are fitted.
    datasets : iterable of (X, y), (X, y, groups), dict or data frame
        At least two.  A dict holds the arguments of ``fit``; a data frame alone is for
        an estimator made by a formula or a command.
    complete_df : float, default=None
        Degrees of freedom that the fixed effects would have in complete data, for
        those of Barnard and Rubin.  None takes the number of observations minus the
        number of parameters; ``numpy.inf`` is the large-sample rule.
    confidence_level : float, default=0.95
        Of the intervals, between 0 and 1.
    n_jobs : int, default=None
        Processes at a time, as joblib counts them; None is one.

    Returns
    -------
    PooledResult
        Prints as a table; has ``pooled``, ``to_frame()`` and ``fits``.

    Raises
    ------
    ValueError
        With fewer than two data sets, or fits whose parameters differ.

    Notes
    -----
    Variance parameters are pooled as logarithms of standard deviations and hyperbolic
    arctangents of correlations, in which they are closest to normal; that is no
    answer where a variance is zero in one of the data sets, which is reported as nan.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_xmixed import MixedLinearRegressor, mi_estimate
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> rng = np.random.default_rng(0)
    >>> imputed = [(X, y + rng.normal(size=180)) for _ in range(5)]
    >>> result = mi_estimate(MixedLinearRegressor("subject"), imputed)
    >>> result.to_frame().loc[("reaction", "days"), ["estimate", "fmi"]].round(3).to_list()
    [10.475, 0.012]
    """
    named = hasattr(estimator, "_as_plain")
    arguments = [_arguments(k, data, named) for k, data in enumerate(datasets)]
    fits = Parallel(n_jobs=n_jobs)(
        delayed(_fit)(estimator, given) for given in arguments
    )
    return pool(fits, complete_df=complete_df, confidence_level=confidence_level)


def pool(
    fits: Iterable[Any],
    *,
    complete_df: float | None = None,
    confidence_level: float = 0.95,
) -> PooledResult:
    """Pool fitted estimators of one model by Rubin's rules; see ``mi_estimate``."""
    fits = tuple(fits)
    level = check_level(confidence_level)
    if len(fits) < 2:
        raise ValueError(f"Rubin's rules need at least two data sets, got {len(fits)}.")
    results = [fit.results_ for fit in fits]
    names = results[0].vcov.index
    for k, r in enumerate(results):
        if not r.vcov.index.equals(names) or r.omitted != results[0].omitted:
            raise ValueError(
                f"The fits differ in their parameters: data set 0 has {list(names)} and "
                f"omits {list(results[0].omitted)}, data set {k} has "
                f"{list(r.vcov.index)} and omits {list(r.omitted)}."
            )
    m = len(results)
    with np.errstate(invalid="ignore", divide="ignore"):
        Q_k = np.array([np.concatenate([r.beta, r.alpha]) for r in results])
        U = np.mean([r.vcov.to_numpy() for r in results], axis=0)
        Q, between = Q_k.mean(axis=0), np.cov(Q_k, rowvar=False, ddof=1)
        total = U + (1.0 + 1.0 / m) * between
        W, B = np.diagonal(U), np.diagonal(between)
        added = (1.0 + 1.0 / m) * B
        T = W + added
        share, riv = added / T, added / W
        if complete_df is None:
            complete_df = min(r.n_obs - r.n_params for r in results)
        df = _barnard_rubin(m, share, float(complete_df))
        fmi = (riv + 2.0 / (df + 3.0)) / (riv + 1.0)
    pooled = pd.DataFrame(
        {
            "estimate": Q,
            "within": W,
            "between": B,
            "total": T,
            "std_error": np.sqrt(T),
            "df": df,
            "riv": riv,
            "lambda_": share,
            "fmi": fmi,
            "relative_efficiency": 1.0 / (1.0 + fmi / m),
        },
        index=names,
    )
    covariance = pd.DataFrame(total, index=names, columns=names)
    return PooledResult(pooled, covariance, fits, float(complete_df), level)


def _barnard_rubin(m: int, share: Array, complete_df: float) -> Array:
    old = (m - 1.0) / share**2
    if not np.isfinite(complete_df):
        return old
    if not complete_df > 0:
        raise ValueError(f"complete_df must be positive, got {complete_df!r}.")
    observed = (complete_df + 1.0) / (complete_df + 3.0) * complete_df * (1.0 - share)
    # harmonic, so that no imputation variance (old infinite) leaves the observed ones
    return 1.0 / (1.0 / old + 1.0 / observed)


def _is_covariance(parameter: VarianceParameter, metric: str) -> bool:
    return metric == "variance" and parameter.kind == "corr"


def _arguments(k: int, data: Any, named: bool) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    if isinstance(data, tuple | list) and len(data) in (2, 3):
        return dict(zip(("X", "y", "groups"), data, strict=False))
    if named and hasattr(data, "columns"):
        return {"X": data}
    raise TypeError(
        f"Data set {k} must be (X, y), (X, y, groups) or a dict of the arguments of fit, "
        f"got {type(data).__name__}."
    )


def _fit(estimator: Any, arguments: dict[str, Any]) -> Any:
    return clone(estimator).fit(**arguments)
