"""Caterpillar plot of the random effects of one level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

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

__all__ = ["RandomEffectsDisplay"]

#: more groups than this are drawn without their labels
LABELLED = 60


class RandomEffectsDisplay:
    """Predicted random effects with intervals, sorted (caterpillar plot).

    Use ``from_estimator`` to make it.

    Parameters
    ----------
    effects : DataFrame
        BLUPs, one row per group, one column per random effect.
    std : DataFrame
        Their standard errors, about the effects.
    level : str
        Name of the level.
    confidence_level : float, default=0.95
        Of the intervals, between 0 and 1.

    Attributes
    ----------
    axes_ : ndarray of Axes
        One per random effect.
    ax_ : Axes
        The first of them.
    figure_ : Figure

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> from sklearn_xmixed.plotting import RandomEffectsDisplay
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    >>> display = RandomEffectsDisplay.from_estimator(model)  # doctest: +SKIP
    """

    def __init__(
        self,
        effects: pd.DataFrame,
        std: pd.DataFrame,
        *,
        level: str,
        confidence_level: float = 0.95,
    ):
        self.effects = effects
        self.std = std
        self.level = level
        self.confidence_level = confidence_level

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        level: str | None = None,
        effects: Sequence[str] | None = None,
        confidence_level: float = 0.95,
        ax: Any = None,
        **options: Any,
    ) -> RandomEffectsDisplay:
        """Draw the random effects of a fitted estimator.

        Parameters
        ----------
        estimator : MixedLinearRegressor
            Fitted.
        level : str, default=None
            Name of the equation; None is the first.
        effects : sequence of str, default=None
            Random effects to draw; None draws all, the intercept first.
        confidence_level : float, default=0.95
            Of the intervals, each group for itself.
        ax : Axes or array of Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            Passed to ``plot``.

        Returns
        -------
        RandomEffectsDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        names = list(estimator.random_effects_)
        if not names:
            raise ValueError("The model has no random effects to draw.")
        level = names[0] if level is None else level
        if level not in names:
            raise ValueError(f"level must be one of {names}, got {level!r}.")
        mean, std = estimator.random_effects(level, return_std=True)
        display = cls(mean, std, level=level, confidence_level=confidence_level)
        return display.plot(ax, effects=effects, **options)

    def _chosen(self, effects: Sequence[str] | None) -> list[str]:
        names = [str(c) for c in self.effects.columns]
        if effects is None:
            return sorted(names, key=lambda name: name != "_cons")
        unknown = [e for e in effects if e not in names]
        if unknown or isinstance(effects, str):
            raise ValueError(f"effects must be a list among {names}, got {effects!r}.")
        return list(effects)

    def plot(
        self,
        ax: Any = None,
        *,
        effects: Sequence[str] | None = None,
        sort: str | bool = True,
        labels: bool | None = None,
        scatter_kwargs: dict[str, Any] | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> RandomEffectsDisplay:
        """Draw it.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            One per effect, or one to be divided; None makes a new figure.
        effects : sequence of str, default=None
            Which of the effects; None draws all.
        sort : bool or str, default=True
            Order of the groups, the same in all panels: by the first effect drawn,
            by the effect named, or (False) as they are.
        labels : bool, default=None
            Whether to write the groups' labels; None does so for up to 60 groups.
        scatter_kwargs, line_kwargs : dict, default=None
            Style of the points and of the intervals.

        Returns
        -------
        self
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        z = confidence(self.confidence_level)
        names = self._chosen(effects)
        n = len(self.effects)
        order = np.arange(n)
        if sort is not False:
            by = names[0] if sort is True else sort
            self._chosen([by])
            order = np.argsort(self.effects[by].to_numpy(), kind="stable")
        labels = n <= LABELLED if labels is None else labels
        height = float(np.clip(0.2 * n + 1.0, 2.8, 9.0)) if labels else 4.8
        axes = axes_grid(
            ax, 1, len(names), size=(1.0 + 3.2 * len(names), height), share_y=True
        )[0]
        place = np.arange(n)
        for panel, name in zip(axes, names, strict=True):
            self._panel(panel, name, order, z, scatter_kwargs, line_kwargs)
        first = axes[0]
        if labels:
            first.set_yticks(place, [_label(x) for x in self.effects.index[order]])
            for panel in axes:
                panel.tick_params(axis="y", length=0)
            first.set_ylabel(self.level)
        else:
            first.set_yticks([])
            first.set_ylabel(f"{n} groups of {self.level}")
        self.axes_ = np.asarray(axes)
        self.ax_ = first
        self.figure_ = first.figure
        return self

    def _panel(
        self,
        panel: Any,
        name: str,
        order: np.ndarray,
        z: float,
        scatter_kwargs: dict[str, Any] | None,
        line_kwargs: dict[str, Any] | None,
    ) -> None:
        """One effect of all groups."""
        from matplotlib.collections import LineCollection
        from matplotlib.lines import Line2D

        n, place = len(order), np.arange(len(order))
        mean = self.effects[name].to_numpy()[order]
        half = z * self.std[name].to_numpy()[order]
        away = np.abs(mean) > half
        panel.axvline(0.0, color=muted(panel), linewidth=0.8, zorder=0)
        width, alpha = (1.2, 0.9) if n <= LABELLED else (0.5, 0.4)
        for mine, colour in ((~away, main(panel)), (away, accent(panel))):
            style = merged(
                {"color": colour, "linewidth": width, "alpha": alpha},
                line_kwargs,
                LineCollection,
            )
            ends = np.stack(
                [
                    np.column_stack([mean - half, place])[mine],
                    np.column_stack([mean + half, place])[mine],
                ],
                axis=1,
            )
            panel.add_collection(LineCollection(list(ends), **style))
            dots = merged(
                {
                    "color": colour,
                    "marker": "o",
                    "linestyle": "none",
                    "markersize": 4.0 if n <= LABELLED else 1.8,
                },
                scatter_kwargs,
                Line2D,
            )
            panel.plot(mean[mine], place[mine], **dots)
        panel.autoscale_view()
        panel.set_ylim(-0.8, n - 0.2)
        title = str(name).removeprefix("R.")
        panel.set_xlabel(
            "random intercept" if name == "_cons" else f"random effect of {title}"
        )
        tidy(panel)


def _label(label: Any) -> str:
    return " / ".join(map(str, label)) if isinstance(label, tuple) else str(label)
