"""Observed against implied correlation within groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ..diagnostics import within_correlation
from ._style import (
    accent,
    axes_grid,
    check_matplotlib,
    confidence,
    main,
    merged,
    muted,
    tidy,
)

__all__ = ["WithinCorrelationDisplay"]


class WithinCorrelationDisplay:
    """Correlation within groups by lag: observed with intervals, and as the model has it.

    Use ``from_estimator`` to make it.

    Parameters
    ----------
    table : DataFrame
        As from ``sklearn_xmixed.diagnostics.within_correlation``.
    lag_name : str, default="lag"
        Label of the horizontal axis.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> from sklearn_xmixed.plotting import WithinCorrelationDisplay
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    >>> WithinCorrelationDisplay.from_estimator(
    ...     model, X, y, time="days"
    ... )  # doctest: +SKIP
    """

    def __init__(self, table: pd.DataFrame, *, lag_name: str = "lag"):
        self.table = table
        self.lag_name = lag_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        level: str | None = None,
        time: str | None = None,
        n_bins: int = 12,
        ax: Any = None,
        **options: Any,
    ) -> WithinCorrelationDisplay:
        """Compare a fitted estimator with its data.

        Parameters
        ----------
        estimator : MixedLinearRegressor
            Fitted.
        X, y, groups
            Exactly what was passed to ``fit``.
        level : str, default=None
            Level within whose groups pairs are formed; None is the lowest.
        time : str, default=None
            Variable that lags are measured in; None is that of the residual
            structure, or else the place of a row within its group.
        n_bins : int, default=12
            With more than 15 distinct lags, bins with equal numbers of pairs.
        ax : Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            Passed to ``plot``.

        Returns
        -------
        WithinCorrelationDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        table = within_correlation(
            estimator, X, y, groups=groups, level=level, time=time, n_bins=n_bins
        )
        own = estimator.results_.specification.residual_time
        name = time or own
        display = cls(table, lag_name=f"lag in {name}" if name else "rows apart")
        return display.plot(ax, **options)

    def plot(
        self,
        ax: Any = None,
        *,
        confidence_level: float = 0.95,
        scatter_kwargs: dict[str, Any] | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> WithinCorrelationDisplay:
        """Draw it.

        Parameters
        ----------
        ax : Axes, default=None
            To draw into; None makes a new figure.
        confidence_level : float, default=0.95
            Of the intervals of the observed correlations.
        scatter_kwargs, line_kwargs : dict, default=None
            Style of what was observed and of what the model implies.

        Returns
        -------
        self
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        z = confidence(confidence_level)
        panel = axes_grid(ax, 1, 1, size=(5.6, 3.8))[0, 0]
        t = self.table
        panel.axhline(0.0, color=muted(panel), linewidth=0.8, zorder=0)
        style = {
            "color": main(panel),
            "marker": "o",
            "linestyle": "none",
            "markersize": 4.5,
            "label": "observed",
        }
        style = merged(style, scatter_kwargs, Line2D)
        half = z * t["std_error"].fillna(0.0)
        panel.vlines(
            t["lag"],
            t["observed"] - half,
            t["observed"] + half,
            color=style.get("color"),
            linewidth=1.0,
            alpha=0.6,
        )
        panel.plot(t["lag"], t["observed"], **style)
        style = {"color": accent(panel), "linewidth": 1.8, "label": "model"}
        if len(t) == 1:
            style |= {"marker": "_", "markersize": 18}
        panel.plot(t["lag"], t["implied"], **merged(style, line_kwargs, Line2D))
        ends = np.concatenate(
            [t["observed"] - half, t["observed"] + half, t["implied"]]
        )
        panel.set_ylim(
            max(-1.02, min(-0.05, np.nanmin(ends) - 0.05)),
            min(1.02, max(0.05, np.nanmax(ends) + 0.08)),
        )
        if len(t) <= 10:
            panel.set_xticks(t["lag"])
        panel.set_xlabel(self.lag_name)
        panel.set_ylabel("correlation within groups")
        panel.legend(frameon=False)
        tidy(panel)
        self.ax_ = panel
        self.figure_ = panel.figure
        return self
