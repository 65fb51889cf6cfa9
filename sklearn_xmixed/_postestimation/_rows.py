"""Methods of a fitted model that answer row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._base import FittedMethods

__all__ = ["RowMethods"]

Array = np.ndarray


class RowMethods(FittedMethods):
    """Predictions and residuals beyond ``predict``."""

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
