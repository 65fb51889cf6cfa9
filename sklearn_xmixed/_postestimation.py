"""What can be asked of a fitted model, beyond ``predict`` and ``score``.

Thin methods: each checks that the estimator is fitted, reads its input and hands over
to the room that knows how.
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted, validate_data

from ._labels import Source

if TYPE_CHECKING:
    from ._fitted import FittedModel

__all__ = ["PostEstimation"]

Array = np.ndarray


class PostEstimation:
    """Methods of a fitted ``MixedLinearRegressor``."""

    _fitted: FittedModel

    def _source(self, X: Any, groups: Any) -> Source:
        """Rows to look up variables in, their columns checked against ``fit``'s."""
        check_is_fitted(self)
        source = Source.of(X, groups, list(self._fitted.columns))
        validate_data(self, X, skip_check_array=True, reset=False)
        return source

    # -- rows --------------------------------------------------------------------

    def forecast(self, X: Any, *, groups: Any = None) -> Array:
        """Predict new observations of known groups from their last residuals too.

        Fixed part, random effects and the expectation of the residual error given the
        training data.  ``predict`` leaves the latter out: it treats every row alone.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Must hold the time of the residual structure where that has one.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.

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
        source = self._source(X, groups)
        return self._fitted.forecast(self, source)

    def standardized_residuals(self, X: Any, y: Any, *, groups: Any = None) -> Array:
        """Residuals that are independent with unit variance if the model is right.

        The residuals of ``predict`` times the inverse Cholesky factor of their
        covariance matrix, group by group in the order of time.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        source = self._source(X, groups)
        y = np.asarray(y, dtype=float)
        return self._fitted.standardized_residuals(self, source, y)

    # -- diagnostics -------------------------------------------------------------

    def influence(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        level: str | None = None,
    ) -> Any:
        """Leverage, Cook's distance and estimates without each group or row.

        From this one fit: coefficients are exact at its variance parameters, variance
        parameters take one Newton step.

        Parameters
        ----------
        X, y, sample_weight, groups
            Exactly what was passed to ``fit``; a fitted model keeps no rows.
        level : str, default=None
            Level whose groups are taken away; None is the top level.

        Returns
        -------
        Influence
            Its tables ``group_table``, ``rows``, ``coef``, ``dfbetas``,
            ``variance_components`` and so on are computed when asked for.

        Raises
        ------
        ValueError
            On an unknown level, and if the data are not those of the fit.
        NotImplementedError
            With crossed factors.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_orthodont
        >>> X, y = load_orthodont(return_X_y=True)
        >>> model = MixedLinearRegressor("subject", fixed=["age"]).fit(X, y)
        >>> model.influence(X, y).group_table["cooks_distance"].idxmax()
        'M13'
        """
        from .diagnostics import Influence

        check_is_fitted(self)
        return Influence.of(self, X, y, sample_weight, groups, level)

    # -- reporting ---------------------------------------------------------------

    def summary(self, **options: Any) -> Any:
        """Output of the fit, arranged as in the manual.

        Parameters
        ----------
        **options : dict
            ``metric`` ("sd", "variance" or "estimation"), ``confidence_level``,
            and the switches ``header``, ``group_table``, ``fixed_table``,
            ``random_table``, ``lr_test``.

        Returns
        -------
        Summary
            Prints as text; shows as a table in notebooks.
        """
        from .reporting import Summary

        check_is_fitted(self)
        return Summary(self._fitted.results, **options)

    def coef_table(self, confidence_level: float = 0.95) -> pd.DataFrame:
        """Fixed effects with standard errors, z tests and intervals.

        Parameters
        ----------
        confidence_level : float, default=0.95

        Returns
        -------
        DataFrame
            Index: ``fixed_names_``, then ``_cons``; columns: estimate, std_error, z,
            p_value, ci_lower, ci_upper.
        """
        check_is_fitted(self)
        if not isinstance(confidence_level, Real) or not 0 < confidence_level < 1:
            raise ValueError(
                f"confidence_level must lie between 0 and 1, got {confidence_level!r}."
            )
        return self._fitted.results.fixed_table(confidence_level)

    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of all estimates, variance parameters as log sd and atanh.

        Returns
        -------
        DataFrame
            Rows and columns: (response, coefficient), then (level, parameter).
        """
        check_is_fitted(self)
        return self._fitted.results.vcov
