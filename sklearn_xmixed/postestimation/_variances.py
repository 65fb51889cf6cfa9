"""Methods of a fitted model about its variances: what is shared, and how much."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import pandas as pd

from ..inference import check_level, group_table, icc, level_covariances
from ._base import FittedMethods

__all__ = ["VarianceMethods"]


class VarianceMethods(FittedMethods):
    """Groups, covariances of random effects and of rows, shares of variance."""

    def group_table(self) -> pd.DataFrame:
        """Numbers and sizes of the groups of every level, the manual's ``estat group``.

        Returns
        -------
        DataFrame
            Index: levels, top level first; columns n_groups, and minimum, average and
            maximum number of observations per group.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_productivity
        >>> X, y = load_productivity(return_X_y=True)
        >>> model = MixedLinearRegressor(["region", "state"], fixed=["emp"]).fit(X, y)
        >>> model.group_table().round(1)
                n_groups  minimum  average  maximum
        level
        region       9.0     51.0     90.7    136.0
        state       48.0     17.0     17.0     17.0
        """
        return group_table(self._results())

    @overload
    def recovariance(
        self, level: None = None, *, correlation: bool = False
    ) -> dict[str, pd.DataFrame]: ...

    @overload
    def recovariance(
        self, level: str, *, correlation: bool = False
    ) -> pd.DataFrame: ...

    def recovariance(
        self, level: str | None = None, *, correlation: bool = False
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Covariance matrices of the random effects, the manual's ``estat recovariance``.

        Parameters
        ----------
        level : str, default=None
            Grouping variable of a level; None for all.
        correlation : bool, default=False
            Whether to return correlations; nan for effects of variance zero.

        Returns
        -------
        DataFrame or dict of str to DataFrame
            Of one level, with the equations of that level as blocks; by level for None.
            Effects over the levels of a factor stand as ``R.x``, and if they have a
            covariance, for two levels of the factor as ``R.x`` and ``R.x'``.

        Raises
        ------
        ValueError
            On an unknown level.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> effects = RandomEffects("subject", ["days"], covariance="unstructured")
        >>> model = MixedLinearRegressor(effects).fit(X, y)
        >>> model.recovariance("subject", correlation=True).round(3)
                days  _cons
        days   1.000  0.081
        _cons  0.081  1.000
        """
        found = level_covariances(self._results(), correlation=correlation)
        if level is None:
            return found
        if level not in found:
            raise ValueError(f"level must be one of {list(found)}, got {level!r}.")
        return found[level]

    def icc(self, confidence_level: float = 0.95) -> pd.DataFrame:
        """Intraclass correlations, the manual's ``estat icc``.

        The correlation of two observations that share a group of a level, and so
        those of all levels above, but nothing below: the variances of the random
        intercepts down to this level over the variance of an observation.  With random
        coefficients it is the correlation where their columns are zero (a conditional
        one), with precision weights that of two rows of weight 1.  Effects over the
        levels of a crossed factor have rows ``R.x``, of two observations that share a
        level of the factor.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.

        Returns
        -------
        DataFrame
            Index: level; columns icc, std_error, ci_lower, ci_upper.

        Raises
        ------
        ValueError
            Without random intercepts, and with structured residuals: the correlation is
            then no single number; see ``marginal_covariance``.

        Notes
        -----
        Standard errors by the delta method from ``vcov()``; the interval is that of
        logit(icc), transformed back.  A variance of zero counts as known, and a share of
        zero has no interval.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_productivity
        >>> X, y = load_productivity(return_X_y=True)
        >>> model = MixedLinearRegressor(["region", "state"], fixed=["emp"]).fit(X, y)
        >>> model.icc().round(3)
                  icc  std_error  ci_lower  ci_upper
        level
        region  0.278      0.147     0.084     0.618
        state   0.934      0.015     0.897     0.958
        """
        return icc(self._results(), check_level(confidence_level))

    def marginal_covariance(
        self,
        X: Any,
        *,
        groups: Any = None,
        group: Any = None,
        part: str = "total",
        correlation: bool = False,
        sample_weight: Any = None,
    ) -> pd.DataFrame:
        """Covariance matrix that the model implies for rows, ``estat wcorrelation``.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows with the columns of random coefficients, labels, times and
            by-categories; they need not be training data.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.
        group : label, tuple or dict, default=None
            Take the rows of one group: a label of the top level, a path of labels, or
            labels by level.  None takes all rows.
        part : {"total", "random", "residual"}, default="total"
            Random effects and residuals, or one of the two.
        correlation : bool, default=False
            Whether to return correlations.
        sample_weight : array-like of shape (n_samples,), default=None
            Precision weights of all rows of X, where the fit had such; None stands for 1.

        Returns
        -------
        DataFrame of shape (n_rows, n_rows)
            V = Z G Z' + sigma^2 Lambda; rows and columns named as the rows of X.

        Raises
        ------
        ValueError
            If no row is in the group, a variable is missing, or there are more than 5000
            rows.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
        >>> some = X[X["days"].isin([0, 5, 9])]
        >>> model.marginal_covariance(some, group=308, correlation=True).round(2)
              0     5     9
        0  1.00  0.36  0.26
        5  0.36  1.00  0.73
        9  0.26  0.73  1.00
        """
        from ..marginal import Rows, marginal_covariance
        from ..marginal._covariance import rows_of_group

        source = self._source(X, groups)
        index = self._row_index(X, source.n_rows)
        precision = self._precision(X, groups, sample_weight, source.n_rows)
        if group is not None:
            levels = [e.group for e in self._fitted.encoders if e.group != "_all"]
            at = rows_of_group(source, levels, group)
            source, index = source.take(at), index[at]
            precision = None if precision is None else precision[at]
        rows = Rows(self, self._fitted, source, precision)
        V = marginal_covariance(rows, part, correlation)
        return pd.DataFrame(V, index=index, columns=index)

    def residual_correlation(
        self, X: Any, *, groups: Any = None, group: Any = None
    ) -> pd.DataFrame:
        """Correlation matrix of the residual errors of rows.

        Parameters
        ----------
        X, groups, group
            As for ``marginal_covariance``.

        Returns
        -------
        DataFrame of shape (n_rows, n_rows)

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor, Residuals
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor(
        ...     "subject", fixed=["days"], residuals=Residuals("ar", time="days")
        ... ).fit(X, y)
        >>> model.residual_correlation(X[:3]).round(2)
              0     1     2
        0  1.00  0.64  0.41
        1  0.64  1.00  0.64
        2  0.41  0.64  1.00
        """
        return self.marginal_covariance(
            X, groups=groups, group=group, part="residual", correlation=True
        )

    def r2(self, X: Any, sample_weight: Any = None, *, groups: Any = None) -> pd.Series:
        """Marginal and conditional R^2.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            The training data, or rows of another population.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in means and variances; with ``weight_type="frequency"``
            a weight of k is k rows, with "precision" it is no share of a mean but scales
            the residual variance of its row.
        groups : array-like or data frame, default=None
            Where random coefficients, times or by-categories are to be found, if not
            in X.  Labels are not needed.

        Returns
        -------
        Series
            marginal: share of the fixed part in the variance of an observation;
            conditional: share of fixed part and random effects; and fixed_variance,
            random_variance, residual_variance.

        Raises
        ------
        ValueError
            On missing variables or fewer than two rows.

        Notes
        -----
        Nakagawa and Schielzeth (2013), and for random coefficients Johnson (2014): the
        variance of the random effects is the mean of z' Sigma z over the rows, summed
        over the equations; the residual variance is the mean over the rows where it
        differs.  The variance of X beta has the divisor n - 1.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
        >>> model.r2(X)[["marginal", "conditional"]].round(3).to_dict()
        {'marginal': 0.293, 'conditional': 0.79}
        """
        from sklearn.utils.validation import _check_sample_weight

        from ..marginal import Rows, r2

        source = self._source(X, groups)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(
                sample_weight,
                np.empty(source.n_rows),
                dtype=np.float64,
                ensure_non_negative=True,
            )
        if self.weight_type == "precision":
            # a weight says how exact a row is, not how often it counts
            return r2(Rows(self, self._fitted, source, weights), None)
        return r2(Rows(self, self._fitted, source), weights)
