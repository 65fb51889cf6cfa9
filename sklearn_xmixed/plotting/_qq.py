"""Normal quantile-quantile plot of residuals or random effects, with a band."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betaincinv, ndtri
from sklearn.utils.validation import check_is_fitted

from ._residuals import LABELS, residuals_of
from ._style import axes_grid, check_matplotlib, main, merged, muted, tidy

__all__ = ["QQDisplay", "qq_band"]

Array = np.ndarray

#: level of each order statistic for which all n lie within their limits together,
#: found by simulation; below n = 5 and above n = 10000 as at these ends
SIZES = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
LOCAL = {
    0.90: (26.5, 15.7, 10.8, 6.75, 4.92, 3.78, 2.92, 2.41, 2.03, 1.70, 1.50),
    0.95: (12.4, 7.04, 4.78, 3.01, 2.23, 1.70, 1.25, 1.04, 0.90, 0.75, 0.66),
    0.99: (2.18, 1.26, 0.86, 0.49, 0.37, 0.28, 0.21, 0.19, 0.16, 0.13, 0.12),
}


def qq_band(
    n: int, band: str = "simultaneous", confidence_level: float = 0.95
) -> tuple[Array, Array, Array]:
    """Normal quantiles of n sorted values, and the limits within which they fall.

    Parameters
    ----------
    n : int
    band : {"simultaneous", "pointwise"}
        Limits that hold for all values together, or for each alone.
    confidence_level : float
        0.9, 0.95 or 0.99 for a simultaneous band.

    Returns
    -------
    expected, lower, upper : ndarray of shape (n,)
        The i-th of n uniform values has a beta(i, n + 1 - i) distribution; a simultaneous
        band gives all of them the same level (Aldor-Noiman et al. 2013).

    Raises
    ------
    ValueError
    """
    if not 0 < confidence_level < 1:
        raise ValueError(
            f"confidence_level must lie between 0 and 1, got {confidence_level!r}."
        )
    i = np.arange(1, n + 1)
    expected = ndtri((i - 0.375) / (n + 0.25))
    if band == "pointwise":
        local = 1.0 - confidence_level
    elif band == "simultaneous":
        if confidence_level not in LOCAL:
            raise ValueError(
                "A simultaneous band is there for the confidence levels "
                f"{list(LOCAL)}, got {confidence_level!r}; use band='pointwise'."
            )
        values = np.log(np.array(LOCAL[confidence_level]) / 1000.0)
        local = float(np.exp(np.interp(np.log(n), np.log(SIZES), values)))
    else:
        raise ValueError(
            f"band must be 'simultaneous', 'pointwise' or None, got {band!r}."
        )
    lower = ndtri(betaincinv(i, n + 1 - i, local / 2.0))
    upper = ndtri(betaincinv(i, n + 1 - i, 1.0 - local / 2.0))
    return expected, lower, upper


class QQDisplay:
    """Normal quantile-quantile plots with a confidence band.

    Use ``from_estimator`` to make it.

    Parameters
    ----------
    values : DataFrame
        One column per panel: values that are standard normal if the model is right.

    Attributes
    ----------
    axes_ : ndarray of Axes
    ax_ : Axes
        The first of them.
    figure_ : Figure

    Notes
    -----
    Residuals are studentised: y less its prediction from all other rows, in standard
    errors, which is the conditional residual over its own standard deviation; with
    crossed factors they are the standardised ones over their root mean square.  Random
    effects are divided by the standard
    deviation of their predictions, (Var(u) - Var(u - u_hat))^1/2, which is smaller than
    that of the effects themselves.  The band is for independent values of known
    variance; estimates come a little closer to the line.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> from sklearn_xmixed.plotting import QQDisplay
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    >>> display = QQDisplay.from_estimator(model, X, y)  # doctest: +SKIP
    """

    def __init__(self, values: pd.DataFrame):
        self.values = values

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        groups: Any = None,
        sample_weight: Any = None,
        level: str | None = None,
        ax: Any = None,
        **options: Any,
    ) -> QQDisplay:
        """Draw residuals, or the random effects of one level.

        Parameters
        ----------
        estimator : MixedLinearRegressor
            Fitted.
        X, y, groups
            Exactly what was passed to ``fit``; not needed for random effects.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, where the fit had such.
        level : str, default=None
            Equation whose random effects are drawn; None draws the residuals.
        ax : Axes or array of Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            Passed to ``plot``.

        Returns
        -------
        QQDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if level is None:
            if X is None or y is None:
                raise ValueError(
                    "The residuals need X and y; for random effects name a level, one "
                    f"of {list(estimator.random_effects_)}."
                )
            refused = "studentized" in estimator._fitted.posterior.refusals
            kind = "standardized" if refused else "studentized"
            _, z = residuals_of(estimator, X, y, groups, kind, sample_weight)
            if refused:
                z = z / np.sqrt(np.nanmean(z**2))
            values = pd.DataFrame({LABELS[kind]: z})
        else:
            values = cls._effects(estimator, level)
        return cls(values).plot(ax, **options)

    @staticmethod
    def _effects(estimator: Any, level: str) -> pd.DataFrame:
        names = list(estimator.random_effects_)
        if level not in names:
            raise ValueError(f"level must be one of {names}, got {level!r}.")
        mean, std = estimator.random_effects(level, return_std=True)
        Sigma = estimator.covariances_[level]
        variance = (
            Sigma["variance"].to_numpy()
            if "variance" in Sigma.columns
            else np.diagonal(Sigma)
        )
        left = variance - std**2
        usable = [c for c, v in zip(mean, variance, strict=True) if v > 0]
        if not usable:
            raise ValueError(
                f"The variances of level {level!r} are zero; there is nothing to draw."
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            z = mean / np.sqrt(left.clip(lower=0.0))
        z = z.where(left > 1e-12 * variance)
        usable.sort(key=lambda c: c != "_cons")
        return z[usable].rename(
            columns=lambda c: (
                "random intercept"
                if c == "_cons"
                else f"effect of {str(c).removeprefix('R.')}"
            )
        )

    def plot(
        self,
        ax: Any = None,
        *,
        band: str | None = "simultaneous",
        confidence_level: float = 0.95,
        scatter_kwargs: dict[str, Any] | None = None,
        line_kwargs: dict[str, Any] | None = None,
        band_kwargs: dict[str, Any] | None = None,
    ) -> QQDisplay:
        """Draw it.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            To draw into; None makes a new figure.
        band : {"simultaneous", "pointwise", None}, default="simultaneous"
        confidence_level : float, default=0.95
            Of the band, between 0 and 1.
        scatter_kwargs, line_kwargs, band_kwargs : dict, default=None
            Style of the points, the line and the band.

        Returns
        -------
        self
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.collections import PolyCollection
        from matplotlib.lines import Line2D

        k = self.values.shape[1]
        axes = axes_grid(ax, 1, k, size=(0.4 + 3.6 * k, 3.8))[0]
        for panel, name in zip(axes, self.values.columns, strict=True):
            z = np.sort(self.values[name].dropna().to_numpy(dtype=float))
            n = len(z)
            if band is not None:
                expected, lower, upper = qq_band(n, band, confidence_level)
                style = {"color": muted(panel), "alpha": 0.25, "linewidth": 0.0}
                panel.fill_between(
                    expected,
                    lower,
                    upper,
                    **merged(style, band_kwargs, PolyCollection),
                )
            else:
                expected = ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
            ends = np.array([expected[0], expected[-1]]) * 1.05
            style = {"color": muted(panel), "linewidth": 1.0}
            panel.plot(ends, ends, **merged(style, line_kwargs, Line2D))
            style = {
                "color": main(panel),
                "marker": "o",
                "linestyle": "none",
                "markersize": 3.5 if n <= 300 else 2.2,
                "markeredgewidth": 0.0,
                "rasterized": n > 5000,
            }
            panel.plot(expected, z, **merged(style, scatter_kwargs, Line2D))
            panel.set_xlabel("normal quantile")
            panel.set_ylabel(
                name if "residual" in str(name) else f"{name}, standardised"
            )
            tidy(panel)
        self.axes_ = np.asarray(axes)
        self.ax_ = axes[0]
        self.figure_ = axes[0].figure
        return self
