"""Residuals against fitted values."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..diagnostics import Influence
from ._smooth import local_linear
from ._style import accent, axes_grid, check_matplotlib, main, merged, muted, tidy

__all__ = ["ResidualsDisplay", "residuals_of"]

Array = np.ndarray

KINDS = ("studentized", "standardized", "conditional", "marginal")
LABELS = {
    "studentized": "studentised residual",
    "conditional": "residual",
    "marginal": "residual of the fixed part",
    "standardized": "standardised residual",
}


def residuals_of(
    estimator: Any, X: Any, y: Any, groups: Any, kind: str, weight: Any = None
) -> tuple[Array, Array]:
    """Fitted values and residuals of one kind.

    Raises
    ------
    ValueError
        On an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
    estimator._check_offset("Residuals")
    y = np.asarray(y, dtype=float)
    if kind == "studentized":
        rows = Influence.of(estimator, X, y, weight, groups).rows
        return estimator.predict(X, groups=groups), rows["studentized"].to_numpy()
    known = "fixed" if kind == "marginal" else None
    fitted = estimator.predict(X, groups=groups, kind=known)
    if kind == "standardized":
        z = estimator.standardized_residuals(X, y, groups=groups, sample_weight=weight)
        return fitted, z
    return fitted, y - fitted


class ResidualsDisplay:
    """Residuals against fitted values, with a smoother.

    Use ``from_estimator`` to make it, or ``from_predictions``.

    Parameters
    ----------
    fitted, residuals : ndarray of shape (n_samples,)
        One of each row.
    label : str, default="residual"
        Of the vertical axis.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    smoother_ : ndarray of shape (k, 2)
        Places and heights of the smoother that was drawn.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> from sklearn_xmixed.plotting import ResidualsDisplay
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    >>> display = ResidualsDisplay.from_estimator(model, X, y)  # doctest: +SKIP
    """

    def __init__(self, fitted: Array, residuals: Array, *, label: str = "residual"):
        self.fitted = fitted
        self.residuals = residuals
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        sample_weight: Any = None,
        kind: str = "standardized",
        ax: Any = None,
        **options: Any,
    ) -> ResidualsDisplay:
        """Draw the residuals of a fitted estimator.

        Parameters
        ----------
        estimator : MixedLinearRegressor
            Fitted.
        X, y, groups
            Data, as for ``fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Precision weights, where the fit had such.
        kind : {"standardized", "studentized", "conditional", "marginal"}, \
default="standardized"
            Standardised residuals are free of the correlation of the residual structure
            and in units of its standard deviation; studentised ones have unit variance
            (training data only); conditional ones are in units of the response, random
            effects taken out; marginal ones have only the fixed part taken out.
        ax : Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            Passed to ``plot``.

        Returns
        -------
        ResidualsDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        fitted, residuals = residuals_of(estimator, X, y, groups, kind, sample_weight)
        return cls(fitted, residuals, label=LABELS[kind]).plot(ax, **options)

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_pred: Any, *, ax: Any = None, **options: Any
    ) -> ResidualsDisplay:
        """Draw y_true - y_pred.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            Responses and predictions of the same rows.
        ax : Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            Passed to ``plot``.

        Returns
        -------
        ResidualsDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        fitted = np.asarray(y_pred, dtype=float)
        return cls(fitted, np.asarray(y_true, dtype=float) - fitted).plot(ax, **options)

    def plot(
        self,
        ax: Any = None,
        *,
        smoother: bool = True,
        share: float = 0.6,
        scatter_kwargs: dict[str, Any] | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> ResidualsDisplay:
        """Draw it.

        Parameters
        ----------
        ax : Axes, default=None
            To draw into; None makes a new figure.
        smoother : bool, default=True
            Whether to draw a local linear smoother.
        share : float, default=0.6
            Share of the points that count at each place of it.
        scatter_kwargs, line_kwargs : dict, default=None
            Style of the points and of the smoother.

        Returns
        -------
        self
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        panel = axes_grid(ax, 1, 1, size=(5.6, 4.0))[0, 0]
        n = len(self.fitted)
        panel.axhline(0.0, color=muted(panel), linewidth=0.8, zorder=0)
        style = {
            "color": main(panel),
            "marker": "o",
            "linestyle": "none",
            "markersize": 3.5 if n <= 2000 else 2.0,
            "markeredgewidth": 0.0,
            "alpha": float(np.clip(600.0 / n, 0.08, 0.65)),
            "rasterized": n > 5000,
        }
        panel.plot(self.fitted, self.residuals, **merged(style, scatter_kwargs, Line2D))
        self.smoother_ = np.empty((0, 2))
        if smoother:
            at, height = local_linear(
                np.asarray(self.fitted), np.asarray(self.residuals), share=share
            )
            self.smoother_ = np.column_stack([at, height])
            style = {"color": accent(panel), "linewidth": 1.8}
            panel.plot(at, height, **merged(style, line_kwargs, Line2D))
        panel.set_xlabel("fitted value")
        panel.set_ylabel(self.label)
        tidy(panel)
        self.ax_ = panel
        self.figure_ = panel.figure
        return self
