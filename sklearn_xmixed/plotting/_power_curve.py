"""Power against the size of a study."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ._style import axes_grid, check_matplotlib, main, merged, muted, tidy

__all__ = ["PowerCurveDisplay"]


class PowerCurveDisplay:
    """Simulated power with its Monte Carlo intervals.

    ``PowerResult.plot`` makes it.

    Parameters
    ----------
    table : DataFrame
        Columns n_groups, n_rows, power, ci_lower and ci_upper.
    alpha : float, default=0.05
        Level of the test, which is drawn.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_xmixed.plotting import PowerCurveDisplay
    >>> table = pd.DataFrame(
    ...     {
    ...         "n_groups": [10, 20],
    ...         "n_rows": [5, 5],
    ...         "power": [0.4, 0.7],
    ...         "ci_lower": [0.37, 0.67],
    ...         "ci_upper": [0.43, 0.73],
    ...     }
    ... )
    >>> PowerCurveDisplay(table).plot()  # doctest: +SKIP
    """

    def __init__(self, table: pd.DataFrame, *, alpha: float = 0.05):
        self.table = table
        self.alpha = alpha

    def plot(
        self,
        ax: Any = None,
        *,
        x: str | None = None,
        target: float | None = 0.8,
        line_kwargs: dict[str, Any] | None = None,
    ) -> PowerCurveDisplay:
        """Draw it.

        Parameters
        ----------
        ax : Axes, default=None
            To draw into; None makes a new figure.
        x : {"n_groups", "n_rows"}, default=None
            What the horizontal axis has; the other makes lines.  None: the groups,
            unless it is the rows alone that differ.
        target : float, default=0.8
            A power to mark; None for none.
        line_kwargs : dict, default=None
            Style of the curves.

        Returns
        -------
        self
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        names = {"n_groups": "groups", "n_rows": "rows in a group"}
        if x is None:
            few = self.table["n_groups"].nunique() < 2 <= self.table["n_rows"].nunique()
            x = "n_rows" if few else "n_groups"
        if x not in names:
            raise ValueError(f"x must be 'n_groups', 'n_rows' or None, got {x!r}.")
        other = "n_rows" if x == "n_groups" else "n_groups"
        panel = axes_grid(ax, 1, 1, size=(5.2, 3.8))[0, 0]
        curves = list(self.table.groupby(other, sort=True))
        for k, (value, part) in enumerate(curves):
            own = part.sort_values(x)
            style = {"color": main(panel) if k == 0 else f"C{k}", "marker": "o"}
            style = merged({**style, "linewidth": 1.6}, line_kwargs, Line2D)
            style.setdefault("label", f"{value:g} {names[other]}")
            ends = np.abs(
                own[["ci_lower", "ci_upper"]].to_numpy().T - own["power"].values
            )
            panel.errorbar(own[x], own["power"], yerr=ends, capsize=2.5, **style)
        for height in (self.alpha, target):
            if height is not None:
                panel.axhline(height, color=muted(panel), linewidth=0.8, linestyle=":")
        if len(curves) > 1:
            panel.legend(frameon=False)
        panel.set(xlabel=names[x], ylabel="power", ylim=(0.0, 1.02))
        tidy(panel)
        self.ax_ = panel
        self.figure_ = panel.figure
        return self
