"""Fitted curves of groups over their data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ._style import accent, axes_grid, check_matplotlib, main, merged, muted, tidy

__all__ = ["GroupCurvesDisplay"]

Array = np.ndarray

#: up to this many groups get a panel each
PANELS = 24


class GroupCurvesDisplay:
    """Observations and fitted curves, group by group.

    Use ``from_estimator`` to make it, or ``from_predictions``.

    Parameters
    ----------
    data : DataFrame
        Columns ``group``, ``x``, ``observed``, ``fitted`` (random effects included)
        and ``fixed`` (nan where it is not known), sorted by group and x.
    x_name, y_name, group_name : str
        Labels of the axes, and what the groups are called.

    Attributes
    ----------
    axes_ : ndarray of Axes
        One per panel.
    ax_ : Axes
        The first of them.
    figure_ : Figure

    Notes
    -----
    A curve joins the fitted values of a group's own rows in the order of x.  So it is
    right whatever else is in the model: columns derived from x, and covariates that
    change within a group, which make it jagged.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> from sklearn_xmixed.plotting import GroupCurvesDisplay
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    >>> display = GroupCurvesDisplay.from_estimator(model, X, y, x="days")  # doctest: +SKIP
    """

    def __init__(
        self,
        data: pd.DataFrame,
        *,
        x_name: str = "x",
        y_name: str = "y",
        group_name: str = "group",
    ):
        self.data = data
        self.x_name = x_name
        self.y_name = y_name
        self.group_name = group_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        x: str,
        groups: Any = None,
        level: str | None = None,
        ax: Any = None,
        **options: Any,
    ) -> GroupCurvesDisplay:
        """Draw a fitted estimator over data.

        Parameters
        ----------
        estimator : MixedLinearRegressor
            Fitted.
        X : data frame of shape (n_samples, n_features)
            Rows, with the columns of ``fit``.
        y : array-like of shape (n_samples,)
            The responses of these rows.
        x : str
            Column of the horizontal axis.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.
        level : str, default=None
            Level whose groups are drawn, its random effects and those above included;
            None is the lowest.
        ax : Axes or array of Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            Passed to ``plot``.

        Returns
        -------
        GroupCurvesDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        estimator._check_offset("Curves")
        fitted = estimator._fitted
        source = estimator._named(X, groups)
        names = [e.group for e in fitted.encoders if e.group != "_all"]
        if not names:
            raise ValueError("The model has no groups to draw curves of.")
        level = names[-1] if level is None else level
        if level not in names:
            raise ValueError(f"level must be one of {names}, got {level!r}.")
        values = source.column(x)
        if values is None:
            raise ValueError(f"x names no column: {x!r}. {source.describe()}")
        labels = source.levels(names)
        path = [np.asarray(labels[g]) for g in names[: names.index(level) + 1]]
        group = path[0] if len(path) == 1 else list(zip(*path, strict=True))
        used = fitted._names_used()
        own = level if level in used else None
        return cls.from_predictions(
            values,
            y,
            estimator.predict(X, groups=groups, level=own),
            group,
            fixed=estimator.predict(X, groups=groups, kind="fixed"),
            x_name=x,
            y_name=fitted.results.target,
            group_name=level,
            ax=ax,
            **options,
        )

    @classmethod
    def from_predictions(
        cls,
        x: Any,
        y: Any,
        fitted: Any,
        groups: Any,
        *,
        fixed: Any = None,
        x_name: str = "x",
        y_name: str = "y",
        group_name: str = "group",
        ax: Any = None,
        **options: Any,
    ) -> GroupCurvesDisplay:
        """Draw given predictions over data.

        Parameters
        ----------
        x, y, fitted : array-like of shape (n_samples,)
            The column to draw against, the response and the fitted values.
        groups : sequence of length n_samples
            Labels.
        fixed : array-like of shape (n_samples,), default=None
            Predictions of the fixed part.
        x_name, y_name, group_name : str
            Labels of the axes, and what the groups are called.
        ax : Axes or array of Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            Passed to ``plot``.

        Returns
        -------
        GroupCurvesDisplay
        """
        label = pd.Series(list(groups), dtype=object)
        try:
            codes, names = pd.factorize(label, sort=True)
        except TypeError:
            codes, names = pd.factorize(label)
        data = pd.DataFrame(
            {
                "x": np.asarray(x, dtype=float),
                "observed": np.asarray(y, dtype=float),
                "fitted": np.asarray(fitted, dtype=float),
                "fixed": np.nan if fixed is None else np.asarray(fixed, dtype=float),
            }
        )
        data.insert(0, "group", np.asarray(names, dtype=object)[codes])
        order = np.lexsort((data["x"].to_numpy(), codes))
        display = cls(
            data.iloc[order].reset_index(drop=True),
            x_name=x_name,
            y_name=y_name,
            group_name=group_name,
        )
        return display.plot(ax, **options)

    def plot(
        self,
        ax: Any = None,
        *,
        layout: str | None = None,
        max_groups: int | None = None,
        fixed: bool = True,
        scatter_kwargs: dict[str, Any] | None = None,
        line_kwargs: dict[str, Any] | None = None,
        fixed_kwargs: dict[str, Any] | None = None,
    ) -> GroupCurvesDisplay:
        """Draw it.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            To draw into; None makes a new figure.
        layout : {"panels", "overlay"}, default=None
            A panel per group, or all groups in one; None is panels for up to 24 groups.
        max_groups : int, default=None
            Groups to draw at most, spread evenly over the order of their fitted means;
            None is 24 panels, or all groups in one.
        fixed : bool, default=True
            Whether to draw the fixed part: in panels that of the group's rows, in an
            overlay its average at each x.
        scatter_kwargs, line_kwargs, fixed_kwargs : dict, default=None
            Style of the observations, the groups' curves and the fixed part.

        Returns
        -------
        self
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        codes = pd.factorize(self.data["group"])[0]
        starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        n = len(starts)
        if layout not in (None, "panels", "overlay"):
            raise ValueError(
                f"layout must be 'panels', 'overlay' or None, got {layout!r}."
            )
        layout = layout or ("panels" if n <= PANELS else "overlay")
        limit = max_groups or (PANELS if layout == "panels" else n)
        chosen = np.arange(n)
        ends = np.append(starts[1:], len(self.data))
        if n > limit:
            sums = np.add.reduceat(self.data["fitted"].to_numpy(), starts)
            by_mean = np.argsort(sums / (ends - starts), kind="stable")
            chosen = np.sort(by_mean[np.linspace(0, n - 1, limit).round().astype(int)])
        parts = [self.data.iloc[starts[g] : ends[g]] for g in chosen]
        styles = scatter_kwargs, line_kwargs, fixed_kwargs
        fixed = fixed and bool(self.data["fixed"].notna().any())
        if layout == "panels":
            self._panels(ax, parts, fixed, n, styles)
        else:
            self._overlay(ax, parts, fixed, n, styles)
        self.figure_ = self.ax_.figure
        return self

    def _panels(
        self,
        ax: Any,
        parts: Sequence[pd.DataFrame],
        fixed: bool,
        n: int,
        styles: tuple[Any, Any, Any],
    ) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        whole = bool((self.data["x"] % 1 == 0).all())
        columns = int(np.ceil(np.sqrt(len(parts) * 1.4)))
        rows = int(np.ceil(len(parts) / columns))
        given = isinstance(ax, np.ndarray | list | tuple)
        if given:
            columns, rows = len(parts), 1
        axes = axes_grid(
            ax,
            rows,
            columns,
            size=(1.5 * columns + 0.8, 1.5 * rows + 0.8),
            share_x=True,
            share_y=True,
        ).ravel()
        for panel, part in zip(axes, parts, strict=False):
            x = part["x"].to_numpy()
            if fixed:
                style = {"color": muted(panel), "linestyle": "--", "linewidth": 1.2}
                panel.plot(x, part["fixed"], **merged(style, styles[2], Line2D))
            style = {"color": accent(panel), "linewidth": 1.6}
            panel.plot(x, part["fitted"], **merged(style, styles[1], Line2D))
            style = {
                "color": main(panel),
                "marker": "o",
                "linestyle": "none",
                "markersize": 2.8,
            }
            panel.plot(x, part["observed"], **merged(style, styles[0], Line2D))
            label = part["group"].iloc[0]
            label = " / ".join(map(str, label)) if isinstance(label, tuple) else label
            panel.set_title(str(label), fontsize="small", pad=3)
            panel.tick_params(labelsize="small")
            panel.xaxis.set_major_locator(MaxNLocator(4, integer=whole))
            tidy(panel)
        for spare in axes[len(parts) :]:
            spare.set_visible(False)
        for j in range(len(parts), len(axes)):  # the panel above shows the ticks
            if j - columns >= 0:
                axes[j - columns].xaxis.set_tick_params(labelbottom=True)
        self.axes_ = axes[: len(parts)]
        self.ax_ = axes[0]
        figure = self.ax_.figure
        if ax is None:
            figure.supxlabel(self.x_name, fontsize="medium")
            figure.supylabel(self.y_name, fontsize="medium")
            what = f"{len(parts)} of {n} groups" if n > len(parts) else ""
            told = f"{self.group_name}: {what}" if what else self.group_name
            note = "fitted" + (", fixed part dashed" if fixed else "")
            figure.suptitle(f"{told} ({note})", fontsize="medium")
        else:
            self.ax_.set_xlabel(self.x_name)
            self.ax_.set_ylabel(self.y_name)

    def _overlay(
        self,
        ax: Any,
        parts: Sequence[pd.DataFrame],
        fixed: bool,
        n: int,
        styles: tuple[Any, Any, Any],
    ) -> None:
        from matplotlib.collections import LineCollection
        from matplotlib.lines import Line2D

        panel = axes_grid(ax, 1, 1, size=(6.4, 4.4))[0, 0]
        data = pd.concat(parts)
        size = len(parts)
        dots = {
            "color": main(panel),
            "marker": "o",
            "linestyle": "none",
            "markersize": 3.2 if size <= 60 else 1.5,
            "markeredgewidth": 0.0,
            "alpha": float(np.clip(1500.0 / len(data), 0.08, 0.6)),
            "label": "observed",
            "rasterized": len(data) > 5000,
        }
        panel.plot(data["x"], data["observed"], **merged(dots, styles[0], Line2D))
        curves = [part[["x", "fitted"]].to_numpy() for part in parts]
        style = {
            "color": muted(panel),
            "linewidth": 1.0 if size <= 60 else 0.6,
            "alpha": float(np.clip(40.0 / size, 0.06, 0.9)),
            "label": "groups" if n == size else f"{size} of {n} groups",
        }
        panel.add_collection(
            LineCollection(curves, **merged(style, styles[1], LineCollection))
        )
        if fixed:
            mean = self.data.groupby("x")["fixed"].mean()
            style = {"color": accent(panel), "linewidth": 2.2, "label": "fixed part"}
            panel.plot(mean.index, mean, **merged(style, styles[2], Line2D))
        panel.autoscale_view()
        panel.set_xlabel(self.x_name)
        panel.set_ylabel(self.y_name)
        legend = panel.legend(frameon=False, loc="best", title=self.group_name)
        for handle in legend.legend_handles:
            handle.set_alpha(1.0)
        tidy(panel)
        self.axes_ = np.array([panel], dtype=object)
        self.ax_ = panel
