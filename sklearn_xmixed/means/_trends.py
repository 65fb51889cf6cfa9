"""Marginal trends: averages of slopes in a covariate, by differences of the fixed part."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._estimates import FixedPart
from ._means import MarginalMeans
from .grid import (
    FixedRows,
    FixedVariables,
    averaged_over,
    make_grid,
    targets_of,
)

__all__ = ["marginal_trends"]

Array = np.ndarray
#: step of differences, as a share of the range of the variable
STEP = 1e-3


def _differences(x: Array, h: float, low: float, high: float) -> tuple[Array, Array]:
    """Five points about each x, in steps of h, and their weights in h f'(x).

    They stay inside the range of the variable, where splines end; exact for polynomials up
    to the fourth degree.
    """
    shift = np.zeros(len(x))
    inside = (x >= low) & (x <= high)
    shift[inside] = np.clip(0.0, (low - x) / h + 2.0, (high - x) / h - 2.0)[inside]
    steps = np.arange(-2.0, 3.0) + shift[:, None]
    powers = steps[:, None, :] ** np.arange(5.0)[None, :, None]
    right = np.tile(np.eye(5)[1], (len(x), 1))
    return steps, np.linalg.solve(powers, right[:, :, None])[:, :, 0]


def marginal_trends(
    part: FixedPart,
    known: FixedVariables,
    fixed_rows: FixedRows,
    targets: tuple[Any, Any],
    var: str,
    grid: tuple[Any, str],
    confidence_level: float,
) -> MarginalMeans:
    """See ``MixedLinearRegressor.marginal_trends``; ``targets`` is (specs, by)."""
    specs, by = targets_of(*targets)
    variable = known.variables.get(var) if isinstance(var, str) else None
    if variable is None:
        raise ValueError(f"var {var!r} is no variable. {known.describe()}")
    if variable.levels is not None:
        raise ValueError(
            f"{var!r} is a factor and has no slope; compare its levels by "
            f"marginal_means({var!r}).pairs()."
        )
    laid = make_grid(known, (*by, *specs), *grid)
    span = variable.high - variable.low
    h = STEP * span if span > 0 else 1.0
    x = laid.frame[var].to_numpy(dtype=float)
    steps, weights = _differences(x, h, variable.low, variable.high)
    middle, beside = fixed_rows(laid.frame)
    slope, gone = np.zeros_like(middle), np.zeros_like(beside)
    for step, weight in zip(steps.T, weights.T, strict=True):
        above, more = fixed_rows(laid.frame.assign(**{var: x + step * h}))
        # the weights sum to zero: what does not change leaves no rounding
        slope += weight[:, None] / h * (above - middle)
        gone += weight[:, None] / h * (more - beside)
    words = f"Trends of {var}", averaged_over(known, (*by, *specs, var), *grid)
    return MarginalMeans._over_grid(
        part, laid, (slope, gone), (specs, by), words, confidence_level
    )
