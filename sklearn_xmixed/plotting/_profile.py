"""Profile of the likelihood in one parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator
from sklearn.utils.validation import check_is_fitted

from ..diagnostics import Profile, profile
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

__all__ = ["ProfileDisplay"]


class ProfileDisplay:
    """Profile likelihood of one parameter with its interval.

    Use ``from_estimator`` to make it.

    Parameters
    ----------
    profile : Profile
        As from ``sklearn_xmixed.diagnostics.profile``.
    confidence_level : float, default=0.95
        Of the interval that is marked, between 0 and 1.

    Attributes
    ----------
    interval_ : tuple of float
        The profile-likelihood interval.
    ax_ : Axes
    figure_ : Figure

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> from sklearn_xmixed.plotting import ProfileDisplay
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    >>> ProfileDisplay.from_estimator(
    ...     model, X, y, parameter="days"
    ... )  # doctest: +SKIP
    """

    def __init__(self, profile: Profile, *, confidence_level: float = 0.95):
        self.profile = profile
        self.confidence_level = confidence_level

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        parameter: Any,
        groups: Any = None,
        confidence_level: float = 0.95,
        ax: Any = None,
        **options: Any,
    ) -> ProfileDisplay:
        """Profile the likelihood of a fitted estimator and draw it.

        Parameters
        ----------
        estimator : MixedLinearRegressor
            Fitted.
        X, y, sample_weight, groups
            Exactly what was passed to ``fit``.
        parameter : str or (level, term)
            A coefficient, or a variance parameter such as
            ``("subject", "sd(days)")``; see ``sklearn_xmixed.diagnostics.profile``.
        confidence_level : float, default=0.95
            Of the interval that is marked, between 0 and 1.
        ax : Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            Passed to ``plot``.

        Returns
        -------
        ProfileDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        found = profile(estimator, X, y, parameter, sample_weight, groups=groups)
        return cls(found, confidence_level=confidence_level).plot(ax, **options)

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "zeta",
        wald: bool = True,
        line_kwargs: dict[str, Any] | None = None,
        interval_kwargs: dict[str, Any] | None = None,
    ) -> ProfileDisplay:
        """Draw it.

        Parameters
        ----------
        ax : Axes, default=None
            To draw into; None makes a new figure.
        kind : {"zeta", "deviance"}, default="zeta"
            The signed root of the rise in deviance, a straight line where the
            likelihood is a parabola, or the rise itself.
        wald : bool, default=True
            Whether to draw what the standard error makes of it (dashed).
        line_kwargs, interval_kwargs : dict, default=None
            Style of the profile and of the interval.

        Returns
        -------
        self
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        if kind not in ("zeta", "deviance"):
            raise ValueError(f"kind must be 'zeta' or 'deviance', got {kind!r}.")
        panel = axes_grid(ax, 1, 1, size=(5.2, 3.8))[0, 0]
        p = self.profile
        z = confidence(self.confidence_level)
        self.interval_ = p.interval(self.confidence_level)
        keep = np.append(True, np.diff(p.value) > 0)
        curve = PchipInterpolator(p.value[keep], p.zeta[keep])
        at = np.linspace(p.value[0], p.value[-1], 300)

        def height(zeta: Any) -> Any:
            return zeta if kind == "zeta" else np.square(zeta)

        if wald and np.isfinite(p.std_error) and p.std_error > 0:
            straight = height((at - p.estimate) / p.std_error)
            panel.plot(at, straight, color=muted(panel), linestyle="--", linewidth=1.0)
        style = {"color": main(panel), "linewidth": 1.8}
        panel.plot(at, height(curve(at)), **merged(style, line_kwargs, Line2D))
        limits = (-z, z) if kind == "zeta" else (z**2,)
        for limit in limits:
            panel.axhline(limit, color=muted(panel), linewidth=0.8, linestyle=":")
        style = {"color": accent(panel), "linewidth": 1.2}
        style = merged(style, interval_kwargs, Line2D)
        for end, sign in zip(self.interval_, (-1.0, 1.0), strict=True):
            if np.isfinite(end):
                top = height(np.clip(sign * z, p.zeta[0], p.zeta[-1]))
                panel.plot([end, end], [0.0, top], **style)
        panel.plot(
            [p.estimate], [0.0], marker="o", linestyle="none", color=accent(panel)
        )
        top = float(np.abs(p.zeta).max())
        if kind == "zeta":
            panel.axhline(0.0, color=muted(panel), linewidth=0.8, zorder=0)
            panel.set_ylim(-1.1 * min(top, 4.0), 1.1 * min(top, 4.0))
        else:
            panel.set_ylim(0.0, 1.05 * min(top, 4.0) ** 2)
        low, high = self.interval_
        panel.set_title(
            f"{p.estimate:.4g}, {100 * self.confidence_level:g} % interval "
            f"[{low:.4g}, {high:.4g}]",
            fontsize="medium",
        )
        panel.set_xlabel(p.name)
        panel.set_ylabel(
            "signed root of the rise in deviance"
            if kind == "zeta"
            else "rise in deviance"
        )
        tidy(panel)
        self.ax_ = panel
        self.figure_ = panel.figure
        return self
