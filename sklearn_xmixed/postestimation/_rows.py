"""Methods of a fitted model that answer row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, column_or_1d

from ..inference import check_level
from ._base import FittedMethods

__all__ = ["RowMethods"]

Array = np.ndarray


class RowMethods(FittedMethods):
    """Predictions and residuals beyond ``predict``."""

    def forecast(
        self, X: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> Array:
        """Predict new observations of known groups from their last residuals too.

        Fixed part, random effects and the expectation of the residual error given the
        training data.  ``predict`` leaves the latter out: it treats every row alone.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Must hold the time of the residual structure where that has one.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Precision weights of these rows, where the fit had such; None stands for 1.

        Returns
        -------
        ndarray of shape (n_samples,)
            The same as ``predict`` for groups that were not seen, and with
            independent residuals.  At a time that was in the training data it
            returns what was observed, if that structure has times.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor, Residuals
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor(
        ...     "subject", fixed=["days"], residuals=Residuals("ar", time="days")
        ... ).fit(X, y)
        >>> ahead = X[X.days == 9].assign(days=10)
        >>> bool(abs(model.forecast(ahead) - model.predict(ahead)).max() > 1)
        True
        """
        self._check_offset("Forecasts")
        source = self._source(X, groups)
        precision = self._precision(X, groups, sample_weight, source.n_rows)
        return self._fitted.forecast(self, source, precision)

    def get_residuals(
        self,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        kind: str | None = None,
        level: str | None = None,
        standardized: bool = False,
        sample_weight: Any = None,
    ) -> Array:
        """Residuals, the manual's ``predict, residuals`` and ``rstandard``.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows, with the columns of ``fit``.
        y : array-like of shape (n_samples,)
            Their responses.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.
        kind : {"blup", "fixed"}, default=None
            What is subtracted, as for ``predict``: fixed part and random effects, or
            the fixed part alone.
        level : str, default=None
            Lowest level whose random effects are subtracted; None subtracts all.
        standardized : bool, default=False
            Whether to whiten them: see ``standardized_residuals``.  Only with the random
            effects of all levels subtracted.
        sample_weight : array-like of shape (n_samples,), default=None
            Precision weights of these rows, by which standardised residuals of a fit with
            such weights are scaled; not needed for others.

        Returns
        -------
        ndarray of shape (n_samples,)
            In units of the response, or without unit.

        Raises
        ------
        ValueError
            On an unknown kind or level, lengths that differ, and standardised
            residuals of another kind.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_productivity
        >>> X, y = load_productivity(return_X_y=True)
        >>> model = MixedLinearRegressor(["region", "state"], fixed=["emp"]).fit(X, y)
        >>> for options in ({"kind": "fixed"}, {"level": "region"}, {}):
        ...     print(model.get_residuals(X, y, **options).std().round(3))
        0.162
        0.128
        0.04
        """
        if standardized:
            if kind == "fixed" or level is not None:
                raise ValueError(
                    "Standardised residuals are those after the random effects of all "
                    f"levels; got kind={kind!r}, level={level!r}. Leave them out, or set "
                    "standardized=False."
                )
            return self.standardized_residuals(
                X, y, groups=groups, sample_weight=sample_weight
            )
        source = self._source(X, groups)
        y = self._response(y, source.n_rows)
        mean = self._fitted.predict(
            self, source, kind=kind, level=level, return_std=False
        )
        return y - mean

    def prediction_interval(
        self,
        X: Any,
        confidence_level: float = 0.95,
        *,
        groups: Any = None,
        kind: str | None = None,
        sample_weight: Any = None,
    ) -> pd.DataFrame:
        """Intervals for one new observation of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows, with the columns of ``fit``.
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.
        kind : {"blup", "fixed"}, default=None
            An observation of the group that the labels name, or, with "fixed" and where
            there are no labels, of a group that was not seen.
        sample_weight : array-like of shape (n_samples,), default=None
            Precision weights of the new observations, where the fit had such; None
            stands for 1.

        Returns
        -------
        DataFrame
            Rows as those of X; columns mean, std, lower, upper in units of the response.

        Raises
        ------
        ValueError
            On a level of confidence out of range and as ``predict``.

        Notes
        -----
        std^2 is the sum of the squared standard error of ``predict`` (fixed effects and
        random effects of known groups), the whole variance of random effects that are
        not known, and the residual variance.  The variance parameters count as
        known, so that with few groups the intervals are a little short.  Residuals
        that are correlated with those of the training data are not used; see
        ``forecast``.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
        >>> model.prediction_interval(X[:1], kind="fixed").round(1)
            mean   std  lower  upper
        0  251.4  35.8  181.2  321.6
        >>> model.prediction_interval(X[:1]).round(1)
            mean   std  lower  upper
        0  253.3  28.4  197.7  308.8
        """
        from ..marginal import Rows, prediction_interval

        confidence_level = check_level(confidence_level)
        self._check_offset("Intervals of new observations")
        source = self._source(X, groups)
        precision = self._precision(X, groups, sample_weight, source.n_rows)
        rows = Rows(self, self._fitted, source, precision)
        out = prediction_interval(rows, confidence_level, kind)
        return out.set_axis(self._row_index(X, source.n_rows), axis=0)

    def _response(self, y: Any, n_rows: int) -> Array:
        """The response as numbers, one per row."""
        self._check_offset("Residuals")
        y = np.asarray(column_or_1d(y), dtype=float)
        check_consistent_length(y, np.empty(n_rows))
        return y

    def standardized_residuals(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> Array:
        """Residuals that are independent with unit variance if the model is right.

        The residuals of ``predict`` times the inverse Cholesky factor of their
        covariance matrix, group by group in the order of time.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows, with the columns of ``fit``.
        y : array-like of shape (n_samples,)
            Their responses.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Precision weights, which a fit with such weights needs.

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            If the fit is exact, or had precision weights and these rows have none.
        """
        source = self._source(X, groups)
        if not self._fitted.sigma2 > 0:
            raise ValueError(
                "The fit is exact: the residual variance is zero, and there is nothing to "
                "standardise by."
            )
        y = self._response(y, source.n_rows)
        precision = self._precision(X, groups, sample_weight, source.n_rows)
        weighted = self._fitted.results.specification.weight_type == "precision"
        if weighted and precision is None:
            raise ValueError(
                "The model was fitted with precision weights: pass sample_weight=, those "
                "of these rows, for the variances that residuals are divided by."
            )
        return self._fitted.standardized_residuals(self, source, y, precision)
