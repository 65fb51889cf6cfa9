"""What the displays share: matplotlib when it is there, colours, axes.

Text, ticks and reference lines take matplotlib's own settings, so that a dark style
stays dark; the two colours of the data are from the palette of Okabe and Ito, in the
shade that suits the background.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "accent",
    "axes_grid",
    "check_matplotlib",
    "confidence",
    "main",
    "merged",
    "muted",
    "tidy",
]

#: (on light ground, on dark ground)
MAIN = ("#0072B2", "#56B4E9")
ACCENT = ("#D55E00", "#E69F00")
MUTED = ("#8C8C8C", "#8C8C8C")


def check_matplotlib(name: str) -> None:
    """Raise ImportError where matplotlib is missing.

    Parameters
    ----------
    name : str
        Who needs it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{name} needs matplotlib, which is not installed. Install it with "
            "pip install 'sklearn-xmixed[plot]'."
        ) from error


def _dark(ax: Any) -> bool:
    from matplotlib.colors import to_rgba

    r, g, b, alpha = to_rgba(ax.get_facecolor())
    if alpha < 0.5:  # transparent: what lies behind
        r, g, b, _ = to_rgba(ax.figure.get_facecolor())
    return 0.299 * r + 0.587 * g + 0.114 * b < 0.5


def main(ax: Any) -> str:
    """Colour of the data and of what is estimated."""
    return MAIN[_dark(ax)]


def accent(ax: Any) -> str:
    """Colour of what is to stand out."""
    return ACCENT[_dark(ax)]


def muted(ax: Any) -> str:
    """Grey of what is in the background."""
    return MUTED[_dark(ax)]


def merged(defaults: dict[str, Any], given: dict[str, Any] | None, kind: Any) -> Any:
    """Style of the user over the defaults, short names allowed."""
    from matplotlib.cbook import normalize_kwargs

    return {**normalize_kwargs(defaults, kind), **normalize_kwargs(given or {}, kind)}


def tidy(ax: Any) -> None:
    """No frame where there is nothing to read."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def axes_grid(
    ax: Any,
    n_rows: int,
    n_columns: int,
    *,
    size: tuple[float, float],
    share_x: bool = False,
    share_y: bool = False,
) -> np.ndarray:
    """Axes of a grid: new ones, inside one axes, or those given.

    Parameters
    ----------
    ax : None, Axes or array of Axes
    size : (width, height)
        Of a new figure, in inches.

    Raises
    ------
    ValueError
        If an array has another number of axes than there are panels.
    """
    import matplotlib.pyplot as plt

    n = n_rows * n_columns
    if ax is None:
        _, axes = plt.subplots(
            n_rows,
            n_columns,
            figsize=size,
            sharex=share_x,
            sharey=share_y,
            squeeze=False,
            layout="constrained",
        )
        return axes
    if isinstance(ax, np.ndarray | list | tuple):
        axes = np.asarray(ax, dtype=object)
        if axes.size != n:
            raise ValueError(f"ax has {axes.size} axes, but there are {n} panels.")
        return axes.reshape(n_rows, n_columns)
    if n == 1:
        return np.array([[ax]], dtype=object)
    ax.set_axis_off()
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError(
            f"There are {n} panels; pass an axes of a subplot grid, {n} axes, or None."
        )
    inner = spec.subgridspec(n_rows, n_columns)
    return inner.subplots(sharex=share_x, sharey=share_y, squeeze=False)


def confidence(level: float, name: str = "confidence_level") -> float:
    """Normal quantile of a two-sided interval."""
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {level!r}.")
    return float(ndtri(0.5 + 0.5 * level))
