"""Means or contrasts with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ._style import accent, axes_grid, check_matplotlib, main, merged, muted, tidy

__all__ = ["MarginalMeansDisplay"]

#: panels in one row, and the panels of a figure at most
ACROSS, MOST_PANELS = 4, 40


class MarginalMeansDisplay:
    """Marginal means or contrasts with intervals, one panel per by-level.

    ``MarginalMeans.plot`` and ``Contrasts.plot`` make it, and ``from_estimator``.

    Parameters
    ----------
    table : DataFrame
        With estimate, ci_lower, ci_upper; the index has the levels.
    by : sequence of str, default=()
        Levels of the index that make panels.
    response : str, default="mean"
        Label of the axis of the estimates.
    zero : bool, default=False
        Whether zero means that nothing differs: it is marked, and intervals that do not
        reach it stand out.

    Attributes
    ----------
    axes_ : ndarray of Axes
    ax_ : Axes
        The first of them.
    figure_ : Figure

    Examples
    --------
    >>> from sklearn_xmixed import from_formula
    >>> from sklearn_xmixed.datasets import load_penicillin
    >>> from sklearn_xmixed.plotting import MarginalMeansDisplay
    >>> data = load_penicillin().frame
    >>> model = from_formula("diameter ~ sample + (1 | plate)", data)
    >>> MarginalMeansDisplay.from_estimator(model, "sample")  # doctest: +SKIP
    """

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        by: Sequence[str] = (),
        response: str = "mean",
        zero: bool = False,
    ):
        self.table = table
        self.by = by
        self.response = response
        self.zero = zero

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        specs: Any,
        *,
        by: Any = None,
        ax: Any = None,
        plot_kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> MarginalMeansDisplay:
        """Compute marginal means and draw them.

        Parameters
        ----------
        estimator : MixedLinearRegressor
            Fitted.
        specs, by
            As of ``marginal_means``.
        ax : Axes or array of Axes, default=None
            To draw into; None makes a new figure.
        plot_kwargs : dict, default=None
            Passed to ``plot``.
        **options : dict
            Passed to ``marginal_means``.

        Returns
        -------
        MarginalMeansDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        means = estimator.marginal_means(specs, by=by, **options)
        return means.plot(ax, **(plot_kwargs or {}))

    def _panels(self) -> list[tuple[str, pd.DataFrame]]:
        """Title and rows of every panel."""
        if not len(self.by):
            return [("", self.table)]
        out = []
        by = list(self.by) if len(self.by) > 1 else self.by[0]
        for key, part in self.table.groupby(level=by, sort=False):
            levels = key if isinstance(key, tuple) else (key,)
            title = ", ".join(
                f"{n} = {_text(v)}" for n, v in zip(self.by, levels, strict=True)
            )
            out.append((title, part.droplevel(list(self.by))))
        return out

    def plot(
        self,
        ax: Any = None,
        *,
        line: bool | None = None,
        scatter_kwargs: dict[str, Any] | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> MarginalMeansDisplay:
        """Draw it.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            One per panel, or one to be divided; None makes a new figure.
        line : bool, default=None
            Whether to put the levels on the horizontal axis and join the means; None
            does so for means of one numeric variable.
        scatter_kwargs, line_kwargs : dict, default=None
            Style of the means and of the intervals.

        Returns
        -------
        self
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        panels = self._panels()
        if len(panels) > MOST_PANELS:
            raise ValueError(
                f"There are {len(panels)} panels; at most {MOST_PANELS} are drawn. Choose "
                "levels of the by-variables by at={...}."
            )
        index = panels[0][1].index
        numeric = index.nlevels == 1 and pd.api.types.is_numeric_dtype(index.dtype)
        if line is None:
            line = numeric and not self.zero and len(index) > 1
        columns = min(len(panels), ACROSS)
        rows = -(-len(panels) // columns)
        n = max(len(part) for _, part in panels)
        height = 3.2 if line else float(np.clip(0.32 * n + 1.0, 2.2, 9.0))
        size = (1.2 + 3.1 * columns, 0.3 + height * rows)
        if isinstance(ax, np.ndarray | list | tuple) and np.size(ax) == len(panels):
            axes = np.asarray(ax, dtype=object).reshape(-1)
        else:
            axes = axes_grid(ax, rows, columns, size=size, share_x=True, share_y=True)
        for (title, part), panel in zip(panels, axes.flat, strict=False):
            style = scatter_kwargs, line_kwargs
            if line:
                self._upright(panel, part, *style)
            else:
                self._across(panel, part, *style)
            if title:
                panel.set_title(title, fontsize="medium")
            tidy(panel)
        for panel in axes.flat[len(panels) :]:
            panel.set_axis_off()
        self.axes_ = np.asarray(list(axes.flat[: len(panels)]), dtype=object)
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        return self

    def _upright(
        self, panel: Any, part: pd.DataFrame, dots: dict | None, lines: dict | None
    ) -> None:
        """Levels on the horizontal axis, means joined."""
        from matplotlib.collections import LineCollection
        from matplotlib.lines import Line2D

        index = part.index
        numeric = pd.api.types.is_numeric_dtype(index.dtype)
        x = index.to_numpy(float) if numeric else np.arange(len(part))
        style = {"color": main(panel), "linewidth": 1.2, "alpha": 0.8}
        style = merged(style, lines, LineCollection)
        panel.vlines(x, part["ci_lower"], part["ci_upper"], **style)
        style = {"color": main(panel), "marker": "o", "markersize": 4.5}
        panel.plot(x, part["estimate"], **merged(style, dots, Line2D))
        if not numeric:
            panel.set_xticks(x, [_text(v) for v in index])
        panel.set_xlabel(" ".join(map(str, index.names)))
        if panel.get_subplotspec() is None or panel.get_subplotspec().is_first_col():
            panel.set_ylabel(self.response)

    def _across(
        self, panel: Any, part: pd.DataFrame, dots: dict | None, lines: dict | None
    ) -> None:
        """One line per level, from top to bottom."""
        from matplotlib.collections import LineCollection
        from matplotlib.lines import Line2D

        place = np.arange(len(part))[::-1]
        low, high = part["ci_lower"].to_numpy(), part["ci_upper"].to_numpy()
        away = self.zero & ((low > 0) | (high < 0))
        if self.zero:
            panel.axvline(0.0, color=muted(panel), linewidth=0.8, zorder=0)
        for mine, colour in ((~away, main(panel)), (away, accent(panel))):
            if not mine.any():
                continue
            style = merged(
                {"color": colour, "linewidth": 1.4, "alpha": 0.9}, lines, LineCollection
            )
            panel.hlines(place[mine], low[mine], high[mine], **style)
            style = {
                "color": colour,
                "marker": "o",
                "linestyle": "none",
                "markersize": 5.0,
            }
            mean = part["estimate"].to_numpy()
            panel.plot(mean[mine], place[mine], **merged(style, dots, Line2D))
        panel.set_yticks(place, [_text(v) for v in part.index])
        panel.tick_params(axis="y", length=0)
        panel.set_ylim(-0.7, len(part) - 0.3)
        panel.set_xlabel(self.response)


def _text(level: Any) -> str:
    if isinstance(level, tuple):
        return " / ".join(map(_text, level))
    return f"{level:.6g}" if isinstance(level, float | np.floating) else str(level)
